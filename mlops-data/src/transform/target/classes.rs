//! Targets of whole numbers or texts, whose classes are found on the way.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Field, Schema};
use mlops_core::columns::find_column;
use mlops_core::{Accumulator, Classes, Error, Learner, Result, ResultExt, Task, Transform};

use super::TargetEncoder;
use super::answers::{ClassCounts, ClassTarget};
use super::fit::Part;
use crate::transform::groups::{Categories, Gather, Groups, Keys, Known, NULL};

/// Encodings from all rows.
pub(super) fn learner(recipe: &TargetEncoder, schema: &Schema, name: &str) -> Result<Learner> {
    let target = schema.field(find_column(schema, name)?);
    let groups = recipe.columns.iter().map(|name| Groups::of(schema.field(find_column(schema, name)?)));
    let found = Found {
        recipe: Arc::new(recipe.clone()),
        target: Arc::from(name),
        classes: Known::of(target)?,
        part: Part { groups: groups.collect::<Result<_>>()?, whole: ClassCounts::zeros(0) },
    };
    let inputs = recipe.columns.iter().cloned().chain([name.to_owned()]);
    Ok(Learner::new(inputs, move || found.clone()).with_cross_fitting().with_dictionaries())
}

/// The classes in the order in which they were met, and how often each category has which.
#[derive(Clone, Debug)]
struct Found {
    recipe: Arc<TargetEncoder>,
    target: Arc<str>,
    classes: Known,
    part: Part<ClassCounts>,
}

impl Found {
    fn read_target(&mut self, batch: &RecordBatch) -> Result<Vec<usize>> {
        let column = batch.column(find_column(batch.schema_ref(), &self.target)?);
        let classes = self.classes.intern(&Keys::read(column, &self.target)?)?;
        let name = &self.target;
        if self.classes.len() > Classes::MAX {
            return Err(Error::data(format!(
                "target '{name}' has more than {} classes: convert it to Float64 if it is a quantity",
                Classes::MAX
            )));
        }
        if classes.contains(&NULL) {
            return Err(Error::data(format!("target '{name}' has nulls: filter those rows before training")));
        }
        Ok(classes)
    }

    /// The target as it would have been had its classes been known.
    fn target(&self, classes: Categories) -> Result<ClassTarget> {
        let column: ArrayRef = match classes {
            Categories::Int(keys) => Arc::new(Int64Array::from(keys)),
            Categories::Text(keys) => Arc::new(StringArray::from(keys)),
            Categories::Bool(_) => return Err(Error::internal("the classes of a boolean target are known")),
        };
        let field = Field::new(self.target.as_ref(), column.data_type().clone(), false);
        match Task::of(&column, &field)? {
            Task::Classification { classes } => Ok(ClassTarget { name: self.target.to_string(), classes }),
            task => Err(Error::internal(format!("a column of classes sets {task:?}"))),
        }
    }
}

impl Accumulator for Found {
    type Output = Arc<dyn Transform>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let classes = self.read_target(batch)?;
        classes.iter().for_each(|class| self.part.whole.count(*class));
        for (groups, name) in self.part.groups.iter_mut().zip(&self.recipe.columns) {
            let keys = Keys::read(batch.column(find_column(batch.schema_ref(), name)?), name)?;
            groups
                .change(&keys, || ClassCounts::zeros(0), |counts, row| counts.count(classes[row]))
                .context("column", name)?;
        }
        Ok(())
    }

    fn merge(&mut self, mut other: Self) -> Result<()> {
        let numbers = self.classes.absorb(&other.classes)?;
        let mut places = vec![None; self.classes.len()];
        numbers.into_iter().enumerate().for_each(|(theirs, mine)| places[mine] = Some(theirs));
        other.part.whole.reorder(&places);
        self.part.whole.gather(other.part.whole);
        for (mine, mut theirs) in self.part.groups.iter_mut().zip(other.part.groups) {
            theirs.change_all(|counts| counts.reorder(&places));
            mine.merge(theirs)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Arc<dyn Transform>> {
        let (classes, numbers) = self.classes.ascending();
        let target = self.target(classes)?;
        let places: Vec<Option<usize>> = numbers.into_iter().map(Some).collect();
        self.part.whole.reorder(&places);
        self.part.groups.iter_mut().for_each(|groups| groups.change_all(|counts| counts.reorder(&places)));
        Ok(Arc::new(self.part.encodings(&self.recipe, &target)?))
    }
}
