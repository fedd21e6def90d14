//! Gathering what the target says about every category, fold by fold, and encoding by it.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, UInt32Type};
use mlops_core::columns::find_column;
use mlops_core::folds::Fold;
use mlops_core::{Accumulator, Error, Learner, Result, ResultExt, Table, Transform};

use super::TargetEncoder;
use super::answers::{Answers, Summary};
use super::column::{EncodedColumn, encode_by};
use crate::transform::columns::Fitted;
use crate::transform::groups::{Gather, Groups, Keys};

/// Encodings from all rows.
pub(super) fn learner<T: Answers>(recipe: &TargetEncoder, schema: &Schema, target: T) -> Result<Learner> {
    let inputs = recipe.columns.iter().cloned().chain([target.name().to_owned()]);
    let gathering = Gathering::of(recipe, schema, target, 1)?;
    Ok(Learner::new(inputs, move || Whole(gathering.clone())).with_cross_fitting().with_dictionaries())
}

/// Encodings from all rows, and the rows encoded each by the folds that it is not in.
pub(super) fn cross_fit<T: Answers>(
    recipe: &TargetEncoder,
    data: &Table,
    target: T,
) -> Result<(Fitted<EncodedColumn>, Table)> {
    let folds = target.folds(data, recipe.cv)?;
    let folded = with_folds(data, &folds)?;
    let gathering = Gathering { folded: true, ..Gathering::of(recipe, data.schema(), target, folds.len())? };
    let (empty, target) =
        (Part::empty(recipe, data.schema(), gathering.target.as_ref())?, Arc::clone(&gathering.target));
    let (target, parts) = (target.as_ref(), folded.fold(|| gathering.clone())?.parts);

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
            encode_by(&column, field.name(), &maps, folds)
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
pub(super) struct Part<S> {
    /// By category, for each of the encoded columns.
    pub(super) groups: Vec<Groups<S>>,
    pub(super) whole: S,
}

impl<S: Gather> Part<S> {
    fn empty<T: Answers<Stats = S>>(recipe: &TargetEncoder, schema: &Schema, target: &T) -> Result<Self> {
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

    pub(super) fn encodings<T: Answers<Stats = S>>(
        self,
        recipe: &TargetEncoder,
        target: &T,
    ) -> Result<Fitted<EncodedColumn>> {
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
#[derive(Debug)]
struct Gathering<T: Answers> {
    recipe: Arc<TargetEncoder>,
    target: Arc<T>,
    folded: bool,
    parts: Vec<Part<T::Stats>>,
}

impl<T: Answers> Clone for Gathering<T> {
    fn clone(&self) -> Self {
        let (recipe, target) = (Arc::clone(&self.recipe), Arc::clone(&self.target));
        Self { recipe, target, folded: self.folded, parts: self.parts.clone() }
    }
}

impl<T: Answers> Gathering<T> {
    fn of(recipe: &TargetEncoder, schema: &Schema, target: T, parts: usize) -> Result<Self> {
        let parts = vec![Part::empty(recipe, schema, &target)?; parts];
        Ok(Self { recipe: Arc::new(recipe.clone()), target: Arc::new(target), folded: false, parts })
    }
}

impl<T: Answers> Gathering<T> {
    fn update_whole(&mut self, batch: &RecordBatch) -> Result<()> {
        let answers = self.target.read(batch)?;
        let part = &mut self.parts[0];
        (0..batch.num_rows()).for_each(|row| T::add(&mut part.whole, &answers, row));
        for (groups, name) in part.groups.iter_mut().zip(&self.recipe.columns) {
            let keys = Keys::read(batch.column(find_column(batch.schema_ref(), name)?), name)?;
            let add = |stats: &mut T::Stats, row| T::add(stats, &answers, row);
            groups.change(&keys, || self.target.empty(), add).context("column", name)?;
        }
        Ok(())
    }

    /// The fold of a row is in the last column.
    fn update_folds(&mut self, batch: &RecordBatch) -> Result<()> {
        let answers = self.target.read(batch)?;
        let folds = batch.column(batch.num_columns() - 1).as_primitive::<UInt32Type>().values();
        for (row, fold) in folds.iter().enumerate() {
            T::add(&mut self.parts[*fold as usize].whole, &answers, row);
        }
        let parts = 0..self.parts.len() as u32;
        let rows_of: Vec<UInt32Array> = parts
            .map(|part| (0..).zip(folds).filter(|(_, fold)| **fold == part).map(|(row, _): (u32, _)| row).collect())
            .collect();
        for (i, name) in self.recipe.columns.iter().enumerate() {
            let column = batch.column(find_column(batch.schema_ref(), name)?);
            for (part, rows) in self.parts.iter_mut().zip(&rows_of) {
                let keys = Keys::read(&take(column, rows, None)?, name)?;
                let add = |stats: &mut T::Stats, row: usize| T::add(stats, &answers, rows.value(row) as usize);
                part.groups[i].change(&keys, || self.target.empty(), add).context("column", name)?;
            }
        }
        Ok(())
    }
}

impl<T: Answers> Accumulator for Gathering<T> {
    type Output = Vec<Part<T::Stats>>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.folded { self.update_folds(batch) } else { self.update_whole(batch) }
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.parts.iter_mut().zip(other.parts).try_for_each(|(mine, theirs)| mine.merge(theirs))
    }

    fn finish(self) -> Result<Self::Output> {
        Ok(self.parts)
    }
}

/// Without folds: encodings from all rows.
struct Whole<T: Answers>(Gathering<T>);

impl<T: Answers> Accumulator for Whole<T> {
    type Output = Arc<dyn Transform>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.update(batch)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.0.merge(other.0)
    }

    fn finish(self) -> Result<Self::Output> {
        let (recipe, target) = (Arc::clone(&self.0.recipe), Arc::clone(&self.0.target));
        let mut parts = self.0.parts.into_iter();
        let part = parts.next().ok_or_else(|| Error::internal("a target encoder gathered nothing"))?;
        Ok(Arc::new(part.encodings(&recipe, target.as_ref())?))
    }
}
