//! What the run found: a table in the terminal, a page, and numbers for programs.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use mlops::core::report::{Chart, Grid, Report, Section, Tone};
use mlops::prelude::*;
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
    pub board: String,
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
                week.rows.to_string(),
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
            .with_y_label("ROC-AUC");
        for (i, week) in self.weeks.iter().enumerate().filter(|(_, week)| week.promoted) {
            quality = quality.with_mark(i, format!("{} promoted", week.served));
        }
        let drift = Chart::bars("Features that drifted from the training data", labels)
            .with_series("features", drifted)
            .with_y_label("features");
        let figures = [
            ("June ROC-AUC", format!("{:.3}", self.june_auc)),
            ("July to December, frozen", format!("{:.3}", self.frozen_mean())),
            ("July to December, served", format!("{:.3}", self.served_mean())),
            ("retrainings", self.count(|week| week.retrained).to_string()),
            ("promotions", self.count(|week| week.promoted).to_string()),
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
                    .with_grid(lines("candidates", &self.board)),
            )
            .with_section(
                Section::new("The data")
                    .with_paragraph(format!(
                        "{} flights arrived and have an answer; {} rows were put aside because they are not as expected.",
                        flights.table.num_rows(),
                        flights.quarantined
                    ))
                    .with_grid(lines("expectations", &flights.validation.to_string()))
                    .with_grid(lines("profile", &flights.profile.to_string())),
            )
            .with_section(Section::new("How long it took").with_grid(seconds))
    }
}

fn lines(heading: &str, text: &str) -> Grid {
    text.lines().fold(Grid::new([heading]), |grid, line| grid.with_row([line]))
}

/// Prints the table, and writes the page and the numbers into `directory`.
pub(crate) fn write(summary: &Summary, flights: &Flights, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join("report.html"), summary.to_report(flights).to_html())?;
    std::fs::write(directory.join("summary.json"), serde_json::to_string_pretty(&summary.to_json())?)?;
    line(&summary.board);
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
