use std::f64::consts::TAU;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::datatypes::{Field, Schema};
use mlops_core::columns::numbers;
use mlops_core::{Error, Learner, Named, Result, Roles, Transformer, Value};
use serde::{Deserialize, Serialize};

use super::columns::{ColumnMap, Fitted, cell_of, number, number_field, owned};
use super::learn::{check_columns, check_numeric, ready};

/// Puts numbers that come round, such as hours and angles, on a circle: `<column>_sin` and
/// `<column>_cos` in the place of each column, so that 23 o'clock is next to 0.
///
/// For the parts of dates and timestamps see [`DateParts::with_cyclical`](super::DateParts::with_cyclical).
/// Nothing is learned. Null gives nulls, NaN and infinities NaN. Numbers are reduced to one period
/// before their sine is taken, so large ones lose no digits.
///
/// # Errors
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if the period is not a positive number,
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column without numbers.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::Cyclical;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("hour", Int64, [0, 6, 24]))?);
/// let (_, circle) = Cyclical::on(["hour"], 24.0).fit_transform(&table, &Run::default())?;
/// assert_eq!(circle.column("hour_sin")?.as_primitive::<Float64Type>().values(), &[0.0, 1.0, 0.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Cyclical {
    /// The columns.
    pub columns: Vec<String>,
    /// After how much they come round.
    pub period: f64,
    /// Whether the columns stay, in front of what they become.
    #[serde(default)]
    pub keep: bool,
}

impl Cyclical {
    /// Puts these columns on a circle of so much a round.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>, period: f64) -> Self {
        Self { columns: owned(columns), period, keep: false }
    }

    /// The columns stay, in front of what they become.
    #[must_use]
    pub fn with_columns_kept(mut self) -> Self {
        self.keep = true;
        self
    }
}

impl Named for Cyclical {
    const KIND: &'static str = "cyclical";
}

impl Transformer for Cyclical {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let Self { period, keep, .. } = *self;
        if !(period.is_finite() && period > 0.0) {
            return Err(Error::config(format!("{period} is no period: give a positive number")));
        }
        check_columns(schema, roles, &self.columns)?;
        let maps = self.columns.iter().map(|_| CircledColumn { period, keep }).collect();
        ready(schema, &self.columns, Fitted::new(&self.columns, maps))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CircledColumn {
    period: f64,
    keep: bool,
}

impl CircledColumn {
    fn circled(&self, x: f64) -> (f64, f64) {
        (TAU * (x.rem_euclid(self.period) / self.period)).sin_cos()
    }
}

impl ColumnMap for CircledColumn {
    const KIND: &'static str = Cyclical::KIND;
    type Binding = ();

    fn bind(&self, input: &Field) -> Result<()> {
        check_numeric(input)
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        let part = |suffix| number_field(format!("{}_{suffix}", input.name()), input.is_nullable());
        Ok(self.keep.then(|| input.clone()).into_iter().chain([part("sin"), part("cos")]).collect())
    }

    fn map(&self, (): &(), name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        let numbers = numbers(&column, name)?;
        let (sines, cosines): (Vec<f64>, Vec<f64>) = numbers.values().iter().map(|x| self.circled(*x)).unzip();
        let nulls =
            |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::new(values.into(), numbers.nulls().cloned())) };
        Ok(self.keep.then_some(column).into_iter().chain([nulls(sines), nulls(cosines)]).collect())
    }

    fn map_cell<'a>(&'a self, (): &(), cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        let circled = number(cell)?.map(|x| self.circled(x));
        if self.keep {
            output.push(cell);
        }
        output.push(cell_of(circled.map(|(sine, _)| sine)));
        output.push(cell_of(circled.map(|(_, cosine)| cosine)));
        Ok(())
    }
}
