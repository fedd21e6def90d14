//! Counts between fixed edges.

use serde::{Deserialize, Serialize};

use super::number::{Number, restore, store};
use super::{SketchError, ensure};

/// The most bins a histogram may have.
const MOST_BINS: usize = 1 << 20;

/// How many values of a column fall between fixed edges, below, above, or are no numbers.
///
/// Bins are those of numpy and pandas' `cut(right=False)`: each contains its lower edge but not its
/// upper one, except the last, which contains both. The outermost edges may be infinite, so that
/// nothing is outside, as for the population stability index. The result does not depend on order,
/// batching or merging.
///
/// # Cost
///
/// A binary search a value; 16 bytes a bin.
///
/// ```
/// use mlops_core::sketch::Histogram;
///
/// let mut histogram = Histogram::uniform(0.0, 10.0, 2)?;
/// histogram.update_slice(&[0.0, 4.9, 5.0, 10.0, 11.0, f64::NAN]);
/// assert_eq!(histogram.counts(), [2, 2]);
/// assert_eq!((histogram.underflow(), histogram.overflow(), histogram.nan()), (0, 1, 1));
/// # Ok::<(), mlops_core::sketch::SketchError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Histogram {
    edges: Vec<f64>,
    counts: Vec<u64>,
    underflow: u64,
    overflow: u64,
    nan: u64,
    nulls: u64,
}

impl Histogram {
    /// An empty histogram of `bins` equal bins from `min` to `max`, with the edges of numpy's
    /// `linspace`.
    ///
    /// # Errors
    ///
    /// [`SketchError::Capacity`] unless there are 1 to 2^20 bins; [`SketchError::Edges`] unless
    /// `min` and `max` are finite and far enough apart.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// assert_eq!(Histogram::uniform(0.0, 1.0, 4)?.edges(), [0.0, 0.25, 0.5, 0.75, 1.0]);
    /// assert!(Histogram::uniform(1.0, 1.0, 4).is_err());
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn uniform(min: f64, max: f64, bins: usize) -> Result<Self, SketchError> {
        check_bins(bins)?;
        if !(min.is_finite() && max.is_finite()) {
            return Err(SketchError::Edges { expected: "finite to be evenly spaced" });
        }
        let step = (max - min) / bins as f64;
        let inner = |i: usize| {
            let part = i as f64 / bins as f64;
            if step.is_finite() { min + i as f64 * step } else { min * (1.0 - part) + max * part }
        };
        Self::from_edges((0..bins).map(inner).chain([max]).collect())
    }

    /// An empty histogram with a bin between each two successive edges.
    ///
    /// # Errors
    ///
    /// [`SketchError::Edges`] unless the edges are strictly ascending; [`SketchError::Capacity`]
    /// unless they delimit 1 to 2^20 bins.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// let mut ages = Histogram::from_edges(vec![f64::NEG_INFINITY, 18.0, 65.0, f64::INFINITY])?;
    /// ages.update_slice(&[17.0, 18.0, 99.0]);
    /// assert_eq!(ages.counts(), [1, 1, 1]);
    /// assert!(Histogram::from_edges(vec![1.0, 1.0]).is_err());
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn from_edges(edges: Vec<f64>) -> Result<Self, SketchError> {
        let bins = edges.len().saturating_sub(1);
        check_bins(bins)?;
        if !edges.is_sorted_by(|a, b| a < b) {
            return Err(SketchError::Edges { expected: "strictly ascending numbers" });
        }
        // Adding 0 turns -0 into 0, so that equal edges are equal bytes.
        let edges = edges.into_iter().map(|edge| edge + 0.0).collect();
        Ok(Self { edges, counts: vec![0; bins], underflow: 0, overflow: 0, nan: 0, nulls: 0 })
    }

    /// Counts one value.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// let mut histogram = Histogram::uniform(0.0, 1.0, 1)?;
    /// histogram.update(0.5);
    /// assert_eq!(histogram.count(), 1);
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn update(&mut self, x: f64) {
        let last = self.counts.len();
        let counter = match self.edges.partition_point(|edge| *edge <= x) {
            _ if x.is_nan() => &mut self.nan,
            0 => &mut self.underflow,
            above if above <= last => &mut self.counts[above - 1],
            _ if x == self.edges[last] => &mut self.counts[last - 1],
            _ => &mut self.overflow,
        };
        *counter = counter.saturating_add(1);
    }

    /// Counts every value of a slice.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// let mut histogram = Histogram::uniform(0.0, 2.0, 2)?;
    /// histogram.update_slice(&[0.5, 1.5, 1.6]);
    /// assert_eq!(histogram.counts(), [1, 2]);
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn update_slice(&mut self, values: &[f64]) {
        values.iter().for_each(|&x| self.update(x));
    }

    /// Counts missing values.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// let mut histogram = Histogram::uniform(0.0, 1.0, 1)?;
    /// histogram.update_nulls(3);
    /// assert_eq!((histogram.nulls(), histogram.count()), (3, 0));
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn update_nulls(&mut self, nulls: u64) {
        self.nulls = self.nulls.saturating_add(nulls);
    }

    /// Adds the counts of a histogram with the same edges.
    ///
    /// # Errors
    ///
    /// [`SketchError::Mismatch`] if the edges differ; nothing is added then.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// let mut left = Histogram::uniform(0.0, 1.0, 2)?;
    /// let mut right = left.clone();
    /// right.update(0.75);
    /// left.merge(&right)?;
    /// assert_eq!(left.counts(), [0, 1]);
    /// assert!(left.merge(&Histogram::uniform(0.0, 2.0, 2)?).is_err());
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn merge(&mut self, other: &Self) -> Result<(), SketchError> {
        if self.edges != other.edges {
            return Err(SketchError::Mismatch { sketch: "Histogram", problem: "their edges differ" });
        }
        let mine =
            self.counts.iter_mut().chain([&mut self.underflow, &mut self.overflow, &mut self.nan, &mut self.nulls]);
        let theirs = other.counts.iter().chain([&other.underflow, &other.overflow, &other.nan, &other.nulls]);
        mine.zip(theirs).for_each(|(mine, theirs)| *mine = mine.saturating_add(*theirs));
        Ok(())
    }

    /// The edges, one more than there are bins.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// assert_eq!(Histogram::uniform(0.0, 2.0, 2)?.edges(), [0.0, 1.0, 2.0]);
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The number of values in each bin.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// assert_eq!(Histogram::uniform(0.0, 2.0, 2)?.counts(), [0, 0]);
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The number of numbers seen, inside and outside the bins, without NaN and nulls.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// let mut histogram = Histogram::uniform(0.0, 1.0, 1)?;
    /// histogram.update_slice(&[-5.0, 0.5, f64::NAN]);
    /// assert_eq!(histogram.count(), 2);
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn count(&self) -> u64 {
        self.counts.iter().chain([&self.underflow, &self.overflow]).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The fraction of [`count`](Self::count) in each bin; `None` if that is 0.
    ///
    /// They add up to 1 less what is below and above all bins.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// let mut histogram = Histogram::uniform(0.0, 2.0, 2)?;
    /// assert_eq!(histogram.proportions(), None);
    /// histogram.update_slice(&[0.5, 1.5, 1.7, 3.0]);
    /// assert_eq!(histogram.proportions(), Some(vec![0.25, 0.5]));
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn proportions(&self) -> Option<Vec<f64>> {
        let total = self.count();
        (total > 0).then(|| self.counts.iter().map(|&count| count as f64 / total as f64).collect())
    }

    /// The number of values below the first edge.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// let mut histogram = Histogram::uniform(0.0, 1.0, 1)?;
    /// histogram.update(-0.1);
    /// assert_eq!(histogram.underflow(), 1);
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn underflow(&self) -> u64 {
        self.underflow
    }

    /// The number of values above the last edge.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// let mut histogram = Histogram::uniform(0.0, 1.0, 1)?;
    /// histogram.update(f64::INFINITY);
    /// assert_eq!(histogram.overflow(), 1);
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// The number of NaN.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// let mut histogram = Histogram::uniform(0.0, 1.0, 1)?;
    /// histogram.update(f64::NAN);
    /// assert_eq!(histogram.nan(), 1);
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn nan(&self) -> u64 {
        self.nan
    }

    /// The number of missing values.
    ///
    /// ```
    /// # use mlops_core::sketch::Histogram;
    /// assert_eq!(Histogram::uniform(0.0, 1.0, 1)?.nulls(), 0);
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn nulls(&self) -> u64 {
        self.nulls
    }
}

fn check_bins(bins: usize) -> Result<(), SketchError> {
    if (1..=MOST_BINS).contains(&bins) {
        Ok(())
    } else {
        Err(SketchError::Capacity { sketch: "Histogram", given: bins, min: 1, max: MOST_BINS })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Histogram", deny_unknown_fields)]
struct Stored {
    edges: Vec<Number>,
    counts: Vec<u64>,
    underflow: u64,
    overflow: u64,
    nan: u64,
    nulls: u64,
}

impl From<Histogram> for Stored {
    fn from(histogram: Histogram) -> Self {
        let Histogram { edges, counts, underflow, overflow, nan, nulls } = histogram;
        Self { edges: store(&edges), counts, underflow, overflow, nan, nulls }
    }
}

impl TryFrom<Stored> for Histogram {
    type Error = SketchError;

    fn try_from(stored: Stored) -> Result<Self, SketchError> {
        let Stored { edges, counts, underflow, overflow, nan, nulls } = stored;
        ensure(
            edges.len() == counts.len().saturating_add(1),
            "Histogram",
            "it must have one count between each two edges",
        )?;
        let empty = Self::from_edges(restore(&edges))?;
        Ok(Self { counts, underflow, overflow, nan, nulls, ..empty })
    }
}

#[cfg(test)]
mod tests;
