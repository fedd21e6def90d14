use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use crate::{
    Artifact, Classes, Codecs, Dense, Error, InputColumn, Load, Model, Package, Result, RowModel, Signature, Task,
    predict_dense,
};

/// The smallest real model, for tests of whatever carries models, and an example of how to write
/// one: a weighted sum of numbers, or the probability that comes of it.
///
/// What a model has to do is all here: it says what it takes and answers ([`Model::signature`]),
/// scores one row of numbers without allocating ([`Dense`]), gets its batch path from
/// [`predict_dense`], writes itself down as plain data ([`Model::save`]) and trusts nothing when it
/// is read back ([`Load`]).
///
/// # Example
/// ```
/// use mlops_core::conformance::LinearModel;
/// use mlops_core::{Dense, Model};
///
/// let model = LinearModel::regression([("distance", 0.5), ("seats", -1.0)], 3.0)?;
/// let mut score = [0.0];
/// model.score_row(&[10.0, 2.0], &mut score);
/// assert_eq!(score, [6.0]);
/// let back = LinearModel::codecs().model(&model.save()?)?;
/// assert_eq!(back.signature(), model.signature());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LinearModel {
    signature: Signature,
    weights: Vec<f64>,
    intercept: f64,
}

/// What is written down; the number of weights is checked when it is read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    weights: Vec<f64>,
    intercept: f64,
}

impl LinearModel {
    /// Answers the sum of `intercept` and of each input times its weight.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a number that is not finite, or no input.
    pub fn regression<N: Into<String>>(weights: impl IntoIterator<Item = (N, f64)>, intercept: f64) -> Result<Self> {
        Self::new(weights, intercept, Task::Regression)
    }

    /// Answers whether the logistic function of that sum is above one half, and both
    /// probabilities.
    ///
    /// # Errors
    /// As [`Self::regression`].
    pub fn classification<N: Into<String>>(
        weights: impl IntoIterator<Item = (N, f64)>,
        intercept: f64,
    ) -> Result<Self> {
        Self::new(weights, intercept, Task::Classification { classes: Classes::Bool })
    }

    /// What [`mlops_core`](crate) brings, and this model.
    pub fn codecs() -> Codecs {
        Codecs::default().with_model::<Self>()
    }

    /// The model as a package of four sample rows.
    ///
    /// # Errors
    /// As [`Package::new`].
    pub fn package(self, name: impl Into<String>) -> Result<Package> {
        let column = |i: usize| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values((0..4).map(|row| 0.5 * row as f64 - i as f64)))
        };
        let columns = (0..self.weights.len()).map(column).collect();
        let rows = RecordBatch::try_new(self.signature.input_schema(), columns)?;
        Package::new(name, Arc::new(self), &rows)
    }

    fn new<N: Into<String>>(weights: impl IntoIterator<Item = (N, f64)>, intercept: f64, task: Task) -> Result<Self> {
        let input = |(name, weight): (N, f64)| (InputColumn::new(name, DataType::Float64, false), weight);
        let (inputs, weights) = weights.into_iter().map(input).unzip();
        let state = State { signature: Signature::new(inputs, task), weights, intercept };
        state.check().map_err(Error::config)?;
        Ok(state.into())
    }
}

impl State {
    fn check(&self) -> Result<(), String> {
        let Self { signature, weights, intercept } = self;
        if weights.is_empty() || weights.len() != signature.inputs.len() {
            return Err(format!(
                "{} weights for {} inputs: one for each is needed",
                weights.len(),
                signature.inputs.len()
            ));
        }
        if !intercept.is_finite() || !weights.iter().all(|weight| weight.is_finite()) {
            return Err("a weight or the intercept is not finite".to_owned());
        }
        if signature.num_scores() > 2 {
            return Err(format!("{} classes: a linear model tells two apart", signature.num_scores()));
        }
        Ok(())
    }
}

impl From<State> for LinearModel {
    fn from(State { signature, weights, intercept }: State) -> Self {
        Self { signature, weights, intercept }
    }
}

impl Dense for LinearModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        let sum = row.iter().zip(&self.weights).fold(self.intercept, |sum, (x, weight)| sum + x * weight);
        match scores {
            [no, yes] => {
                *yes = 1.0 / (1.0 + (-sum).exp());
                *no = 1.0 - *yes;
            }
            scores => scores.fill(sum),
        }
    }
}

impl Model for LinearModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        predict_dense(&self.signature, self, batch)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        Some(self)
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn importances(&self) -> Option<Vec<Vec<f64>>> {
        Some(vec![self.weights.clone()])
    }

    fn save(&self) -> Result<Artifact> {
        let Self { signature, weights, intercept } = self.clone();
        Artifact::of::<Self>(&State { signature, weights, intercept })
    }
}

impl Load for LinearModel {
    const KIND: &'static str = "linear_example";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let state: State = artifact.state()?;
        state.check().map_err(Error::corrupt)?;
        Ok(state.into())
    }
}
