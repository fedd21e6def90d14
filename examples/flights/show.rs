//! What the run found: a table in the terminal, a page, and numbers for programs.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use mlops::core::report::{Chart, Grid, Report, Section, Tone, grouped};
use mlops::data::expect::ValidationReport;
use mlops::prelude::*;
use mlops::train::{CvResult, Leaderboard};
use serde::Serialize;

use crate::prepare::Flights;

/// What happened in a week.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Week {
    /// Its first day.
    pub week: String,
    /// The flights that were asked for, and how many of them have arrived.
    pub rows: usize,
    pub labelled: usize,
    /// ROC-AUC of the first model, had it stayed, and of the one that answered.
    pub frozen_auc: f64,
    pub served_auc: f64,
    /// The features that drifted.
    pub drifted: Vec<String>,
    /// The version that is in service at the end of the week, and what was done.
    pub served: String,
    pub action: String,
    #[serde(skip)]
    pub retrained: bool,
    #[serde(skip)]
    pub promoted: bool,
}

/// The whole run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub candidates: Grid,
    pub recipe: String,
    pub june_auc: f64,
    pub weeks: Vec<Week>,
    seconds: Vec<(&'static str, f64)>,
}

impl Summary {
    /// Notes how long a phase took.
    pub(crate) fn took(&mut self, phase: &'static str, start: Instant) {
        self.seconds.push((phase, start.elapsed().as_secs_f64()));
    }

    fn mean(&self, auc: impl Fn(&Week) -> f64) -> f64 {
        self.weeks.iter().map(auc).sum::<f64>() / self.weeks.len() as f64
    }

    fn frozen_mean(&self) -> f64 {
        self.mean(|week| week.frozen_auc)
    }

    fn served_mean(&self) -> f64 {
        self.mean(|week| week.served_auc)
    }

    fn count(&self, is: impl Fn(&Week) -> bool) -> usize {
        self.weeks.iter().filter(|week| is(week)).count()
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "recipe": self.recipe,
            "june_auc": self.june_auc,
            "frozen_mean_auc": self.frozen_mean(),
            "served_mean_auc": self.served_mean(),
            "retrainings": self.count(|week| week.retrained),
            "promotions": self.count(|week| week.promoted),
            "weeks": self.weeks,
            "seconds": self.seconds.iter().map(|(phase, s)| ((*phase).to_owned(), (*s).into())).collect::<serde_json::Map<_, _>>(),
        })
    }

    fn grid(&self) -> Grid {
        let columns = ["week", "rows", "drifted features", "frozen AUC", "served AUC", "action"];
        self.weeks.iter().fold(Grid::new(columns), |grid, week| {
            let drifted = match week.drifted.as_slice() {
                [] => "-".to_owned(),
                few if few.len() <= 3 => few.join(" "),
                many => format!("{} and {} more", many[..2].join(" "), many.len() - 2),
            };
            let cells = [
                week.week.clone(),
                grouped(week.rows as u64),
                drifted,
                format!("{:.3}", week.frozen_auc),
                format!("{:.3}", week.served_auc),
                week.action.clone(),
            ];
            if week.promoted { grid.with_toned_row(Tone::Good, cells) } else { grid.with_row(cells) }
        })
    }

    fn to_report(&self, flights: &Flights) -> Report {
        let labels: Vec<&str> = self.weeks.iter().map(|week| week.week.as_str()).collect();
        let frozen: Vec<f64> = self.weeks.iter().map(|week| week.frozen_auc).collect();
        let served: Vec<f64> = self.weeks.iter().map(|week| week.served_auc).collect();
        let drifted: Vec<f64> = self.weeks.iter().map(|week| week.drifted.len() as f64).collect();
        let mut quality = Chart::lines("ROC-AUC of the answers, by week", labels.clone())
            .with_series("first model, frozen", frozen)
            .with_series("served model", served)
            .with_level("first model in June", self.june_auc)
            .with_x_label("week, by its first day")
            .with_y_label("ROC-AUC");
        for (i, _) in self.weeks.iter().enumerate().filter(|(_, week)| week.promoted) {
            quality = quality.with_mark(i, "a retrained model was promoted");
        }
        let drift = Chart::bars("Features that drifted from the training data", labels)
            .with_series("features", drifted)
            .with_x_label("week, by its first day")
            .with_y_label("features");
        let figures = [
            ("June ROC-AUC", format!("{:.3}", self.june_auc)),
            ("July to December, frozen", format!("{:.3}", self.frozen_mean())),
            ("July to December, served", format!("{:.3}", self.served_mean())),
            ("Retrainings", self.count(|week| week.retrained).to_string()),
            ("Promotions", self.count(|week| week.promoted).to_string()),
        ];
        let seconds = self.seconds.iter().fold(Grid::new(["phase", "seconds"]), |grid, (phase, seconds)| {
            grid.with_row([(*phase).to_owned(), format!("{seconds:.1}")])
        });
        Report::new("Will this flight arrive 15 minutes late or more?")
            .with_subtitle("Flights from New York City in 2013; trained on January to April, live from July on")
            .with_section(
                Section::new("Retraining pays")
                    .with_figures(figures)
                    .with_chart(quality)
                    .with_chart(drift)
                    .with_grid(self.grid()),
            )
            .with_section(
                Section::new("The first model")
                    .with_paragraph(format!("Chosen by ROC-AUC on May: {}.", self.recipe))
                    .with_grid(self.candidates.clone()),
            )
            .with_section(
                Section::new("The data")
                    .with_figures([
                        ("Flights with an answer", grouped(flights.table.num_rows() as u64)),
                        ("Rows put aside", grouped(flights.quarantined as u64)),
                    ])
                    .with_paragraph("What was expected of every row:")
                    .with_grid(expectations(&flights.validation))
                    .with_paragraph("What the columns hold, after the join:")
                    .with_grid(flights.profile.summary().grid()),
            )
            .with_section(Section::new("How long it took").with_grid(seconds))
    }
}

/// The candidates, the best first: on the validation rows, on the folds, and what they cost.
pub(crate) fn candidates(board: &Leaderboard) -> Grid {
    let columns = ["candidate".to_owned(), format!("{} on May", board.metric), "on folds".into(), "seconds".into()];
    let on_folds = |folds: &CvResult| {
        let (mean, std) = (folds.mean(board.metric).ok()?, folds.std(board.metric).ok()?);
        Some(format!("{mean:.3} ± {std:.3}"))
    };
    board.entries.iter().fold(Grid::new(columns), |grid, entry| {
        grid.with_row([
            entry.name.clone(),
            format!("{:.3}", entry.chosen_by),
            entry.cross_validation.as_ref().and_then(on_folds).unwrap_or_default(),
            format!("{:.1}", entry.fit_seconds),
        ])
    })
}

fn expectations(report: &ValidationReport) -> Grid {
    report.checks.iter().fold(Grid::new(["check", "rows that fail", "what becomes of them", "first"]), |grid, check| {
        if check.is_ok() {
            return grid.with_row([check.name(), "0".to_owned()]);
        }
        let first = check.examples.first().map(ToString::to_string).unwrap_or_default();
        let cells = [check.name(), grouped(check.failed as u64), check.severity.to_string(), first];
        grid.with_toned_row(Tone::Bad, cells)
    })
}

/// Prints the table, and writes the page and the numbers into `directory`.
pub(crate) fn write(summary: &Summary, flights: &Flights, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join("report.html"), summary.to_report(flights).to_html())?;
    std::fs::write(directory.join("summary.json"), serde_json::to_string_pretty(&summary.to_json())?)?;
    line(&summary.candidates.to_string());
    line(&summary.grid().to_string());
    line(&format!(
        "{} was chosen; June ROC-AUC {:.3}; July to December {:.3} frozen, {:.3} served; {} retrainings, {} promotions",
        summary.recipe,
        summary.june_auc,
        summary.frozen_mean(),
        summary.served_mean(),
        summary.count(|week| week.retrained),
        summary.count(|week| week.promoted),
    ));
    line(&format!("report: {}", directory.join("report.html").display()));
    Ok(())
}

/// Prints a line; a closed terminal is no reason to stop.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
