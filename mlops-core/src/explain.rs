use std::fmt::Debug;

use arrow::array::RecordBatch;

use crate::{Artifact, Model, Result};

/// Says how much each input contributed to an answer.
#[diagnostic::on_unimplemented(message = "`{Self}` is not an explainer")]
pub trait Explainer: Debug + Send + Sync + 'static {
    /// The contributions for the rows of `batch`: one `Float64` column for each input of the model,
    /// named as the input, and the column `base_value`. In each row, base value and contributions
    /// add up to the explained score (the probability of the last class, or the regression).
    ///
    /// # Errors
    /// As [`Model::predict`].
    fn explain(&self, model: &dyn Model, batch: &RecordBatch) -> Result<RecordBatch>;

    /// Writes it down.
    ///
    /// # Errors
    /// If the state can't be written.
    fn save(&self) -> Result<Artifact>;
}
