use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use mlops_core::columns::find_column;
use mlops_core::{
    Artifact, Codecs, Error, Learner, Load, Operand, Operators, Result, ResultExt, Role, Roles, RowTransform, Run,
    Table, Transform, Transformer, Value, transform_table,
};
use serde::{Deserialize, Serialize};

use super::Remainder;
use crate::transform::columns::{check_width, distinct};
use crate::transform::learn::check_columns;

/// A part as its recipe has it: the columns that it sees, and what it does with them.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) transformer: Arc<dyn Transformer>,
}

impl Part {
    /// The columns that the part learns from: its own, and those that are no features.
    fn seen(&self, schema: &Schema, roles: &Roles) -> Result<Vec<usize>> {
        check_columns(schema, roles, &self.columns).context("part", &self.name)?;
        let own = self.columns.iter().map(|name| find_column(schema, name));
        let carried = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| roles.of(field.name()) != Role::Feature && !self.columns.contains(field.name()));
        own.chain(carried.map(|(i, _)| Ok(i))).collect()
    }
}

/// How the outputs of the parts are put together.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    /// The columns of each part, by its name.
    pub(super) parts: Vec<(String, Vec<String>)>,
    /// Whether outputs are called `<part>__<column>`.
    pub(super) prefix: bool,
    pub(super) remainder: Remainder,
    /// Columns that are no features, carried along where they are there.
    pub(super) carried: BTreeSet<String>,
}

/// Recipes of several parts, on their way to being fitted.
pub(super) struct Parts<'a> {
    pub(super) parts: &'a [Part],
    pub(super) prefix: bool,
    pub(super) remainder: Remainder,
}

impl Parts<'_> {
    fn layout(&self, schema: &Schema, roles: &Roles) -> Result<Layout> {
        distinct(self.parts.iter().map(|part| part.name.as_str()))
            .map_err(|_| Error::config("two parts have the same name: rename one of them"))?;
        let names = schema.fields().iter().map(|field| field.name());
        Ok(Layout {
            parts: self.parts.iter().map(|part| (part.name.clone(), part.columns.clone())).collect(),
            prefix: self.prefix,
            remainder: self.remainder,
            carried: names.filter(|name| roles.of(name) != Role::Feature).cloned().collect(),
        })
    }

    /// The parts' learners as one, if each has one: they share their passes.
    pub(super) fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        let layout = self.layout(schema, roles)?;
        let mut learners = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            let seen = schema.project(&part.seen(schema, roles)?)?;
            match part.transformer.learner(&seen, roles).context("part", &part.name)? {
                Some(learner) => learners.push(learner),
                None => return Ok(None),
            }
        }
        let combine = move |transforms| Ok(Arc::new(Combined { layout: layout.clone(), transforms }) as _);
        Ok(Some(Learner::join(learners, combine).with_any_columns()))
    }

    pub(super) fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        match self.learner(data.schema(), data.roles())? {
            Some(learner) => learner.fit(data, run),
            None => Ok(self.one_by_one(data, run)?.0),
        }
    }

    pub(super) fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        match self.learner(data.schema(), data.roles())?.filter(|learner| !learner.cross_fits()) {
            Some(learner) => {
                let fitted = learner.fit(data, run)?;
                let table = run.install(|| transform_table(fitted.as_ref(), data))??;
                Ok((fitted, table))
            }
            None => self.one_by_one(data, run),
        }
    }

    /// Fits the parts one after the other, each on its own columns.
    fn one_by_one(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        let layout = self.layout(data.schema(), data.roles())?;
        let (mut transforms, mut tables) = (Vec::new(), Vec::new());
        for part in self.parts {
            let seen = part.seen(data.schema(), data.roles())?;
            let names: Vec<&str> = seen.iter().map(|i| data.schema().field(*i).name().as_str()).collect();
            let fitted = part.transformer.learn_transform(&data.select(names)?, run).context("part", &part.name);
            let (fitted, table) = fitted?;
            if table.num_rows() != data.num_rows() {
                return Err(Error::config(
                    "a step that changes which rows there are can't be a part: put it before, in the pipeline",
                )
                .with_context("part", &part.name));
            }
            transforms.push(fitted);
            tables.push(table);
        }
        let combined = Combined { layout, transforms };
        let table = combined.assemble(data, &tables)?;
        Ok((Arc::new(combined), table))
    }
}

/// Fitted parts, whose outputs stand side by side, before the columns that no part looks at.
#[derive(Debug)]
pub(in crate::transform) struct Combined {
    layout: Layout,
    transforms: Vec<Arc<dyn Transform>>,
}

impl Combined {
    fn parts(&self) -> impl Iterator<Item = (&str, &[String], &Arc<dyn Transform>)> {
        let parts = self.layout.parts.iter().zip(&self.transforms);
        parts.map(|((name, columns), transform)| (name.as_str(), columns.as_slice(), transform))
    }

    fn output_name(&self, part: &str, column: &FieldRef) -> FieldRef {
        if self.layout.prefix {
            return Arc::new(column.as_ref().clone().with_name(format!("{part}__{}", column.name())));
        }
        Arc::clone(column)
    }

    /// The columns that no part looks at and that stay.
    fn rest(&self, input: &Schema) -> Vec<usize> {
        let seen: BTreeSet<&String> = self.layout.parts.iter().flat_map(|(_, columns)| columns).collect();
        let stays = |name: &String| {
            self.layout.carried.contains(name)
                || (self.layout.remainder == Remainder::PassThrough && !seen.contains(name))
        };
        (0..input.fields().len()).filter(|i| stays(input.field(*i).name())).collect()
    }

    fn indices(columns: &[String], input: &Schema) -> Result<Vec<usize>> {
        columns.iter().map(|name| find_column(input, name)).collect()
    }

    /// The outputs of the parts for the training rows, where they were prepared part by part.
    fn assemble(&self, data: &Table, tables: &[Table]) -> Result<Table> {
        let schema = self.output_schema(data.schema())?;
        let whole = data.to_batch()?;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for ((_, names, transform), table) in self.parts().zip(tables) {
            let own = transform.output_schema(&data.schema().project(&Self::indices(names, data.schema())?)?)?;
            for field in own.fields() {
                columns.push(table.column(field.name())?);
            }
        }
        columns.extend(self.rest(data.schema()).into_iter().map(|i| Arc::clone(whole.column(i))));
        let options = RecordBatchOptions::new().with_row_count(Some(whole.num_rows()));
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(Table::from_batch(batch).with_roles(data.roles()))
    }
}

impl Transform for Combined {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        let mut fields: Vec<FieldRef> = Vec::new();
        for (name, columns, transform) in self.parts() {
            let seen = input.project(&Self::indices(columns, input)?)?;
            let output = transform.output_schema(&seen).context("part", name)?;
            fields.extend(output.fields().iter().map(|field| self.output_name(name, field)));
        }
        fields.extend(self.rest(input).into_iter().map(|i| Arc::clone(&input.fields()[i])));
        distinct(fields.iter().map(|field| field.name().as_str()))?;
        Ok(Arc::new(Schema::new_with_metadata(fields, input.metadata().clone())))
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let schema = self.output_schema(batch.schema_ref())?;
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (name, own, transform) in self.parts() {
            let seen = batch.project(&Self::indices(own, batch.schema_ref())?)?;
            columns.extend(transform.apply(seen).context("part", name)?.columns().iter().cloned());
        }
        columns.extend(self.rest(batch.schema_ref()).into_iter().map(|i| Arc::clone(batch.column(i))));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        self.output_schema(input)?;
        let mut parts = Vec::with_capacity(self.transforms.len());
        for (name, columns, transform) in self.parts() {
            let indices = Self::indices(columns, input)?;
            match transform.rows(&input.project(&indices)?).context("part", name)? {
                Some(row) => parts.push((indices, row)),
                None => return Ok(None),
            }
        }
        Ok(Some(Arc::new(Row { width: input.fields().len(), parts, rest: self.rest(input) })))
    }

    fn save(&self) -> Result<Artifact> {
        let parts = self.transforms.iter().map(|transform| transform.save()).collect::<Result<Vec<_>>>()?;
        Ok(parts.into_iter().fold(Artifact::of::<Self>(&self.layout)?, Artifact::with_part))
    }
    fn operators(
        &self,
        input: &Schema,
        columns: &mut BTreeMap<String, Operand>,
        graph: &mut dyn Operators,
    ) -> Result<()> {
        let mut given = BTreeMap::new();
        for (name, own, transform) in self.parts() {
            let seen = input.project(&Self::indices(own, input)?)?;
            let mut part = columns.clone();
            part.retain(|column, _| own.contains(column));
            transform.operators(&seen, &mut part, graph).context("part", name)?;
            for field in transform.output_schema(&seen)?.fields() {
                if let Some(operand) = part.get(field.name()) {
                    given.insert(self.output_name(name, field).name().clone(), *operand);
                }
            }
        }
        for i in self.rest(input) {
            let name = input.field(i).name();
            given.extend(columns.get(name).map(|operand| (name.clone(), *operand)));
        }
        *columns = given;
        Ok(())
    }
}

impl Load for Combined {
    const KIND: &'static str = "column_transformer";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let layout: Layout = artifact.state()?;
        let transforms = artifact.parts.iter().map(|part| codecs.transform(part)).collect::<Result<Vec<_>>>()?;
        if transforms.len() != layout.parts.len() {
            return Err(Error::corrupt(format!(
                "{} parts are named, {} are there",
                layout.parts.len(),
                transforms.len()
            )));
        }
        Ok(Self { layout, transforms })
    }
}

#[derive(Debug)]
struct Row {
    width: usize,
    /// Where the inputs of each part stand, and what it does with them.
    parts: Vec<(Vec<usize>, Arc<dyn RowTransform>)>,
    rest: Vec<usize>,
}

impl RowTransform for Row {
    /// Allocates nothing for parts of up to 64 inputs, a small buffer beyond.
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        check_width(input, self.width)?;
        let (mut few, mut many) = ([Value::Null; 64], Vec::new());
        for (indices, part) in &self.parts {
            let cells = if indices.len() <= few.len() {
                &mut few[..indices.len()]
            } else {
                many.resize(indices.len(), Value::Null);
                &mut many[..indices.len()]
            };
            cells.iter_mut().zip(indices).for_each(|(cell, i)| *cell = input[*i]);
            part.apply_row(cells, output)?;
        }
        output.extend(self.rest.iter().map(|i| input[*i]));
        Ok(())
    }
}
