use mlops_core::{Error, Metric, Predictions, Result, Task};
use serde::{Deserialize, Serialize};

use super::fold::{FoldMetric, Sums, counted, fold_metric};

/// The share of rows whose truth lies within the bounds: as much as the task promises, or the bounds
/// mean less than they say.
///
/// # Example
/// ```
/// use mlops_core::{Metric, Predictions, Task};
/// use mlops_train::{Coverage, IntervalWidth};
///
/// let scores = vec![1.0, 0.0, 2.0, 5.0, 4.0, 6.0];
/// let predictions = Predictions::new(Task::Interval { coverage: 0.9 }, vec![1.5, 9.0], scores)?;
/// assert_eq!(Coverage.score(&predictions)?, 0.5);
/// assert_eq!(IntervalWidth.score(&predictions)?, 2.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage;

/// How far the bounds are apart, on average: of two models with the same [`Coverage`], the one with
/// the narrower bounds knows more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntervalWidth;

fold_metric!(Coverage, greater, |this| "coverage");
fold_metric!(IntervalWidth, less, |this| "interval_width");

/// The fold of a metric that is the mean of a value of each row's truth and bounds.
macro_rules! mean_of_bounds {
    ($($type:ident, |$truth:ident, $low:ident, $high:ident| $value:expr;)*) => {$(
        impl FoldMetric for $type {
            type State = Sums;

            fn start(&self, task: &Task) -> Result<Sums> {
                match task {
                    Task::Interval { .. } => Ok(Sums::of(1)),
                    _ => Err(Error::unsupported(format!(
                        "{} judges numbers with bounds, these predictions have none",
                        self.name()
                    ))),
                }
            }

            fn update(&self, state: &mut Sums, rows: &Predictions) -> Result<()> {
                for (row, weight) in counted(rows) {
                    let ($truth, $low, $high) = (rows.target[row], rows.scores[3 * row + 1], rows.scores[3 * row + 2]);
                    let _ = $truth;
                    state.count(weight);
                    state.add(0, weight, $value);
                }
                Ok(())
            }

            fn finish(&self, state: &Sums) -> Result<f64> {
                state.mean(0, self)
            }
        }
    )*};
}

mean_of_bounds! {
    Coverage, |truth, low, high| f64::from(u8::from((low..=high).contains(&truth)));
    IntervalWidth, |truth, low, high| high - low;
}
