//! The hierarchy of compactors inside [`Kll`](super::Kll).

use std::cmp::Ordering;

use super::mix;

/// The least capacity of a compactor: smaller ones save nothing and cost time and accuracy.
const LEAST: usize = 64;

/// More levels than 2^64 values can fill.
pub(super) const MOST_LEVELS: usize = 62;

/// Levels of values in which every value of level `h` stands for 2^h of the input.
///
/// Level 0 takes the input in any order; the others are sorted. When all of them together are full,
/// the lowest level that exceeds its own share is sorted and every second value of it moves up
/// (lazy compaction, Ivkin et al. 2019). Capacities fall by 2/3 from the top down to [`LEAST`].
///
/// Of a long input, level 0 is [sampled](Self::sample) rather than sorted, and the levels up to that
/// of the sample stay empty.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Compactors {
    pub(super) k: usize,
    pub(super) seed: u64,
    /// Bit `h` is the last coin of level `h`.
    pub(super) coins: u64,
    /// Bit `h` tells that the next compaction of level `h` takes the complement of its last coin.
    pub(super) owed: u64,
    pub(super) levels: Vec<Vec<f64>>,
    room: usize,
}

impl Compactors {
    /// Takes over levels, of which all but the first are sorted, and makes room in them.
    pub(super) fn new(k: usize, seed: u64, levels: Vec<Vec<f64>>, count: u64) -> Self {
        let mut compactors = Self { k, seed, coins: 0, owed: 0, levels, room: 0 };
        compactors.compress(count);
        compactors
    }

    /// Takes over stored state as it was, if it has room.
    pub(super) fn restore(k: usize, seed: u64, coins: u64, owed: u64, levels: Vec<Vec<f64>>) -> Option<Self> {
        let stored = levels.iter().map(Vec::len).sum();
        let room = capacity(k, levels.len()).checked_sub(stored).filter(|room| *room > 0)?;
        Some(Self { k, seed, coins, owed, levels, room })
    }

    /// How many values can be pushed before a compaction; at least 1.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// Takes in those of at most [`room`](Self::room) values which aren't NaN, and gives the slice
    /// of them.
    pub(super) fn push(&mut self, values: &[f64]) -> &[f64] {
        let input = &mut self.levels[0];
        let before = input.len();
        // Adding 0 turns -0 into 0.
        if values.iter().fold(false, |any, x| any | x.is_nan()) {
            input.extend(values.iter().filter(|x| !x.is_nan()).map(|x| x + 0.0));
        } else {
            input.extend(values.iter().map(|x| x + 0.0));
        }
        self.room -= input.len() - before;
        &input[before..]
    }

    /// Makes room again if none is left; `count` is the length of the input so far.
    pub(super) fn settle(&mut self, count: u64) {
        if self.room == 0 {
            self.compress(count);
        }
    }

    /// Takes in the levels of another hierarchy; `count` is the length of both inputs.
    pub(super) fn merge(&mut self, other: &[Vec<f64>], count: u64) {
        while self.levels.len() < other.len() {
            self.levels.push(Vec::new());
        }
        for (h, (mine, theirs)) in self.levels.iter_mut().zip(other).enumerate() {
            if h == 0 {
                mine.extend_from_slice(theirs);
            } else {
                merge_into(mine, theirs, 0, 1);
            }
        }
        self.compress(count);
    }

    /// The distinct values held, ascending, and how much of the input each stands for.
    pub(super) fn weighted_values(&self) -> Vec<(f64, u64)> {
        let mut pairs = self.pairs().collect::<Vec<_>>();
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        pairs.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 = if same { kept.1.saturating_add(next.1) } else { kept.1 };
            same
        });
        pairs
    }

    /// Every value held, in no order, and its weight.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (f64, u64)> {
        let levels = self.levels.iter().zip(0u32..);
        levels.flat_map(|(level, h)| level.iter().map(move |&x| (x, 1u64.checked_shl(h).unwrap_or(u64::MAX))))
    }

    fn compress(&mut self, count: u64) {
        loop {
            let stored: usize = self.levels.iter().map(Vec::len).sum();
            self.room = capacity(self.k, self.levels.len()).saturating_sub(stored);
            if self.room > 0 {
                return;
            }
            // Were every level below its share, their sum would be below the capacity, which is the
            // sum of the shares.
            let full = self.levels.iter().rev().zip(shares(self.k)).map(|(level, share)| level.len() >= share);
            let lowest = full.enumerate().filter(|(_, full)| *full).last();
            let lowest = lowest.map_or(0, |(depth, _)| self.levels.len() - 1 - depth);
            self.compact(lowest, count);
        }
    }

    fn compact(&mut self, h: usize, count: u64) {
        if h + 1 == self.levels.len() {
            self.levels.push(Vec::new());
        }
        let bits = block_bits(self.k, count);
        if h == 0 && bits > 0 {
            return self.sample(bits, count);
        }
        if h == 0 {
            sort(&mut self.levels[0]);
        }
        // Of an odd number the least value stays behind, at its present weight.
        let odd = self.levels[h].len() % 2;
        let offset = usize::from(self.flip(h, count));
        let (lower, upper) = self.levels.split_at_mut(h + 1);
        let (source, target) = (&mut lower[h], &mut upper[0]);
        merge_into(target, &source[odd..], offset, 2);
        source.truncate(odd);
    }

    /// Of every 2^`bits` successive values of level 0 one, drawn by chance, moves up to level `bits`, for
    /// all of them: what compactors of two values below that level would come to, at the cost of one
    /// (the sampler of Karnin, Lang and Liberty 2016, section 4).
    fn sample(&mut self, bits: usize, count: u64) {
        if self.levels.len() <= bits {
            self.levels.resize(bits + 1, Vec::new());
        }
        let (input, upper) = self.levels.split_at_mut(1);
        let blocks = input[0].chunks_exact(1 << bits);
        let rest = blocks.remainder().len();
        // Some of the values are enough to tell partitions of one seed and size apart.
        let salt = input[0].iter().step_by(1 << bits).fold(mix(self.seed ^ mix(count)), chain);
        let draw = |(i, block): (u64, &[f64])| block[mix(salt ^ i) as usize & (block.len() - 1)];
        let mut drawn: Vec<f64> = (0..).zip(blocks).map(draw).collect();
        sort(&mut drawn);
        merge_into(&mut upper[bits - 1], &drawn, 0, 1);
        let sampled = input[0].len() - rest;
        input[0].drain(..sampled);
    }

    /// A coin that is fair and independent between compactions, except that every second one of a
    /// level is the complement of the one before: errors of two successive compactions then tend to
    /// cancel (Ivkin et al. 2019).
    ///
    /// It is a hash of what is compacted, so that partitions with the same seed and sizes still err
    /// independently, and of the length of the input, so that a repeating input doesn't repeat its
    /// errors.
    fn flip(&mut self, h: usize, count: u64) -> bool {
        let bit = 1u64 << (h & 63);
        if self.owed & bit == 0 {
            let start = mix(self.seed ^ mix(count ^ (h as u64) << 56));
            let hash = self.levels[h].iter().fold(start, chain);
            self.coins = if mix(hash) & 1 == 1 { self.coins | bit } else { self.coins & !bit };
        } else {
            self.coins ^= bit;
        }
        self.owed ^= bit;
        self.coins & bit != 0
    }
}

/// How many values, as a power of two, one of level 0 may stand for at once in an input of length
/// `count`: a sample of one in 4n/k² adds a standard deviation of 0.58/k to a rank, where the bound on
/// its error leaves room for one of 1.06/k and compaction takes 0.4/k.
fn block_bits(k: usize, count: u64) -> usize {
    let most = LEAST.min(k).ilog2() - 1;
    let size = (count / (k * k) as u64).saturating_mul(4).max(1);
    size.ilog2().min(most) as usize
}

/// Sorts values of which none is NaN or -0, so that this is the total order.
fn sort(values: &mut [f64]) {
    values.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
}

/// Hashes one more value.
#[inline]
fn chain(hash: u64, x: &f64) -> u64 {
    (hash.rotate_left(5) ^ x.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Counts a value, which isn't NaN nor -0, in a sorted table.
pub(super) fn tally(table: &mut Vec<(f64, u64)>, x: f64, count: u64) {
    match table.binary_search_by(|entry| entry.0.total_cmp(&x)) {
        Ok(i) => table[i].1 = table[i].1.saturating_add(count),
        Err(i) => table.insert(i, (x, count)),
    }
}

/// The levels that stand for a sorted table without error: each count in binary, except that what
/// exceeds the weight which the top level would have for an input of length `total` becomes several
/// values there.
pub(super) fn spread(table: &[(f64, u64)], total: u64, k: usize) -> Vec<Vec<f64>> {
    let top = (total / k as u64).max(1).ilog2() as usize;
    let mut levels = vec![Vec::new(); top + 1];
    for &(x, count) in table {
        for (h, level) in levels[..top].iter_mut().enumerate() {
            level.extend((count >> h & 1 == 1).then_some(x));
        }
        levels[top].extend(std::iter::repeat_n(x, (count >> top) as usize));
    }
    levels
}

/// Merges every `step`-th of ascending values, from `offset` on, into an ascending list, from the
/// end, in place. Their number is a multiple of `step`.
fn merge_into(target: &mut Vec<f64>, source: &[f64], offset: usize, step: usize) {
    let (mut left, mut right) = (target.len(), source.len() / step);
    target.resize(left + right, 0.0);
    while left > 0 && right > 0 {
        let (x, y) = (source[(right - 1) * step + offset], target[left - 1]);
        // Which one is greater can't be predicted, so there is no branch on it.
        let stays = y > x;
        target[left + right - 1] = if stays { y } else { x };
        left -= usize::from(stays);
        right -= usize::from(!stays);
    }
    for at in 0..right {
        target[at] = source[at * step + offset];
    }
}

/// The number of values that `levels` compactors hold together.
fn capacity(k: usize, levels: usize) -> usize {
    shares(k).take(levels).sum()
}

/// The capacities of the compactors from the top down: k, 2k/3, 4k/9, … but at least [`LEAST`].
fn shares(k: usize) -> impl Iterator<Item = usize> {
    let least = LEAST.min(k);
    std::iter::successors(Some(k), |share| Some(if *share <= LEAST { *share } else { (2 * *share).div_ceil(3) }))
        .map(move |share| share.max(least))
}
