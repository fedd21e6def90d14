//! What the column-wise transformers share while they learn: one fold a column, and one pass for
//! all of them.

use std::collections::{BTreeSet, HashMap};

use arrow::array::{Array, ArrayRef, RecordBatch, new_empty_array};
use arrow::datatypes::Field;
use mlops_core::columns::{find_column, numbers};
use mlops_core::sketch::Moments;
use mlops_core::{Accumulator, Error, Result, Table};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

/// What is gathered about one column.
pub(super) trait ColumnFold: Clone + Send + Sync {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()>;
    fn merge(&mut self, other: Self) -> Result<()>;
}

/// Gathers about each of `columns`, in one pass; `start` gives the empty fold of a column, or
/// refuses it.
pub(super) fn learn<F: ColumnFold>(
    data: &Table,
    columns: &[String],
    start: impl Fn(&Field) -> Result<F>,
) -> Result<Vec<F>> {
    check_columns(data, columns)?;
    if data.num_rows() == 0 && !columns.is_empty() {
        return Err(Error::data(format!(
            "there are no rows to learn about {columns:?} from: look at the source and its filter"
        )));
    }
    let empty = columns
        .iter()
        .map(|name| start(data.schema().field(find_column(data.schema(), name)?)))
        .collect::<Result<Vec<F>>>()?;
    data.fold(|| Folds { columns, folds: empty.clone() })?.finish()
}

/// Refuses columns that are missing, leak, or are named twice.
pub(super) fn check_columns(data: &Table, columns: &[String]) -> Result<()> {
    data.check_inputs(columns)?;
    let mut seen = BTreeSet::new();
    match columns.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(Error::config(format!("column '{name}' is named twice in one step: name it once"))),
        None => Ok(()),
    }
}

/// Refuses a column without numbers.
pub(super) fn check_numeric(field: &Field) -> Result<()> {
    numbers(&new_empty_array(field.data_type()), field.name()).map(|_| ())
}

struct Folds<'a, F> {
    columns: &'a [String],
    folds: Vec<F>,
}

impl<F: ColumnFold> Accumulator for Folds<'_, F> {
    type Output = Vec<F>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        for (name, fold) in self.columns.iter().zip(&mut self.folds) {
            fold.update(batch.column(find_column(batch.schema_ref(), name)?), name)?;
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.folds.iter_mut().zip(other.folds).try_for_each(|(mine, theirs)| mine.merge(theirs))
    }

    fn finish(self) -> Result<Vec<F>> {
        Ok(self.folds)
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
