use mlops_core::sketch::{Kll, SketchError, TopK};
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// How accurate a [`Profile`](super::Profile) is, for how much memory.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::profile::{Profile, ProfileOptions};
/// # let table = Table::from_batch(arrow::array::record_batch!(("n", Int32, [3, 1, 2]))?);
/// // Quantiles exact up to 10,000 distinct values, then 0.03 % off.
/// let options = ProfileOptions::default().with_quantile_capacity(10_000);
/// assert_eq!(Profile::of_with(&table, &options)?.rows(), 3);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProfileOptions {
    /// Up to how many distinct values quantiles and histograms are exact, from 8 to 65,535; beyond,
    /// the error of a rank is about 2.3 / this.
    pub quantile_capacity: usize,
    /// Up to how many distinct texts their frequencies are exact, from 2 to 2²⁴; beyond, the error
    /// of a frequency is at most 2 / this.
    pub text_capacity: usize,
    /// Up to how many bytes of distinct texts, 20 more counted for each, their frequencies are exact; beyond, the
    /// rarer half is forgotten, and each frequency states its error.
    pub text_bytes: usize,
}

impl Default for ProfileOptions {
    fn default() -> Self {
        Self { quantile_capacity: 550, text_capacity: 1024, text_bytes: 1 << 15 }
    }
}

impl ProfileOptions {
    /// Up to how many distinct values quantiles and histograms are exact.
    #[must_use]
    pub fn with_quantile_capacity(mut self, capacity: usize) -> Self {
        self.quantile_capacity = capacity;
        self
    }

    /// Up to how many distinct texts their frequencies are exact.
    #[must_use]
    pub fn with_text_capacity(mut self, capacity: usize) -> Self {
        self.text_capacity = capacity;
        self
    }

    /// Up to how many bytes of distinct texts their frequencies are exact.
    #[must_use]
    pub fn with_text_bytes(mut self, bytes: usize) -> Self {
        self.text_bytes = bytes;
        self
    }

    pub(super) fn quantiles(&self) -> Result<Kll> {
        Kll::new(self.quantile_capacity).map_err(refused)
    }

    pub(super) fn texts(&self) -> Result<TopK> {
        Ok(TopK::new(self.text_capacity).map_err(refused)?.with_budget(self.text_bytes))
    }

    /// Lengths need less: they are few, or their distribution is worth no more.
    pub(super) fn lengths(&self) -> Result<Kll> {
        Kll::new(self.quantile_capacity.min(32)).map_err(refused)
    }
}

fn refused(error: SketchError) -> Error {
    Error::config(format!("profile options: {error}")).with_source(error)
}
