use std::fmt;

use mlops_core::report::{Chart, Grid, Report, Section, Tone, grouped, number};

use super::pictures::{ClassPictures, Residuals};
use super::{Evaluation, Fairness, MetricValue, Slice};

/// A page and a terminal show at most so many slices.
const SLICES: usize = 30;

/// A picture of a curve has so many points: every hundredth.
const STEPS: usize = 100;

/// Confusion is shown for at most so many classes.
const CLASSES: usize = 25;

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

impl Evaluation {
    fn title(&self) -> String {
        let rows = grouped(self.rows as u64);
        let name = if self.name.is_empty() { "Evaluation" } else { &self.name };
        format!("{name}, {rows} {}", if self.rows == 1 { "row" } else { "rows" })
    }

    fn metrics_grid(&self) -> Grid {
        let intervals = self.metrics.iter().any(|value| value.interval.is_some());
        let columns = ["metric", "value", "better", "from", "to"].into_iter().take(if intervals { 5 } else { 3 });
        let row = |value: &MetricValue| {
            let ends = value.interval.map_or([None, None], |interval| [Some(interval.low), Some(interval.high)]);
            let better = if value.greater_is_better { "more" } else { "less" };
            [value.metric.clone(), shown(value.value), better.to_owned(), shown(ends[0]), shown(ends[1])]
        };
        self.metrics.iter().fold(Grid::new(columns), |grid, value| grid.with_row(row(value)))
    }

    /// The first of `metrics` of each slice, and how far it is from the whole.
    fn slices_grid(&self) -> Grid {
        const METRICS: usize = 4;
        let names = self.metrics.iter().take(METRICS).map(|value| value.metric.clone());
        let grid = Grid::new(["slice".to_owned(), "rows".to_owned()].into_iter().chain(names));
        self.slices.iter().take(SLICES).fold(grid, |grid, slice| {
            let values = slice.metrics.iter().take(METRICS).map(|value| shown(value.value));
            let cells = [slice.name(), grouped(slice.rows as u64)].into_iter().chain(values);
            let tone = if self.stands_out(slice) { Tone::Bad } else { Tone::Plain };
            grid.with_toned_row(tone, cells)
        })
    }

    /// Whether the slice's value lies outside of the whole's interval, on the bad side.
    fn stands_out(&self, slice: &Slice) -> bool {
        let Some(first) = self.metrics.first() else { return false };
        match (first.interval, slice.get(&first.metric)) {
            (Some(interval), Some(value)) if first.greater_is_better => value < interval.low,
            (Some(interval), Some(value)) => value > interval.high,
            _ => false,
        }
    }

    /// The evaluation as a report, to which sections can be added.
    pub fn to_report(&self) -> Report {
        let title = if self.name.is_empty() { "Evaluation" } else { &self.name };
        let rows = grouped(self.rows as u64);
        let figures = std::iter::once(("rows".to_owned(), rows))
            .chain(self.metrics.iter().take(5).map(|value| (value.metric.clone(), shown(value.value))));
        let mut metrics = Section::new("Metrics").with_figures(figures).with_grid(self.metrics_grid());
        for value in &self.metrics {
            if let Some(why) = &value.undefined {
                metrics = metrics.with_paragraph(format!("{} has no value: {why}.", value.metric));
            }
        }
        let mut report = Report::new(title).with_section(metrics);
        if let Some(section) = self.classes() {
            report = report.with_section(section);
        }
        if self.curves.iter().any(|curves| curves.roc.is_some() || curves.precision_recall.is_some()) {
            report = report.with_section(curves(&self.curves));
        }
        if let Some(residuals) = &self.residuals {
            report = report.with_section(residuals_section(residuals));
        }
        if !self.slices.is_empty() {
            report = report.with_section(self.slices_section());
        }
        self.fairness.iter().fold(report, |report, fairness| report.with_section(fairness_section(fairness)))
    }

    /// A page of its own, with pictures, that loads nothing from elsewhere.
    pub fn to_html(&self) -> String {
        self.to_report().to_html()
    }

    fn classes(&self) -> Option<Section> {
        let section = Section::new("Classes").with_grid(self.per_class.as_ref()?.grid());
        let matrix = self.confusion.as_ref()?;
        Some(if matrix.classes().len() <= CLASSES {
            section.with_paragraph("What was true, row by row, and what was predicted:").with_grid(matrix.grid())
        } else {
            section.with_paragraph(format!("The confusion of {} classes is in the JSON.", matrix.classes().len()))
        })
    }

    fn slices_section(&self) -> Section {
        let mut section = Section::new("Slices").with_paragraph(match self.slices.len() {
            n if n > SLICES => format!("The worst {SLICES} of {n} segments, the worst first."),
            n => format!("{n} segments, the worst first."),
        });
        if let Some(first) = self.metrics.first() {
            let slices = || self.slices.iter().take(12);
            let chart = Chart::bars(format!("{} by slice", first.metric), slices().map(Slice::name))
                .with_series(&first.metric, slices().map(|slice| slice.get(&first.metric)));
            section = section.with_chart(match first.value {
                Some(value) => chart.with_level("all rows", value),
                None => chart,
            });
        }
        section.with_grid(self.slices_grid())
    }
}

fn grid_labels() -> impl Iterator<Item = String> {
    (0..=STEPS).map(|i| number(i as f64 / STEPS as f64))
}

fn steps() -> impl Iterator<Item = f64> {
    (0..=STEPS).map(|i| i as f64 / STEPS as f64)
}

fn curves(classes: &[ClassPictures]) -> Section {
    let unit = |title: &str, x: &str, y: &str| {
        Chart::lines(title, grid_labels()).with_x_label(x).with_y_label(y).with_y_range(0.0, 1.0)
    };
    let mut roc = unit("ROC", "false positive rate", "true positive rate");
    let mut precision = unit("Precision by recall", "recall", "precision");
    let mut gain = unit("Gain", "share of rows, greatest scores first", "share of the class found");
    for of_class in classes {
        if let Some(curve) = &of_class.roc {
            roc = roc.with_series(&of_class.class, steps().map(|x| curve.at(x)));
        }
        if let Some(curve) = &of_class.precision_recall {
            precision = precision.with_series(&of_class.class, steps().map(|x| curve.at(x)));
        }
        if let Some(curve) = &of_class.gain {
            gain = gain.with_series(&of_class.class, steps().map(|x| curve.gain_at(x)));
        }
    }
    let by_chance = |chart: Chart| chart.with_series("by chance", steps());
    let section = Section::new("Curves").with_chart(by_chance(roc)).with_chart(precision).with_chart(by_chance(gain));
    classes.iter().fold(section, |section, of_class| match &of_class.calibration {
        Some(curve) if !curve.bins.is_empty() => section.with_chart(
            Chart::lines(
                format!("Calibration of {}", of_class.class),
                curve.bins.iter().map(|bin| number(bin.predicted)),
            )
            .with_series("observed", curve.bins.iter().map(|bin| bin.observed))
            .with_series("as predicted", curve.bins.iter().map(|bin| bin.predicted))
            .with_x_label("mean probability of the bin")
            .with_y_label("share")
            .with_y_range(0.0, 1.0),
        ),
        _ => section,
    })
}

fn residuals_section(residuals: &Residuals) -> Section {
    let [least, _, lower, median, upper, _, greatest] = residuals.quantiles.map(number);
    let middle = residuals.edges.windows(2).map(|edges| number(f64::midpoint(edges[0], edges[1])));
    let middle: Vec<String> = if residuals.edges.len() > 1 { middle.collect() } else { vec![number(residuals.mean)] };
    let histogram = Chart::bars("Residuals", middle)
        .with_series("rows", residuals.counts.iter().map(|n| *n as f64))
        .with_x_label("true less predicted")
        .with_y_label("rows");
    let bins = &residuals.by_prediction;
    let by_prediction = Chart::lines("True by predicted", bins.iter().map(|bin| number(bin.predicted)))
        .with_series("mean of what was true", bins.iter().map(|bin| bin.observed))
        .with_series("as predicted", bins.iter().map(|bin| bin.predicted))
        .with_x_label("mean prediction, by tenths of the rows");
    Section::new("Residuals")
        .with_figures([
            ("mean", number(residuals.mean)),
            ("least", least),
            ("lower quarter", lower),
            ("median", median),
            ("upper quarter", upper),
            ("greatest", greatest),
        ])
        .with_chart(histogram)
        .with_chart(by_prediction)
}

fn fairness_section(fairness: &Fairness) -> Section {
    Section::new(format!("Fairness by {}", fairness.column))
        .with_figures([
            ("demographic parity difference", shown(fairness.demographic_parity_difference)),
            ("demographic parity ratio", shown(fairness.demographic_parity_ratio)),
            ("equal opportunity difference", shown(fairness.equal_opportunity_difference)),
            ("equalized odds difference", shown(fairness.equalized_odds_difference)),
        ])
        .with_grid(fairness.grid())
}

impl Fairness {
    fn grid(&self) -> Grid {
        let columns = ["group", "rows", "selected", "true positive rate", "false positive rate"];
        self.groups.iter().fold(Grid::new(columns), |grid, group| {
            grid.with_row([
                group.group.clone(),
                grouped(group.rows as u64),
                shown(group.selection_rate),
                shown(group.true_positive_rate),
                shown(group.false_positive_rate),
            ])
        })
    }
}

/// The gaps alone, column by column.
fn gaps_grid(fairness: &[Fairness]) -> Grid {
    let columns = ["fairness by", "parity difference", "parity ratio", "opportunity difference", "odds difference"];
    fairness.iter().fold(Grid::new(columns), |grid, fairness| {
        grid.with_row([
            fairness.column.clone(),
            shown(fairness.demographic_parity_difference),
            shown(fairness.demographic_parity_ratio),
            shown(fairness.equal_opportunity_difference),
            shown(fairness.equalized_odds_difference),
        ])
    })
}

/// For a terminal: metrics, classes, slices with the worst first, and fairness gaps.
impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{}", self.title(), self.metrics_grid())?;
        if let Some(report) = &self.per_class {
            writeln!(f, "{report}")?;
        }
        if let Some(matrix) = self.confusion.as_ref().filter(|matrix| matrix.classes().len() <= CLASSES) {
            writeln!(f, "{matrix}")?;
        }
        if !self.slices.is_empty() {
            writeln!(f, "{}", self.slices_grid())?;
        }
        if !self.fairness.is_empty() {
            writeln!(f, "{}", gaps_grid(&self.fairness))?;
        }
        Ok(())
    }
}
