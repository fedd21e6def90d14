//! What the column-wise transforms share: one fitted map a column, whose outputs take the place of
//! the column.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use mlops_core::columns::{find_column, numbers};
use mlops_core::{
    Artifact, Codecs, Error, Load, Operand, Operator, Operators, Result, ResultExt, RowTransform, Transform, Value,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::learn::check_numeric;

/// What was learned about one column: a function from its cells to the cells of the columns in its
/// place. Deserializing it checks it.
pub(crate) trait ColumnMap: Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind of the component that is made of such maps.
    const KIND: &'static str;

    /// What the map must know of the type of the column; `()` if nothing.
    type Binding: Debug + Send + Sync + 'static;

    /// Refuses a column of a type that can't be mapped.
    fn bind(&self, input: &Field) -> Result<Self::Binding>;

    /// The columns in the place of `input`.
    fn fields(&self, input: &Field) -> Result<Vec<Field>>;

    /// Their values; by value, so that a buffer nobody else holds can be reused.
    fn map(&self, binding: &Self::Binding, name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>>;

    /// The same for one cell.
    fn map_cell<'a>(&'a self, binding: &Self::Binding, cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()>;

    /// The same as operators of a graph: the operands of its [`fields`](Self::fields).
    fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Vec<Operand>> {
        let _ = (column, graph);
        Err(Error::unsupported(format!("'{}' can't be written as operators of a graph", Self::KIND)))
    }
}

/// The simplest [`ColumnMap`]: a function from number to number. Nulls stay.
pub(crate) trait NumberMap: Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind of the component that is made of such maps.
    const KIND: &'static str;

    /// What becomes of a number, which may be NaN or infinite.
    fn map(&self, x: f64) -> f64;

    /// The same as an operand of a graph.
    fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Operand> {
        let _ = (column, graph);
        Err(Error::unsupported(format!("'{}' can't be written as operators of a graph", Self::KIND)))
    }
}

/// `operator` of a column and a number.
pub(super) fn with_number(
    operator: &Operator,
    column: Operand,
    number: f64,
    graph: &mut dyn Operators,
) -> Result<Operand> {
    let number = graph.number(number);
    graph.apply(operator, &[column, number])
}

/// A column between two numbers.
pub(super) fn clamped(column: Operand, least: f64, greatest: f64, graph: &mut dyn Operators) -> Result<Operand> {
    let (low, high) = (graph.number(least), graph.number(greatest));
    let below = graph.apply(&Operator::Greater, &[low, column])?;
    let above = graph.apply(&Operator::Greater, &[column, high])?;
    let bounded = graph.apply(&Operator::Choose, &[above, high, column])?;
    graph.apply(&Operator::Choose, &[below, low, bounded])
}

impl<M: NumberMap> ColumnMap for M {
    const KIND: &'static str = M::KIND;
    type Binding = ();

    fn bind(&self, input: &Field) -> Result<()> {
        check_numeric(input)
    }

    fn fields(&self, input: &Field) -> Result<Vec<Field>> {
        Ok(vec![number_field(input.name(), input.is_nullable())])
    }

    fn map(&self, (): &(), name: &str, column: ArrayRef) -> Result<Vec<ArrayRef>> {
        Ok(vec![map_numbers(column, name, |x| NumberMap::map(self, x))?])
    }

    fn map_cell<'a>(&'a self, (): &(), cell: Value<'a>, output: &mut Vec<Value<'a>>) -> Result<()> {
        output.push(cell_of(number(cell)?.map(|x| NumberMap::map(self, x))));
        Ok(())
    }

    fn operators(&self, column: Operand, graph: &mut dyn Operators) -> Result<Vec<Operand>> {
        Ok(vec![NumberMap::operators(self, column, graph)?])
    }
}

/// A fitted map for each of the named columns; the others pass through.
#[derive(Debug)]
pub(crate) struct Fitted<C> {
    columns: Vec<(String, Arc<C>)>,
}

impl<C: ColumnMap> Fitted<C> {
    pub(crate) fn new(names: &[String], maps: Vec<C>) -> Self {
        Self::of(names, maps.into_iter().map(Arc::new))
    }

    pub(crate) fn of(names: &[String], maps: impl IntoIterator<Item = Arc<C>>) -> Self {
        Self { columns: names.iter().cloned().zip(maps).collect() }
    }

    /// The map of the `i`-th named column.
    pub(super) fn map_of(&self, i: usize) -> &C {
        &self.columns[i].1
    }

    /// For each column of the input, which map it goes through.
    fn places(&self, input: &Schema) -> Result<Vec<Option<usize>>> {
        let mut places = vec![None; input.fields().len()];
        for (i, (name, _)) in self.columns.iter().enumerate() {
            places[find_column(input, name)?] = Some(i);
        }
        Ok(places)
    }

    /// Puts what `map` makes of the `i`-th named column in its place.
    pub(crate) fn replace(
        &self,
        batch: RecordBatch,
        map: impl Fn(usize, &Field, ArrayRef) -> Result<Vec<ArrayRef>>,
    ) -> Result<RecordBatch> {
        let output = self.output_schema(batch.schema_ref())?;
        let places = self.places(batch.schema_ref())?;
        let (input, columns, rows) = batch.into_parts();
        let mut replaced = Vec::with_capacity(output.fields().len());
        for ((column, field), place) in columns.into_iter().zip(input.fields()).zip(places) {
            match place {
                Some(i) => replaced.extend(map(i, field, column)?),
                None => replaced.push(column),
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(output, replaced, &options)?)
    }
}

impl<C: ColumnMap> Transform for Fitted<C> {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        let mut fields: Vec<FieldRef> = Vec::with_capacity(input.fields().len());
        for (field, place) in input.fields().iter().zip(self.places(input)?) {
            match place {
                Some(i) => {
                    let map = &self.columns[i].1;
                    map.bind(field)?;
                    fields.extend(map.fields(field)?.into_iter().map(Arc::new));
                }
                None => fields.push(Arc::clone(field)),
            }
        }
        distinct(fields.iter().map(|field| field.name().as_str()))?;
        Ok(Arc::new(Schema::new_with_metadata(fields, input.metadata().clone())))
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        self.replace(batch, |i, field, column| {
            let map = &self.columns[i].1;
            map.map(&map.bind(field)?, field.name(), column)
        })
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        self.output_schema(input)?;
        let mut maps = Vec::with_capacity(self.columns.len());
        let mut in_place = true;
        for (place, (field, i)) in input.fields().iter().zip(self.places(input)?).enumerate() {
            if let Some(i) = i {
                let map = Arc::clone(&self.columns[i].1);
                in_place &= map.fields(field)?.len() == 1;
                maps.push(Bound { place, name: field.name().clone(), binding: map.bind(field)?, map });
            }
        }
        Ok(Some(Arc::new(Row { width: input.fields().len(), in_place, maps })))
    }

    fn save(&self) -> Result<Artifact> {
        let columns = self.columns.iter().map(|(name, map)| Entry { name: name.clone(), learned: map.as_ref() });
        Artifact::of::<Self>(&State { columns: columns.collect() })
    }

    fn operators(
        &self,
        input: &Schema,
        columns: &mut BTreeMap<String, Operand>,
        graph: &mut dyn Operators,
    ) -> Result<()> {
        for (name, map) in &self.columns {
            let field = input.field(find_column(input, name)?);
            map.bind(field)?;
            let column = columns.remove(name).ok_or_else(|| Error::internal(format!("no operand for '{name}'")))?;
            let given = map.operators(column, graph).context("column", name)?;
            columns.extend(map.fields(field)?.into_iter().map(|field| field.name().clone()).zip(given));
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State<T> {
    columns: Vec<Entry<T>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<T> {
    name: String,
    learned: T,
}

impl<C: ColumnMap> Load for Fitted<C> {
    const KIND: &'static str = C::KIND;
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { columns } = artifact.state::<State<C>>()?;
        distinct(columns.iter().map(|column| column.name.as_str()))
            .map_err(|e| Error::corrupt(format!("the same column is prepared twice: {e}")))?;
        Ok(Self { columns: columns.into_iter().map(|Entry { name, learned }| (name, Arc::new(learned))).collect() })
    }
}

#[derive(Debug)]
struct Row<C: ColumnMap> {
    width: usize,
    /// Whether every map gives one cell.
    in_place: bool,
    /// In the order of the columns.
    maps: Vec<Bound<C>>,
}

#[derive(Debug)]
struct Bound<C: ColumnMap> {
    place: usize,
    name: String,
    binding: C::Binding,
    map: Arc<C>,
}

impl<C: ColumnMap> Bound<C> {
    fn map<'a>(&'a self, row: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        self.map.map_cell(&self.binding, row[self.place], output).context("column", &self.name)
    }
}

impl<C: ColumnMap> RowTransform for Row<C> {
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        check_width(input, self.width)?;
        let mut next = 0;
        for bound in &self.maps {
            output.extend_from_slice(&input[next..bound.place]);
            bound.map(input, output)?;
            next = bound.place + 1;
        }
        output.extend_from_slice(&input[next..]);
        Ok(())
    }

    fn apply_in_place<'a>(&'a self, row: &mut Vec<Value<'a>>, spare: &mut Vec<Value<'a>>) -> Result<()> {
        spare.clear();
        if !self.in_place {
            self.apply_row(row, spare)?;
            std::mem::swap(row, spare);
            return Ok(());
        }
        check_width(row, self.width)?;
        for bound in &self.maps {
            bound.map(row, spare)?;
            if let Some(cell) = spare.pop() {
                row[bound.place] = cell;
            }
        }
        Ok(())
    }
}

/// Refuses a row that is not one of the input schema.
pub(crate) fn check_width(row: &[Value<'_>], width: usize) -> Result<()> {
    if row.len() == width {
        return Ok(());
    }
    Err(Error::schema(format!("a row of {} cells was given, but the input has {width} columns", row.len())))
}

/// Refuses two columns of one name, of which only the first could ever be found.
pub(super) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Error::schema(format!(
                "two columns would be called '{name}': rename one of them, or leave one out before this step"
            )));
        }
    }
    Ok(())
}

/// The names of a recipe.
pub(crate) fn owned<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Vec<String> {
    columns.into_iter().map(Into::into).collect()
}

/// A numeric output.
pub(super) fn number_field(name: impl Into<String>, nullable: bool) -> Field {
    Field::new(name, DataType::Float64, nullable)
}

/// Computes with every number of a column, in place if nobody else holds its buffer. Nulls stay.
pub(super) fn map_numbers(column: ArrayRef, name: &str, f: impl Fn(f64) -> f64) -> Result<ArrayRef> {
    let values = numbers(&column, name)?;
    drop(column);
    let mapped: Float64Array = values.unary_mut(&f).unwrap_or_else(|shared| shared.unary(f));
    Ok(Arc::new(mapped))
}

/// The number in a cell of a numeric column.
pub(super) fn number(cell: Value<'_>) -> Result<Option<f64>> {
    match cell {
        Value::Null => Ok(None),
        Value::Text(text) => Err(Error::schema(format!("the text {text:?} stands where a number is needed"))),
        number => Ok(number.as_f64()),
    }
}

/// An optional number as a cell.
pub(super) fn cell_of<'a>(number: Option<f64>) -> Value<'a> {
    number.map_or(Value::Null, Value::Float)
}
