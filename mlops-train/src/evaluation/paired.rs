use mlops_core::compare::{Interval, check_pairs};
use mlops_core::special::{beta_inc, chi_square_sf, normal_quantile};
use mlops_core::{Error, Predictions, Result, Task};
use serde::{Deserialize, Serialize};

/// The areas under two correlated ROC curves and whether they differ, by the method of DeLong, DeLong
/// and Clarke-Pearson ("Comparing the areas under two or more correlated receiver operating
/// characteristic curves: a nonparametric approach", Biometrics 44, 1988).
///
/// No resampling: two sorts. The bootstrap ([`mlops_core::compare::compare`]) does the same for any
/// metric, and takes weights.
///
/// # Example
/// ```
/// use mlops_core::{Classes, Predictions, Task};
/// use mlops_train::evaluation::DeLong;
///
/// let model = |scores: [f64; 6]| {
///     let task = Task::Classification { classes: Classes::Bool };
///     let scores = scores.iter().flat_map(|p| [1.0 - p, *p]).collect();
///     Predictions::new(task, vec![0.0, 0.0, 0.0, 1.0, 1.0, 1.0], scores)
/// };
/// let (champion, challenger) = (model([0.1, 0.6, 0.3, 0.5, 0.4, 0.9])?, model([0.1, 0.2, 0.3, 0.5, 0.4, 0.9])?);
/// let test = DeLong::compare(&champion, &challenger, 0.95)?;
/// assert_eq!(test.challenger, 1.0);
/// assert!(test.p_value > 0.05, "six rows prove nothing");
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DeLong {
    /// The area of the champion.
    pub champion: f64,
    /// The area of the challenger.
    pub challenger: f64,
    /// The challenger's less the champion's.
    pub difference: f64,
    /// The standard error of the difference.
    pub standard_error: f64,
    /// The difference by its standard error; 0 if both are 0.
    #[serde(with = "mlops_core::json_float")]
    pub z: f64,
    /// The chance of a difference at least as large, either way, between models that are equally good.
    pub p_value: f64,
    /// Where the difference lies.
    pub interval: Interval,
}

impl DeLong {
    /// Compares two models that have answered the same rows; `confidence` is that of the interval.
    ///
    /// # Errors
    /// As [`check_pairs`]; [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for weights
    /// and for other than two classes, [`ErrorKind::Data`](mlops_core::ErrorKind::Data) without two
    /// rows of each class, [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for a confidence that
    /// is not between 0 and 1.
    pub fn compare(champion: &Predictions, challenger: &Predictions, confidence: f64) -> Result<Self> {
        check_pairs(champion, challenger)?;
        let (before, after) = (Placements::of(champion)?, Placements::of(challenger)?);
        let variance = before.covariance(&before) + after.covariance(&after) - 2.0 * before.covariance(&after);
        let (standard_error, difference) = (variance.max(0.0).sqrt(), after.auc() - before.auc());
        let z = if difference == 0.0 { 0.0 } else { difference / standard_error };
        Ok(Self {
            champion: before.auc(),
            challenger: after.auc(),
            difference,
            standard_error,
            z,
            p_value: chi_square_sf(z * z, 1.0),
            interval: around(difference, standard_error, confidence)?,
        })
    }

    /// Where the area under the curve of one model lies, within 0 and 1.
    ///
    /// # Errors
    /// As [`Self::compare`].
    pub fn interval(predictions: &Predictions, confidence: f64) -> Result<Interval> {
        let placements = Placements::of(predictions)?;
        let standard_error = placements.covariance(&placements).max(0.0).sqrt();
        let Interval { low, high } = around(placements.auc(), standard_error, confidence)?;
        Ok(Interval { low: low.max(0.0), high: high.min(1.0) })
    }
}

fn around(value: f64, standard_error: f64, confidence: f64) -> Result<Interval> {
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(Error::config(format!("a confidence of {confidence}: between 0 and 1 is needed, such as 0.95")));
    }
    let reach = normal_quantile(0.5 + confidence / 2.0) * standard_error;
    Ok(Interval { low: value - reach, high: value + reach })
}

/// For each row, the share of rows of the other class on its good side, ties counting half.
struct Placements {
    positive: Vec<f64>,
    negative: Vec<f64>,
}

impl Placements {
    fn of(predictions: &Predictions) -> Result<Self> {
        if predictions.weights.is_some() {
            return Err(Error::unsupported(
                "DeLong's test takes no weights: compare by the bootstrap (mlops_core::compare)",
            ));
        }
        let scores = predictions.positive_scores()?;
        let of_class = |class: f64| {
            let rows = predictions.target.iter().zip(&scores).filter(move |(y, _)| **y == class);
            rows.map(|(_, score)| score + 0.0).collect::<Vec<f64>>()
        };
        let (positive, negative) = (of_class(1.0), of_class(0.0));
        if positive.len() < 2 || negative.len() < 2 {
            return Err(Error::data(format!(
                "DeLong's test of {} rows of the second class and {} of the first: at least two of each are needed",
                positive.len(),
                negative.len()
            )));
        }
        let below = |sorted: &[f64], score: f64| {
            let less = sorted.partition_point(|other| *other < score);
            let most = sorted.partition_point(|other| *other <= score);
            (less + most) as f64 / 2.0 / sorted.len() as f64
        };
        let sorted = |scores: &[f64]| {
            let mut sorted = scores.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted
        };
        let (positives, negatives) = (sorted(&positive), sorted(&negative));
        Ok(Self {
            positive: positive.iter().map(|score| below(&negatives, *score)).collect(),
            negative: negative.iter().map(|score| 1.0 - below(&positives, *score)).collect(),
        })
    }

    fn auc(&self) -> f64 {
        mean(&self.positive)
    }

    fn covariance(&self, other: &Self) -> f64 {
        let of = |a: &[f64], b: &[f64]| {
            let (mean_a, mean_b) = (mean(a), mean(b));
            let sum: f64 = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum();
            sum / (a.len() - 1) as f64 / a.len() as f64
        };
        of(&self.positive, &other.positive) + of(&self.negative, &other.negative)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Whether two classifiers are right equally often, from the rows that only one of them gets right
/// (McNemar, "Note on the sampling error of the difference between correlated proportions", 1947).
///
/// # Example
/// ```
/// use mlops_train::evaluation::{McNemar, McNemarMethod};
///
/// let test = McNemar::of_counts(6, 16, McNemarMethod::Exact);
/// assert!((test.p_value - 0.052_478_790_283_203).abs() < 1e-14);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct McNemar {
    /// How many rows only the champion gets right.
    pub only_champion: u64,
    /// How many rows only the challenger gets right.
    pub only_challenger: u64,
    /// The smaller count of the exact test, or chi-square.
    pub statistic: f64,
    /// The chance of a difference at least as large, either way, between models that are right equally
    /// often; 1 if both are right on the same rows.
    pub p_value: f64,
}

/// How [`McNemar`]'s test finds its p-value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum McNemarMethod {
    /// Chi-square with Edwards' correction for continuity: from some 25 rows that they differ on.
    ChiSquare,
    /// Chi-square without correction.
    ChiSquareUncorrected,
    /// By the binomial distribution: right for any number of rows.
    #[default]
    Exact,
}

impl McNemar {
    /// Compares two models that have answered the same rows. Rows of weight 0 do not matter.
    ///
    /// # Errors
    /// As [`check_pairs`]; [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for other
    /// weights than 0 and 1, and for a regression.
    pub fn compare(champion: &Predictions, challenger: &Predictions, method: McNemarMethod) -> Result<Self> {
        check_pairs(champion, challenger)?;
        if !matches!(champion.task, Task::Classification { .. }) {
            return Err(Error::unsupported("McNemar's test compares predicted classes, these are numbers or groups"));
        }
        if champion.weights.iter().flatten().any(|weight| *weight != 0.0 && *weight != 1.0) {
            return Err(Error::unsupported(
                "McNemar's test counts rows, it takes no weights: compare by the bootstrap (mlops_core::compare)",
            ));
        }
        let is_right =
            |predictions: &Predictions, row: usize| predictions.chosen(row) as f64 == predictions.target[row];
        let (mut only_champion, mut only_challenger) = (0, 0);
        for row in (0..champion.num_rows()).filter(|row| champion.weight(*row) > 0.0) {
            match (is_right(champion, row), is_right(challenger, row)) {
                (true, false) => only_champion += 1,
                (false, true) => only_challenger += 1,
                _ => {}
            }
        }
        Ok(Self::of_counts(only_champion, only_challenger, method))
    }

    /// From the rows that only one of them gets right.
    pub fn of_counts(only_champion: u64, only_challenger: u64, method: McNemarMethod) -> Self {
        let (b, c) = (only_champion as f64, only_challenger as f64);
        let (statistic, p_value) = match method {
            _ if only_champion + only_challenger == 0 => (0.0, 1.0),
            McNemarMethod::Exact => {
                let least = b.min(c);
                // P(X <= k) of n tosses of a coin is the incomplete beta function at one half.
                let tail = if b == c { 1.0 } else { beta_inc(b + c - least, least + 1.0, 0.5) };
                (least, (2.0 * tail).min(1.0))
            }
            McNemarMethod::ChiSquare | McNemarMethod::ChiSquareUncorrected => {
                let correction = if method == McNemarMethod::ChiSquare { 1.0 } else { 0.0 };
                let statistic = ((b - c).abs() - correction).powi(2) / (b + c);
                (statistic, chi_square_sf(statistic, 1.0))
            }
        };
        Self { only_champion, only_challenger, statistic, p_value }
    }
}
