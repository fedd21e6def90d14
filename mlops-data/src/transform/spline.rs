use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::datatypes::{Field, Schema};
use mlops_core::columns::numbers;
use mlops_core::{Error, Learner, Named, Result, ResultExt, Roles, Transformer, Value};
use serde::{Deserialize, Serialize};

use super::b_spline::{Basis, StoredBasis};
use super::bin_edges::evenly;
use super::columns::{ColumnMap, cell_of, number, number_field, owned};
use super::learn::{Values, check_numeric, learner};
use super::quantiles::at_position;

/// Turns numeric columns into the values of B-splines, by which a linear model bends (scikit-learn's
/// `SplineTransformer`).
///
/// Each column becomes `<column>_sp_0`, `<column>_sp_1` and so on: one column fewer than knots plus the
/// degree, or than knots if periodic. A missing value (null or NaN) stays missing in all of them, unless
/// [`with_missing_as_zeros`](Self::with_missing_as_zeros) makes it 0.
///
/// Learns from all values in one pass, for which fitting holds 8 bytes a value.
///
/// # Errors
/// Fitting fails with [`ErrorKind::Config`] for fewer than two knots, knots that do not ascend, or a
/// period of no more knots than the degree; with [`ErrorKind::Data`] for a column without a value or
/// with an infinity. With [`Extrapolation::Error`], applying fails with [`ErrorKind::Data`] for a value
/// beyond the knots.
///
/// [`ErrorKind::Config`]: mlops_core::ErrorKind::Config
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::SplineTransformer;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("x", Float64, [0.0, 1.0, 2.0]))?);
/// let recipe = SplineTransformer::on(["x"]).with_n_knots(2).with_degree(1);
/// let (_, splines) = recipe.fit_transform(&table, &Run::default())?;
/// assert_eq!(splines.column("x_sp_0")?.as_primitive::<Float64Type>().values(), &[1.0, 0.5, 0.0]);
/// assert_eq!(splines.column("x_sp_1")?.as_primitive::<Float64Type>().values(), &[0.0, 0.5, 1.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SplineTransformer {
    /// The columns.
    pub columns: Vec<String>,
    /// How many knots, unless they are given.
    pub n_knots: usize,
    /// The degree of the polynomials between the knots.
    pub degree: usize,
    /// Where the knots are.
    pub knots: Knots,
    /// What becomes of values beyond the first and the last knot.
    pub extrapolation: Extrapolation,
    /// Whether the last spline of each column is kept; without it they no longer sum to 1.
    pub include_bias: bool,
    /// Whether a missing value becomes 0 in every spline.
    pub missing_as_zeros: bool,
}

/// Where the knots of a [`SplineTransformer`] are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Knots {
    /// Here, ascending, in every column.
    At(Vec<f64>),
    /// At quantiles of the training values.
    Quantile,
    /// Evenly between the least and the greatest training value.
    #[default]
    Uniform,
}

/// What a [`SplineTransformer`] makes of values beyond the first and the last knot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Extrapolation {
    /// What the knot itself becomes.
    #[default]
    Constant,
    /// The polynomial at that end goes on.
    Continue,
    /// They are an error.
    Error,
    /// The tangent at that end goes on.
    Linear,
    /// The range of the knots comes round.
    Periodic,
}

impl Default for SplineTransformer {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            n_knots: 5,
            degree: 3,
            knots: Knots::default(),
            extrapolation: Extrapolation::default(),
            include_bias: true,
            missing_as_zeros: false,
        }
    }
}

impl SplineTransformer {
    /// Cubic splines on 5 even knots.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// On so many knots.
    #[must_use]
    pub fn with_n_knots(mut self, n_knots: usize) -> Self {
        self.n_knots = n_knots;
        self
    }

    /// With polynomials of this degree.
    #[must_use]
    pub fn with_degree(mut self, degree: usize) -> Self {
        self.degree = degree;
        self
    }

    /// On these knots.
    #[must_use]
    pub fn with_knots(mut self, knots: Knots) -> Self {
        self.knots = knots;
        self
    }

    /// What becomes of values beyond the first and the last knot.
    #[must_use]
    pub fn with_extrapolation(mut self, extrapolation: Extrapolation) -> Self {
        self.extrapolation = extrapolation;
        self
    }

    /// Whether the last spline of each column is kept; it is unless said otherwise.
    #[must_use]
    pub fn with_bias(mut self, include_bias: bool) -> Self {
        self.include_bias = include_bias;
        self
    }

    /// A missing value becomes 0 in every spline (scikit-learn's `handle_missing="zeros"`).
    #[must_use]
    pub fn with_missing_as_zeros(mut self) -> Self {
        self.missing_as_zeros = true;
        self
    }

    fn base_knots(&self, sorted: &[f64]) -> Vec<f64> {
        let last = sorted.len() - 1;
        match &self.knots {
            Knots::At(knots) => knots.clone(),
            Knots::Quantile => {
                evenly(0.0, 1.0, self.n_knots).into_iter().map(|q| at_position(sorted, q * last as f64)).collect()
            }
            Knots::Uniform => evenly(sorted[0], sorted[last], self.n_knots),
        }
    }
}

impl Named for SplineTransformer {
    const KIND: &'static str = "spline_transformer";
}

impl Transformer for SplineTransformer {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let given = match &self.knots {
            Knots::At(knots) => knots.as_slice(),
            Knots::Quantile | Knots::Uniform => &[],
        };
        let count = if given.is_empty() { self.n_knots } else { given.len() };
        let ascend = given.is_sorted_by(|a, b| a < b) && given.iter().all(|knot| knot.is_finite());
        if self.knots == Knots::At(Vec::new()) || count < 2 || !ascend {
            return Err(Error::config("splines need two knots or more, which ascend"));
        }
        // Any knots of that number tell whether the settings make sense.
        Basis::try_from(self.stored(evenly(0.0, 1.0, count)))?;
        let recipe = self.clone();
        let start = |field: &Field| check_numeric(field).map(|()| Values::default());
        learner(schema, roles, &self.columns, start, move |name, values| {
            let knots = recipe.base_knots(&values.sorted(name)?);
            let basis = Basis::try_from(recipe.stored(knots)).map_err(|error| {
                Error::data(format!("column '{name}' is too wide for splines: clip it, or scale it, first"))
                    .with_source(error)
            })?;
            Ok(SplinedColumn { basis, include_bias: recipe.include_bias, missing_as_zeros: recipe.missing_as_zeros })
        })
    }
}

impl SplineTransformer {
    fn stored(&self, knots: Vec<f64>) -> StoredBasis {
        StoredBasis { knots, degree: self.degree, extrapolation: self.extrapolation }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SplinedColumn {
    basis: Basis,
    include_bias: bool,
    missing_as_zeros: bool,
}

impl SplinedColumn {
    fn outputs(&self) -> usize {
        self.basis.len() - usize::from(!self.include_bias)
    }

    /// Calls `add` with what each output has of a number that is not NaN: for some more than once, for
    /// those that are zero not at all.
    fn each(&self, x: f64, mut add: impl FnMut(usize, f64)) -> Result<()> {
        let outputs = self.outputs();
        self.basis.each(x, |i, value| {
            if i < outputs {
                add(i, value);
            }
        })
    }

    /// What every output is, if `x` is missing.
    fn missing(&self, x: Option<f64>) -> Option<Option<f64>> {
        match x {
            Some(x) if !x.is_nan() => None,
            _ if self.missing_as_zeros => Some(Some(0.0)),
            missing => Some(missing),
        }
    }
}

impl ColumnMap for SplinedColumn {
    const KIND: &'static str = SplineTransformer::KIND;
    type Binding = ();

    fn bind(&self, input: &Field) -> Result<()> {
        check_numeric(input)
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        let nullable = input.is_nullable() && !self.missing_as_zeros;
        Ok((0..self.outputs()).map(|i| number_field(format!("{}_sp_{i}", input.name()), nullable)).collect())
    }

    fn map(&self, (): &(), name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        let numbers = numbers(&column, name)?;
        let mut columns = vec![vec![0.0; column.len()]; self.outputs()];
        for (row, x) in numbers.iter().enumerate() {
            match (self.missing(x), x) {
                (None, Some(x)) => self.each(x, |i, value| columns[i][row] += value).context("column", name)?,
                (missing, _) => {
                    let missing = missing.flatten().unwrap_or_default();
                    columns.iter_mut().for_each(|column| column[row] = missing);
                }
            }
        }
        let nulls = numbers.nulls().filter(|_| !self.missing_as_zeros);
        Ok(columns
            .into_iter()
            .map(|column| Arc::new(Float64Array::new(column.into(), nulls.cloned())) as ArrayRef)
            .collect())
    }

    fn map_cell<'a>(&'a self, (): &(), cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        let number = number(cell)?;
        let start = output.len();
        match (self.missing(number), number) {
            (None, Some(x)) => {
                output.resize(start + self.outputs(), Value::Float(0.0));
                self.each(x, |i, value| {
                    if let Value::Float(sum) = &mut output[start + i] {
                        *sum += value;
                    }
                })
            }
            (missing, _) => {
                output.resize(start + self.outputs(), cell_of(missing.flatten()));
                Ok(())
            }
        }
    }
}
