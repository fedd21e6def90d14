mod apply;
mod compare;
mod fit;
mod hostile;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};

use self::compare::{must, replace};
use super::Trial;
use crate::{Codecs, Error, Run, Table, Transform, Transformer};

/// A transformer recipe, data to fit it on and the codecs that read it back: what [`transformer`]
/// tries.
///
/// The data should have some 20 to 500 rows in it, nulls where the recipe takes them, and columns
/// that the recipe does not name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransformerSubject {
    /// What the trials are called after.
    pub name: String,
    /// The recipe.
    pub recipe: Arc<dyn Transformer>,
    /// What it is fitted on.
    pub data: Table,
    /// What reads the recipe and the fitted transform back.
    pub codecs: Codecs,
    /// Whether fitting promises not to depend on the order of rows; it does unless said otherwise.
    pub ignores_row_order: bool,
    /// Whether the fitted transform must work row by row; it must unless said otherwise.
    pub has_rows: bool,
    /// Whether there may be other training rows after fitting; there may not unless said otherwise.
    pub changes_rows: bool,
}

impl TransformerSubject {
    /// A recipe to try.
    pub fn new(name: impl Into<String>, recipe: impl Transformer, data: Table, codecs: Codecs) -> Self {
        let recipe = Arc::new(recipe);
        Self { name: name.into(), recipe, data, codecs, ignores_row_order: true, has_rows: true, changes_rows: false }
    }

    /// What is fitted depends on the order of rows.
    #[must_use]
    pub fn with_row_order(mut self) -> Self {
        self.ignores_row_order = false;
        self
    }

    /// There are other training rows after fitting; rows that are served must pass through all the same.
    #[must_use]
    pub fn with_row_changes(mut self) -> Self {
        self.changes_rows = true;
        self
    }

    /// The fitted transform only takes batches.
    #[must_use]
    pub fn with_batches_only(mut self) -> Self {
        self.has_rows = false;
        self
    }
}

/// What every [`Transformer`] and the [`Transform`] that it fits must do.
///
/// The columns that the fitted transform needs are found by leaving out one after the other; those are
/// tried with nulls, NaN, infinities, unseen categories, other types and the role of an outcome. The
/// recipe is fitted some hundred times.
///
/// # Example
/// ```
/// use mlops_core::conformance::{TransformerSubject, run_all, transformer};
/// use mlops_core::{Codecs, Pipeline, Table};
///
/// let batch = arrow::array::record_batch!(("n", Float64, [Some(1.0), None, Some(3.0)]), ("s", Utf8, ["a", "b", "c"]))?;
/// let subject = TransformerSubject::new("no steps", Pipeline::new(), Table::from_batch(batch), Codecs::default());
/// run_all(transformer(subject), |trial| futures::executor::block_on(trial));
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub fn transformer(subject: TransformerSubject) -> Vec<Trial> {
    let subject = Arc::new(subject);
    let trial = |what: &str, check: fn(&TransformerSubject)| {
        let subject = Arc::clone(&subject);
        Trial::new(format!("{}::{what}", subject.name), move || check(&subject))
    };
    vec![
        trial("gives_the_declared_schema", apply::declared_schema),
        trial("prepares_pieces_as_the_whole", apply::pieces_as_whole),
        trial("prepares_rows_as_batches", apply::rows_as_batches),
        trial("keeps_an_empty_batch_empty", apply::empty_batch),
        trial("finds_columns_by_name", apply::permuted_columns),
        trial("leaves_a_shared_batch_alone", apply::shared_batch),
        trial("fits_the_same_in_any_batches", fit::any_batches),
        trial("fits_the_same_on_any_threads", fit::any_threads),
        trial("fits_the_same_in_any_order", fit::any_order),
        trial("fits_and_transforms_in_one_consistently", fit::fit_transform_consistent),
        fit::from_a_source(&subject),
        trial("stops_when_cancelled", fit::cancelled),
        trial("knows_what_it_was_fitted_on", fit::knows_its_rows),
        trial("survives_saving", fit::survives_saving),
        trial("fits_the_same_from_its_settings", fit::settings_round_trip),
        trial("refuses_damaged_state_or_stays_sane", hostile::damaged_state),
        trial("names_a_missing_column", hostile::missing_column),
        trial("names_a_column_of_another_type", hostile::other_types),
        trial("refuses_a_leak", hostile::leak),
        trial("does_not_need_the_target_to_apply", apply::without_target),
        trial("handles_null_columns", hostile::null_columns),
        trial("handles_nan_and_infinities", hostile::extreme_numbers),
        trial("handles_unseen_categories", hostile::unseen_categories),
        trial("handles_no_rows_to_fit_on", hostile::no_rows),
    ]
}

impl TransformerSubject {
    fn fit(&self) -> Arc<dyn Transform> {
        must("fit", self.recipe.fit(&self.data, &Run::default()))
    }

    fn batch(&self) -> RecordBatch {
        must("join the batches", self.data.to_batch())
    }

    /// The columns that `fitted` can't do without.
    fn needed(&self, fitted: &dyn Transform) -> Vec<usize> {
        let schema = self.data.schema();
        let without = |i: usize| {
            let others: Vec<usize> = (0..schema.fields().len()).filter(|other| *other != i).collect();
            must("leave out a column", schema.project(&others).map_err(Error::from))
        };
        (0..schema.fields().len()).filter(|i| fitted.output_schema(&without(*i)).is_err()).collect()
    }

    /// The data with another column in the place of the `i`-th.
    fn with_column(&self, i: usize, column: ArrayRef) -> Table {
        let batch = replace(&self.batch(), i, column);
        Table::from_batch(batch).with_roles(self.data.roles())
    }
}
