use std::collections::BTreeMap;
use std::fmt;

use mlops_core::report::{Chart, Grid, Report, Section, Tone, number};
use mlops_core::{Error, Result, Spec};
use serde::Serialize;
use serde_json::Value as Json;

use crate::metrics::Scores;

/// What a search found.
///
/// Displays as a table of the best trials, serialises to JSON, and [`report`](Self::report)s as a
/// page.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Study {
    /// The metric that trials were chosen by.
    pub metric: &'static str,
    /// Whether more of it is better.
    pub greater_is_better: bool,
    /// All trials, in the order they were begun.
    pub trials: Vec<Trial>,
    /// How many results were not computed, but read from the tracker.
    pub resumed: usize,
}

/// One choice of settings, and how it did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Trial {
    /// Its number, from 0.
    pub number: usize,
    /// What was chosen, by path.
    pub settings: BTreeMap<String, Json>,
    /// The whole recipe, with all that the last rung gives.
    pub recipe: Spec,
    /// How it did on each rung it was given, ascending.
    pub rungs: Vec<Rung>,
    /// Why it ended, if it failed.
    pub error: Option<String>,
}

/// How a trial did with a share of what there is to give.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rung {
    /// The number of the rung, from 0.
    pub rung: usize,
    /// The share of rows, or of a setting, that it was given.
    pub share: f64,
    /// The scores.
    pub scores: Scores,
    /// How long the fits took together.
    pub fit_seconds: f64,
}

impl Trial {
    pub(super) fn new(number: usize, settings: BTreeMap<String, Json>, recipe: Spec) -> Self {
        Self { number, settings, recipe, rungs: Vec::new(), error: None }
    }

    /// How it did where it was given most; `None` if it failed before.
    pub fn last(&self) -> Option<&Rung> {
        self.rungs.last()
    }

    fn told(&self) -> String {
        let setting = |(path, value): (&String, &Json)| {
            let value = value.as_f64().filter(|_| value.is_f64()).map_or_else(|| value.to_string(), number);
            format!("{path}={value}")
        };
        self.settings.iter().map(setting).collect::<Vec<_>>().join(" ")
    }
}

impl Study {
    /// The trials, best first: those that got further before the others, then by the metric; what
    /// failed comes last.
    pub fn ranked(&self) -> Vec<&Trial> {
        let mut trials: Vec<&Trial> = self.trials.iter().collect();
        let key = |trial: &Trial| trial.last().map(|last| (last.rung, self.loss(last)));
        trials.sort_by(|a, b| match (key(a), key(b)) {
            (Some(a), Some(b)) => b.0.cmp(&a.0).then(a.1.total_cmp(&b.1)),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        trials
    }

    /// The best trial.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if all of them failed, with the reason of the first.
    pub fn best(&self) -> Result<&Trial> {
        let best = self.ranked().into_iter().next().filter(|trial| trial.last().is_some());
        best.ok_or_else(|| {
            let first = self.trials.iter().find_map(|trial| trial.error.as_deref()).unwrap_or("there were none");
            Error::data(format!("none of {} trials came to a result: {first}", self.trials.len()))
        })
    }

    /// What is made small; infinite for NaN.
    pub(super) fn loss(&self, rung: &Rung) -> f64 {
        let value = rung.scores.get(self.metric).unwrap_or(f64::NAN);
        let loss = if self.greater_is_better { -value } else { value };
        if loss.is_nan() { f64::INFINITY } else { loss }
    }

    /// The study as a page: the best trials, and how the best result fell or rose.
    pub fn report(&self) -> Report {
        let value = |rung: &Rung| rung.scores.get(self.metric).unwrap_or(f64::NAN);
        let top = self.trials.iter().flat_map(|trial| &trial.rungs).map(|rung| rung.rung).max().unwrap_or(0);
        let full = |trial: &Trial| trial.last().filter(|last| last.rung == top).map(value);
        let best_so_far = self.trials.iter().scan(None, |best: &mut Option<f64>, trial| {
            let better = |new: f64, old: f64| if self.greater_is_better { new > old } else { new < old };
            *best = match (full(trial), *best) {
                (Some(new), Some(old)) if !better(new, old) => Some(old),
                (new, old) => new.or(old),
            };
            Some(*best)
        });
        let progress =
            Chart::lines(format!("{} by trial", self.metric), self.trials.iter().map(|t| t.number.to_string()))
                .with_series("each, with all it could be given", self.trials.iter().map(full))
                .with_series("the best so far", best_so_far)
                .with_x_label("trial")
                .with_y_label(self.metric);
        Report::new("Search")
            .with_subtitle(format!("{} trials, chosen by {}", self.trials.len(), self.metric))
            .with_section(Section::new("Progress").with_chart(progress))
            .with_section(Section::new("Trials").with_grid(self.grid(usize::MAX)))
    }

    fn grid(&self, most: usize) -> Grid {
        let grid = Grid::new(["trial", self.metric, "share", "fit s", "settings"]);
        self.ranked().into_iter().take(most).enumerate().fold(grid, |grid, (place, trial)| match trial.last() {
            Some(last) => {
                let metric = last.scores.get(self.metric).map_or_else(|_| String::new(), |value| format!("{value:.4}"));
                let cells =
                    [trial.number.to_string(), metric, number(last.share), number(last.fit_seconds), trial.told()];
                grid.with_toned_row(if place == 0 { Tone::Good } else { Tone::Plain }, cells)
            }
            None => {
                let error = trial.error.as_deref().unwrap_or("did not end");
                let cells = [trial.number.to_string(), "failed".into(), String::new(), String::new(), error.to_owned()];
                grid.with_toned_row(Tone::Bad, cells)
            }
        })
    }
}

impl fmt::Display for Study {
    /// The ten best trials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.grid(10))
    }
}
