use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field, Schema};
use mlops_core::columns::find_column;
use mlops_core::random::SplitMix64;
use mlops_core::{Artifact, Codecs, Error, Explainer, Load, Model, Named, Predictions, Result, Signature, Table};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::coalitions::Coalitions;
use super::stored;

/// Explains answers by Shapley values, for any model: what each input adds to the score, on average
/// over all orders in which the inputs of the row could replace those of background rows.
///
/// With up to `exact_up_to` inputs all 2ⁿ coalitions are asked, and the values are exact. With more,
/// `permutations` random orders and their reverses stand for all (Štrumbelj and Kononenko,
/// "Explaining prediction models and individual predictions with feature contributions", Knowl.
/// Inf. Syst. 41, 2014). Both ways, base value and contributions add up to the score.
///
/// A row costs predictions for (2ⁿ, or 2·`permutations`·n) × `background` rows, in batches.
///
/// # Example
/// ```
/// use mlops_core::{Role, Table};
/// use mlops_monitor::ShapleyExplainer;
///
/// let rows = arrow::array::record_batch!(("km", Float64, [1.0, 2.0]), ("late", Boolean, [true, false]))?;
/// let rows = Table::from_batch(rows).with_role("late", Role::Target)?;
/// let explainer = ShapleyExplainer::default().with_background(50).fit(&rows)?;
/// assert_eq!(explainer.num_background_rows(), 2);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ShapleyExplainer {
    /// How many rows stand for what is typical, at most.
    pub background: usize,
    /// Up to how many inputs the values are exact; at most 16.
    pub exact_up_to: usize,
    /// Beyond, how many random orders are tried, each with its reverse; at most 10,000.
    pub permutations: usize,
    /// Chooses the background rows and the orders.
    pub seed: u64,
}

impl Default for ShapleyExplainer {
    fn default() -> Self {
        Self { background: 100, exact_up_to: 10, permutations: 10, seed: 0 }
    }
}

impl Named for ShapleyExplainer {
    const KIND: &'static str = "shapley_explainer";
}

impl ShapleyExplainer {
    /// The most orders that are tried, so that a stored recipe can't ask for more memory than there is.
    const MAX_PERMUTATIONS: usize = 10_000;

    /// With another number of background rows.
    #[must_use]
    pub fn with_background(mut self, rows: usize) -> Self {
        self.background = rows;
        self
    }

    /// Exact up to another number of inputs.
    #[must_use]
    pub fn with_exact_up_to(mut self, inputs: usize) -> Self {
        self.exact_up_to = inputs;
        self
    }

    /// With another number of random orders.
    #[must_use]
    pub fn with_permutations(mut self, permutations: usize) -> Self {
        self.permutations = permutations;
        self
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Keeps a random choice of rows as background, with the feature columns of the table.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for settings that make no sense,
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if there are no rows.
    pub fn fit(&self, background: &Table) -> Result<Shapley> {
        self.check()?;
        let features = background.features();
        let table = background.select(features.iter().map(|feature| feature.name()))?;
        if table.num_rows() == 0 {
            return Err(Error::data("no background rows: give some that are typical, such as training rows"));
        }
        let mut rows: Vec<usize> = (0..table.num_rows()).collect();
        SplitMix64::new(self.seed).shuffle(&mut rows);
        rows.truncate(self.background);
        rows.sort_unstable();
        Ok(Shapley { recipe: self.clone(), background: table.take(&rows)?.to_batch()? })
    }

    fn check(&self) -> Result<()> {
        let problem = match self {
            _ if self.background == 0 => "background is 0: at least 1 row is needed",
            _ if self.exact_up_to > 16 => "exact_up_to is over 16: 65,536 coalitions a row are the most",
            _ if self.permutations == 0 => "permutations is 0: at least 1 is needed",
            _ if self.permutations > Self::MAX_PERMUTATIONS => "permutations is over 10,000: choose fewer",
            _ => return Ok(()),
        };
        Err(Error::config(problem))
    }
}

/// A fitted [`ShapleyExplainer`].
#[derive(Clone, Debug, PartialEq)]
pub struct Shapley {
    recipe: ShapleyExplainer,
    background: RecordBatch,
}

impl Shapley {
    /// The most rows that are predicted at once.
    const ROWS_AT_ONCE: usize = 16_384;

    /// How many background rows are kept.
    pub fn num_background_rows(&self) -> usize {
        self.background.num_rows()
    }

    fn coalitions(&self, inputs: usize) -> Coalitions {
        if inputs <= self.recipe.exact_up_to {
            Coalitions::all(inputs)
        } else {
            Coalitions::along(inputs, self.recipe.permutations, self.recipe.seed)
        }
    }

    /// The background with the columns of the model.
    fn background_of(&self, signature: &Signature) -> Result<RecordBatch> {
        for input in &signature.inputs {
            find_column(self.background.schema_ref(), &input.name).map_err(|error| {
                error.with_context("background", "fit the explainer on rows with all inputs of the model")
            })?;
        }
        signature.check(&self.background)
    }
}

impl Explainer for Shapley {
    fn explain(&self, model: &dyn Model, batch: &RecordBatch) -> Result<RecordBatch> {
        let signature = model.signature();
        let rows = signature.check(batch)?;
        let background = self.background_of(signature)?;
        let coalitions = self.coalitions(signature.inputs.len());
        let base = mean(&scores(model, &background)?);
        let explained = (0..rows.num_rows()).into_par_iter().map(|row| {
            let values = coalition_values(model, &rows.slice(row, 1), &background, &coalitions, base)?;
            Ok(coalitions.contributions(&values))
        });
        let explained = explained.collect::<Result<Vec<_>>>()?;
        explanation(signature, &explained, base)
    }

    fn save(&self) -> Result<Artifact> {
        Ok(Artifact::of::<Self>(&self.recipe)?.with_blob(Self::BACKGROUND, stored::write(&self.background)?))
    }
}

impl Shapley {
    const BACKGROUND: &'static str = "background.arrow";
}

impl Load for Shapley {
    const KIND: &'static str = "shapley";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let recipe: ShapleyExplainer = artifact.state()?;
        let background = stored::read(artifact.blob(Self::BACKGROUND)?)?;
        if background.num_rows() == 0 || recipe.check().is_err() {
            return Err(Error::corrupt("an explainer without background rows, or with settings that make no sense"));
        }
        Ok(Self { recipe, background })
    }
}

/// The mean score of the background rows for each coalition, its inputs replaced by those of `row`.
fn coalition_values(
    model: &dyn Model,
    row: &RecordBatch,
    background: &RecordBatch,
    coalitions: &Coalitions,
    base: f64,
) -> Result<Vec<f64>> {
    let mut values = vec![base; coalitions.len()];
    let last = coalitions.len() - 1;
    if last == 0 {
        return Ok(values);
    }
    values[last] = mean(&scores(model, row)?);
    // The row first, then the background, so that a value is chosen by an index.
    let columns = row.columns().iter().zip(background.columns());
    let columns = columns.map(|(row, background)| Ok(concat(&[row.as_ref(), background.as_ref()])?));
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let at_once = (Shapley::ROWS_AT_ONCE / background.num_rows()).max(1);
    let inner: Vec<usize> = (1..last).collect();
    for some in inner.chunks(at_once) {
        let mixed = mix(coalitions, some, &columns, background)?;
        let scores = scores(model, &mixed)?;
        for (i, scores) in some.iter().zip(scores.chunks_exact(background.num_rows())) {
            values[*i] = mean(scores);
        }
    }
    Ok(values)
}

/// For each coalition the background rows, with its inputs replaced by those of the row, which
/// stands before the background in `columns`.
fn mix(coalitions: &Coalitions, some: &[usize], columns: &[ArrayRef], background: &RecordBatch) -> Result<RecordBatch> {
    let members: Vec<Vec<bool>> = some.iter().map(|i| coalitions.members(*i)).collect();
    let rows = background.num_rows() as u32;
    let column = |(input, column): (usize, &ArrayRef)| {
        let of_coalition = |members: &Vec<bool>| {
            let replaced = members[input];
            (1..=rows).map(move |row| if replaced { 0 } else { row })
        };
        Ok(take(column, &members.iter().flat_map(of_coalition).collect::<UInt32Array>(), None)?)
    };
    let columns = columns.iter().enumerate().map(column).collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(background.schema(), columns)?)
}

/// The explained score of each row: the probability of the last class, or the regression.
fn scores(model: &dyn Model, rows: &RecordBatch) -> Result<Vec<f64>> {
    let width = model.signature().num_scores();
    let scores = Predictions::scores_of(model.signature(), &model.predict(rows)?)?;
    Ok(scores.chunks_exact(width).map(|row| row[width - 1]).collect())
}

/// The mean, as the first value and what the others differ by, so that equal values have it exactly.
fn mean(values: &[f64]) -> f64 {
    let first = values[0];
    first + values.iter().map(|value| value - first).sum::<f64>() / values.len() as f64
}

fn explanation(signature: &Signature, rows: &[Vec<f64>], base: f64) -> Result<RecordBatch> {
    let column = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let contributions = (0..signature.inputs.len()).map(|i| column(rows.iter().map(|row| row[i]).collect()));
    let names = signature.input_names().into_iter().chain(["base_value"]);
    let fields: Vec<Field> = names.map(|name| Field::new(name, DataType::Float64, false)).collect();
    let columns = contributions.chain([column(vec![base; rows.len()])]).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
