//! Gathering what the target says about every category, fold by fold, and encoding by it.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, UInt32Type};
use mlops_core::columns::find_column;
use mlops_core::folds::Fold;
use mlops_core::{Accumulator, Error, Result, ResultExt, Table, Transform};

use super::TargetEncoder;
use super::answers::{Answers, Summary};
use super::column::{EncodedColumn, encode};
use crate::transform::columns::Fitted;
use crate::transform::groups::{Gather, Groups, Keys};

/// Encodings from all rows.
pub(super) fn fit<T: Answers>(recipe: &TargetEncoder, data: &Table, target: &T) -> Result<Fitted<EncodedColumn>> {
    let empty = Part::empty(recipe, data, target)?;
    let start = || Gathering { columns: &recipe.columns, target, folded: false, parts: vec![empty.clone()] };
    let parts = data.fold(start)?.finish()?;
    Part::merged(&empty, parts.iter())?.encodings(recipe, target)
}

/// Encodings from all rows, and the rows encoded each by the folds that it is not in.
pub(super) fn cross_fit<T: Answers>(
    recipe: &TargetEncoder,
    data: &Table,
    target: &T,
) -> Result<(Fitted<EncodedColumn>, Table)> {
    let folds = target.folds(data, recipe.cv)?;
    let folded = with_folds(data, &folds)?;
    let empty = Part::empty(recipe, data, target)?;
    let parts = vec![empty.clone(); folds.len()];
    let start = || Gathering { columns: &recipe.columns, target, folded: true, parts: parts.clone() };
    let parts = folded.fold(start)?.finish()?;

    let fitted = Part::merged(&empty, parts.iter())?.encodings(recipe, target)?;
    let without = |fold| {
        let others = parts.iter().enumerate().filter(move |(i, _)| *i != fold).map(|(_, part)| part);
        Part::merged(&empty, others)?.encodings(recipe, target)
    };
    let crossed = (0..parts.len()).map(without).collect::<Result<Vec<_>>>()?;
    let schema = fitted.output_schema(data.schema())?;
    let table = folded.map_batches(schema, |mut batch| {
        let folds = batch.remove_column(batch.num_columns() - 1);
        let folds = folds.as_primitive::<UInt32Type>().values();
        fitted.replace(batch, |i, field, column| {
            let maps: Vec<&EncodedColumn> = crossed.iter().map(|fitted| fitted.map_of(i)).collect();
            encode(&column, field.name(), target.suffixes().len().max(1), |row| maps[folds[row] as usize])
        })
    })?;
    Ok((fitted, table))
}

/// The table with one more column, the last: in which fold a row is tested.
fn with_folds(data: &Table, folds: &[Fold]) -> Result<Table> {
    let mut fold_of = vec![0u32; data.num_rows()];
    for (number, fold) in (0..).zip(folds) {
        fold.test.iter().for_each(|row| fold_of[*row] = number);
    }
    let fold_of = UInt32Array::from(fold_of);
    let mut fields = data.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("", DataType::UInt32, false)));
    let schema = Arc::new(Schema::new_with_metadata(fields, data.schema().metadata().clone()));
    let mut start = 0;
    let batches = data.batches().iter().map(|batch| {
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(fold_of.slice(start, batch.num_rows())));
        start += batch.num_rows();
        Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
    });
    let batches = batches.collect::<Result<Vec<_>>>()?;
    Ok(Table::new(schema, batches)?.with_roles(data.roles()))
}

/// What the target says in some rows.
#[derive(Clone, Debug)]
struct Part<S> {
    /// By category, for each of the encoded columns.
    groups: Vec<Groups<S>>,
    whole: S,
}

impl<S: Gather> Part<S> {
    fn empty<T: Answers<Stats = S>>(recipe: &TargetEncoder, data: &Table, target: &T) -> Result<Self> {
        let schema = data.schema();
        let groups = recipe.columns.iter().map(|name| Groups::of(schema.field(find_column(schema, name)?)));
        Ok(Self { groups: groups.collect::<Result<_>>()?, whole: target.empty() })
    }

    fn merged<'a>(empty: &Self, parts: impl Iterator<Item = &'a Self>) -> Result<Self>
    where
        S: 'a,
    {
        let mut whole = empty.clone();
        for part in parts {
            whole.merge(part.clone())?;
        }
        Ok(whole)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.whole.gather(other.whole);
        self.groups.iter_mut().zip(other.groups).try_for_each(|(mine, theirs)| mine.merge(theirs))
    }

    fn encodings<T: Answers<Stats = S>>(self, recipe: &TargetEncoder, target: &T) -> Result<Fitted<EncodedColumn>> {
        let whole = target.summaries(&self.whole);
        let means: Vec<f64> = whole.iter().map(|summary| summary.mean).collect();
        if means.iter().any(|mean| !mean.is_finite()) {
            return Err(Error::data(format!(
                "the target '{}' has no finite mean (no rows, or a NaN or infinity in it): filter those rows",
                target.name()
            )));
        }
        let encoding = |(category, whole): (&Summary, &Summary)| category.encoding(whole, recipe.smooth);
        let encodings = |stats: &S| target.summaries(stats).iter().zip(&whole).map(encoding).collect::<Vec<_>>();
        let map = |groups: Groups<S>| {
            let (vocabulary, stats) = groups.finish()?;
            let encodings = stats.iter().map(encodings).collect();
            EncodedColumn::new(vocabulary, encodings, means.clone(), target.suffixes())
        };
        let maps = self.groups.into_iter().map(map).collect::<Result<_>>()?;
        Ok(Fitted::new(&recipe.columns, maps))
    }
}

/// One part for each fold, or a single one; the fold of a row is in the last column.
struct Gathering<'a, T: Answers> {
    columns: &'a [String],
    target: &'a T,
    folded: bool,
    parts: Vec<Part<T::Stats>>,
}

impl<T: Answers> Accumulator for Gathering<'_, T> {
    type Output = Vec<Part<T::Stats>>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let answers = self.target.read(batch)?;
        let last = batch.column(batch.num_columns() - 1);
        let folds = if self.folded { last.as_primitive_opt::<UInt32Type>() } else { None };
        let fold_of = |row: usize| folds.map_or(0, |folds| folds.value(row) as usize);
        for row in 0..batch.num_rows() {
            T::add(&mut self.parts[fold_of(row)].whole, &answers, row);
        }
        for (i, name) in self.columns.iter().enumerate() {
            let keys = Keys::read(batch.column(find_column(batch.schema_ref(), name)?), name)?;
            for (row, key) in keys.iter().enumerate() {
                let groups = &mut self.parts[fold_of(row)].groups[i];
                groups
                    .change(key, || self.target.empty(), |stats| T::add(stats, &answers, row))
                    .context("column", name)?;
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.parts.iter_mut().zip(other.parts).try_for_each(|(mine, theirs)| mine.merge(theirs))
    }

    fn finish(self) -> Result<Self::Output> {
        Ok(self.parts)
    }
}
