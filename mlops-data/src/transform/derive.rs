use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use mlops_core::columns::{is_numeric, is_text};
use mlops_core::{
    Artifact, Codecs, Error, Expr, Learner, Load, Named, Result, ResultExt, Roles, RowTransform, Transform,
    Transformer, Value,
};
use serde::{Deserialize, Serialize};

use super::columns::check_width;
use super::learn::{check_columns, ready};
use super::row_expr::Program;

/// Computes a column from others by an [`Expr`].
///
/// A numeric result becomes `Float64`, a condition stays `Boolean`, a text becomes `Utf8`. The column
/// is put behind the others, or in the place of the one that has its name. Nothing is learned.
///
/// Rows alone are computed as Arrow computes batches, to the bit, except that expressions with
/// decimals, 64-bit unsigned integers or arithmetic of dates are only computed by the batch.
///
/// # Errors
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if the types do not fit or the result is
/// neither number, condition nor text; [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for an integer
/// overflow, when it is applied.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer, col, lit};
/// use mlops_data::transform::Derive;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("distance", Int64, [187, 2475]), ("minutes", Int64, [44, 330]))?);
/// let recipe = Derive::column("mph", col("distance").div(col("minutes")).mul(lit(60)));
/// let (_, derived) = recipe.fit_transform(&table, &Run::default())?;
/// assert_eq!(derived.column("mph")?.as_primitive::<Float64Type>().values(), &[255.0, 450.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Derive {
    /// What the column is called.
    pub name: String,
    /// What is computed.
    pub expression: Expr,
}

impl Derive {
    /// Computes a column called `name`.
    pub fn column(name: impl Into<String>, expression: Expr) -> Self {
        Self { name: name.into(), expression }
    }

    /// The columns that it reads, and the one that it replaces.
    pub(super) fn touched(&self, schema: &Schema) -> Vec<String> {
        let mut touched: Vec<String> = self.expression.columns().into_iter().map(str::to_owned).collect();
        // To overwrite a target or outcome would make a feature of its name.
        if schema.index_of(&self.name).is_ok() && !touched.contains(&self.name) {
            touched.push(self.name.clone());
        }
        touched
    }

    pub(super) fn fitted(&self) -> Derived {
        Derived(self.clone())
    }
}

impl fmt::Display for Derive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.expression)
    }
}

impl Named for Derive {
    const KIND: &'static str = "derive";
}

impl Transformer for Derive {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let touched = self.touched(schema);
        check_columns(schema, roles, &touched)?;
        ready(schema, &touched, self.fitted())
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Derived(Derive);

impl Derived {
    fn field(&self, input: &Schema) -> Result<FieldRef> {
        let Derive { name, expression } = &self.0;
        let computed = expression.data_type(input).context("derived column", &self.0)?;
        Ok(Arc::new(Field::new(name, self.output_type(&computed)?, true)))
    }

    fn output_type(&self, computed: &DataType) -> Result<DataType> {
        match computed {
            DataType::Boolean => Ok(DataType::Boolean),
            number if is_numeric(number) => Ok(DataType::Float64),
            text if is_text(text) => Ok(DataType::Utf8),
            other => Err(Error::schema(format!(
                "column {} would be {other}, but a number, a condition or a text is needed: \
                 compare it, or take a date apart with DateParts",
                self.0
            ))),
        }
    }

    /// Where the column stands among those of `input`; behind them if its name is new.
    fn place(&self, input: &Schema) -> usize {
        input.index_of(&self.0.name).unwrap_or(input.fields().len())
    }
}

impl Transform for Derived {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        let mut fields = input.fields().to_vec();
        put(&mut fields, self.place(input), self.field(input)?);
        Ok(Arc::new(Schema::new_with_metadata(fields, input.metadata().clone())))
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let schema = self.output_schema(batch.schema_ref())?;
        let place = self.place(batch.schema_ref());
        let computed = self.0.expression.evaluate(&batch).context("derived column", &self.0)?;
        let computed: ArrayRef = cast(&computed, schema.field(place).data_type())?;
        let (_, mut columns, _) = batch.into_parts();
        put(&mut columns, place, computed);
        Ok(RecordBatch::try_new(schema, columns)?)
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        let field = self.field(input)?;
        let Some(program) = Program::bind(&self.0.expression, input)? else { return Ok(None) };
        Ok(Some(Arc::new(Row {
            name: self.0.name.clone(),
            is_number: *field.data_type() == DataType::Float64,
            width: input.fields().len(),
            place: self.place(input),
            program,
        })))
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(self)
    }
}

impl Load for Derived {
    const KIND: &'static str = Derive::KIND;
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        artifact.state()
    }
}

/// Replaces the item at `place`, or adds it if it is the end.
fn put<T>(items: &mut Vec<T>, place: usize, item: T) {
    match items.get_mut(place) {
        Some(old) => *old = item,
        None => items.push(item),
    }
}

#[derive(Debug)]
struct Row {
    name: String,
    is_number: bool,
    width: usize,
    place: usize,
    program: Program,
}

impl Row {
    fn compute<'a>(&'a self, row: &[Value<'a>]) -> Result<Value<'a>> {
        check_width(row, self.width)?;
        let computed = self.program.evaluate(row).context("derived column", &self.name)?;
        Ok(if self.is_number { computed.as_f64().map_or(Value::Null, Value::Float) } else { computed })
    }
}

impl RowTransform for Row {
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        let computed = self.compute(input)?;
        output.extend_from_slice(input);
        put(output, self.place, computed);
        Ok(())
    }

    fn apply_in_place<'a>(&'a self, row: &mut Vec<Value<'a>>, _: &mut Vec<Value<'a>>) -> Result<()> {
        let computed = self.compute(row)?;
        put(row, self.place, computed);
        Ok(())
    }
}
