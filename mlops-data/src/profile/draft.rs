use super::Profile;
use crate::expect::{Expectations, Suggest};

impl Profile {
    /// Drafts what the next delivery must look like, for a person to edit: the rows of this profile
    /// pass, and rows much like them do too. From one profile nothing is known of what is usual, so
    /// most checks only warn; from several, [`Suggest::from_deliveries`] knows more, and there stands
    /// what becomes of what was seen.
    ///
    /// # Example
    /// ```
    /// use mlops_core::Table;
    /// use mlops_data::profile::Profile;
    /// # let batch = arrow::array::record_batch!(("delay", Float64, [0.0, 8.0, 4.0]))?;
    /// let table = Table::from_batch(batch);
    /// let expectations = Profile::of(&table)?.expectations();
    /// let checks: Vec<String> = expectations.columns[0].checks.iter().map(ToString::to_string).collect();
    /// assert_eq!(checks[..3], ["never null", "finite", "within 0..=10"]);
    /// assert_eq!(expectations.check(&table)?.quarantined.num_rows(), 0);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    pub fn expectations(&self) -> Expectations {
        Suggest::from_profile(self).draft(None)
    }
}
