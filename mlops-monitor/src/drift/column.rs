use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use mlops_core::columns::{find_column, is_numeric, is_text, numbers};
use mlops_core::{Error, FeatureDrift, Result, ResultExt, Table};
use serde::{Deserialize, Serialize};

use super::categories::Categories;
use super::cells::Cells;
use crate::stats::Outcome;

/// A column that is watched, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Column {
    pub(super) name: String,
    /// The least effect that counts as drift.
    min_effect: f64,
    watch: Watch,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Watch {
    ChiSquare { categories: Categories },
    Ks { cells: Cells, exact_up_to: u64 },
    Psi { cells: Cells },
}

/// What a recipe wants of a column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plan {
    ChiSquare { min_effect: f64, max_categories: usize },
    Ks { min_effect: f64, max_cells: usize, exact_up_to: u64 },
    Psi { threshold: f64, bins: usize },
}

/// The values of a column of a batch, in the form that its test reads.
pub(super) enum Values {
    Numbers(Float64Array),
    Texts(StringArray),
}

impl Column {
    pub(super) fn fit(name: &str, reference: &Table, plan: Plan) -> Result<Self> {
        Self::fit_watch(name, reference, plan).context("column", name)
    }

    fn fit_watch(name: &str, reference: &Table, plan: Plan) -> Result<Self> {
        let index = find_column(reference.schema(), name)?;
        let arrays = reference.batches().iter().map(|batch| batch.column(index));
        let (min_effect, watch) = match plan {
            Plan::ChiSquare { min_effect, max_categories } => {
                let texts = arrays.map(|array| categories_of(array, name)).collect::<Result<Vec<_>>>()?;
                (min_effect, Watch::ChiSquare { categories: Categories::fit(&texts, max_categories)? })
            }
            Plan::Ks { min_effect, max_cells, exact_up_to } => {
                let values = arrays.map(|array| numbers(array, name)).collect::<Result<Vec<_>>>()?;
                (min_effect, Watch::Ks { cells: Cells::on_values(&values, max_cells)?, exact_up_to })
            }
            Plan::Psi { threshold, bins } => {
                let values = arrays.map(|array| numbers(array, name)).collect::<Result<Vec<_>>>()?;
                (threshold, Watch::Psi { cells: Cells::in_bins(&values, bins)? })
            }
        };
        Ok(Self { name: name.to_owned(), min_effect, watch })
    }

    /// Finds and converts the column, changing nothing yet.
    pub(super) fn read(&self, batch: &RecordBatch) -> Result<Values> {
        let array = batch.column(find_column(batch.schema_ref(), &self.name)?);
        match &self.watch {
            Watch::ChiSquare { .. } => categories_of(array, &self.name).map(Values::Texts),
            Watch::Ks { .. } | Watch::Psi { .. } => numbers(array, &self.name).map(Values::Numbers),
        }
    }

    pub(super) fn observe(&mut self, values: &Values) {
        match (&mut self.watch, values) {
            (Watch::ChiSquare { categories }, Values::Texts(texts)) => categories.observe(texts),
            (Watch::Ks { cells, .. } | Watch::Psi { cells }, Values::Numbers(numbers)) => cells.observe(numbers),
            // `read` gives the form that the test reads.
            (Watch::ChiSquare { .. }, Values::Numbers(_)) | (_, Values::Texts(_)) => {}
        }
    }

    pub(super) fn merge(&mut self, other: &Self) -> Result<()> {
        match (&mut self.watch, &other.watch) {
            (Watch::ChiSquare { categories: a }, Watch::ChiSquare { categories: b }) if a.same_reference(b) => {
                a.merge(b)
            }
            (Watch::Ks { cells: a, .. }, Watch::Ks { cells: b, .. }) if a.same_reference(b) => a.merge(b),
            (Watch::Psi { cells: a }, Watch::Psi { cells: b }) if a.same_reference(b) => a.merge(b),
            _ => {
                return Err(Error::config(format!(
                    "windows of column '{}' have different references: merge monitors loaded from one artifact",
                    self.name
                )));
            }
        }
        Ok(())
    }

    pub(super) fn reset(&mut self) {
        match &mut self.watch {
            Watch::ChiSquare { categories } => categories.reset(),
            Watch::Ks { cells, .. } | Watch::Psi { cells } => cells.reset(),
        }
    }

    /// Refuses what can't have been written by `save`.
    pub(super) fn check(&mut self) -> Result<()> {
        match &mut self.watch {
            Watch::ChiSquare { categories } => categories.check(),
            Watch::Ks { cells, .. } | Watch::Psi { cells } => cells.check(),
        }
        .context("column", &self.name)
    }

    /// Each test of the column, by name.
    pub(super) fn test(&self) -> Vec<(&'static str, Outcome)> {
        match &self.watch {
            Watch::ChiSquare { categories } => vec![("chi_square", categories.test())],
            Watch::Ks { cells, exact_up_to } => {
                let values = ("ks", cells.ks(*exact_up_to));
                [values].into_iter().chain(cells.missing().map(|outcome| ("missing", outcome))).collect()
            }
            Watch::Psi { cells } => vec![("psi", cells.psi())],
        }
    }

    pub(super) fn verdict(&self, test: &str, outcome: Outcome, threshold: f64) -> FeatureDrift {
        FeatureDrift::by_p_value(&self.name, test, outcome.statistic, outcome.p_value, threshold)
            .with_effect(outcome.effect, self.min_effect)
    }

    pub(super) fn new_categories(&self) -> Vec<(&str, u64)> {
        match &self.watch {
            Watch::ChiSquare { categories } => categories.new_categories().collect(),
            Watch::Ks { .. } | Watch::Psi { .. } => Vec::new(),
        }
    }
}

/// Whether [`DriftSuite`](super::DriftSuite) and [`ChiSquare`](super::ChiSquare) take a column as
/// categories without being told to.
pub(super) fn is_category(data_type: &DataType) -> bool {
    is_text(data_type) || *data_type == DataType::Boolean
}

/// Whether a column is tested as numbers without being told to.
pub(super) fn is_number(data_type: &DataType) -> bool {
    is_numeric(data_type) && *data_type != DataType::Boolean
}

fn categories_of(array: &ArrayRef, name: &str) -> Result<StringArray> {
    let data_type = array.data_type();
    if !is_category(data_type) && !data_type.is_integer() {
        return Err(Error::schema(format!(
            "column '{name}' is {data_type}, a text, boolean or whole number is needed: watch it with KsTest or Psi, \
             or convert it in the source"
        )));
    }
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}
