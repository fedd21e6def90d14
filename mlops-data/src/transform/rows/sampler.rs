use std::sync::Arc;

use mlops_core::random::SplitMix64;
use mlops_core::{Error, Named, Result, ResultExt, Run, Table, Task, Transform, Transformer};
use serde::{Deserialize, Serialize};

use super::nothing;

/// Learns from rare classes as often as from the others, by repeating random rows of them
/// (imbalanced-learn's `RandomOverSampler`).
///
/// The repeated rows stand behind the others. They are drawn by [`Run::seed`], with replacement, when
/// training only, that is in [`fit_transform`](Transformer::fit_transform), which a
/// [`Pipeline`](mlops_core::Pipeline) calls; served and judged rows pass through. What a model then
/// says of probabilities is of the resampled world: calibrate it, or give rows weights instead. Put it
/// behind the steps that look at the target, and always behind the split. Takes the whole table.
///
/// # Errors
/// As [`Task::of`] for the target, of which there must be one, of classes;
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for a ratio that is not in 0..=1.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Transformer};
/// use mlops_data::transform::RandomOverSampler;
/// # use arrow::array::record_batch;
/// let batch = record_batch!(("amount", Float64, [1.0, 2.0, 3.0, 999.0]), ("fraud", Boolean, [false, false, false, true]))?;
/// let table = Table::from_batch(batch).with_role("fraud", Role::Target)?;
/// let (fitted, balanced) = RandomOverSampler::new().fit_transform(&table, &Run::default())?;
/// assert_eq!(balanced.num_rows(), 6);
/// assert_eq!(fitted.apply(table.to_batch()?)?.num_rows(), 4);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RandomOverSampler {
    /// How many rows a class is to have.
    pub sampling_strategy: SamplingStrategy,
}

/// Learns from frequent classes as rarely as from the others, by leaving out random rows of them
/// (imbalanced-learn's `RandomUnderSampler`).
///
/// The rows that stay keep their order. All else is as with [`RandomOverSampler`].
///
/// # Errors
/// As [`RandomOverSampler`].
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Transformer};
/// use mlops_data::transform::RandomUnderSampler;
/// # use arrow::array::record_batch;
/// let batch = record_batch!(("amount", Float64, [1.0, 2.0, 3.0, 999.0]), ("fraud", Boolean, [false, false, false, true]))?;
/// let table = Table::from_batch(batch).with_role("fraud", Role::Target)?;
/// let (_, balanced) = RandomUnderSampler::new().fit_transform(&table, &Run::default())?;
/// assert_eq!(balanced.num_rows(), 2);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RandomUnderSampler {
    /// How many rows a class is to have.
    pub sampling_strategy: SamplingStrategy,
}

/// How many rows a class is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SamplingStrategy {
    /// As many as the most frequent class, when rows are repeated, or as the rarest, when they are left
    /// out.
    #[default]
    Balanced,
    /// When rows are repeated, at least so many times as many as the most frequent class; when they
    /// are left out, at most such that the rarest has so many times as many. Rounded down.
    Ratio(f64),
}

impl SamplingStrategy {
    /// How many rows a class is to have at least, when there are more made of it.
    pub(super) fn most(self, classes: &[Vec<usize>]) -> Result<usize> {
        let most = classes.iter().map(Vec::len).max().unwrap_or(0);
        Ok((most as f64 * self.ratio()?) as usize)
    }

    pub(super) fn ratio(self) -> Result<f64> {
        match self {
            Self::Balanced => Ok(1.0),
            Self::Ratio(ratio) if ratio > 0.0 && ratio <= 1.0 => Ok(ratio),
            Self::Ratio(ratio) => Err(Error::config(format!("a ratio of {ratio}: give one above 0, at most 1"))),
        }
    }
}

impl RandomOverSampler {
    /// Repeats rows until all classes have as many.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows a class is to have.
    #[must_use]
    pub fn with_sampling_strategy(mut self, sampling_strategy: SamplingStrategy) -> Self {
        self.sampling_strategy = sampling_strategy;
        self
    }
}

impl RandomUnderSampler {
    /// Leaves out rows until all classes have as many.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows a class is to have.
    #[must_use]
    pub fn with_sampling_strategy(mut self, sampling_strategy: SamplingStrategy) -> Self {
        self.sampling_strategy = sampling_strategy;
        self
    }
}

/// The rows of each class.
pub(super) fn rows_by_class(data: &Table) -> Result<Vec<Vec<usize>>> {
    let field = data.target()?;
    let column = data.column(field.name())?;
    let Task::Classification { classes } = Task::of(&column, field)? else {
        return Err(Error::unsupported(format!(
            "the target '{}' is a quantity, which has no classes to balance: leave the sampler out",
            field.name()
        )));
    };
    let mut rows = vec![Vec::new(); classes.len()];
    for (row, class) in classes.indices(&column).context("column", field.name())?.into_iter().enumerate() {
        rows[class].push(row);
    }
    Ok(rows)
}

impl Named for RandomOverSampler {
    const KIND: &'static str = "random_over_sampler";
}

impl Transformer for RandomOverSampler {
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        run.check()?;
        self.sampling_strategy.ratio()?;
        data.target()?;
        Ok(nothing())
    }

    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        let fitted = self.learn(data, run)?;
        let classes = rows_by_class(data)?;
        let wanted = self.sampling_strategy.most(&classes)?;
        let mut rows: Vec<usize> = (0..data.num_rows()).collect();
        for (class, members) in (0..).zip(&classes).filter(|(_, members)| !members.is_empty()) {
            let mut rng = SplitMix64::stream(run.seed, class);
            let more = wanted.saturating_sub(members.len());
            rows.extend((0..more).map(|_| members[rng.below(members.len() as u64) as usize]));
        }
        Ok((fitted, data.take(&rows)?))
    }
}

impl Named for RandomUnderSampler {
    const KIND: &'static str = "random_under_sampler";
}

impl Transformer for RandomUnderSampler {
    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        run.check()?;
        self.sampling_strategy.ratio()?;
        data.target()?;
        Ok(nothing())
    }

    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        let fitted = self.learn(data, run)?;
        let classes = rows_by_class(data)?;
        let least = classes.iter().map(Vec::len).filter(|rows| *rows > 0).min().unwrap_or(0);
        let wanted = (least as f64 / self.sampling_strategy.ratio()?) as usize;
        let mut rows = Vec::new();
        for (class, mut members) in (0..).zip(classes) {
            if members.len() > wanted {
                SplitMix64::stream(run.seed, class).shuffle(&mut members);
                members.truncate(wanted);
            }
            rows.append(&mut members);
        }
        rows.sort_unstable();
        Ok((fitted, data.take(&rows)?))
    }
}
