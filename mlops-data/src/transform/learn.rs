//! What the column-wise transformers share while they learn: one fold a column, and one pass for
//! all of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_empty_array};
use arrow::datatypes::{Field, Schema};
use mlops_core::columns::{find_column, numbers};
use mlops_core::sketch::Moments;
use mlops_core::{Accumulator, Error, Learner, Result, Roles, Transform};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::columns::{ColumnMap, Fitted};

/// What is gathered about one column.
pub(super) trait ColumnFold: Clone + Send + Sync {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()>;
    fn merge(&mut self, other: Self) -> Result<()>;
}

/// Gathers about each of `columns`, in one pass: `start` gives the empty fold of a column, or refuses
/// it, and `finish` makes what was gathered into the map of the column.
pub(super) fn learner<F, C>(
    schema: &Schema,
    roles: &Roles,
    columns: &[String],
    start: impl Fn(&Field) -> Result<F>,
    finish: impl Fn(&str, F) -> Result<C> + Send + Sync + 'static,
) -> Result<Option<Learner>>
where
    F: ColumnFold + 'static,
    C: ColumnMap,
{
    check_columns(schema, roles, columns)?;
    let folds =
        columns.iter().map(|name| start(schema.field(find_column(schema, name)?))).collect::<Result<Vec<F>>>()?;
    let (names, finish): (Arc<[String]>, Finish<F, C>) = (columns.into(), Arc::new(finish));
    let start =
        move || Folds { columns: Arc::clone(&names), rows: 0, folds: folds.clone(), finish: Arc::clone(&finish) };
    Ok(Some(Learner::new(columns, start)))
}

/// A step that has nothing to learn.
pub(super) fn ready(schema: &Schema, columns: &[String], fitted: impl Transform) -> Result<Option<Learner>> {
    fitted.output_schema(schema)?;
    Ok(Some(Learner::ready(columns, Arc::new(fitted))))
}

/// Refuses columns that are missing, leak, or are named twice.
pub(crate) fn check_columns(schema: &Schema, roles: &Roles, columns: &[String]) -> Result<()> {
    roles.check_inputs(schema, columns)?;
    let mut seen = BTreeSet::new();
    match columns.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(Error::config(format!("column '{name}' is named twice in one step: name it once"))),
        None => Ok(()),
    }
}

/// Refuses a column without numbers.
pub(crate) fn check_numeric(field: &Field) -> Result<()> {
    numbers(&new_empty_array(field.data_type()), field.name()).map(|_| ())
}

type Finish<F, C> = Arc<dyn Fn(&str, F) -> Result<C> + Send + Sync>;

struct Folds<F, C> {
    columns: Arc<[String]>,
    rows: usize,
    folds: Vec<F>,
    finish: Finish<F, C>,
}

impl<F: ColumnFold, C: ColumnMap> Accumulator for Folds<F, C> {
    type Output = Arc<dyn Transform>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        for (name, fold) in self.columns.iter().zip(&mut self.folds) {
            fold.update(batch.column(find_column(batch.schema_ref(), name)?), name)?;
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.rows += other.rows;
        self.folds.iter_mut().zip(other.folds).try_for_each(|(mine, theirs)| mine.merge(theirs))
    }

    fn finish(self) -> Result<Arc<dyn Transform>> {
        let columns = &self.columns;
        if self.rows == 0 && !columns.is_empty() {
            return Err(Error::data(format!(
                "there are no rows to learn about {columns:?} from: look at the source and its filter"
            )));
        }
        let maps = columns.iter().zip(self.folds).map(|(name, fold)| (self.finish)(name, fold));
        Ok(Arc::new(Fitted::new(columns, maps.collect::<Result<Vec<C>>>()?)))
    }
}

/// Calls `f` with every value of a numeric column that is neither null nor NaN.
fn present(column: &ArrayRef, name: &str, mut f: impl FnMut(f64)) -> Result<()> {
    let numbers = numbers(column, name)?;
    if numbers.null_count() == 0 {
        numbers.values().iter().filter(|x| !x.is_nan()).for_each(|x| f(*x));
    } else {
        numbers.iter().flatten().filter(|x| !x.is_nan()).for_each(f);
    }
    Ok(())
}

/// Exact moments; NaN counts as missing.
impl ColumnFold for Moments {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        present(column, name, |x| Self::update(self, x))
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        Self::merge(self, &other);
        Ok(())
    }
}

/// The least and the greatest value of a column. Zero has no sign here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extremes(Option<(f64, f64)>);

impl Extremes {
    fn widen(&mut self, min: f64, max: f64) {
        self.0 = Some(self.0.map_or((min, max), |(least, greatest)| (least.min(min), greatest.max(max))));
    }

    /// The least and the greatest value; an error if there is none, or an infinity.
    pub(super) fn finite(self, name: &str) -> Result<(f64, f64)> {
        match self.0 {
            Some((min, max)) if min.is_finite() && max.is_finite() => Ok((min, max)),
            Some(_) => Err(infinities(name)),
            None => Err(no_values(name)),
        }
    }
}

impl ColumnFold for Extremes {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        // Adding 0 turns -0 into 0.
        present(column, name, |x| self.widen(x + 0.0, x + 0.0))
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        if let Some((min, max)) = other.0 {
            self.widen(min, max);
        }
        Ok(())
    }
}

/// The error for a column in which training saw no value.
pub(super) fn no_values(name: &str) -> Error {
    Error::data(format!("column '{name}' has no value to learn from: leave it out, or impute it first"))
}

/// The error for a column with infinities.
pub(super) fn infinities(name: &str) -> Error {
    Error::data(format!("column '{name}' has an infinity: clip it, or filter those rows"))
}

/// All the values of a column, for exact quantiles: 8 bytes a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(Vec<f64>);

impl ColumnFold for Values {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        self.0.reserve(column.len());
        present(column, name, |x| self.0.push(x))
    }

    fn merge(&mut self, mut other: Self) -> Result<()> {
        self.0.append(&mut other.0);
        Ok(())
    }
}

impl Values {
    /// The values in ascending order; an error if there is none, or an infinity.
    pub(super) fn sorted(mut self, name: &str) -> Result<Vec<f64>> {
        self.0.iter_mut().for_each(|x| *x += 0.0);
        self.0.sort_unstable_by(f64::total_cmp);
        match self.0.as_slice() {
            [] => Err(no_values(name)),
            [first, .., last] if !(first.is_finite() && last.is_finite()) => Err(infinities(name)),
            [only] if !only.is_finite() => Err(infinities(name)),
            _ => Ok(self.0),
        }
    }

    /// The `q`-quantile by linear interpolation between the two nearest values, as numpy's; `None`
    /// without values. Linear time: the values are partitioned, not sorted.
    pub(super) fn quantile(&mut self, q: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let position = q * last as f64;
        let below = (position.floor() as usize).min(last);
        let weight = position - below as f64;
        let (_, low, above) = self.0.select_nth_unstable_by(below, f64::total_cmp);
        let low = *low;
        let high = above.iter().copied().min_by(f64::total_cmp);
        match high {
            Some(high) if weight == 0.5 => Some(low.midpoint(high)),
            Some(high) if weight > 0.0 => Some(low + (high - low) * weight),
            _ => Some(low),
        }
    }
}

/// How often each number occurs.
#[derive(Clone, Debug, Default)]
pub(super) struct Frequencies(HashMap<u64, u64, Xxh3DefaultBuilder>);

impl ColumnFold for Frequencies {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        // Adding 0 turns -0 into 0: they are one value.
        present(column, name, |x| *self.0.entry((x + 0.0).to_bits()).or_default() += 1)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        for (bits, count) in other.0 {
            *self.0.entry(bits).or_default() += count;
        }
        Ok(())
    }
}

impl Frequencies {
    /// The most frequent number, the least of equally frequent ones.
    pub(super) fn mode(&self) -> Option<f64> {
        let counts = self.0.iter().map(|(bits, count)| (f64::from_bits(*bits), *count));
        counts.max_by(|(x, m), (y, n)| m.cmp(n).then(y.total_cmp(x))).map(|(x, _)| x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        let mut values = Values(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(values.quantile(0.0), Some(1.0));
        assert_eq!(values.quantile(0.5), Some(2.5));
        assert_eq!(values.quantile(0.9), Some(3.7));
        assert_eq!(values.quantile(1.0), Some(4.0));
        assert_eq!(Values::default().quantile(0.5), None);
        assert_eq!(Values(vec![f64::MAX, f64::MAX]).quantile(0.5), Some(f64::MAX));
    }
}
