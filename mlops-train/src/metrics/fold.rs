use std::fmt::Debug;

use mlops_core::sketch::ExactSum;
use mlops_core::{Error, Metric, Predictions, Result, Task};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::check_values;

/// A [`Metric`] that is a fold: rows may come in pieces of any size, in any order, on any number of
/// threads or machines, and the value is the same to the last bit.
///
/// [`Metric::score`] of such a metric is the fold over one piece. What is kept between pieces does
/// not grow with the rows. [`Fold`] carries a metric and its state together.
pub trait FoldMetric: Metric + Sized {
    /// What is kept of the rows.
    type State: MetricState;

    /// What is kept of no rows.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for a task it does not judge,
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for settings that make no sense.
    fn start(&self, task: &Task) -> Result<Self::State>;

    /// Takes in more rows.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for a value that it is not defined for, with
    /// the number of the row.
    fn update(&self, state: &mut Self::State, rows: &Predictions) -> Result<()>;

    /// The value for all rows that were taken in.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) where it is not defined.
    fn finish(&self, state: &Self::State) -> Result<f64>;
}

/// What a [`FoldMetric`] keeps: plain data, so that it can be stored and sent.
pub trait MetricState: Clone + Debug + PartialEq + Send + Serialize + DeserializeOwned {
    /// Takes in what another has seen.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if it was set up for something else.
    fn merge(&mut self, other: &Self) -> Result<()>;
}

impl<A: MetricState, B: MetricState> MetricState for (A, B) {
    fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.merge(&other.0)?;
        self.1.merge(&other.1)
    }
}

/// A metric of rows that come in pieces: in constant memory, and equal to the last bit whatever the
/// pieces and their order.
///
/// # Example
/// ```
/// use mlops_core::{Metric, Predictions, Task};
/// use mlops_train::{Fold, Rmse};
///
/// let rows = |truth: &[f64], answer: &[f64]| Predictions::new(Task::Regression, truth.to_vec(), answer.to_vec());
/// let (mut morning, mut evening) = (Fold::new(Rmse, &Task::Regression)?, Fold::new(Rmse, &Task::Regression)?);
/// morning.update(&rows(&[1.0, 2.0], &[1.5, 2.0])?)?;
/// evening.update(&rows(&[3.0], &[2.0])?)?;
/// evening.merge(&morning)?;
/// assert_eq!(evening.finish()?, Rmse.score(&rows(&[1.0, 2.0, 3.0], &[1.5, 2.0, 2.0])?)?);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fold<M: FoldMetric> {
    metric: M,
    task: Task,
    state: M::State,
}

impl<M: FoldMetric> Fold<M> {
    /// No rows yet.
    ///
    /// # Errors
    /// As [`FoldMetric::start`].
    pub fn new(metric: M, task: &Task) -> Result<Self> {
        let state = metric.start(task)?;
        Ok(Self { metric, task: task.clone(), state })
    }

    /// Takes in more rows.
    ///
    /// # Errors
    /// As [`FoldMetric::update`]; [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for rows of
    /// another task.
    pub fn update(&mut self, rows: &Predictions) -> Result<()> {
        if rows.task != self.task {
            return Err(Error::data(format!(
                "{} was started for another task than these rows have: give all pieces the same classes",
                self.metric.name()
            )));
        }
        check_values(&self.metric, rows)?;
        self.metric.update(&mut self.state, rows)
    }

    /// Takes in the rows of another fold of the same metric.
    ///
    /// # Errors
    /// As [`MetricState::merge`].
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.state.merge(&other.state)
    }

    /// The value for all rows so far.
    ///
    /// # Errors
    /// As [`FoldMetric::finish`].
    pub fn finish(&self) -> Result<f64> {
        self.metric.finish(&self.state)
    }

    /// What is kept, to store or to send.
    pub fn state(&self) -> &M::State {
        &self.state
    }
}

/// The value for rows that are all there.
pub(super) fn score<M: FoldMetric>(metric: &M, predictions: &Predictions) -> Result<f64> {
    let mut state = metric.start(&predictions.task)?;
    check_values(metric, predictions)?;
    metric.update(&mut state, predictions)?;
    metric.finish(&state)
}

/// The part of a [`FoldMetric`] that is a [`Metric`].
macro_rules! fold_metric {
    ($type:ident, greater, |$this:ident| $name:expr) => {
        fold_metric!($type, true, |$this| $name);
    };
    ($type:ident, less, |$this:ident| $name:expr) => {
        fold_metric!($type, false, |$this| $name);
    };
    ($type:ident, $greater:literal, |$this:ident| $name:expr) => {
        impl mlops_core::Metric for $type {
            fn name(&self) -> &'static str {
                let $this = self;
                let _ = $this;
                $name
            }

            fn greater_is_better(&self) -> bool {
                $greater
            }

            fn score(&self, predictions: &mlops_core::Predictions) -> mlops_core::Result<f64> {
                $crate::metrics::fold::score(self, predictions)
            }
        }
    };
}

pub(super) use fold_metric;

/// The rows that count, with their weights: what has weight 0 may be infinite.
pub(super) fn counted(predictions: &Predictions) -> impl Iterator<Item = (usize, f64)> {
    let weights = predictions.weights.as_deref();
    (0..predictions.num_rows())
        .map(move |row| (row, weights.map_or(1.0, |weights| weights[row])))
        .filter(|(_, weight)| *weight > 0.0)
}

/// Exact sums of weights and of weighted terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sums {
    rows: u64,
    ones: u64,
    weight: ExactSum,
    terms: Vec<ExactSum>,
    /// The greatest value that was noted.
    #[serde(default)]
    greatest: Option<f64>,
}

impl Sums {
    pub(super) fn of(terms: usize) -> Self {
        Self { terms: vec![ExactSum::default(); terms], ..Self::default() }
    }

    /// Counts a row.
    #[inline]
    pub(super) fn count(&mut self, weight: f64) {
        self.rows += 1;
        if weight == 1.0 {
            self.ones += 1;
        } else {
            self.weight.add(weight);
        }
    }

    /// Adds `weight · value` to a term.
    #[inline]
    pub(super) fn add(&mut self, term: usize, weight: f64, value: f64) {
        if weight == 1.0 {
            self.terms[term].add(value);
        } else {
            self.terms[term].add_product(weight, value);
        }
    }

    /// Adds `weight · value²` to a term.
    #[inline]
    pub(super) fn add_square(&mut self, term: usize, weight: f64, value: f64) {
        if weight == 1.0 {
            return self.terms[term].add_product(value, value);
        }
        let (high, low) = two_product(weight, value);
        self.terms[term].add_product(high, value);
        if low != 0.0 {
            self.terms[term].add_product(low, value);
        }
    }

    /// Remembers a value if it is the greatest.
    #[inline]
    pub(super) fn note(&mut self, value: f64) {
        self.greatest = Some(self.greatest.map_or(value, |greatest| greatest.max(value)));
    }

    pub(super) fn greatest(&self) -> Option<f64> {
        self.greatest
    }

    /// The total of the weights.
    pub(super) fn weight(&self) -> f64 {
        self.exact_weight().sum()
    }

    fn exact_weight(&self) -> ExactSum {
        let mut weight = self.weight.clone();
        weight.add_times(1.0, self.ones);
        weight
    }

    pub(super) fn sum(&self, term: usize) -> f64 {
        self.terms[term].sum()
    }

    /// A term by the total weight.
    ///
    /// # Errors
    /// If nothing was counted.
    pub(super) fn mean(&self, term: usize, metric: &dyn Metric) -> Result<f64> {
        self.check(metric)?;
        Ok(self.sum(term) / self.weight())
    }

    pub(super) fn check(&self, metric: &dyn Metric) -> Result<()> {
        if self.rows > 0 { Ok(()) } else { Err(nothing(metric)) }
    }

    /// Refuses a single row.
    pub(super) fn check_two(&self, metric: &dyn Metric) -> Result<()> {
        self.check(metric)?;
        if self.rows >= 2 {
            return Ok(());
        }
        Err(Error::data(format!("{} is not defined for a single row: score at least two", metric.name())))
    }
}

pub(super) fn nothing(metric: &dyn Metric) -> Error {
    Error::data(format!("{} of no rows is not defined: score at least one row of a weight above 0", metric.name()))
}

impl MetricState for Sums {
    fn merge(&mut self, other: &Self) -> Result<()> {
        if self.terms.len() != other.terms.len() {
            return Err(Error::config("the sums of two different metrics can't be merged"));
        }
        self.rows += other.rows;
        self.ones += other.ones;
        self.weight.merge(&other.weight);
        self.terms.iter_mut().zip(&other.terms).for_each(|(sum, other)| sum.merge(other));
        if let Some(greatest) = other.greatest {
            self.note(greatest);
        }
        Ok(())
    }
}

/// How far values spread, from exact sums: no offset costs digits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    sums: Sums,
    /// The least and the greatest value.
    extent: Option<(f64, f64)>,
}

impl Spread {
    pub(super) fn new() -> Self {
        Self { sums: Sums::of(2), extent: None }
    }

    #[inline]
    pub(super) fn add(&mut self, weight: f64, value: f64) {
        self.sums.count(weight);
        self.sums.add(0, weight, value);
        self.sums.add_square(1, weight, value);
        let (least, greatest) = self.extent.unwrap_or((value, value));
        self.extent = Some((least.min(value), greatest.max(value)));
    }

    pub(super) fn sums(&self) -> &Sums {
        &self.sums
    }

    pub(super) fn mean(&self) -> f64 {
        self.sums.sum(0) / self.sums.weight()
    }

    /// Decided by the values: the mean of equal numbers can differ from them in the last bit.
    pub(super) fn is_constant(&self) -> bool {
        self.extent.is_none_or(|(least, greatest)| least == greatest)
    }

    /// The weighted mean squared distance from the mean.
    pub(super) fn variance(&self) -> f64 {
        if self.is_constant() {
            return 0.0;
        }
        let total = self.sums.exact_weight();
        let (sum, squares) = (&self.sums.terms[0], &self.sums.terms[1]);
        let weight = total.sum();
        if self.sums.ones == self.sums.rows {
            return squares.comoment(sum, sum, self.sums.rows) / weight;
        }
        let (w, s, q) = (total.sum_dd(), sum.sum_dd(), squares.sum_dd());
        // Σwx² Σw - (Σwx)², each in twice the digits.
        let (left, right) = (dd_product(q, w), dd_product(s, s));
        let (high, low) = two_sum(left.0, -right.0);
        (high + (low + (left.1 - right.1))) / (weight * weight)
    }
}

impl MetricState for Spread {
    fn merge(&mut self, other: &Self) -> Result<()> {
        self.sums.merge(&other.sums)?;
        self.extent = match (self.extent, other.extent) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (mine, theirs) => mine.or(theirs),
        };
        Ok(())
    }
}

/// `a · b` as a rounded product and what the rounding lost.
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, if product.is_finite() { a.mul_add(b, -product) } else { 0.0 })
}

fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

fn dd_product(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let (high, low) = two_product(a.0, b.0);
    two_sum(high, low + (a.0 * b.1 + a.1 * b.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_costs_no_digits() {
        let mut plain = Spread::new();
        let mut weighted = Spread::new();
        for x in [1e6 - 0.001_953_125, 1e6, 1e6 + 0.001_953_125] {
            plain.add(1.0, x);
            weighted.add(0.5, x);
        }
        let expected = 2.0 / 3.0 * 0.001_953_125f64.powi(2);
        assert!((plain.variance() / expected - 1.0).abs() < 1e-15);
        assert!((weighted.variance() / expected - 1.0).abs() < 1e-12);
    }
}
