use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use mlops_core::{Error, Model, Named, Result, Run, Table, Trainer};
use serde::{Deserialize, Serialize};

use super::fit::{Boosting, Rows};
use super::loss::Loss;
use super::stopping::held_back;
use crate::training::{Target, TrainingSet};
use crate::trees::TreeModel;
use crate::trees::grow::{Binned, Growth, MAX_BINS};

/// Boosted trees on histograms: scikit-learn's `HistGradientBoostingClassifier` and
/// `HistGradientBoostingRegressor` in one; the target decides.
///
/// Each iteration adds a tree (one a class, for more than two) that corrects those before it.
/// Features are cut into at most 255 bins, so that an iteration is one pass over bytes; the best leaf
/// is split first. A missing value (null or NaN) goes where it lowers the loss most, or with the many
/// if training saw none. Parameters are called as in scikit-learn and mean the same.
///
/// The model is the same for any number of threads. Memory: the features once as `f64`, once as
/// bytes, 32 bytes a row, and 4 KiB for each feature and leaf.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::HistGradientBoosting;
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [Some(2.0), Some(3.0), None, Some(8.0), Some(9.0), None]),
///     ("late", Boolean, [false, false, true, true, true, true])
/// )?;
/// let flights = Table::from_batch(batch.clone()).with_role("late", Role::Target)?;
/// let recipe = HistGradientBoosting::new().with_max_iter(20).with_min_samples_leaf(1);
/// let model = recipe.fit(&flights, &Run::default())?;
/// assert_eq!(model.predict(&batch)?.num_rows(), 6);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HistGradientBoosting {
    /// What is made small.
    pub loss: Loss,
    /// What the correction of each tree is multiplied by.
    pub learning_rate: f64,
    /// At most so many iterations.
    pub max_iter: NonZeroUsize,
    /// At most so many leaves a tree; any number if `None`.
    pub max_leaf_nodes: Option<NonZeroUsize>,
    /// At most so many splits from the root to a leaf; any number if `None`.
    pub max_depth: Option<u16>,
    /// The least rows of a leaf.
    pub min_samples_leaf: NonZeroUsize,
    /// The least sum of Hessians of a leaf.
    pub min_hessian: f64,
    /// A split has to lower the loss by more than half of this.
    pub min_gain_to_split: f64,
    /// Penalty on the sum of the leaves' absolute values.
    pub l1_regularization: f64,
    /// Penalty on half the sum of the leaves' squares.
    pub l2_regularization: f64,
    /// The share of the features that are tried at each split.
    pub max_features: f64,
    /// The share of the rows that each iteration learns from.
    pub subsample: f64,
    /// At most so many bins for the numbers of a feature, 2 to 255; missing values have one more.
    pub max_bins: u16,
    /// By feature whether the raw prediction may only rise (1) or only fall (-1) with it.
    pub monotonic_cst: BTreeMap<String, i8>,
    /// Features that are codes of categories, whole numbers from 0 to 65,535: split into sets, not at
    /// thresholds. A code that training did not see counts as missing.
    pub categorical_features: Vec<String>,
    /// Whether to stop before `max_iter`; if `None`, with more than 10,000 rows.
    pub early_stopping: Option<bool>,
    /// The share of the rows that are held back to see whether the model becomes better.
    pub validation_fraction: f64,
    /// Stops after so many iterations without a better one.
    pub n_iter_no_change: NonZeroUsize,
    /// What counts as better.
    pub tol: f64,
}

impl Default for HistGradientBoosting {
    fn default() -> Self {
        let number = |above_one: usize| NonZeroUsize::MIN.saturating_add(above_one);
        Self {
            loss: Loss::Auto,
            learning_rate: 0.1,
            max_iter: number(99),
            max_leaf_nodes: Some(number(30)),
            max_depth: None,
            min_samples_leaf: number(19),
            min_hessian: 1e-3,
            min_gain_to_split: 0.0,
            l1_regularization: 0.0,
            l2_regularization: 0.0,
            max_features: 1.0,
            subsample: 1.0,
            max_bins: MAX_BINS as u16,
            monotonic_cst: BTreeMap::new(),
            categorical_features: Vec::new(),
            early_stopping: None,
            validation_fraction: 0.1,
            n_iter_no_change: number(9),
            tol: 1e-7,
        }
    }
}

impl Named for HistGradientBoosting {
    const KIND: &'static str = "hist_gradient_boosting";
}

impl HistGradientBoosting {
    /// With scikit-learn's defaults: 100 trees of 31 leaves, a learning rate of 0.1.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another loss.
    #[must_use]
    pub fn with_loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// With another learning rate.
    #[must_use]
    pub fn with_learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// With at most so many iterations; 0 counts as 1.
    #[must_use]
    pub fn with_max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = NonZeroUsize::new(max_iter).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// With at most so many leaves a tree; 0 is any number.
    #[must_use]
    pub fn with_max_leaf_nodes(mut self, max_leaf_nodes: usize) -> Self {
        self.max_leaf_nodes = NonZeroUsize::new(max_leaf_nodes);
        self
    }

    /// With at most `max_depth` splits from the root to a leaf.
    #[must_use]
    pub fn with_max_depth(mut self, max_depth: u16) -> Self {
        self.max_depth = Some(max_depth);
        self
    }

    /// With leaves of at least so many rows; 0 counts as 1.
    #[must_use]
    pub fn with_min_samples_leaf(mut self, min_samples_leaf: usize) -> Self {
        self.min_samples_leaf = NonZeroUsize::new(min_samples_leaf).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// With penalties on the absolute values and on the squares of leaves.
    #[must_use]
    pub fn with_regularization(mut self, l1: f64, l2: f64) -> Self {
        (self.l1_regularization, self.l2_regularization) = (l1, l2);
        self
    }

    /// With another share of features tried at each split.
    #[must_use]
    pub fn with_max_features(mut self, max_features: f64) -> Self {
        self.max_features = max_features;
        self
    }

    /// With another share of rows for each iteration.
    #[must_use]
    pub fn with_subsample(mut self, subsample: f64) -> Self {
        self.subsample = subsample;
        self
    }

    /// With fewer bins.
    #[must_use]
    pub fn with_max_bins(mut self, max_bins: u16) -> Self {
        self.max_bins = max_bins;
        self
    }

    /// Where the raw prediction may only rise with `feature`, or only fall.
    #[must_use]
    pub fn with_monotonic(mut self, feature: impl Into<String>, rises: bool) -> Self {
        self.monotonic_cst.insert(feature.into(), if rises { 1 } else { -1 });
        self
    }

    /// With features that are codes of categories.
    #[must_use]
    pub fn with_categorical<S: Into<String>>(mut self, features: impl IntoIterator<Item = S>) -> Self {
        self.categorical_features = features.into_iter().map(Into::into).collect();
        self
    }

    /// Stopping early or not, whatever the number of rows.
    #[must_use]
    pub fn with_early_stopping(mut self, early_stopping: bool) -> Self {
        self.early_stopping = Some(early_stopping);
        self
    }

    /// As [`Trainer::fit`], with the type of the model.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for settings out of
    /// range or about features that there are not, [`ErrorKind::Data`](mlops_core::ErrorKind::Data)
    /// for codes that are none and a target that the loss can't take.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<TreeModel> {
        run.check()?;
        self.check()?;
        let set = TrainingSet::read_with_missing(data)?;
        let objective = self.loss.objective(&set.signature.task)?;
        let names = set.signature.input_names();
        let growth = self.growth(&names)?;
        let categorical = self.categorical(&names)?;
        let (target, classes) = match &set.target {
            Target::Numbers(target) => (target.clone(), None),
            Target::Classes(classes) => (classes.iter().map(|class| *class as f64).collect(), Some(classes.as_slice())),
        };
        objective.check(&target)?;
        let width = names.len();
        let weights = set.weights.as_deref();
        let all = Rows { matrix: &set.matrix, width, target: &target, weights };
        let max_bins = usize::from(self.max_bins);
        let trees = run.install(|| {
            let Some([learned, judged]) = self.split(classes, set.rows, run.seed)? else {
                let binned = Binned::new(all.matrix, &names, &categorical, max_bins, run)?;
                return Boosting::new(self, objective, all).run(&binned, &growth, None, run);
            };
            let [learned, judged] = [learned, judged].map(|rows| Taken::of(&all, &rows));
            let binned = Binned::new(&learned.matrix, &names, &categorical, max_bins, run)?;
            let judged = judged.rows(width);
            Boosting::new(self, objective, learned.rows(width)).run(&binned, &growth, Some(&judged), run)
        })??;
        TreeModel::new(set.signature, trees, objective.link())
    }

    /// The rows to learn from and those held back, if it may stop early.
    fn split(&self, classes: Option<&[usize]>, rows: usize, seed: u64) -> Result<Option<[Vec<usize>; 2]>> {
        const MANY_ROWS: usize = 10_000;
        if !self.early_stopping.unwrap_or(rows > MANY_ROWS) {
            return Ok(None);
        }
        let [learned, judged] = held_back(classes, rows, self.validation_fraction, seed);
        if learned.is_empty() || judged.is_empty() {
            return Err(Error::data(format!(
                "{rows} rows can't be split to stop early with validation_fraction = {}: turn early_stopping off",
                self.validation_fraction
            )));
        }
        Ok(Some([learned, judged]))
    }

    fn check(&self) -> Result<()> {
        let share = |x: f64| x > 0.0 && x <= 1.0;
        let penalty = |x: f64| x >= 0.0 && x.is_finite();
        let wrong = |what: &str, x: f64, wanted: &str| Err(Error::config(format!("{what} = {x}: {wanted}")));
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return wrong("learning_rate", self.learning_rate, "a number above 0 is needed");
        }
        for (what, x) in [("max_features", self.max_features), ("subsample", self.subsample)] {
            if !share(x) {
                return wrong(what, x, "a share above 0 and at most 1 is needed");
            }
        }
        let penalties = [
            ("l1_regularization", self.l1_regularization),
            ("l2_regularization", self.l2_regularization),
            ("min_gain_to_split", self.min_gain_to_split),
            ("min_hessian", self.min_hessian),
            ("tol", self.tol),
        ];
        for (what, x) in penalties {
            if !penalty(x) {
                return wrong(what, x, "a number of at least 0 is needed");
            }
        }
        if !(self.validation_fraction > 0.0 && self.validation_fraction < 1.0) {
            return wrong("validation_fraction", self.validation_fraction, "a share between 0 and 1 is needed");
        }
        if !(2..=MAX_BINS).contains(&usize::from(self.max_bins)) {
            return wrong("max_bins", f64::from(self.max_bins), "2 to 255 bins are needed");
        }
        if self.max_leaf_nodes == Some(NonZeroUsize::MIN) {
            return wrong("max_leaf_nodes", 1.0, "at least 2 leaves are needed");
        }
        Ok(())
    }

    fn growth(&self, names: &[&str]) -> Result<Growth> {
        let mut monotonic = Vec::new();
        for (name, direction) in &self.monotonic_cst {
            if !(-1..=1).contains(direction) {
                return Err(Error::config(format!("monotonic_cst of '{name}' is {direction}: -1, 0 or 1 is needed")));
            }
            if *direction != 0 && self.categorical_features.contains(name) {
                return Err(Error::config(format!("'{name}' is categorical: nothing can rise or fall with it")));
            }
            monotonic.resize(names.len(), 0);
            monotonic[position(names, name, "monotonic_cst")?] = *direction;
        }
        Ok(Growth {
            max_leaves: self.max_leaf_nodes.map(NonZeroUsize::get),
            max_depth: self.max_depth.map(usize::from),
            min_samples_leaf: self.min_samples_leaf.get(),
            min_hessian: self.min_hessian,
            l1: self.l1_regularization,
            l2: self.l2_regularization,
            min_gain: self.min_gain_to_split,
            features: ((self.max_features * names.len() as f64) as usize).max(1),
            monotonic,
            shrinkage: self.learning_rate,
            ..Growth::default()
        })
    }

    fn categorical(&self, names: &[&str]) -> Result<Vec<bool>> {
        let mut categorical = vec![false; names.len()];
        for name in &self.categorical_features {
            categorical[position(names, name, "categorical_features")?] = true;
        }
        Ok(categorical)
    }
}

fn position(names: &[&str], name: &str, setting: &str) -> Result<usize> {
    let missing = || Error::config(format!("{setting} names '{name}', the features are {}", names.join(", ")));
    names.iter().position(|of| *of == name).ok_or_else(missing)
}

/// A copy of some rows.
struct Taken {
    matrix: Vec<f64>,
    target: Vec<f64>,
    weights: Option<Vec<f64>>,
}

impl Taken {
    fn of(all: &Rows<'_>, rows: &[usize]) -> Self {
        let pick = |values: &[f64]| rows.iter().map(|row| values[*row]).collect();
        Self {
            matrix: rows.iter().flat_map(|row| &all.matrix[row * all.width..][..all.width]).copied().collect(),
            target: pick(all.target),
            weights: all.weights.map(pick),
        }
    }

    fn rows(&self, width: usize) -> Rows<'_> {
        Rows { matrix: &self.matrix, width, target: &self.target, weights: self.weights.as_deref() }
    }
}

impl Trainer for HistGradientBoosting {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}
