use mlops_core::{Error, Metric, Predictions, Result, Task};
use serde::{Deserialize, Serialize};

use super::fold::{FoldMetric, Spread, Sums, counted, fold_metric};
use super::{answer, check_setting, numbers};

/// The mean deviance of a Tweedie distribution: of power 0 the squared error, 1 Poisson's, 2 the
/// gamma distribution's, between 1 and 2 for sums with many zeros such as claims.
///
/// Powers between 0 and 1 do not exist. Predictions must be above 0 except for power 0; the truth at
/// least 0 for powers from 1, above 0 for powers from 2.
///
/// # Example
/// ```
/// use mlops_core::{Metric, Predictions, Task};
/// use mlops_train::TweedieDeviance;
///
/// let predictions = Predictions::new(Task::Regression, vec![2.0, 0.0], vec![2.0, 0.5])?;
/// assert_eq!(TweedieDeviance::poisson().score(&predictions)?, 0.5);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TweedieDeviance {
    /// How the variance grows with the mean.
    pub power: f64,
}

impl TweedieDeviance {
    /// Of a power.
    pub fn new(power: f64) -> Self {
        Self { power }
    }

    /// Poisson's: for counts.
    pub fn poisson() -> Self {
        Self::new(1.0)
    }

    /// The gamma distribution's: for durations and amounts.
    pub fn gamma() -> Self {
        Self::new(2.0)
    }
}

/// The share of the [`TweedieDeviance`] from the mean that the predictions explain; not defined for a
/// constant target.
///
/// # Example
/// ```
/// use mlops_core::{Metric, Predictions, Task};
/// use mlops_train::D2Tweedie;
///
/// let predictions = Predictions::new(Task::Regression, vec![1.0, 3.0], vec![2.0, 2.0])?;
/// assert!(D2Tweedie::poisson().score(&predictions)?.abs() < 1e-15);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct D2Tweedie {
    /// How the variance grows with the mean.
    pub power: f64,
}

impl D2Tweedie {
    /// Of a power.
    pub fn new(power: f64) -> Self {
        Self { power }
    }

    /// Poisson's: for counts.
    pub fn poisson() -> Self {
        Self::new(1.0)
    }

    /// The gamma distribution's: for durations and amounts.
    pub fn gamma() -> Self {
        Self::new(2.0)
    }
}

fold_metric!(TweedieDeviance, less, |this| match this.power {
    1.0 => "poisson_deviance",
    2.0 => "gamma_deviance",
    _ => "tweedie_deviance",
});
fold_metric!(D2Tweedie, greater, |this| match this.power {
    1.0 => "d2_poisson",
    2.0 => "d2_gamma",
    _ => "d2_tweedie",
});

impl FoldMetric for TweedieDeviance {
    type State = Sums;

    fn start(&self, task: &Task) -> Result<Sums> {
        numbers(self, task)?;
        check_power(self, self.power)?;
        Ok(Sums::of(1))
    }

    fn update(&self, state: &mut Sums, rows: &Predictions) -> Result<()> {
        for (row, weight) in counted(rows) {
            state.count(weight);
            state.add(0, weight, deviance(self, self.power, rows, row)?);
        }
        Ok(())
    }

    fn finish(&self, state: &Sums) -> Result<f64> {
        state.mean(0, self)
    }
}

impl FoldMetric for D2Tweedie {
    /// The target, and the deviances beside what that from the mean is made of.
    type State = (Spread, Sums);

    fn start(&self, task: &Task) -> Result<Self::State> {
        numbers(self, task)?;
        check_power(self, self.power)?;
        Ok((Spread::new(), Sums::of(2)))
    }

    fn update(&self, (target, sums): &mut Self::State, rows: &Predictions) -> Result<()> {
        for (row, weight) in counted(rows) {
            let y = rows.target[row];
            target.add(weight, y);
            sums.count(weight);
            sums.add(0, weight, deviance(self, self.power, rows, row)?);
            let own = match self.power {
                0.0 => 0.0,
                1.0 => x_ln_x(y),
                2.0 => y.ln(),
                p => y.max(0.0).powf(2.0 - p),
            };
            sums.add(1, weight, own);
        }
        Ok(())
    }

    fn finish(&self, (target, sums): &Self::State) -> Result<f64> {
        target.sums().check_two(self)?;
        if target.is_constant() {
            return Err(Error::data(format!(
                "{} is not defined for a target that is the same in every row",
                self.name()
            )));
        }
        let (mean, own) = (target.mean(), sums.mean(1, self)?);
        let from_mean = match self.power {
            0.0 => target.variance(),
            1.0 => 2.0 * (own - mean * mean.ln()),
            2.0 => 2.0 * (mean.ln() - own),
            p => {
                2.0 * (own / ((1.0 - p) * (2.0 - p)) - mean * mean.powf(1.0 - p) / (1.0 - p)
                    + mean.powf(2.0 - p) / (2.0 - p))
            }
        };
        Ok(1.0 - sums.mean(0, self)? / from_mean)
    }
}

fn check_power(metric: &dyn Metric, power: f64) -> Result<()> {
    check_setting(metric, "power", power, power <= 0.0 || power >= 1.0)
}

fn x_ln_x(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x * x.ln() }
}

/// The deviance of a row.
fn deviance(metric: &dyn Metric, power: f64, rows: &Predictions, row: usize) -> Result<f64> {
    let (y, mu) = (rows.target[row], answer(rows, row));
    let truth_fits = match power {
        p if p >= 2.0 => y > 0.0,
        p if p >= 1.0 => y >= 0.0,
        _ => true,
    };
    if !truth_fits || (power != 0.0 && mu <= 0.0) {
        return Err(Error::data(format!(
            "{} of power {power} is for predictions above 0 and a truth that is {}; row {row} is {y} and was \
             predicted as {mu}",
            metric.name(),
            if power >= 2.0 { "above 0" } else { "at least 0" },
        )));
    }
    Ok(match power {
        0.0 => (y - mu) * (y - mu),
        1.0 => 2.0 * (if y == 0.0 { 0.0 } else { y * (y / mu).ln() } - y + mu),
        2.0 => 2.0 * ((mu / y).ln() + y / mu - 1.0),
        p => {
            2.0 * (y.max(0.0).powf(2.0 - p) / ((1.0 - p) * (2.0 - p)) - y * mu.powf(1.0 - p) / (1.0 - p)
                + mu.powf(2.0 - p) / (2.0 - p))
        }
    })
}
