//! The sums behind `f_classif`, `f_regression` and `chi2`, of all columns in one pass.

use std::sync::Arc;

use arrow::array::{Float64Array, RecordBatch};
use mlops_core::columns::find_column;
use mlops_core::sketch::{CoMoments, ExactSum, Moments};
use mlops_core::special::{chi_square_sf, f_sf};
use mlops_core::{Accumulator, Error, Result};

use super::classes::SeenClasses;
use super::inputs::Flaws;

/// A score and its p-value; NaN where it is not defined.
pub(super) type Scored = (f64, f64);

/// What is summed up, column by column.
#[derive(Clone, Debug)]
pub(super) enum Sums {
    /// The sums of each class, and how many rows it has.
    Amounts { classes: SeenClasses, rows: Vec<u64>, of_class: Vec<Vec<ExactSum>> },
    /// The moments with the target.
    Pairs(Vec<CoMoments>),
    /// The moments of each class.
    Spreads { classes: SeenClasses, of_class: Vec<Vec<Moments>> },
}

/// The sums of the columns `names` against `target`.
#[derive(Clone, Debug)]
pub(super) struct ScoreFold {
    names: Arc<[String]>,
    target: Arc<str>,
    flaws: Vec<Flaws>,
    target_flaws: Flaws,
    sums: Sums,
}

impl ScoreFold {
    pub(super) fn new(names: &[String], target: &str, sums: Sums) -> Self {
        Self {
            names: names.into(),
            target: target.into(),
            flaws: vec![Flaws::default(); names.len()],
            target_flaws: Flaws::default(),
            sums,
        }
    }
}

impl Accumulator for ScoreFold {
    type Output = Vec<Scored>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let column = |name: &str| find_column(batch.schema_ref(), name).map(|i| batch.column(i));
        let target = column(&self.target)?;
        let columns = self.names.iter().zip(&mut self.flaws).map(|(name, flaws)| flaws.note(column(name)?, name));
        let columns: Vec<Float64Array> = columns.collect::<Result<_>>()?;
        // Once a value is missing, the sums are not asked for.
        let whole = |i: usize| !self.flaws[i].any();
        match &mut self.sums {
            Sums::Amounts { classes, rows, of_class } => {
                let class_of_row = classes.number(target, &self.target)?;
                rows.resize(classes.len(), 0);
                class_of_row.iter().for_each(|class| rows[*class] += 1);
                of_class.resize(classes.len(), vec![ExactSum::default(); columns.len()]);
                for (i, values) in columns.iter().enumerate().filter(|(i, _)| whole(*i)) {
                    class_of_row.iter().zip(values.values()).for_each(|(class, x)| of_class[*class][i].add(*x));
                }
            }
            Sums::Pairs(pairs) => {
                let y = self.target_flaws.note(target, &self.target)?;
                if self.target_flaws.any() {
                    return Ok(());
                }
                for (i, values) in columns.iter().enumerate().filter(|(i, _)| whole(*i)) {
                    pairs[i].update_slices(values.values(), y.values());
                }
            }
            Sums::Spreads { classes, of_class } => {
                let class_of_row = classes.number(target, &self.target)?;
                of_class.resize(classes.len(), vec![Moments::default(); columns.len()]);
                for (i, values) in columns.iter().enumerate().filter(|(i, _)| whole(*i)) {
                    class_of_row.iter().zip(values.values()).for_each(|(class, x)| of_class[*class][i].update(*x));
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.flaws.iter_mut().zip(other.flaws).for_each(|(mine, theirs)| mine.merge(theirs));
        self.target_flaws.merge(other.target_flaws);
        match (&mut self.sums, other.sums) {
            (
                Sums::Amounts { classes, rows, of_class },
                Sums::Amounts { classes: others, rows: more, of_class: theirs },
            ) => {
                let here = classes.merge(&others);
                rows.resize(classes.len(), 0);
                of_class.resize(classes.len(), vec![ExactSum::default(); self.names.len()]);
                for ((class, more), theirs) in here.into_iter().zip(more).zip(&theirs) {
                    rows[class] += more;
                    of_class[class].iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.merge(theirs));
                }
            }
            (Sums::Pairs(mine), Sums::Pairs(theirs)) => {
                mine.iter_mut().zip(&theirs).for_each(|(mine, theirs)| mine.merge(theirs));
            }
            (Sums::Spreads { classes, of_class }, Sums::Spreads { classes: others, of_class: theirs }) => {
                let here = classes.merge(&others);
                of_class.resize(classes.len(), vec![Moments::default(); self.names.len()]);
                for (class, theirs) in here.into_iter().zip(&theirs) {
                    of_class[class].iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.merge(theirs));
                }
            }
            _ => return Err(Error::internal("two folds of one selector gather different sums")),
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Scored>> {
        self.target_flaws.refuse(&self.target)?;
        self.names.iter().zip(&self.flaws).try_for_each(|(name, flaws)| flaws.refuse(name))?;
        match &self.sums {
            Sums::Amounts { classes, rows, of_class } => {
                self.names.iter().zip(&self.flaws).try_for_each(|(name, flaws)| flaws.refuse_negative(name))?;
                self.check_classes(classes)?;
                let order = classes.in_order();
                let rows: Vec<f64> = order.iter().map(|class| rows[*class] as f64).collect();
                let sums = |i: usize| order.iter().map(|class| of_class[*class][i].sum()).collect::<Vec<_>>();
                let whole = |i: usize| {
                    let mut whole = ExactSum::default();
                    order.iter().for_each(|class| whole.merge(&of_class[*class][i]));
                    whole.sum()
                };
                Ok((0..self.names.len()).map(|i| chi_square(&sums(i), whole(i), &rows)).collect())
            }
            Sums::Pairs(pairs) => {
                let rows = pairs.first().map_or(0, CoMoments::count);
                if rows == 0 {
                    return Err(self.no_rows());
                }
                Ok(pairs.iter().map(correlation_f).collect())
            }
            Sums::Spreads { classes, of_class } => {
                self.check_classes(classes)?;
                let order = classes.in_order();
                let of = |i: usize| order.iter().map(|class| &of_class[*class][i]).collect::<Vec<_>>();
                Ok((0..self.names.len()).map(|i| one_way_f(&of(i))).collect())
            }
        }
    }
}

impl ScoreFold {
    fn check_classes(&self, classes: &SeenClasses) -> Result<()> {
        match classes.len() {
            0 => Err(self.no_rows()),
            1 => Err(Error::data(format!(
                "the target '{}' has a single class, so no feature can tell classes apart: fit on more data",
                self.target
            ))),
            _ => Ok(()),
        }
    }

    fn no_rows(&self) -> Error {
        Error::data(format!("there are no rows to score {:?} by: look at the source and its filter", self.names))
    }
}

/// The analysis of variance of one column: variance between classes over variance within.
fn one_way_f(classes: &[&Moments]) -> Scored {
    let mut whole = Moments::default();
    classes.iter().for_each(|class| whole.merge(class));
    let spread = |moments: &Moments| moments.variance(0).unwrap_or(0.0) * moments.count() as f64;
    let within: f64 = classes.iter().map(|class| spread(class)).sum();
    let between = (spread(&whole) - within).max(0.0);
    let degrees = ((classes.len() - 1) as f64, whole.count() as f64 - classes.len() as f64);
    let f = (between / degrees.0) / (within / degrees.1);
    (f, f_sf(f, degrees.0, degrees.1))
}

/// The F of a correlation r: r² / (1 − r²) times the degrees of freedom. A constant has none, and so
/// no correlation; for a perfect one it is the greatest float, as scikit-learn has it.
fn correlation_f(pair: &CoMoments) -> Scored {
    let degrees = pair.count() as f64 - 2.0;
    let r = pair.correlation().unwrap_or(0.0);
    let f = r * r / (1.0 - r * r) * degrees;
    if f.is_nan() || degrees <= 0.0 {
        return (0.0, 1.0);
    }
    (f.min(f64::MAX), f_sf(f, 1.0, degrees))
}

/// Observed sums by class against equal shares of the whole.
fn chi_square(observed: &[f64], whole: f64, rows: &[f64]) -> Scored {
    let all: f64 = rows.iter().sum();
    let term = |(observed, rows): (&f64, &f64)| {
        let expected = rows / all * whole;
        (observed - expected) * (observed - expected) / expected
    };
    let statistic: f64 = observed.iter().zip(rows).map(term).sum();
    (statistic, chi_square_sf(statistic, observed.len() as f64 - 1.0))
}
