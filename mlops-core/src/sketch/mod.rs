//! Mergeable summaries of columns: exact sums and moments, quantiles, distinct counts, frequent
//! values, histograms.
//!
//! Every sketch is the same small fold: `update` it with values, `merge` it with its siblings, and
//! ask. Profiles, the fitting of transformers, metrics and drift references are built from these
//! folds, so each of them streams in bounded memory, runs on every core by partition and grows
//! incrementally.
//!
//! | sketch | answers | memory | exact and order-independent |
//! |---|---|---|---|
//! | [`ExactSum`] | sums, dot products | ≤ 1.1 KiB | always, correctly rounded |
//! | [`Moments`] | count, mean, variance, extremes | ≤ 2.3 KiB | always, correctly rounded |
//! | [`Shape`] | skewness, kurtosis | ≤ 2.3 KiB | order: always; powers to 106 bits |
//! | [`CoMoments`] | covariance, correlation | ≤ 5.7 KiB | always |
//! | [`Histogram`] | counts between fixed edges | 16 B a bin | always |
//! | [`HyperLogLog`] | number of distinct values | ≤ 16 KiB | order: always; exact: to [`HyperLogLog::EXACT`] |
//! | [`Kll`] | quantiles, ranks, distribution functions | about 3 *k* values | while at most *k* distinct values |
//! | [`TopK`] | most frequent strings | capacity × string | while at most capacity distinct values |
//!
//! "Order-independent" is meant bit for bit: any split into batches, any order of the rows and any
//! tree of merges gives equal sketches with equal bytes. Beyond its exact range a [`Kll`] or
//! [`TopK`] keeps a stated error bound under any such regrouping, and is still a deterministic
//! function of the calls made on it.
//!
//! All of them are plain data: they implement serde, and bytes that do not describe a possible
//! sketch are refused while reading, so that no later call panics or allocates beyond what was
//! read.
//!
//! ```
//! use mlops_core::sketch::{Kll, Moments};
//!
//! let (mut left, mut right) = (Moments::default(), Moments::default());
//! left.update_slice(&[1.0, 2.0]);
//! right.update_slice(&[3.0, 4.0]);
//! left.merge(&right);
//! assert_eq!(left.mean(), Some(2.5));
//!
//! let mut quantiles = Kll::default();
//! quantiles.update_slice(&[4.0, 1.0, 3.0, 2.0]);
//! assert_eq!(quantiles.quantile(0.5), Some(2.0));
//! ```

mod comoments;
mod compactor;
mod digits;
mod exact;
mod fixed;
mod histogram;
mod hll;
mod kll;
mod moments;
mod number;
mod shape;
mod topk;

pub use comoments::CoMoments;
pub use exact::ExactSum;
pub use histogram::Histogram;
pub use hll::HyperLogLog;
pub use kll::Kll;
pub use moments::Moments;
pub use shape::Shape;
pub use topk::{Hit, TopK};

/// Why a sketch could not be made, read or merged.
///
/// ```
/// use mlops_core::sketch::{Kll, SketchError};
///
/// let refused = Kll::new(1).unwrap_err();
/// assert!(matches!(refused, SketchError::Capacity { given: 1, .. }));
/// assert_eq!(refused.to_string(), "Kll takes a capacity from 8 to 65535, not 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SketchError {
    /// The size asked for is outside what the sketch supports.
    #[error("{sketch} takes a capacity from {min} to {max}, not {given}")]
    Capacity {
        /// The sketch that was asked for.
        sketch: &'static str,
        /// The capacity asked for.
        given: usize,
        /// The least capacity it takes.
        min: usize,
        /// The greatest capacity it takes.
        max: usize,
    },
    /// The serialized state describes no possible sketch.
    #[error("stored {sketch} is corrupt: {problem}")]
    Corrupt {
        /// The sketch that was being read.
        sketch: &'static str,
        /// What is impossible about it.
        problem: &'static str,
    },
    /// The edges of a histogram do not delimit bins.
    #[error("histogram edges must be {expected}")]
    Edges {
        /// What edges have to be.
        expected: &'static str,
    },
    /// Two sketches that describe different things cannot be merged.
    #[error("cannot merge two {sketch}s: {problem}")]
    Mismatch {
        /// The sketch that was being merged.
        sketch: &'static str,
        /// What differs.
        problem: &'static str,
    },
}

impl SketchError {
    fn corrupt(sketch: &'static str, problem: &'static str) -> Self {
        Self::Corrupt { sketch, problem }
    }
}

/// Turns a failed check of stored state into the error that names it.
fn ensure(holds: bool, sketch: &'static str, problem: &'static str) -> Result<(), SketchError> {
    if holds { Ok(()) } else { Err(SketchError::corrupt(sketch, problem)) }
}

/// The finaliser of splitmix64 (Steele, Lea and Flood 2014): a bijection whose every output bit
/// depends on every input bit.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod testing {
    use super::mix;

    /// A seeded stream of uniform and normal numbers for tests that measure accuracy.
    pub(super) struct Stream(pub(super) u64);

    impl Stream {
        pub(super) fn bits(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(self.0)
        }

        pub(super) fn uniform(&mut self) -> f64 {
            (self.bits() >> 11) as f64 / (1u64 << 53) as f64
        }

        pub(super) fn normal(&mut self) -> f64 {
            let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
            radius * (std::f64::consts::TAU * self.uniform()).cos()
        }

        pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
            for i in (1..items.len()).rev() {
                items.swap(i, (self.bits() % (i as u64 + 1)) as usize);
            }
        }
    }

    #[test]
    fn sketches_are_send_sync_and_static() {
        fn check<
            T: Send
                + Sync
                + Clone
                + std::fmt::Debug
                + PartialEq
                + serde::Serialize
                + serde::de::DeserializeOwned
                + 'static,
        >() {
        }
        check::<super::CoMoments>();
        check::<super::ExactSum>();
        check::<super::Histogram>();
        check::<super::Hit>();
        check::<super::HyperLogLog>();
        check::<super::Kll>();
        check::<super::Moments>();
        check::<super::Shape>();
        check::<super::TopK>();
    }
}
