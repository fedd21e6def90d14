use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use mlops_core::folds::Splitter;
use mlops_core::progress::Progress;
use mlops_core::{Error, Metric, Model, Result, ResultExt, Run, Table, Trainer};
use serde::Serialize;

use crate::cross_validation::{CvResult, cross_validate};
use crate::metrics::{Scores, score};

/// How the best of several recipes is chosen: by one metric, on validation rows if there are any
/// (train on January to April, choose on May), else by cross-validation.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::{CrossValidation, LinearRegression, R2, Ridge, Rmse, Selection, compare};
///
/// let batch = arrow::array::record_batch!(
///     ("x", Float64, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
///     ("y", Float64, [3.0, 5.1, 7.0, 9.1, 11.0, 13.1])
/// )?;
/// let data = Table::from_batch(batch).with_role("y", Role::Target)?;
/// let candidates: Vec<(&str, Box<dyn Trainer>)> =
///     vec![("plain", Box::new(LinearRegression::new())), ("stiff", Box::new(Ridge::new(100.0)))];
/// let selection = Selection::by(Rmse).with_metric(R2).with_cross_validation(CrossValidation::new(3));
/// let board = compare(candidates, &data, &selection, &Run::default())?;
/// assert_eq!(board.best().name, "plain");
/// println!("{board}");
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Selection {
    /// The first one chooses; the others are reported.
    pub metrics: Vec<Arc<dyn Metric>>,
    /// Cross-validates every candidate on the training rows, on the folds of any splitter.
    pub cross_validation: Option<Arc<dyn Splitter>>,
    /// Rows that no candidate learns from.
    pub validation: Option<Table>,
}

impl Selection {
    /// Chooses by `metric`.
    pub fn by(metric: impl Metric) -> Self {
        Self { metrics: vec![Arc::new(metric)], cross_validation: None, validation: None }
    }

    /// Reports another metric.
    #[must_use]
    pub fn with_metric(mut self, metric: impl Metric) -> Self {
        self.metrics.push(Arc::new(metric));
        self
    }

    /// Cross-validates every candidate on the training rows, on the folds of any splitter.
    #[must_use]
    pub fn with_cross_validation(mut self, splitter: impl Splitter + 'static) -> Self {
        self.cross_validation = Some(Arc::new(splitter));
        self
    }

    /// Chooses on rows that no candidate learns from.
    #[must_use]
    pub fn with_validation(mut self, validation: Table) -> Self {
        self.validation = Some(validation);
        self
    }
}

/// Fits every candidate on all of `data`, judges it as `selection` says, and puts the best first.
///
/// Candidates are equals with equal numbers; the earlier one stays in front. One fit a candidate,
/// and one a fold if it is cross-validated.
///
/// # Errors
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) without candidates, with two of one name, or
/// if there is neither cross-validation nor validation; as [`Trainer::fit`] and [`Metric::score`],
/// with the name of the candidate.
pub fn compare<S: Into<String>>(
    candidates: impl IntoIterator<Item = (S, Box<dyn Trainer>)>,
    data: &Table,
    selection: &Selection,
    run: &Run,
) -> Result<Leaderboard> {
    let candidates: Vec<(String, Box<dyn Trainer>)> = candidates.into_iter().map(|(n, t)| (n.into(), t)).collect();
    let metric = check(&candidates, selection)?;
    let progress = Progress::start("compare candidates", Some(candidates.len() as u64));
    let mut entries = Vec::with_capacity(candidates.len());
    for (name, trainer) in candidates {
        let entry = judge(&name, trainer.as_ref(), data, selection, run).context("candidate", &name)?;
        entries.push(entry);
        progress.advance(1);
    }
    let greater_is_better = metric.greater_is_better();
    entries.sort_by(|a, b| {
        let order = a.chosen_by.total_cmp(&b.chosen_by);
        if greater_is_better { order.reverse() } else { order }
    });
    Ok(Leaderboard { metric: metric.name(), entries })
}

fn check<'a>(candidates: &[(String, Box<dyn Trainer>)], selection: &'a Selection) -> Result<&'a Arc<dyn Metric>> {
    if candidates.is_empty() {
        return Err(Error::config("no candidates to compare: give at least one recipe"));
    }
    for (i, (name, _)) in candidates.iter().enumerate() {
        if candidates[..i].iter().any(|(other, _)| other == name) {
            return Err(Error::config(format!("two candidates are called '{name}': give each a name of its own")));
        }
    }
    if selection.cross_validation.is_none() && selection.validation.is_none() {
        return Err(Error::config(
            "nothing to choose by: give validation rows, a cross-validation, or both (a model is not judged on the \
             rows it has learned from)",
        ));
    }
    selection.metrics.first().ok_or_else(|| Error::config("no metric to choose by: give at least one"))
}

fn judge(name: &str, trainer: &dyn Trainer, data: &Table, selection: &Selection, run: &Run) -> Result<Entry> {
    let metrics: Vec<&dyn Metric> = selection.metrics.iter().map(AsRef::as_ref).collect();
    let cross_validation = match &selection.cross_validation {
        Some(splitter) => Some(cross_validate(trainer, data, splitter.as_ref(), &metrics, run)?),
        None => None,
    };
    let start = Instant::now();
    let model = trainer.fit(data, run)?;
    let fit_seconds = start.elapsed().as_secs_f64();
    let validation = match &selection.validation {
        Some(rows) => Some(score(model.as_ref(), rows, &metrics)?),
        None => None,
    };
    // One of the two is there: `check` has seen to it.
    let chosen_by = match (&validation, &cross_validation) {
        (Some(scores), _) => scores.get(metrics[0].name())?,
        (None, Some(folds)) => folds.mean(metrics[0].name())?,
        (None, None) => f64::NAN,
    };
    tracing::info!(candidate = name, score = chosen_by, metric = metrics[0].name(), fit_seconds, "judged");
    Ok(Entry {
        name: name.to_owned(),
        recipe: trainer.kind(),
        chosen_by,
        validation,
        cross_validation,
        fit_seconds,
        model,
    })
}

/// Candidates, the best first.
///
/// Displays as a table, and serialises (without the models) to JSON.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Leaderboard {
    /// The metric they were chosen by.
    pub metric: &'static str,
    /// The candidates; there is at least one.
    pub entries: Vec<Entry>,
}

/// A candidate and how it did.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The kind of its recipe.
    pub recipe: &'static str,
    /// The value that it was chosen by.
    pub chosen_by: f64,
    /// How it did on the validation rows.
    pub validation: Option<Scores>,
    /// How it did fold by fold.
    pub cross_validation: Option<CvResult>,
    /// How long the fit on all training rows took.
    pub fit_seconds: f64,
    /// The model that was fitted on all training rows.
    #[serde(skip)]
    pub model: Arc<dyn Model>,
}

impl Leaderboard {
    /// The best candidate.
    pub fn best(&self) -> &Entry {
        // `compare` refuses to compare nothing.
        &self.entries[0]
    }
}

impl fmt::Display for Leaderboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |entry: &Entry| entry.name.chars().count();
        let width = self.entries.iter().map(name).max().unwrap_or(0).max("candidate".len());
        write!(f, "{:<width$}  {:>10}  {:>8}", "candidate", self.metric, "fit s")?;
        for entry in &self.entries {
            write!(f, "\n{:<width$}  {:>10.4}  {:>8.2}", entry.name, entry.chosen_by, entry.fit_seconds)?;
            if let Some(scores) = &entry.validation {
                write!(f, "  validation: {scores}")?;
            }
            if let Some(folds) = &entry.cross_validation {
                write!(f, "  folds: {folds}")?;
            }
        }
        Ok(())
    }
}
