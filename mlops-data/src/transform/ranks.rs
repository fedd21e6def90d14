//! Exact quantiles in bounded memory.

use arrow::array::ArrayRef;
use mlops_core::{Error, Result};

use super::index::Ints;
use super::learn::{ColumnFold, Settled, present};

/// Values of up to so many different ones are counted.
const DIFFERENT: usize = 1 << 12;
/// So many values of a range are kept; of more, they are counted by narrower ranges first.
const KEPT: u64 = 1 << 18;
/// A range is cut into this many bits at a time.
const BITS: u32 = 16;

/// Exact quantiles of a column of numbers, by linear interpolation between the two nearest values, as
/// numpy's.
///
/// A column of few different values takes one pass that counts them. Otherwise a pass counts values
/// by ranges, those whose uppermost 16 bits are equal, and another keeps the values of the ranges that
/// matter; ranges of more than 262,144 values are narrowed by further passes, at most four in all. So
/// memory does not grow with the rows. NaN counts as missing.
#[derive(Clone, Debug)]
pub(super) struct Quantiles<const N: usize> {
    shares: [f64; N],
    /// Values in order that are known: where they stand, and what they are.
    found: Vec<(u64, f64)>,
    count: u64,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Counted { values: Ints, counts: Vec<u64> },
    Ranges(Vec<Range>),
}

/// Values whose first bits are equal.
#[derive(Clone, Debug)]
struct Range {
    /// The first bits, and how many they are.
    prefix: u64,
    bits: u32,
    /// How many values are below all of these, and how many these are.
    below: u64,
    count: u64,
    /// The places that are looked for.
    ranks: Vec<u64>,
    seen: Seen,
}

#[derive(Clone, Debug)]
enum Seen {
    /// By their next bits.
    Counts(Vec<u64>),
    Keys(Vec<u64>),
}

/// The bits of a number in the order of `f64::total_cmp`.
#[inline]
fn key_of(x: f64) -> u64 {
    let bits = x.to_bits();
    bits ^ ((bits as i64 >> 63) as u64 | 1 << 63)
}

fn value_of(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key ^ 1 << 63 } else { !key })
}

impl<const N: usize> Quantiles<N> {
    /// Of these shares of the values, in 0..=1.
    pub(super) fn new(shares: [f64; N]) -> Self {
        let state = State::Counted { values: Ints::default(), counts: Vec::new() };
        Self { shares, found: Vec::new(), count: 0, state }
    }

    /// The quantiles, in the order of the shares; `None` without values.
    pub(super) fn finish(&self) -> Result<Option<[f64; N]>> {
        let Some(last) = self.count.checked_sub(1) else { return Ok(None) };
        let mut quantiles = [0.0; N];
        for (quantile, share) in quantiles.iter_mut().zip(self.shares) {
            *quantile = self.quantile(share, last)?;
        }
        Ok(Some(quantiles))
    }

    fn quantile(&self, share: f64, last: u64) -> Result<f64> {
        let (below, weight) = position(share, last);
        let low = self.value_at(below)?;
        if weight == 0.0 || below == last {
            return Ok(low);
        }
        let high = self.value_at(below + 1)?;
        Ok(if weight == 0.5 { low.midpoint(high) } else { low + (high - low) * weight })
    }

    fn value_at(&self, rank: u64) -> Result<f64> {
        let found = self.found.iter().find(|(found, _)| *found == rank);
        found.map(|(_, value)| *value).ok_or_else(|| Error::internal(format!("the value at {rank} was not looked for")))
    }

    /// The places of the values that the quantiles are made of.
    fn ranks(&self) -> Vec<u64> {
        let Some(last) = self.count.checked_sub(1) else { return Vec::new() };
        let around = |share: &f64| {
            let below = position(*share, last).0;
            [below, (below + 1).min(last)]
        };
        let mut ranks: Vec<u64> = self.shares.iter().flat_map(around).collect();
        ranks.sort_unstable();
        ranks.dedup();
        ranks
    }

    /// Goes over from counting values to counting ranges, if they are too many different ones.
    fn spill(&mut self) {
        if let State::Counted { values, counts } = &self.state
            && counts.len() > DIFFERENT
        {
            let mut ranges = Range::whole();
            for (key, count) in values.keys().iter().zip(counts) {
                ranges.add(*key as u64, *count);
            }
            self.state = State::Ranges(vec![ranges]);
        }
    }
}

/// The place of a quantile: the value below it, and how far it is on the way to the next.
fn position(share: f64, last: u64) -> (u64, f64) {
    let position = share * last as f64;
    let below = (position.floor() as u64).min(last);
    (below, position - below as f64)
}

impl Range {
    fn whole() -> Self {
        Self { prefix: 0, bits: 0, below: 0, count: 0, ranks: Vec::new(), seen: Seen::Counts(vec![0; 1 << BITS]) }
    }

    #[inline]
    fn holds(&self, key: u64) -> bool {
        self.bits == 0 || key >> (64 - self.bits) == self.prefix
    }

    #[inline]
    fn add(&mut self, key: u64, count: u64) {
        match &mut self.seen {
            Seen::Counts(counts) => counts[(key << self.bits >> (64 - BITS)) as usize] += count,
            Seen::Keys(keys) => keys.push(key),
        }
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        match (&mut self.seen, other.seen) {
            (Seen::Counts(mine), Seen::Counts(theirs)) => mine.iter_mut().zip(theirs).for_each(|(m, t)| *m += t),
            (Seen::Keys(mine), Seen::Keys(mut theirs)) => mine.append(&mut theirs),
            _ => return Err(Error::internal("two folds of one range differ in kind")),
        }
        Ok(())
    }

    /// The values at the places that are looked for, and narrower ranges with those that aren't known.
    fn settle(self, name: &str, found: &mut Vec<(u64, f64)>) -> Result<Vec<Self>> {
        let (seen, expected) = match &self.seen {
            Seen::Counts(counts) => (counts.iter().sum(), self.count),
            Seen::Keys(keys) => (keys.len() as u64, self.count),
        };
        if seen != expected {
            return Err(Error::data(format!(
                "column '{name}' was read again and has other values than before: fit on data that nobody is changing"
            )));
        }
        match self.seen {
            Seen::Keys(mut keys) => {
                for rank in self.ranks {
                    let (_, key, _) = keys.select_nth_unstable((rank - self.below) as usize);
                    found.push((rank, value_of(*key)));
                }
                Ok(Vec::new())
            }
            Seen::Counts(counts) => Ok(narrower(self.prefix, self.bits, self.below, &counts, &self.ranks, found)),
        }
    }
}

/// The parts of a range that the places of `ranks` are in; of a range of all bits, the values.
fn narrower(
    prefix: u64,
    bits: u32,
    below: u64,
    counts: &[u64],
    ranks: &[u64],
    found: &mut Vec<(u64, f64)>,
) -> Vec<Range> {
    let (mut below, bits) = (below, bits + BITS);
    let mut ranges = Vec::new();
    for (part, count) in (0..).zip(counts) {
        let inside: Vec<u64> = ranks.iter().copied().filter(|rank| (below..below + count).contains(rank)).collect();
        let prefix = prefix << BITS | part;
        if bits == 64 {
            found.extend(inside.into_iter().map(|rank| (rank, value_of(prefix))));
        } else if !inside.is_empty() {
            let seen = if *count <= KEPT { Seen::Keys(Vec::new()) } else { Seen::Counts(vec![0; 1 << BITS]) };
            ranges.push(Range { prefix, bits, below, count: *count, ranks: inside, seen });
        }
        below += count;
    }
    ranges
}

impl<const N: usize> ColumnFold for Quantiles<N> {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        match &mut self.state {
            State::Counted { values, counts } => {
                present(column, name, |x| {
                    let code = values.intern(key_of(x) as i64);
                    if code == counts.len() {
                        counts.push(0);
                    }
                    counts[code] += 1;
                })?;
                self.spill();
                Ok(())
            }
            State::Ranges(ranges) => match ranges.as_mut_slice() {
                [Range { bits: 0, seen: Seen::Counts(counts), .. }] => {
                    present(column, name, |x| counts[(key_of(x) >> (64 - BITS)) as usize] += 1)
                }
                ranges => present(column, name, |x| {
                    let key = key_of(x);
                    if let Some(range) = ranges.iter_mut().find(|range| range.holds(key)) {
                        range.add(key, 1);
                    }
                }),
            },
        }
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        match (&mut self.state, other.state) {
            (State::Counted { values, counts }, State::Counted { values: keys, counts: theirs }) => {
                for (key, count) in keys.keys().iter().zip(theirs) {
                    let code = values.intern(*key);
                    if code == counts.len() {
                        counts.push(0);
                    }
                    counts[code] += count;
                }
                self.spill();
            }
            (State::Ranges(ranges), State::Counted { values, counts }) => {
                for (key, count) in values.keys().iter().zip(counts) {
                    ranges.iter_mut().for_each(|range| range.add(*key as u64, count));
                }
            }
            (State::Ranges(mine), State::Ranges(theirs)) => {
                return mine.iter_mut().zip(theirs).try_for_each(|(mine, theirs)| mine.merge(theirs));
            }
            (State::Counted { .. }, State::Ranges(theirs)) => {
                let mine = std::mem::replace(&mut self.state, State::Ranges(theirs));
                let mine = Self { shares: self.shares, found: Vec::new(), count: 0, state: mine };
                return self.merge(mine);
            }
        }
        Ok(())
    }

    fn settle(mut self, name: &str) -> Result<Settled<Self>> {
        let ranges = match self.state {
            State::Counted { values, counts } => {
                let mut pairs: Vec<(u64, u64)> = values.keys().iter().map(|key| *key as u64).zip(counts).collect();
                pairs.sort_unstable();
                self.count = pairs.iter().map(|(_, count)| count).sum();
                self.state = State::Ranges(Vec::new());
                let (ranks, mut below) = (self.ranks(), 0);
                for (key, count) in pairs {
                    let inside = ranks.iter().filter(|rank| (below..below + count).contains(rank));
                    self.found.extend(inside.map(|rank| (*rank, value_of(key))));
                    below += count;
                }
                return Ok(Settled::Done(self));
            }
            State::Ranges(ranges) => ranges,
        };
        self.state = State::Ranges(Vec::new());
        let mut next = Vec::new();
        for mut range in ranges {
            if let (0, Seen::Counts(counts)) = (range.bits, &range.seen) {
                range.count = counts.iter().sum();
                self.count = range.count;
                range.ranks = self.ranks();
            }
            next.extend(range.settle(name, &mut self.found)?);
        }
        let done = next.is_empty();
        self.state = State::Ranges(next);
        Ok(if done { Settled::Done(self) } else { Settled::Again(self) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Float64Array;
    use mlops_core::random::SplitMix64;

    use super::*;
    use crate::transform::learn::Values;

    fn quantiles<const N: usize>(values: &[f64], shares: [f64; N]) -> (Option<[f64; N]>, usize) {
        let mut start = Quantiles::new(shares);
        for pass in 1.. {
            let mut parts = [start.clone(), start.clone(), start.clone()];
            for (i, piece) in values.chunks(1_000).enumerate() {
                let piece: ArrayRef = Arc::new(Float64Array::from(piece.to_vec()));
                parts[i * i % 3].update(&piece, "x").unwrap();
            }
            let [mut whole, second, third] = parts;
            whole.merge(second).unwrap();
            whole.merge(third).unwrap();
            match whole.settle("x").unwrap() {
                Settled::Again(next) => start = next,
                Settled::Done(done) => return (done.finish().unwrap(), pass),
            }
        }
        unreachable!("a loop without an end")
    }

    fn check(values: &[f64]) -> usize {
        let shares = [0.0, 0.25, 0.5, 0.9, 0.999, 1.0];
        let (actual, passes) = quantiles(values, shares);
        let mut all = Values::of(values.to_vec());
        let expected: Vec<u64> = shares.iter().map(|share| all.quantile(*share).unwrap().to_bits()).collect();
        assert_eq!(actual.unwrap().into_iter().map(f64::to_bits).collect::<Vec<_>>(), expected);
        passes
    }

    #[test]
    fn quantiles_are_those_of_all_values() {
        let mut rng = SplitMix64::new(3);
        assert_eq!(check(&[2.0]), 1);
        assert_eq!(check(&[4.0, -0.0, 1.0, 0.0, f64::INFINITY, -3.0]), 1);
        let few: Vec<f64> = (0..9_999).map(|_| rng.below(50) as f64 - 20.0).collect();
        assert_eq!(check(&few), 1);
        let many: Vec<f64> = (0..50_001).map(|_| rng.uniform() * 1e6 - 4e5).collect();
        assert_eq!(check(&many), 2);
        // All values in one range of the first pass, more than are kept.
        let close: Vec<f64> = (0..600_000).map(|_| 1e9 + rng.uniform()).collect();
        assert!(check(&close) > 2);
        // One value more often than values are kept.
        let often = (0..700_000).map(|i| if i % 2 == 0 { 0.1 } else { rng.uniform() }).collect::<Vec<f64>>();
        assert_eq!(check(&often), 4);
        assert_eq!(quantiles(&[], [0.5]).0, None);
    }

    #[test]
    fn other_values_in_a_later_pass_are_an_error() {
        let column = |n: usize| Arc::new((0..n).map(|i| Some(i as f64 / 7.0)).collect::<Float64Array>()) as ArrayRef;
        let mut first = Quantiles::new([0.5]);
        first.update(&column(10_000), "fare").unwrap();
        let Settled::Again(mut second) = first.settle("fare").unwrap() else { panic!("one pass was enough") };
        second.update(&column(5_000), "fare").unwrap();
        assert!(second.settle("fare").unwrap_err().to_string().contains("'fare'"));
    }
}
