//! What the column-wise transformers share while they learn: one fold a column, and the same passes
//! for all of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_empty_array};
use arrow::datatypes::{Field, Schema};
use mlops_core::columns::{find_column, numbers};
use mlops_core::sketch::Moments;
use mlops_core::{Accumulator, Error, Learned, Learner, Result, Roles, Transform};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::columns::{ColumnMap, Fitted};

/// What is gathered about one column.
pub(super) trait ColumnFold: Clone + Send + Sync {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()>;
    fn merge(&mut self, other: Self) -> Result<()>;

    /// After a pass over all rows: whether that was enough, or another one is to start with this.
    fn settle(self, name: &str) -> Result<Settled<Self>> {
        let _ = name;
        Ok(Settled::Done(self))
    }
}

/// What a column comes to after a pass.
#[derive(Debug)]
pub(super) enum Settled<F> {
    Again(F),
    Done(F),
}

/// Gathers about each of `columns`, all in the same pass or passes: `start` gives the empty fold of a column, or refuses
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
    let plan = Arc::new(Plan { columns: columns.to_vec(), finish: Box::new(finish) });
    Ok(Some(pass(plan, folds.into_iter().map(State::Open).collect())))
}

/// One pass over the columns about which something is still to be gathered.
fn pass<F: ColumnFold + 'static, C: ColumnMap>(plan: Arc<Plan<F, C>>, states: Vec<State<F, C>>) -> Learner {
    let open = plan.columns.iter().zip(&states).filter(|(_, state)| matches!(state, State::Open(_)));
    let inputs: Vec<String> = open.map(|(name, _)| name.clone()).collect();
    let start = move || Folds { plan: Arc::clone(&plan), rows: 0, states: states.clone() };
    Learner::in_passes(inputs, start).with_dictionaries()
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

/// What is to be learned, and how what was gathered about a column becomes its map.
struct Plan<F, C> {
    columns: Vec<String>,
    finish: Box<Finish<F, C>>,
}

type Finish<F, C> = dyn Fn(&str, F) -> Result<C> + Send + Sync;

struct Folds<F, C> {
    plan: Arc<Plan<F, C>>,
    rows: usize,
    states: Vec<State<F, C>>,
}

enum State<F, C> {
    Done(Arc<C>),
    Open(F),
}

impl<F: Clone, C> Clone for State<F, C> {
    fn clone(&self) -> Self {
        match self {
            Self::Done(map) => Self::Done(Arc::clone(map)),
            Self::Open(fold) => Self::Open(fold.clone()),
        }
    }
}

impl<F: ColumnFold + 'static, C: ColumnMap> Accumulator for Folds<F, C> {
    type Output = Learned;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        for (name, state) in self.plan.columns.iter().zip(&mut self.states) {
            if let State::Open(fold) = state {
                fold.update(batch.column(find_column(batch.schema_ref(), name)?), name)?;
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.rows += other.rows;
        for (mine, theirs) in self.states.iter_mut().zip(other.states) {
            if let (State::Open(mine), State::Open(theirs)) = (mine, theirs) {
                mine.merge(theirs)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Learned> {
        let plan = self.plan;
        if self.rows == 0 && !plan.columns.is_empty() {
            return Err(Error::data(format!(
                "there are no rows to learn about {:?} from: look at the source and its filter",
                plan.columns
            )));
        }
        let settle = |(name, state): (&String, State<F, C>)| match state {
            State::Open(fold) => Ok(match fold.settle(name)? {
                Settled::Again(fold) => State::Open(fold),
                Settled::Done(fold) => State::Done(Arc::new((plan.finish)(name, fold)?)),
            }),
            done @ State::Done(_) => Ok(done),
        };
        let states = plan.columns.iter().zip(self.states).map(settle).collect::<Result<Vec<_>>>()?;
        let done = states.iter().map(|state| match state {
            State::Done(map) => Some(Arc::clone(map)),
            State::Open(_) => None,
        });
        Ok(match done.collect::<Option<Vec<Arc<C>>>>() {
            Some(maps) => Learned::Done(Arc::new(Fitted::of(&plan.columns, maps))),
            None => Learned::Again(pass(plan, states)),
        })
    }
}

/// Calls `f` with every value of a numeric column that is neither null nor NaN.
pub(super) fn present(column: &ArrayRef, name: &str, mut f: impl FnMut(f64)) -> Result<()> {
    let numbers = numbers(column, name)?;
    let mut all = |values: &[f64]| values.iter().filter(|x| !x.is_nan()).for_each(|x| f(*x));
    match numbers.nulls().filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => nulls.valid_slices().for_each(|(start, end)| all(&numbers.values()[start..end])),
        None => all(numbers.values()),
    }
    Ok(())
}

/// Exact moments; NaN counts as missing.
impl ColumnFold for Moments {
    fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        let numbers = numbers(column, name)?;
        if numbers.null_count() == 0 && !numbers.values().iter().any(|x| x.is_nan()) {
            self.update_slice(numbers.values());
            return Ok(());
        }
        let mut values = Vec::with_capacity(numbers.len());
        present(column, name, |x| values.push(x))?;
        self.update_slice(&values);
        Ok(())
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

    #[cfg(test)]
    pub(super) fn of(values: Vec<f64>) -> Self {
        Self(values)
    }

    /// The `q`-quantile by linear interpolation between the two nearest values, as numpy's; `None`
    /// without values. Linear time: the values are partitioned, not sorted.
    #[cfg(test)]
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
