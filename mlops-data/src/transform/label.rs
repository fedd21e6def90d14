use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use mlops_core::columns::find_column;
use mlops_core::{
    Accumulator, Artifact, Codecs, Error, Learner, Load, Named, Result, ResultExt, Role, Roles, RowTransform,
    Transform, Transformer, Value,
};
use serde::{Deserialize, Serialize};

use super::columns::check_width;
use super::groups::{Groups, Keys, Vocabulary, unknown_category};
use super::learn::ColumnFold;

/// Numbers the classes of the target, from 0 in ascending order (scikit-learn's `LabelEncoder`), for
/// learners and other programs that want numbers.
///
/// The target keeps its name, and becomes `Int64`. When a model is served there is no target, and
/// nothing is done. Trainers of this library take classes as they are; [`LabelDecoder`] turns numbers
/// back into classes. Learns in one pass, with one entry in memory a class. For features use
/// [`OrdinalEncoder`](super::OrdinalEncoder).
///
/// # Errors
/// Fitting fails with [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if there is no target, or it
/// is neither text, whole number nor boolean; with [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if
/// it has nulls. Applying fails with `Data` for a class that training did not see.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Transformer};
/// use mlops_data::transform::{LabelDecoder, LabelEncoder};
/// # use arrow::array::{ArrayRef, AsArray, Int64Array, record_batch};
/// # use arrow::datatypes::Int64Type;
/// # use std::sync::Arc;
/// let table = Table::from_batch(record_batch!(("species", Utf8, ["setosa", "virginica", "setosa"]))?);
/// let table = table.with_role("species", Role::Target)?;
/// let (fitted, encoded) = LabelEncoder::new().fit_transform(&table, &Run::default())?;
/// assert_eq!(encoded.column("species")?.as_primitive::<Int64Type>().values(), &[0, 1, 0]);
///
/// let predicted: ArrayRef = Arc::new(Int64Array::from(vec![1, 0]));
/// let names = LabelDecoder::of(fitted.as_ref())?.decode(&predicted)?;
/// assert_eq!(names.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["virginica", "setosa"]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LabelEncoder {}

impl LabelEncoder {
    /// Numbers the classes of the column whose role is [`Role::Target`].
    pub fn new() -> Self {
        Self::default()
    }
}

impl Named for LabelEncoder {
    const KIND: &'static str = "label_encoder";
}

impl Transformer for LabelEncoder {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let mut targets = schema.fields().iter().filter(|field| roles.of(field.name()) == Role::Target);
        let (Some(field), None) = (targets.next(), targets.next()) else {
            return Err(Error::schema("a label encoder needs one column of the role target: declare it"));
        };
        let gathered = Gathered { target: Arc::from(field.name().as_str()), classes: Groups::of(field)? };
        Ok(Some(Learner::new([field.name()], move || gathered.clone())))
    }
}

#[derive(Clone)]
struct Gathered {
    target: Arc<str>,
    classes: Groups<u64>,
}

impl Accumulator for Gathered {
    type Output = Arc<dyn Transform>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        self.classes.update(batch.column(find_column(batch.schema_ref(), &self.target)?), &self.target)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.classes.merge(other.classes)
    }

    fn finish(self) -> Result<Arc<dyn Transform>> {
        let target = self.target.to_string();
        let (classes, _) = self.classes.finish()?;
        if classes.has_null() {
            return Err(Error::data(format!("target '{target}' has nulls: filter those rows before training")));
        }
        if classes.len() == 0 {
            return Err(Error::data(format!("target '{target}' has no rows: look at the source and its filter")));
        }
        Ok(Arc::new(Labels { target, classes }))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Labels {
    target: String,
    classes: Vocabulary,
}

impl Labels {
    /// Where the target stands, if it is there.
    fn place(&self, input: &Schema) -> Result<Option<usize>> {
        let Ok(place) = input.index_of(&self.target) else { return Ok(None) };
        self.classes.check(input.field(place))?;
        Ok(Some(place))
    }

    fn encode(&self, column: &ArrayRef) -> Result<Int64Array> {
        let keys = Keys::read(column, &self.target)?;
        let codes = self.classes.codes(&keys)?.into_iter().enumerate();
        let code = |(row, code)| match code {
            known if known < self.classes.len() => Ok(Some(known as i64)),
            _ if column.is_null(row) => Ok(None),
            _ => Err(unknown_category(keys.get(row))).context("row", row + 1).context("column", &self.target),
        };
        codes.map(code).collect()
    }
}

impl Transform for Labels {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        let mut fields: Vec<FieldRef> = input.fields().to_vec();
        if let Some(place) = self.place(input)? {
            fields[place] = Arc::new(Field::new(&self.target, DataType::Int64, input.field(place).is_nullable()));
        }
        Ok(Arc::new(Schema::new_with_metadata(fields, input.metadata().clone())))
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let Some(place) = self.place(batch.schema_ref())? else { return Ok(batch) };
        let schema = self.output_schema(batch.schema_ref())?;
        let mut columns = batch.columns().to_vec();
        columns[place] = Arc::new(self.encode(&columns[place])?);
        Ok(RecordBatch::try_new(schema, columns)?)
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        let place = self.place(input)?;
        let (target, classes) = (self.target.clone(), self.classes.clone());
        Ok(Some(Arc::new(Row { width: input.fields().len(), place, target, classes })))
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(self)
    }
}

impl Load for Labels {
    const KIND: &'static str = LabelEncoder::KIND;
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        artifact.state()
    }
}

#[derive(Debug)]
struct Row {
    width: usize,
    place: Option<usize>,
    target: String,
    classes: Vocabulary,
}

impl RowTransform for Row {
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        check_width(input, self.width)?;
        let start = output.len();
        output.extend_from_slice(input);
        let Some(place) = self.place else { return Ok(()) };
        output[start + place] = match self.classes.code(input[place]).context("column", &self.target)? {
            Some(code) => Value::Int(code as i64),
            None if input[place].is_null() => Value::Null,
            None => return Err(unknown_category(input[place])).context("column", &self.target),
        };
        Ok(())
    }
}

/// Turns the numbers of a [`LabelEncoder`] back into classes (its `inverse_transform`).
#[derive(Clone, Debug)]
pub struct LabelDecoder {
    classes: ArrayRef,
}

impl LabelDecoder {
    /// The inverse of a fitted label encoder.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if it is something else.
    pub fn of(fitted: &dyn Transform) -> Result<Self> {
        let artifact = fitted.save()?;
        if artifact.kind != LabelEncoder::KIND {
            return Err(Error::config(format!(
                "labels are decoded by a fitted label encoder, not by '{}': give that step alone",
                artifact.kind
            )));
        }
        Ok(Self { classes: artifact.state::<Labels>()?.classes.column() })
    }

    /// The classes, in the order of their numbers.
    pub fn classes(&self) -> &ArrayRef {
        &self.classes
    }

    /// The classes of these numbers, which are whole, as `Int64` or `Float64`; null stays null.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column of another type,
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for a number that no class has.
    pub fn decode(&self, numbers: &ArrayRef) -> Result<ArrayRef> {
        let given = mlops_core::columns::numbers(numbers, "numbers of classes")?;
        let index = |(row, number): (usize, Option<f64>)| match number {
            None => Ok(None),
            Some(x) if x >= 0.0 && x.fract() == 0.0 && x < self.classes.len() as f64 => Ok(Some(x as u32)),
            Some(x) => Err(Error::data(format!(
                "{x} is not the number of a class: there are {} classes, numbered from 0",
                self.classes.len()
            ))
            .with_context("row", row + 1)),
        };
        let indices: UInt32Array = given.iter().enumerate().map(index).collect::<Result<_>>()?;
        Ok(take(&self.classes, &indices, None)?)
    }
}
