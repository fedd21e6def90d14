//! Distinct counts.

use estimator::estimate;
use serde::{Deserialize, Serialize};
use stored::Stored;
use xxhash_rust::xxh3::xxh3_64;

mod estimator;
mod stored;

/// Index bits.
const P: u32 = 14;
/// Registers.
const M: usize = 1 << P;
/// The greatest number of leading zeros that a hash has beyond its index bits.
const Q: usize = 64 - P as usize;

/// The number of distinct values in a column of any kind, in at most 16 KiB.
///
/// Up to [`EXACT`](Self::EXACT) distinct values it keeps their 64-bit hashes and the count is exact
/// but for collisions of hashes, whose chance is about 10⁻¹³. Beyond, it is the HyperLogLog of
/// Flajolet, Fusy, Gandouet and Meunier (2007) with 2^14 registers, read by the improved raw
/// estimator of Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
/// (arXiv:1702.01284, 2017, algorithm 6), which needs neither bias tables nor a switch between
/// estimators and is unbiased from 0 to 2^64.
///
/// The sketch is a function of the set of values alone: order, repetition, batching and merging
/// leave no trace.
///
/// # Accuracy
///
/// Standard error [`STANDARD_ERROR`](Self::STANDARD_ERROR) (0.81 %). Over 1000 seeds the root mean
/// square error was 0.57 % at 3 000 distinct values, 0.59 % at 10 000 and 0.72 % at 100 000, over
/// 200 seeds 0.83 % at a million, and the bias below a tenth of it.
///
/// # Hashes
///
/// Values are hashed by XXH3 of 64 bits, whose output is fixed by its specification, so that
/// sketches written on one machine merge on another. One sketch holds one type: the integer 1 and
/// the float 1.0 are different values.
///
/// # Cost
///
/// 3 ns for an integer and 10 ns for a short string, 16 to 70 ns while exact; 16 KiB, and 16 to 22
/// KiB of text when stored.
///
/// ```
/// use mlops_core::sketch::HyperLogLog;
///
/// let mut cities = HyperLogLog::default();
/// for city in ["Kyiv", "Oslo", "Kyiv", "Rome"] {
///     cities.insert_str(city);
/// }
/// assert_eq!(cities.estimate(), 3.0);
///
/// let mut ids = HyperLogLog::default();
/// (0..1_000_000).for_each(|id| ids.insert_i64(id));
/// assert!((ids.estimate() - 1e6).abs() < 3e4);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct HyperLogLog {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The distinct hashes, ascending.
    Sparse(Vec<u64>),
    /// [`M`] registers.
    Dense(Vec<u8>),
}

impl Default for HyperLogLog {
    /// An empty sketch.
    fn default() -> Self {
        Self { state: State::Sparse(Vec::new()) }
    }
}

impl HyperLogLog {
    /// The number of distinct values up to which the count is exact.
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// let mut sketch = HyperLogLog::default();
    /// (0..HyperLogLog::EXACT as i64).for_each(|id| sketch.insert_i64(id));
    /// assert_eq!(sketch.estimate(), HyperLogLog::EXACT as f64);
    /// ```
    pub const EXACT: usize = 2048;

    /// The relative standard error of the estimate beyond [`EXACT`](Self::EXACT):
    /// `√(3 ln 2 - 1) / √(2^14)` (Flajolet et al. 2007).
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// assert!((HyperLogLog::STANDARD_ERROR - (3.0 * 2f64.ln() - 1.0).sqrt() / 128.0).abs() < 1e-6);
    /// ```
    pub const STANDARD_ERROR: f64 = 0.008_117;

    /// Takes in every integer of a sequence.
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// let mut sketch = HyperLogLog::default();
    /// sketch.extend_i64([3, 1, 3]);
    /// assert_eq!(sketch.estimate(), 2.0);
    /// ```
    pub fn extend_i64(&mut self, values: impl IntoIterator<Item = i64>) {
        self.extend_hashes(values.into_iter().map(|value| hash_of_eight(value as u64)));
    }

    /// Takes in every float of a sequence, as [`insert_f64`](Self::insert_f64) does.
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// let mut sketch = HyperLogLog::default();
    /// sketch.extend_f64([0.5, 0.0, -0.0]);
    /// assert_eq!(sketch.estimate(), 2.0);
    /// ```
    pub fn extend_f64(&mut self, values: impl IntoIterator<Item = f64>) {
        self.extend_hashes(values.into_iter().map(|value| hash_of_eight(canonical(value))));
    }

    fn extend_hashes(&mut self, hashes: impl Iterator<Item = u64>) {
        let mut hashes = hashes;
        // Of a hash that was just seen the search can be spared.
        let mut recent = [0; 1 << 9];
        while let State::Sparse(_) = self.state {
            let Some(hash) = hashes.next() else { return };
            let seen = &mut recent[(hash >> 20) as usize & ((1 << 9) - 1)];
            if *seen != hash {
                *seen = hash;
                self.insert_hash(hash);
            }
        }
        if let State::Dense(registers) = &mut self.state {
            hashes.for_each(|hash| raise(registers, hash));
        }
    }

    /// Takes in a value by its hash, whose 64 bits must be as good as random.
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// let mut sketch = HyperLogLog::default();
    /// sketch.insert_hash(0x9e37_79b9_7f4a_7c15);
    /// assert_eq!(sketch.estimate(), 1.0);
    /// ```
    pub fn insert_hash(&mut self, hash: u64) {
        match &mut self.state {
            State::Dense(registers) => raise(registers, hash),
            State::Sparse(hashes) => {
                if let Err(i) = hashes.binary_search(&hash) {
                    hashes.insert(i, hash);
                    self.densify();
                }
            }
        }
    }

    /// Takes in a string of bytes.
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// let mut sketch = HyperLogLog::default();
    /// sketch.insert_bytes(&[1, 2, 3]);
    /// assert_eq!(sketch.estimate(), 1.0);
    /// ```
    pub fn insert_bytes(&mut self, value: &[u8]) {
        self.insert_hash(xxh3_64(value));
    }

    /// Takes in a string.
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// let mut sketch = HyperLogLog::default();
    /// sketch.insert_str("north");
    /// sketch.insert_str("south");
    /// assert_eq!(sketch.estimate(), 2.0);
    /// ```
    pub fn insert_str(&mut self, value: &str) {
        self.insert_bytes(value.as_bytes());
    }

    /// Takes in a float. -0 is 0, and every NaN is the same value.
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// let mut sketch = HyperLogLog::default();
    /// [0.0, -0.0, f64::NAN, -f64::NAN].into_iter().for_each(|x| sketch.insert_f64(x));
    /// assert_eq!(sketch.estimate(), 2.0);
    /// ```
    pub fn insert_f64(&mut self, value: f64) {
        self.insert_hash(hash_of_eight(canonical(value)));
    }

    /// Takes in an integer.
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// let mut sketch = HyperLogLog::default();
    /// sketch.insert_i64(-1);
    /// assert_eq!(sketch.estimate(), 1.0);
    /// ```
    pub fn insert_i64(&mut self, value: i64) {
        self.insert_hash(hash_of_eight(value as u64));
    }

    /// Takes in all that another sketch has seen: the result is that of the union of both sets.
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// let (mut left, mut right) = (HyperLogLog::default(), HyperLogLog::default());
    /// left.insert_str("a");
    /// right.insert_str("a");
    /// right.insert_str("b");
    /// left.merge(&right);
    /// assert_eq!(left.estimate(), 2.0);
    /// ```
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.state, &other.state) {
            (State::Dense(mine), State::Dense(theirs)) => {
                mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
            }
            (State::Dense(mine), State::Sparse(theirs)) => theirs.iter().for_each(|&hash| raise(mine, hash)),
            (State::Sparse(mine), State::Dense(theirs)) => {
                let mut registers = theirs.clone();
                mine.iter().for_each(|&hash| raise(&mut registers, hash));
                self.state = State::Dense(registers);
            }
            (State::Sparse(mine), State::Sparse(theirs)) => {
                *mine = union(mine, theirs);
                self.densify();
            }
        }
    }

    /// The number of distinct values: exact if [`is_exact`](Self::is_exact), else an unbiased
    /// estimate.
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// assert_eq!(HyperLogLog::default().estimate(), 0.0);
    /// ```
    pub fn estimate(&self) -> f64 {
        match &self.state {
            State::Sparse(hashes) => hashes.len() as f64,
            State::Dense(registers) => estimate(registers),
        }
    }

    /// Whether there were at most [`EXACT`](Self::EXACT) distinct values, so that the count is
    /// exact.
    ///
    /// ```
    /// # use mlops_core::sketch::HyperLogLog;
    /// assert!(HyperLogLog::default().is_exact());
    /// ```
    pub fn is_exact(&self) -> bool {
        matches!(self.state, State::Sparse(_))
    }

    /// Leaves the set of hashes once it is too long.
    fn densify(&mut self) {
        if let State::Sparse(hashes) = &self.state
            && hashes.len() > Self::EXACT
        {
            let mut registers = vec![0; M];
            hashes.iter().for_each(|&hash| raise(&mut registers, hash));
            self.state = State::Dense(registers);
        }
    }
}

/// The hashes of both ascending lists, ascending.
fn union(mut left: &[u64], mut right: &[u64]) -> Vec<u64> {
    let mut both = Vec::with_capacity(left.len() + right.len());
    while let (Some(&x), Some(&y)) = (left.first(), right.first()) {
        both.push(x.min(y));
        left = &left[usize::from(x <= y)..];
        right = &right[usize::from(y <= x)..];
    }
    both.extend_from_slice(left);
    both.extend_from_slice(right);
    both
}

/// The bits that are hashed for a float.
#[inline]
fn canonical(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { (value + 0.0).to_bits() }
}

/// XXH3 of the eight bytes of `value`, least significant first: what [`xxh3_64`] gives, without the
/// way there.
#[inline(always)]
fn hash_of_eight(value: u64) -> u64 {
    // Words 8 and 16 of the specification's default secret, and its prime for inputs of 4 to 8 bytes.
    const KEY: u64 = 0x1cad_21f7_2c81_017c ^ 0xdb97_9083_e96d_d4de;
    const PRIME: u64 = 0x9fb2_1c65_1e98_df25;
    let mut hash = value.rotate_left(32) ^ KEY;
    hash ^= hash.rotate_left(49) ^ hash.rotate_left(24);
    hash = hash.wrapping_mul(PRIME);
    hash ^= (hash >> 35) + 8;
    hash = hash.wrapping_mul(PRIME);
    hash ^ hash >> 28
}

/// Raises the register named by the first bits of a hash to the position of the first one among the
/// others.
#[inline]
fn raise(registers: &mut [u8], hash: u64) {
    let register = &mut registers[(hash >> (64 - P)) as usize];
    let position = (hash << P).leading_zeros().min(Q as u32) + 1;
    // After the first thousands hardly any hash raises one.
    if position as u8 > *register {
        *register = position as u8;
    }
}

#[cfg(test)]
mod tests;
