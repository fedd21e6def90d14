use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::Schema;
use mlops_core::{Chain, Expr, Learner, Named, Result, ResultExt, Roles, Transform, Transformer};
use serde::{Deserialize, Serialize};

use super::derive::Derive;
use super::learn::check_columns;

/// Computes columns by expressions (scikit-learn's `FunctionTransformer`): what the functions do is
/// data, [`Expr`], so it is stored and served with the rest, where a closure could not be.
///
/// Each output is a [`Derive`], in order: an expression may use the columns of those before it. A
/// column of a name that exists is replaced where it stands, others are put behind. Nothing is learned.
///
/// # Errors
/// As [`Derive`], naming the output.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer, col, lit};
/// use mlops_data::transform::FunctionTransformer;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("distance", Int64, [150, 2475]), ("minutes", Int64, [45, 330]))?);
/// let recipe = FunctionTransformer::new()
///     .with("hours", col("minutes").div(lit(60)))
///     .with("mph", col("distance").div(col("hours")));
/// let (_, computed) = recipe.fit_transform(&table, &Run::default())?;
/// assert_eq!(computed.column("mph")?.as_primitive::<Float64Type>().values(), &[200.0, 450.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FunctionTransformer {
    /// What is computed, in order.
    pub outputs: Vec<Derive>,
}

impl FunctionTransformer {
    /// Computes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Computes a column called `name`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, expression: Expr) -> Self {
        self.outputs.push(Derive::column(name, expression));
        self
    }
}

impl Named for FunctionTransformer {
    const KIND: &'static str = "function_transformer";
}

impl Transformer for FunctionTransformer {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let mut seen = Arc::new(schema.clone());
        let (mut inputs, mut steps) = (BTreeSet::new(), Vec::with_capacity(self.outputs.len()));
        for output in &self.outputs {
            let touched = output.touched(&seen);
            check_columns(&seen, roles, &touched)?;
            inputs.extend(touched.into_iter().filter(|name| schema.index_of(name).is_ok()));
            let step: Arc<dyn Transform> = Arc::new(output.fitted());
            seen = step.output_schema(&seen).context("output", &output.name)?;
            steps.push(step);
        }
        Ok(Some(Learner::ready(inputs, Arc::new(Chain::new(steps)))))
    }
}
