use std::fmt;
use std::time::Instant;

use mlops_core::folds::{Fold, Splitter, k_fold, stratified_k_fold};
use mlops_core::progress::Progress;
use mlops_core::{Error, Metric, Result, ResultExt, Run, Table, Task, Trainer};
use serde::{Deserialize, Serialize};

use crate::metrics::{Scores, score};

/// Judges a recipe on rows it has not learned from: fold by fold, it learns from the others.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table};
/// use mlops_train::{Accuracy, CrossValidation, LogisticRegression};
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0, 2.5, 8.5]),
///     ("late", Boolean, [false, false, true, true, false, true])
/// )?;
/// let flights = Table::from_batch(batch).with_role("late", Role::Target)?;
/// let judge = CrossValidation::new(3).with_seed(7);
/// let result = judge.score(&LogisticRegression::new(), &flights, &[&Accuracy], &Run::default())?;
/// assert_eq!(result.folds.len(), 3);
/// assert_eq!(result.mean("accuracy")?, 1.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CrossValidation {
    /// How many folds, at least 2.
    pub folds: usize,
    /// Whether every fold has the classes in the same proportion. A number as target is cut plainly
    /// either way.
    pub stratified: bool,
    /// Draws the rows of the folds; without it they are scikit-learn's unshuffled ones (without
    /// stratification, blocks of neighbouring rows).
    pub seed: Option<u64>,
}

impl Default for CrossValidation {
    fn default() -> Self {
        Self { folds: 5, stratified: true, seed: None }
    }
}

impl CrossValidation {
    /// With `folds` folds, stratified, in the order of the rows.
    pub fn new(folds: usize) -> Self {
        Self { folds, ..Self::default() }
    }

    /// With rows drawn at random.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// With or without the classes in the same proportion.
    #[must_use]
    pub fn with_stratified(mut self, stratified: bool) -> Self {
        self.stratified = stratified;
        self
    }

    /// Fits and judges the recipe once a fold.
    ///
    /// # Errors
    /// As [`cross_validate`].
    pub fn score(&self, trainer: &dyn Trainer, data: &Table, metrics: &[&dyn Metric], run: &Run) -> Result<CvResult> {
        cross_validate(trainer, data, self, metrics, run)
    }

    /// The rows of each fold.
    ///
    /// # Errors
    /// As [`k_fold`] and [`stratified_k_fold`]; [`Table::target`] if stratified.
    pub fn split(&self, data: &Table) -> Result<Vec<Fold>> {
        if self.stratified {
            let field = data.target()?;
            let target = data.column(field.name())?;
            if let Task::Classification { classes } = Task::of(&target, field)? {
                return stratified_k_fold(&classes.indices(&target)?, self.folds, self.seed);
            }
        }
        k_fold(data.num_rows(), self.folds, self.seed)
    }
}

impl Splitter for CrossValidation {
    fn folds(&self, data: &Table) -> Result<Vec<Fold>> {
        self.split(data)
    }
}

/// Fits and judges a recipe once for each fold of any [`Splitter`]: grouped, in time, or known
/// already.
///
/// # Errors
/// As [`Splitter::folds`]; as [`Trainer::fit`] and [`Metric::score`], with the number of the fold.
///
/// # Example
/// ```
/// use mlops_core::folds::Fold;
/// use mlops_core::{Role, Run, Table};
/// use mlops_train::{LinearRegression, Rmse, cross_validate};
///
/// let batch = arrow::array::record_batch!(("x", Float64, [1.0, 2.0, 3.0, 4.0]), ("y", Float64, [2.0, 4.0, 6.0, 8.0]))?;
/// let days = Table::from_batch(batch).with_role("y", Role::Target)?;
/// let past_to_future = vec![Fold { train: vec![0, 1], test: vec![2] }, Fold { train: vec![0, 1, 2], test: vec![3] }];
/// let result = cross_validate(&LinearRegression::new(), &days, &past_to_future, &[&Rmse], &Run::default())?;
/// assert!(result.mean("rmse")? < 1e-9);
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub fn cross_validate(
    trainer: &dyn Trainer,
    data: &Table,
    splitter: &dyn Splitter,
    metrics: &[&dyn Metric],
    run: &Run,
) -> Result<CvResult> {
    let folds = splitter.folds(data)?;
    // Joined once instead of once a fold.
    let whole = Table::from_batch(data.to_batch()?)
        .with_roles(data.roles())
        .with_rows_of(data)
        .with_fitted_on(data.fitted_on());
    let progress = Progress::start(format!("cross-validate {}", trainer.kind()), Some(folds.len() as u64));
    let mut results = Vec::with_capacity(folds.len());
    for (i, fold) in folds.iter().enumerate() {
        run.check()?;
        // Tests of different folds may overlap (repeats), so each fold is a cut of its own.
        let side = |rows: &[usize], side: u8| {
            whole.take(rows).map(|rows| rows.with_part_of(&whole, &format!("cross-validation fold {}", i + 1), [side]))
        };
        let (train, test) = (side(&fold.train, 0)?, side(&fold.test, 1)?);
        results.push(score_fold(trainer, &train, &test, metrics, run).context("fold", i + 1)?);
        progress.advance(1);
    }
    Ok(CvResult { folds: results })
}

fn score_fold(
    trainer: &dyn Trainer,
    train: &Table,
    test: &Table,
    metrics: &[&dyn Metric],
    run: &Run,
) -> Result<FoldResult> {
    let start = Instant::now();
    let model = trainer.fit(train, run)?;
    let fit_seconds = start.elapsed().as_secs_f64();
    Ok(FoldResult { scores: score(model.as_ref(), test, metrics)?, fit_seconds })
}

/// What a cross-validation found.
///
/// Displays as `roc_auc 0.7012 ± 0.0031, …`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CvResult {
    /// One for each fold, in order.
    pub folds: Vec<FoldResult>,
}

/// What one fold of a cross-validation found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FoldResult {
    /// The scores on the rows that were held back.
    pub scores: Scores,
    /// How long the fit took.
    pub fit_seconds: f64,
}

impl CvResult {
    /// The mean of a metric over the folds.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](mlops_core::ErrorKind::NotFound) if it was not asked for.
    pub fn mean(&self, metric: &str) -> Result<f64> {
        let values = self.values(metric)?;
        Ok(values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The standard deviation of a metric over the folds (divided by their number, as numpy does).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](mlops_core::ErrorKind::NotFound) if it was not asked for.
    pub fn std(&self, metric: &str) -> Result<f64> {
        let mean = self.mean(metric)?;
        let values = self.values(metric)?;
        Ok((values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
    }

    /// The value of a metric for each fold.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](mlops_core::ErrorKind::NotFound) if it was not asked for.
    pub fn values(&self, metric: &str) -> Result<Vec<f64>> {
        if self.folds.is_empty() {
            return Err(Error::not_found(format!("no score '{metric}': there are no folds")));
        }
        self.folds.iter().map(|fold| fold.scores.get(metric)).collect()
    }

    /// The mean of every metric.
    pub fn means(&self) -> Scores {
        let names: Vec<&str> =
            self.folds.first().map(|fold| fold.scores.iter().map(|(n, _)| n).collect()).unwrap_or_default();
        // Every fold was judged by the same metrics.
        names.into_iter().filter_map(|name| Some((name, self.mean(name).ok()?))).collect()
    }

    /// How long all fits took together.
    pub fn fit_seconds(&self) -> f64 {
        self.folds.iter().map(|fold| fold.fit_seconds).sum()
    }
}

impl fmt::Display for CvResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, mean)) in self.means().iter().enumerate() {
            let std = self.std(name).map_err(|_| fmt::Error)?;
            write!(f, "{}{name} {mean:.4} ± {std:.4}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
