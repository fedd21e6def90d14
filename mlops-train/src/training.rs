//! The training rows as every algorithm here reads them: one row-major matrix, the target as class
//! indices or numbers, and the weights.

use mlops_core::columns::{numbers, to_matrix};
use mlops_core::{Classes, Error, InputColumn, Provenance, Result, Role, Signature, Table, Task};
use rayon::prelude::*;

/// The rows of a table that count, read once.
#[derive(Debug)]
pub(crate) struct TrainingSet {
    pub(crate) signature: Signature,
    pub(crate) rows: usize,
    /// Row-major, one number an input.
    pub(crate) matrix: Vec<f64>,
    pub(crate) target: Target,
    /// All greater than 0; `None` if every row counts the same.
    pub(crate) weights: Option<Vec<f64>>,
}

#[derive(Debug)]
pub(crate) enum Target {
    Classes(Vec<usize>),
    Numbers(Vec<f64>),
}

impl TrainingSet {
    /// Reads features, target and weights, and refuses NaN. Rows of weight 0 are left out: they must
    /// not matter.
    pub(crate) fn read(data: &Table) -> Result<Self> {
        let set = Self::read_with_missing(data)?;
        set.refuse_values(f64::is_nan, "no value or NaN", IMPUTE)?;
        Ok(set)
    }

    /// The same, with NaN where a feature has no value.
    pub(crate) fn read_with_missing(data: &Table) -> Result<Self> {
        let features: Vec<String> = data.features().iter().map(|field| field.name().clone()).collect();
        check_features(data, &features)?;
        let matrix = read_matrix(data, &features)?;
        let signature = Signature::of(data)?;
        let weights = weights_of(data)?;
        let target = read_target(data, &signature.task)?;
        let rows = data.num_rows();
        let set = Self { signature, rows, matrix, target, weights }.without_weightless_rows()?;
        set.check_classes(data)?;
        Ok(set)
    }

    /// How many features there are.
    pub(crate) fn width(&self) -> usize {
        self.signature.inputs.len()
    }

    /// Refuses infinities too.
    pub(crate) fn read_finite(data: &Table) -> Result<Self> {
        let set = Self::read(data)?;
        set.refuse_values(f64::is_infinite, "an infinite value", CLIP)?;
        Ok(set)
    }

    /// The classes and the class index of every row.
    pub(crate) fn classes(&self, recipe: &str) -> Result<(&Classes, &[usize])> {
        classes_of(&self.signature.task, &self.target, recipe)
    }

    /// The target as numbers.
    pub(crate) fn numbers(&self, recipe: &str) -> Result<&[f64]> {
        numbers_of(&self.target, recipe)
    }

    /// How much each row counts.
    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// The features of a row.
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.matrix[row * self.width()..][..self.width()]
    }

    fn without_weightless_rows(self) -> Result<Self> {
        let Some(weights) = &self.weights else { return Ok(self) };
        let kept: Vec<usize> = (0..self.rows).filter(|row| weights[*row] > 0.0).collect();
        if kept.is_empty() {
            return Err(Error::data(WEIGHTLESS));
        }
        if kept.len() == self.rows {
            return Ok(self);
        }
        let width = self.width();
        let row = |row: &usize| self.matrix[row * width..(row + 1) * width].iter().copied();
        Ok(Self {
            rows: kept.len(),
            matrix: kept.iter().flat_map(row).collect(),
            target: match &self.target {
                Target::Classes(target) => Target::Classes(kept.iter().map(|row| target[*row]).collect()),
                Target::Numbers(target) => Target::Numbers(kept.iter().map(|row| target[*row]).collect()),
            },
            weights: Some(kept.iter().map(|row| weights[*row]).collect()),
            signature: self.signature,
        })
    }

    fn refuse_values(&self, wrong: fn(f64) -> bool, what: &str, remedy: &str) -> Result<()> {
        refuse_values(&self.matrix, &self.signature.inputs, wrong, what, remedy)
    }

    fn check_classes(&self, data: &Table) -> Result<()> {
        check_target(&self.signature.task, &self.target, data)
    }
}

/// What a recipe that wraps another one reads itself: the target and the weights. The features are the
/// business of the wrapped one, which may take texts and gaps.
#[derive(Debug)]
pub(crate) struct Labels {
    pub(crate) task: Task,
    pub(crate) target: Target,
    /// At least 0; `None` if every row counts the same.
    pub(crate) weights: Option<Vec<f64>>,
}

impl Labels {
    pub(crate) fn read(data: &Table) -> Result<Self> {
        let field = data.target()?;
        let task = Task::of(&data.column(field.name())?, field)?;
        let target = read_target(data, &task)?;
        check_target(&task, &target, data)?;
        Ok(Self { task, target, weights: weights_of(data)? })
    }

    /// The classes and the class index of every row.
    pub(crate) fn classes(&self, recipe: &str) -> Result<(&Classes, &[usize])> {
        classes_of(&self.task, &self.target, recipe)
    }

    /// The target as numbers.
    pub(crate) fn numbers(&self, recipe: &str) -> Result<&[f64]> {
        numbers_of(&self.target, recipe)
    }

    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }
}

/// The features and weights of rows without a target, for recipes that look for groups.
#[derive(Debug)]
pub(crate) struct Unlabelled {
    pub(crate) inputs: Vec<InputColumn>,
    pub(crate) fitted_on: Provenance,
    pub(crate) rows: usize,
    /// Row-major, one finite number an input.
    pub(crate) matrix: Vec<f64>,
    /// All greater than 0; `None` if every row counts the same.
    pub(crate) weights: Option<Vec<f64>>,
}

impl Unlabelled {
    /// Reads features and weights, and refuses what is not a finite number. Rows of weight 0 are left
    /// out. A target, if there is one, is not looked at.
    pub(crate) fn read(data: &Table) -> Result<Self> {
        let features: Vec<String> = data.features().iter().map(|field| field.name().clone()).collect();
        check_features(data, &features)?;
        let inputs = data.features().iter().map(|f| InputColumn::of(data, f)).collect::<Result<Vec<_>>>()?;
        let matrix = read_matrix(data, &features)?;
        refuse_values(&matrix, &inputs, f64::is_nan, "no value or NaN", IMPUTE)?;
        refuse_values(&matrix, &inputs, f64::is_infinite, "an infinite value", CLIP)?;
        let weights = weights_of(data)?;
        let fitted_on = data.fitting_provenance();
        let mut set = Self { inputs, fitted_on, rows: data.num_rows(), matrix, weights };
        set.drop_weightless_rows()?;
        Ok(set)
    }

    /// How many features there are.
    pub(crate) fn width(&self) -> usize {
        self.inputs.len()
    }

    /// The features of a row.
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.matrix[row * self.width()..][..self.width()]
    }

    /// How much each row counts.
    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// The signature of a model that finds groups.
    pub(crate) fn signature(&self, clusters: usize) -> Result<Signature> {
        if !(1..=Task::MAX_CLUSTERS).contains(&clusters) {
            return Err(Error::data(format!("{clusters} groups were found: 1 to {} are needed", Task::MAX_CLUSTERS)));
        }
        let task = Task::Clustering { clusters };
        Ok(Signature::new(self.inputs.clone(), task).with_fitted_on(self.fitted_on.clone()))
    }

    fn drop_weightless_rows(&mut self) -> Result<()> {
        let Some(weights) = &self.weights else { return Ok(()) };
        let kept: Vec<usize> = (0..self.rows).filter(|row| weights[*row] > 0.0).collect();
        if kept.is_empty() {
            return Err(Error::data(WEIGHTLESS));
        }
        if kept.len() < self.rows {
            let matrix = kept.iter().flat_map(|row| self.row(*row).iter().copied()).collect();
            let weights = kept.iter().map(|row| weights[*row]).collect();
            (self.matrix, self.weights, self.rows) = (matrix, Some(weights), kept.len());
        }
        Ok(())
    }
}

const IMPUTE: &str = "impute it first, or filter those rows";
const CLIP: &str = "clip it first, or filter those rows";
const WEIGHTLESS: &str = "every row has weight 0: there is nothing to learn from";

fn check_features(data: &Table, features: &[String]) -> Result<()> {
    if features.is_empty() {
        return Err(Error::schema("no feature columns: a model needs at least one column to learn from"));
    }
    data.check_inputs(features)?;
    if data.num_rows() == 0 {
        return Err(Error::data("no rows: a model needs rows to learn from"));
    }
    Ok(())
}

fn classes_of<'a>(task: &'a Task, target: &'a Target, recipe: &str) -> Result<(&'a Classes, &'a [usize])> {
    match (task, target) {
        (Task::Classification { classes }, Target::Classes(target)) => Ok((classes, target)),
        _ => Err(Error::schema(format!(
            "{recipe} learns classes, but the target is a float: make it a bool, whole number or text, \
             or use a regression"
        ))),
    }
}

fn numbers_of<'a>(target: &'a Target, recipe: &str) -> Result<&'a [f64]> {
    match target {
        Target::Numbers(target) => Ok(target),
        Target::Classes(_) => Err(Error::schema(format!(
            "{recipe} learns a quantity, but the target is a bool, whole number or text, which are classes: \
             convert it to Float64, or use a classification"
        ))),
    }
}

fn refuse_values(
    matrix: &[f64],
    inputs: &[InputColumn],
    wrong: fn(f64) -> bool,
    what: &str,
    remedy: &str,
) -> Result<()> {
    let Some(at) = matrix.iter().position(|value| wrong(*value)) else { return Ok(()) };
    let (row, column) = (at / inputs.len() + 1, at % inputs.len());
    let count = matrix.iter().skip(column).step_by(inputs.len()).filter(|value| wrong(**value)).count();
    Err(Error::data(format!(
        "feature '{}' has {what} in {count} of {} rows, first in row {row}: {remedy}",
        inputs[column].name,
        matrix.len() / inputs.len()
    )))
}

fn check_target(task: &Task, target: &Target, data: &Table) -> Result<()> {
    match (task, target) {
        (Task::Classification { classes }, Target::Classes(target)) => {
            let first = target.first().copied().unwrap_or(0);
            if target.iter().all(|class| *class == first) {
                return Err(Error::data(format!(
                    "the target '{}' has only the class '{}' in training: at least two are needed",
                    data.target()?.name(),
                    classes.name(first)
                )));
            }
        }
        (_, Target::Numbers(target)) => {
            if let Some(row) = target.iter().position(|y| !y.is_finite()) {
                return Err(Error::data(format!(
                    "the target '{}' is {} in row {row}: filter rows without a number before training",
                    data.target()?.name(),
                    target[row],
                    row = row + 1
                )));
            }
        }
        _ => {}
    }
    Ok(())
}

/// The features row by row, on all cores: pieces of so few rows that turning columns into rows stays
/// within the cache.
fn read_matrix(data: &Table, features: &[String]) -> Result<Vec<f64>> {
    const ROWS: usize = 512;
    let pieces = data.batches().iter().flat_map(|batch| {
        let starts = (0..batch.num_rows()).step_by(ROWS);
        starts.map(|start| batch.slice(start, ROWS.min(batch.num_rows() - start)))
    });
    let mut matrix = vec![0.0; data.num_rows() * features.len()];
    let mut rest = matrix.as_mut_slice();
    let mut work = Vec::new();
    for piece in pieces {
        let (target, later) = rest.split_at_mut(piece.num_rows() * features.len());
        work.push((piece, target));
        rest = later;
    }
    work.into_par_iter().try_for_each(|(piece, target)| -> Result<()> {
        target.copy_from_slice(&to_matrix(&piece, features)?);
        Ok(())
    })?;
    Ok(matrix)
}

fn read_target(data: &Table, task: &Task) -> Result<Target> {
    let field = data.target()?;
    let column = data.column(field.name())?;
    Ok(match task {
        Task::Classification { classes } => Target::Classes(classes.indices(&column)?),
        _ => Target::Numbers(numbers(&column, field.name())?.values().to_vec()),
    })
}

/// The weight of every row; `None` if there is no such column.
pub(crate) fn weights_of(data: &Table) -> Result<Option<Vec<f64>>> {
    let mut fields = data.schema().fields().iter().filter(|f| data.roles().of(f.name()) == Role::Weight);
    let Some(field) = fields.next() else { return Ok(None) };
    if let Some(second) = fields.next() {
        return Err(Error::schema(format!("two weight columns, '{}' and '{}': keep one", field.name(), second.name())));
    }
    let weights = numbers(&data.column(field.name())?, field.name())?;
    let weights: Vec<f64> = weights.iter().map(|w| w.unwrap_or(f64::NAN)).collect();
    match weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
        None => Ok(Some(weights)),
        Some(row) => Err(Error::data(format!(
            "weight '{}' is {} in row {row}: weights must be finite and at least 0",
            field.name(),
            weights[row],
            row = row + 1
        ))),
    }
}
