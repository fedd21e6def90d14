use arrow::array::ArrayRef;
use arrow::datatypes::{Field, Schema};
use mlops_core::columns::numbers;
use mlops_core::sketch::Moments;
use mlops_core::{Error, Learner, Named, Result, ResultExt, Roles, Transformer, Value};
use serde::{Deserialize, Serialize};

use super::columns::{ColumnMap, cell_of, map_numbers, number, number_field, owned};
use super::learn::{Values, check_numeric, learner};
use super::likelihood::{best_lambda, powered};

/// Bends numeric columns so that they look more like a normal distribution (scikit-learn's
/// `PowerTransformer`).
///
/// | method | takes | becomes |
/// | --- | --- | --- |
/// | Yeo-Johnson | any number | `((x + 1)^λ - 1) / λ`, and for negative `x` its mirror image with `2 - λ` |
/// | Box-Cox | positive numbers | `(x^λ - 1) / λ` |
///
/// The λ of each column is that of the greatest likelihood. It is found where the slope of the
/// likelihood is zero, to the last digits; scikit-learn compares the likelihoods themselves, which are
/// flat there, and stops within some 1e-7 of it. Unless [`with_standardize`](Self::with_standardize)
/// says otherwise, the result is centred and scaled to the variance 1.
///
/// Nulls and NaN are left out of the fit and stay what they are; a constant column stays as it is, but
/// for the centring. Outputs are `Float64`. Learns from all values in one pass, for which fitting holds
/// 8 bytes a value, and then looks at them some 15 times.
///
/// # Errors
/// Fitting fails with [`ErrorKind::Data`] for a column without a value, with an infinity, or so wide that
/// no λ keeps its likelihood finite; and for Box-Cox if a value is not positive, or all are equal.
/// Applying fails with the same kind for a value that Box-Cox does not take.
///
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::PowerTransformer;
/// # use arrow::array::record_batch;
/// // Powers of two: their logarithms, which are those of Box-Cox with λ = 0, are spread evenly.
/// let table = Table::from_batch(record_batch!(("income", Float64, [0.25, 0.5, 1.0, 2.0, 4.0]))?);
/// let fitted = PowerTransformer::box_cox(["income"]).fit(&table, &Run::default())?;
/// let lambda = fitted.save()?.state["columns"][0]["learned"]["lambda"].as_f64();
/// assert!(lambda.is_some_and(|lambda| lambda.abs() < 1e-12));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PowerTransformer {
    /// The columns to bend.
    pub columns: Vec<String>,
    /// How.
    pub method: PowerMethod,
    /// Whether the result is centred and scaled to the variance 1.
    pub standardize: bool,
}

/// How a [`PowerTransformer`] bends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PowerMethod {
    /// Box and Cox, "An analysis of transformations", Journal of the Royal Statistical Society B 26
    /// (1964).
    BoxCox,
    /// Yeo and Johnson, "A new family of power transformations to improve normality or symmetry",
    /// Biometrika 87 (2000).
    #[default]
    YeoJohnson,
}

impl Default for PowerTransformer {
    fn default() -> Self {
        Self { columns: Vec::new(), method: PowerMethod::default(), standardize: true }
    }
}

impl PowerTransformer {
    /// Bends columns of any numbers.
    pub fn yeo_johnson<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Bends columns of positive numbers.
    pub fn box_cox<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { method: PowerMethod::BoxCox, ..Self::yeo_johnson(columns) }
    }

    /// Whether the result is centred and scaled to the variance 1; it is unless said otherwise.
    #[must_use]
    pub fn with_standardize(mut self, standardize: bool) -> Self {
        self.standardize = standardize;
        self
    }

    fn finish(&self, name: &str, values: Values) -> Result<PoweredColumn> {
        let sorted = values.sorted(name)?;
        if self.method == PowerMethod::BoxCox && sorted[0] <= 0.0 {
            return Err(not_positive(sorted[0])).context("column", name);
        }
        let lambda = best_lambda(self.method, &sorted).context("column", name)?;
        let mut moments = Moments::default();
        if self.standardize {
            sorted.iter().for_each(|x| moments.update(powered(self.method, lambda, *x)));
        }
        let (center, scale) = match (moments.mean(), moments.std(0)) {
            (Some(mean), Some(std)) => (mean, if std <= f64::EPSILON * mean.abs() { 1.0 } else { std }),
            _ => (0.0, 1.0),
        };
        if !(center.is_finite() && scale.is_finite()) {
            return Err(Error::data(format!("column '{name}' is too wide to be standardised: scale it first")));
        }
        Ok(PoweredColumn { method: self.method, lambda, center, scale })
    }
}

fn not_positive(x: f64) -> Error {
    Error::data(format!("Box-Cox takes positive numbers, and not {x}: use Yeo-Johnson, or filter those rows"))
}

impl Named for PowerTransformer {
    const KIND: &'static str = "power_transformer";
}

impl Transformer for PowerTransformer {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let recipe = self.clone();
        let start = |field: &Field| check_numeric(field).map(|()| Values::default());
        learner(schema, roles, &self.columns, start, move |name, values| recipe.finish(name, values))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoweredColumn {
    method: PowerMethod,
    lambda: f64,
    center: f64,
    scale: f64,
}

impl PoweredColumn {
    fn check(&self, x: f64) -> Result<()> {
        if self.method == PowerMethod::BoxCox && x <= 0.0 { Err(not_positive(x)) } else { Ok(()) }
    }

    fn powered(&self, x: f64) -> f64 {
        (powered(self.method, self.lambda, x) - self.center) / self.scale
    }
}

impl ColumnMap for PoweredColumn {
    const KIND: &'static str = PowerTransformer::KIND;
    type Binding = ();

    fn bind(&self, input: &Field) -> Result<()> {
        check_numeric(input)
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        Ok(vec![number_field(input.name(), input.is_nullable())])
    }

    fn map(&self, (): &(), name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        if self.method == PowerMethod::BoxCox {
            let numbers = numbers(&column, name)?;
            numbers.iter().flatten().try_for_each(|x| self.check(x)).context("column", name)?;
        }
        Ok(vec![map_numbers(column, name, |x| self.powered(x))?])
    }

    fn map_cell<'a>(&'a self, (): &(), cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        let number = number(cell)?;
        number.map_or(Ok(()), |x| self.check(x))?;
        output.push(cell_of(number.map(|x| self.powered(x))));
        Ok(())
    }
}
