use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use mlops_core::columns::{is_numeric, is_text, numbers, texts};
use mlops_core::sketch::Moments;
use mlops_core::{Error, Learner, Literal, Named, Operand, Operator, Operators, Result, Roles, Transformer, Value};
use serde::{Deserialize, Serialize};

use super::columns::{ColumnMap, map_numbers, number, number_field, owned};
use super::groups::Groups;
use super::learn::{ColumnFold, Frequencies, Settled, check_numeric, learner};
use super::ranks::Quantiles;

/// Fills missing values (scikit-learn's `SimpleImputer`).
///
/// In a numeric column null and NaN are both missing, and the output is `Float64` without either; in
/// a text column null is missing, and the output is `Utf8`. Infinities are values.
///
/// | strategy | columns | memory while fitting |
/// | --- | --- | --- |
/// | [`mean`](Self::mean) | numeric | a few hundred bytes a column |
/// | [`median`](Self::median) | numeric | at most some 10 MB a column: the median is exact |
/// | [`most_frequent`](Self::most_frequent) | numeric, text | one entry a different value |
/// | [`constant`](Self::constant) | numeric, text | none |
///
/// All of them learn in one pass, except for the median of more than 4,096 different values, which takes
/// a second one, or up to four where values crowd. What they learn does not depend on the order of rows:
/// of equally frequent values the least is taken.
///
/// # Errors
/// Fitting fails with [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column that the
/// strategy does not fit; with [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for a column without
/// any value, unless [`with_empty_columns`](Self::with_empty_columns) says otherwise, and if
/// infinities make the value to fill in infinite.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::SimpleImputer;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let batch = record_batch!(("age", Float64, [Some(31.0), None, Some(40.0), Some(f64::NAN), Some(32.0)]))?;
/// let recipe = SimpleImputer::median(["age"]).with_indicator();
/// let (_, filled) = recipe.fit_transform(&Table::from_batch(batch), &Run::default())?;
/// assert_eq!(filled.column("age")?.as_primitive::<Float64Type>().values(), &[31.0, 32.0, 40.0, 32.0, 32.0]);
/// assert_eq!(filled.column("age_missing")?.as_primitive::<Float64Type>().values(), &[0.0, 1.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SimpleImputer {
    /// The columns to fill.
    pub columns: Vec<String>,
    /// What is filled in.
    pub strategy: Strategy,
    /// Whether `<column>_missing`, 1 where a value was missing and else 0, follows each column.
    pub indicator: bool,
    /// What becomes of a column in which training saw no value.
    pub empty_columns: EmptyColumns,
}

/// What [`SimpleImputer`] does with a column in which training saw no value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmptyColumns {
    /// It is an error.
    #[default]
    Error,
    /// It is filled with 0, or with the text `missing_value`, as with scikit-learn's
    /// `keep_empty_features=True`.
    Fill,
    /// It is left out of the output, as with scikit-learn's `keep_empty_features=False`: steps that
    /// name it will not find it.
    LeaveOut,
}

/// What [`SimpleImputer`] fills in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// This number or text.
    Constant(Literal),
    /// The mean of the column.
    #[default]
    Mean,
    /// The middle value of the column, or the mean of the two middle ones.
    Median,
    /// The most frequent value of the column.
    MostFrequent,
}

impl SimpleImputer {
    /// Fills in the mean.
    pub fn mean<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self::with(columns, Strategy::Mean)
    }

    /// Fills in the median.
    pub fn median<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self::with(columns, Strategy::Median)
    }

    /// Fills in the most frequent value.
    pub fn most_frequent<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self::with(columns, Strategy::MostFrequent)
    }

    /// Fills in `value`: a number into numeric columns, a text into text columns.
    pub fn constant<S: Into<String>>(columns: impl IntoIterator<Item = S>, value: impl Into<Literal>) -> Self {
        Self::with(columns, Strategy::Constant(value.into()))
    }

    /// Adds a column `<column>_missing` behind each.
    #[must_use]
    pub fn with_indicator(mut self) -> Self {
        self.indicator = true;
        self
    }

    /// What becomes of a column in which training saw no value: an error, unless said otherwise.
    #[must_use]
    pub fn with_empty_columns(mut self, empty_columns: EmptyColumns) -> Self {
        self.empty_columns = empty_columns;
        self
    }

    fn with<S: Into<String>>(columns: impl IntoIterator<Item = S>, strategy: Strategy) -> Self {
        Self { columns: owned(columns), strategy, ..Self::default() }
    }

    fn start(&self, field: &Field) -> Result<Gathered> {
        let text = is_text(field.data_type());
        match &self.strategy {
            Strategy::Constant(value) => Ok(Gathered::Nothing(constant(value, field)?)),
            Strategy::MostFrequent if text => Ok(Gathered::Texts(Groups::of(field)?)),
            _ if text => Err(Error::schema(format!(
                "column '{}' is text, which has no mean and no median: use SimpleImputer::most_frequent or SimpleImputer::constant",
                field.name()
            ))),
            strategy => {
                check_numeric(field)?;
                Ok(match strategy {
                    Strategy::Mean => Gathered::Moments(Moments::default()),
                    Strategy::Median => Gathered::Quantiles(Quantiles::new([0.5])),
                    _ => Gathered::Frequencies(Frequencies::default()),
                })
            }
        }
    }

    fn finish(&self, name: &str, gathered: Gathered) -> Result<ImputedColumn> {
        let text = matches!(gathered, Gathered::Texts(_));
        let mut fill = gathered.finish()?;
        if let Some(Fill::Number(x)) = fill
            && !x.is_finite()
        {
            return Err(Error::data(format!(
                "column '{name}' has infinities, so the value to fill in would be {x}: clip it, or filter those rows"
            )));
        }
        if fill.is_none() {
            fill = match self.empty_columns {
                EmptyColumns::Error => {
                    return Err(Error::data(format!(
                        "column '{name}' has no value to learn from: leave it out, give a constant, \
                         or say what becomes of it with `with_empty_columns`"
                    )));
                }
                EmptyColumns::Fill if text => Some(Fill::Text("missing_value".to_owned())),
                EmptyColumns::Fill => Some(Fill::Number(0.0)),
                EmptyColumns::LeaveOut => None,
            };
        }
        Ok(ImputedColumn { fill, indicator: self.indicator })
    }
}

fn constant(value: &Literal, field: &Field) -> Result<Fill> {
    let (name, data_type) = (field.name(), field.data_type());
    let number = match value {
        Literal::Bool(value) => Some(f64::from(u8::from(*value))),
        Literal::Float(value) => Some(*value).filter(|x| x.is_finite()),
        Literal::Int(value) => Some(*value as f64),
        _ => None,
    };
    match (value, number) {
        (Literal::Text(text), _) if is_text(data_type) => Ok(Fill::Text(text.clone())),
        (_, Some(number)) if is_numeric(data_type) => Ok(Fill::Number(number)),
        _ if is_text(data_type) || is_numeric(data_type) => Err(Error::config(format!(
            "column '{name}' is {data_type}, which {value:?} can't fill: give a finite number for numbers, a text for texts"
        ))),
        _ => Err(Error::schema(format!("column '{name}' is {data_type}, but only numbers and texts can be imputed"))),
    }
}

impl Named for SimpleImputer {
    const KIND: &'static str = "impute";
}

impl Transformer for SimpleImputer {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let recipe = self.clone();
        let finish = move |name: &str, gathered| recipe.finish(name, gathered);
        learner(schema, roles, &self.columns, |field| self.start(field), finish)
    }
}

#[derive(Clone, Debug)]
enum Gathered {
    Frequencies(Frequencies),
    Moments(Moments),
    Nothing(Fill),
    Quantiles(Quantiles<1>),
    Texts(Groups<u64>),
}

impl ColumnFold for Gathered {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        match self {
            Self::Frequencies(fold) => fold.update(column, name),
            Self::Moments(fold) => ColumnFold::update(fold, column, name),
            Self::Nothing(_) => Ok(()),
            Self::Quantiles(fold) => fold.update(column, name),
            Self::Texts(fold) => fold.update(column, name),
        }
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        match (self, other) {
            (Self::Frequencies(mine), Self::Frequencies(theirs)) => mine.merge(theirs),
            (Self::Moments(mine), Self::Moments(theirs)) => ColumnFold::merge(mine, theirs),
            (Self::Nothing(_), Self::Nothing(_)) => Ok(()),
            (Self::Quantiles(mine), Self::Quantiles(theirs)) => mine.merge(theirs),
            (Self::Texts(mine), Self::Texts(theirs)) => mine.merge(theirs),
            _ => Err(Error::internal("two folds of one column differ in kind")),
        }
    }

    fn settle(self, name: &str) -> Result<Settled<Self>> {
        Ok(match self {
            Self::Quantiles(fold) => match fold.settle(name)? {
                Settled::Again(fold) => Settled::Again(Self::Quantiles(fold)),
                Settled::Done(fold) => Settled::Done(Self::Quantiles(fold)),
            },
            other => Settled::Done(other),
        })
    }
}

impl Gathered {
    fn finish(self) -> Result<Option<Fill>> {
        Ok(match self {
            Self::Frequencies(fold) => fold.mode().map(Fill::Number),
            Self::Moments(fold) => fold.mean().map(Fill::Number),
            Self::Nothing(fill) => Some(fill),
            Self::Quantiles(fold) => fold.finish()?.map(|quantiles| Fill::Number(quantiles[0])),
            Self::Texts(fold) => {
                let (vocabulary, counts) = fold.finish()?;
                let known = vocabulary.len() - usize::from(vocabulary.has_null());
                // Of equal maxima `max_by_key` takes the last, so the least text must come last.
                let mode = (0..known).rev().max_by_key(|code| counts[*code]);
                mode.map(|code| Fill::Text(vocabulary.label(code)))
            }
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fill {
    Number(f64),
    Text(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImputedColumn {
    /// `None` if training saw no value and the column is left out.
    fill: Option<Fill>,
    indicator: bool,
}

impl ColumnMap for ImputedColumn {
    const KIND: &'static str = SimpleImputer::KIND;
    type Binding = ();

    fn bind(&self, input: &Field) -> Result<()> {
        match &self.fill {
            Some(Fill::Number(_)) => check_numeric(input),
            Some(Fill::Text(_)) if !is_text(input.data_type()) => Err(Error::schema(format!(
                "column '{}' is {}, but was text when it was fitted: convert it, or fit again",
                input.name(),
                input.data_type()
            ))),
            _ => Ok(()),
        }
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        let Some(fill) = &self.fill else { return Ok(Vec::new()) };
        let data_type = match fill {
            Fill::Number(_) => DataType::Float64,
            Fill::Text(_) => DataType::Utf8,
        };
        let mut fields = vec![Field::new(input.name(), data_type, false)];
        if self.indicator {
            fields.push(number_field(format!("{}_missing", input.name()), false));
        }
        Ok(fields)
    }

    fn map(&self, (): &(), name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        let Some(fill) = &self.fill else { return Ok(Vec::new()) };
        let indicator = if self.indicator { Some(missing(&column, name)?) } else { None };
        let filled: ArrayRef = match fill {
            Fill::Number(fill) if column.null_count() == 0 => {
                map_numbers(column, name, |x| if x.is_nan() { *fill } else { x })?
            }
            Fill::Number(fill) => Arc::new(filled(column, name, *fill)?),
            Fill::Text(_) if column.null_count() == 0 => Arc::new(texts(&column, name)?),
            Fill::Text(fill) => {
                let texts = texts(&column, name)?;
                Arc::new(StringArray::from_iter_values(texts.iter().map(|text| text.unwrap_or(fill))))
            }
        };
        Ok([Some(filled), indicator].into_iter().flatten().collect())
    }

    fn map_cell<'a>(&'a self, (): &(), cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        let Some(fill) = &self.fill else { return Ok(()) };
        let (filled, missing) = match (fill, cell) {
            (Fill::Number(fill), cell) => match number(cell)?.filter(|x| !x.is_nan()) {
                Some(x) => (Value::Float(x), 0.0),
                None => (Value::Float(*fill), 1.0),
            },
            (Fill::Text(fill), Value::Null) => (Value::Text(fill.as_str()), 1.0),
            (Fill::Text(_), Value::Text(text)) => (Value::Text(text), 0.0),
            (Fill::Text(_), other) => return Err(Error::schema(format!("{other:?} stands where text is needed"))),
        };
        output.push(filled);
        if self.indicator {
            output.push(Value::Float(missing));
        }
        Ok(())
    }

    fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Vec<Operand>> {
        match (&self.fill, column.kind) {
            (None, _) => Ok(Vec::new()),
            (Some(Fill::Number(fill)), _) => {
                let missing = graph.apply(&Operator::IsMissing, &[column])?;
                let fill = graph.number(*fill);
                let filled = graph.apply(&Operator::Choose, &[missing, fill, column])?;
                Ok([Some(filled), self.indicator.then_some(missing)].into_iter().flatten().collect())
            }
            (Some(Fill::Text(_)), _) if self.indicator => {
                Err(Error::unsupported("texts of a graph are never missing: fit without the indicator"))
            }
            (Some(Fill::Text(_)), _) => Ok(vec![column]),
        }
    }
}

/// With `fill` for nulls and NaN; in place if nobody else holds the buffer.
fn filled(column: ArrayRef, name: &str, fill: f64) -> Result<Float64Array> {
    let numbers = numbers(&column, name)?;
    drop(column);
    let (_, values, nulls) = numbers.into_parts();
    let mut values = values.into_inner().into_vec::<f64>().unwrap_or_else(|shared| shared.typed_data().to_vec());
    values.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = fill);
    if let Some(nulls) = nulls {
        let missing = !nulls.inner();
        missing.set_indices().for_each(|row| values[row] = fill);
    }
    Ok(Float64Array::from(values))
}

/// 1 where a value is missing, else 0.
fn missing(column: &ArrayRef, name: &str) -> Result<ArrayRef> {
    let missing: BooleanArray = if is_numeric(column.data_type()) {
        numbers(column, name)?.iter().map(|x| Some(x.is_none_or(f64::is_nan))).collect()
    } else {
        texts(column, name)?.iter().map(|text| Some(text.is_none())).collect()
    };
    let missing: ArrayRef = Arc::new(missing);
    Ok(Arc::new(numbers(&missing, name)?))
}
