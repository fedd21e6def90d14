//! What the transforms of whole rows share: several numeric columns in, several out.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use mlops_core::columns::{find_column, numbers};
use mlops_core::{Artifact, Codecs, Error, Load, Result, ResultExt, RowTransform, Transform, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::columns::{check_width, distinct, number, number_field};
use super::learn::check_numeric;

/// A function from the numbers of a row to other numbers. Deserializing it checks it.
pub(crate) trait WideMap: Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind of the component that is made of it.
    const KIND: &'static str;

    /// Whether each output takes the place of an input; else all stand where the first input was.
    const IN_PLACE: bool = false;

    /// From how many numbers; `None` if from any number of them.
    fn width(&self) -> Option<usize>;

    /// What the outputs of `inputs` are called.
    fn names(&self, inputs: &[String]) -> Vec<String>;

    /// Writes the outputs of one row.
    fn map(&self, input: &[f64], output: &mut [f64]);
}

/// A fitted [`WideMap`] over the named columns, which it replaces; the others pass through. A row with
/// a null among them has nulls only.
#[derive(Debug)]
pub(crate) struct Wide<M> {
    columns: Vec<String>,
    outputs: Vec<String>,
    map: Arc<M>,
}

/// What stands in the output where a column of the input was.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// All outputs.
    All,
    Kept,
    /// Nothing: its number went into the outputs elsewhere.
    Nothing,
    One(usize),
}

impl<M: WideMap> Wide<M> {
    pub(crate) fn new(columns: &[String], map: M) -> Self {
        Self { columns: columns.to_vec(), outputs: map.names(columns), map: Arc::new(map) }
    }

    fn places(&self, input: &Schema) -> Result<Vec<Place>> {
        let mut places = vec![Place::Kept; input.fields().len()];
        for (i, name) in self.columns.iter().enumerate() {
            let place = find_column(input, name)?;
            check_numeric(input.field(place))?;
            places[place] = match i {
                i if M::IN_PLACE => Place::One(i),
                0 => Place::All,
                _ => Place::Nothing,
            };
        }
        Ok(places)
    }

    /// The numbers of the outputs for rows of numbers, column by column.
    fn compute(&self, inputs: &[Float64Array], rows: usize) -> Vec<Vec<f64>> {
        let mut columns: Vec<Vec<f64>> = self.outputs.iter().map(|_| Vec::with_capacity(rows)).collect();
        let (mut input, mut output) = (vec![0.0; inputs.len()], vec![0.0; self.outputs.len()]);
        for row in 0..rows {
            input.iter_mut().zip(inputs).for_each(|(number, column)| *number = column.values()[row]);
            self.map.map(&input, &mut output);
            columns.iter_mut().zip(&output).for_each(|(column, number)| column.push(*number));
        }
        columns
    }
}

impl<M: WideMap> Transform for Wide<M> {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        let places = self.places(input)?;
        let nullable = self.columns.iter().any(|name| input.field_with_name(name).is_ok_and(Field::is_nullable));
        let field = |name: &String| Arc::new(number_field(name, nullable));
        let mut fields: Vec<FieldRef> = Vec::with_capacity(input.fields().len() + self.outputs.len());
        for (kept, place) in input.fields().iter().zip(places) {
            match place {
                Place::All => fields.extend(self.outputs.iter().map(field)),
                Place::Kept => fields.push(Arc::clone(kept)),
                Place::Nothing => {}
                Place::One(i) => fields.push(field(&self.outputs[i])),
            }
        }
        distinct(fields.iter().map(|field| field.name().as_str()))?;
        Ok(Arc::new(Schema::new_with_metadata(fields, input.metadata().clone())))
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let schema = self.output_schema(batch.schema_ref())?;
        let places = self.places(batch.schema_ref())?;
        let read = |name: &String| numbers(batch.column(find_column(batch.schema_ref(), name)?), name);
        let inputs = self.columns.iter().map(read).collect::<Result<Vec<_>>>()?;
        let nulls = inputs.iter().fold(None, |all, column| NullBuffer::union(all.as_ref(), column.nulls()));
        let computed = self.compute(&inputs, batch.num_rows()).into_iter();
        let outputs: Vec<ArrayRef> =
            computed.map(|column| Arc::new(Float64Array::new(column.into(), nulls.clone())) as ArrayRef).collect();
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (kept, place) in batch.columns().iter().zip(places) {
            match place {
                Place::All => columns.extend(outputs.iter().cloned()),
                Place::Kept => columns.push(Arc::clone(kept)),
                Place::Nothing => {}
                Place::One(i) => columns.push(Arc::clone(&outputs[i])),
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        self.output_schema(input)?;
        let inputs = self.columns.iter().map(|name| Ok((find_column(input, name)?, name.clone())));
        Ok(Some(Arc::new(Row {
            inputs: inputs.collect::<Result<_>>()?,
            outputs: self.outputs.len(),
            places: self.places(input)?,
            map: Arc::clone(&self.map),
        })))
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(&State { columns: self.columns.clone(), learned: self.map.as_ref() })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State<T> {
    columns: Vec<String>,
    learned: T,
}

impl<M: WideMap> Load for Wide<M> {
    const KIND: &'static str = M::KIND;
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { columns, learned } = artifact.state::<State<M>>()?;
        distinct(columns.iter().map(String::as_str))
            .map_err(|e| Error::corrupt(format!("the same column is read twice: {e}")))?;
        match learned.width() {
            Some(width) if width != columns.len() => Err(Error::corrupt(format!(
                "{} columns are named, but what was learned is about {width}",
                columns.len()
            ))),
            _ => Ok(Self::new(&columns, learned)),
        }
    }
}

#[derive(Debug)]
struct Row<M> {
    /// Where each number is read, and the name of that column.
    inputs: Vec<(usize, String)>,
    outputs: usize,
    places: Vec<Place>,
    map: Arc<M>,
}

/// Rows of up to so many numbers are computed without an allocation.
const ON_STACK: usize = 64;

impl<M: WideMap> Row<M> {
    /// Writes the numbers of the row `cells`; whether none of them is null.
    fn read(&self, cells: &[Value<'_>], numbers: &mut [f64]) -> Result<bool> {
        let mut complete = true;
        for ((place, name), slot) in self.inputs.iter().zip(numbers) {
            match number(cells[*place]).context("column", name)? {
                Some(number) => *slot = number,
                None => complete = false,
            }
        }
        Ok(complete)
    }
}

impl<M: WideMap> Row<M> {
    /// Calls `then` with the numbers of the outputs, and whether they are not null.
    fn compute(&self, row: &[Value<'_>], then: impl FnOnce(&[f64], bool)) -> Result<()> {
        check_width(row, self.places.len())?;
        let width = self.inputs.len() + self.outputs;
        let (mut few, mut many) = ([0.0; ON_STACK], Vec::new());
        let buffer: &mut [f64] = if width <= ON_STACK {
            &mut few[..width]
        } else {
            many.resize(width, 0.0);
            &mut many
        };
        let (numbers, computed) = buffer.split_at_mut(self.inputs.len());
        let complete = self.read(row, numbers)?;
        if complete {
            self.map.map(numbers, computed);
        }
        then(computed, complete);
        Ok(())
    }
}

fn cell<'a>(x: f64, valid: bool) -> Value<'a> {
    if valid { Value::Float(x) } else { Value::Null }
}

impl<M: WideMap> RowTransform for Row<M> {
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        self.compute(input, |computed, valid| {
            for (kept, place) in input.iter().zip(&self.places) {
                match *place {
                    Place::All => output.extend(computed.iter().map(|x| cell(*x, valid))),
                    Place::Kept => output.push(*kept),
                    Place::Nothing => {}
                    Place::One(i) => output.push(cell(computed[i], valid)),
                }
            }
        })
    }

    fn apply_in_place<'a>(&'a self, row: &mut Vec<Value<'a>>, spare: &mut Vec<Value<'a>>) -> Result<()> {
        spare.clear();
        if !M::IN_PLACE {
            self.apply_row(row, spare)?;
            std::mem::swap(row, spare);
            return Ok(());
        }
        self.compute(row, |computed, valid| spare.extend(computed.iter().map(|x| cell(*x, valid))))?;
        self.inputs.iter().zip(spare).for_each(|((place, _), cell)| row[*place] = *cell);
        Ok(())
    }
}
