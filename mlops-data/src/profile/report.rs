use std::fmt;

use arrow::datatypes::DataType;
use mlops_core::Role;
use mlops_core::report::{Chart, Grid, Report, Section, number};

use super::sparkline::sparkline;
use super::temporal::show;
use super::words::{grouped, optional, percent, shortened};
use super::{Alert, Bins, ColumnSummary, LengthSummary, Profile, ProfileSummary, Stats};

const WIDEST: usize = 40;

impl ProfileSummary {
    /// A web page that needs nothing else and whose size does not grow with the rows: an overview,
    /// then each column with its picture. Every text from the data is escaped.
    pub fn to_html(&self, title: &str) -> String {
        self.to_report(title).to_html()
    }

    /// [`to_html`](Self::to_html) as a [`Report`], to which more sections can be added.
    pub fn to_report(&self, title: &str) -> Report {
        let overview = Section::new("Columns").with_grid(self.grid());
        let report = Report::new(title).with_subtitle(self.headline()).with_section(overview);
        let report = if self.alerts.is_empty() { report } else { report.with_section(self.alert_section()) };
        self.columns.iter().fold(report, |report, column| report.with_section(column.section()))
    }

    fn alert_section(&self) -> Section {
        let cells = |alert: &Alert| [alert.column.clone(), alert.message.clone(), alert.remedy.clone()];
        let grid = Grid::new(["column", "what was seen", "what to do"]);
        Section::new("Alerts").with_grid(self.alerts.iter().map(cells).fold(grid, Grid::with_row))
    }

    /// One row for each column: what is missing, how many values differ, what they are.
    pub fn grid(&self) -> Grid {
        let header = ["column", "type", "about", "missing", "distinct", "least", "mean", "greatest", "values"];
        self.columns.iter().fold(Grid::new(header), |grid, column| grid.with_row(column.cells()))
    }

    fn headline(&self) -> String {
        let plural = if self.columns.len() == 1 { "" } else { "s" };
        let missing = percent(self.null_fraction());
        format!("{} rows, {} column{plural}, {missing} missing", grouped(self.rows), self.columns.len())
    }
}

/// A table for a terminal, one line a column.
impl fmt::Display for ProfileSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.headline(), self.grid())?;
        self.alerts.iter().try_for_each(|alert| write!(f, "\n! {alert}"))?;
        if self.alerts.is_empty() { Ok(()) } else { f.write_str("\n") }
    }
}

/// As its [`summary`](Profile::summary).
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary().fmt(f)
    }
}

impl ColumnSummary {
    fn cells(&self) -> [String; 9] {
        let name = match self.role {
            Role::Feature => shortened(&self.name, WIDEST),
            role => format!("{} ({role})", shortened(&self.name, WIDEST)),
        };
        let [least, mean, greatest, values] = self.stats_cells();
        let missing = percent(self.null_fraction());
        let (data_type, about) = (shortened(&self.data_type, WIDEST), self.semantic.to_string());
        [name, data_type, about, missing, self.distinct_in_words(), least, mean, greatest, values]
    }

    fn stats_cells(&self) -> [String; 4] {
        let none = String::new;
        let line = |bins: &Option<Bins>| bins.as_ref().map(|bins| sparkline(bins, 12)).unwrap_or_default();
        match &self.stats {
            Stats::Boolean { trues, .. } => [none(), none(), none(), format!("{} true", self.share(*trues))],
            Stats::Counted => [none(), none(), none(), none()],
            Stats::Binary { lengths, .. } | Stats::List { lengths, .. } => {
                let length = |length: Option<u64>| length.map(grouped).unwrap_or_default();
                let (min, max) = (length(lengths.min), length(lengths.max));
                [none(), none(), none(), format!("lengths {min} to {max}")]
            }
            Stats::Number { min, mean, max, histogram, .. } => {
                [optional(*min), optional(*mean), optional(*max), line(histogram)]
            }
            Stats::Temporal { min, max, .. } => {
                let range = min.iter().zip(max).map(|(min, max)| format!("{min} to {max}"));
                [none(), none(), none(), range.collect()]
            }
            Stats::Text { top, .. } => {
                let shown =
                    |hit: &mlops_core::sketch::Hit| format!("{} {}", shortened(&hit.value, 12), self.share(hit.count));
                [none(), none(), none(), top.iter().take(3).map(shown).collect::<Vec<_>>().join(", ")]
            }
        }
    }

    fn share(&self, n: u64) -> String {
        percent(n as f64 / self.count.max(1) as f64)
    }

    fn distinct_in_words(&self) -> String {
        let about = if self.distinct_is_exact { "" } else { "~" };
        self.distinct.map(|n| format!("{about}{}", grouped(n.round() as u64))).unwrap_or_default()
    }

    fn section(&self) -> Section {
        let missing = format!("{} ({})", grouped(self.nulls), percent(self.null_fraction()));
        let mut figures = vec![("missing", missing), ("distinct", self.distinct_in_words())];
        figures.extend(self.stats.figures());
        figures.retain(|(_, value)| !value.is_empty());
        let section = Section::new(&self.name)
            .with_paragraph(format!("{}, {}, {}", self.data_type, self.semantic, self.role))
            .with_figures(figures);
        match &self.stats {
            Stats::Boolean { trues, falses } => {
                let counts = [*trues as f64, *falses as f64];
                section.with_chart(Chart::bars("How often", ["true", "false"]).with_series("rows", counts))
            }
            Stats::Counted => section,
            Stats::Binary { lengths, .. } | Stats::List { lengths, .. } => {
                with_histogram(section, lengths.histogram.as_ref(), number)
            }
            Stats::Number { histogram, quantile_histogram, .. } => {
                let section = with_histogram(section, histogram.as_ref(), number);
                with_quantiles(section, quantile_histogram.as_ref())
            }
            Stats::Temporal { histogram, .. } => {
                with_histogram(section, histogram.as_ref(), |tick| tick_label(tick, &self.data_type))
            }
            Stats::Text { top, lengths, .. } => {
                let rows = top.iter().map(|hit| {
                    let about = if hit.error > 0 { "≤ " } else { "" };
                    [hit.value.clone(), format!("{about}{}", grouped(hit.count)), self.share(hit.count)]
                });
                let grid = rows.fold(Grid::new(["most frequent", "rows", "share"]), Grid::with_row);
                with_histogram(section.with_grid(grid), lengths.as_ref().filter(|_| self.has_long_texts()), number)
            }
        }
    }

    /// Whether the lengths of the texts say more than the texts that are listed.
    fn has_long_texts(&self) -> bool {
        matches!(&self.stats, Stats::Text { top, .. } if self.distinct.is_some_and(|n| n > top.len() as f64))
    }
}

impl Stats {
    fn figures(&self) -> Vec<(&'static str, String)> {
        let count = |n: &u64| if *n > 0 { grouped(*n) } else { String::new() };
        match self {
            Self::Boolean { .. } | Self::Counted => Vec::new(),
            Self::Binary { lengths, invalid_utf8 } => {
                let mut figures = lengths.figures();
                figures.push(("not UTF-8", count(invalid_utf8)));
                figures
            }
            Self::List { lengths, null_elements } => {
                let mut figures = lengths.figures();
                figures.push(("null elements", count(null_elements)));
                figures
            }
            Self::Number {
                nan,
                infinities,
                zeros,
                negatives,
                mean,
                std,
                skew,
                kurtosis,
                min,
                max,
                quantiles,
                rank_error,
                ..
            } => {
                let quantile = |share: f64| quantiles.iter().find(|q| q.q == share).map(|q| q.value);
                let error = if *rank_error > 0.0 { format!("{} of rank", percent(*rank_error)) } else { String::new() };
                vec![
                    ("least", optional(*min)),
                    ("lower quartile", optional(quantile(0.25))),
                    ("median", optional(quantile(0.5))),
                    ("upper quartile", optional(quantile(0.75))),
                    ("greatest", optional(*max)),
                    ("mean", optional(*mean)),
                    ("deviation", optional(*std)),
                    ("skewness", optional(*skew)),
                    ("excess kurtosis", optional(*kurtosis)),
                    ("zero", count(zeros)),
                    ("negative", count(negatives)),
                    ("NaN", count(nan)),
                    ("infinite", count(infinities)),
                    ("quantiles are off by", error),
                ]
            }
            Self::Temporal { min, max, mean, quantiles, .. } => {
                let median = quantiles.iter().find(|(q, _)| *q == 0.5).map(|(_, moment)| moment.clone());
                vec![
                    ("earliest", min.clone().unwrap_or_default()),
                    ("median", median.unwrap_or_default()),
                    ("mean", mean.clone().unwrap_or_default()),
                    ("latest", max.clone().unwrap_or_default()),
                ]
            }
            Self::Text { empties, padded, min_length, mean_length, max_length, .. } => {
                let whole = |n: &Option<u64>| n.map(grouped).unwrap_or_default();
                vec![
                    ("shortest", whole(min_length)),
                    ("mean length", optional(*mean_length)),
                    ("longest", whole(max_length)),
                    ("empty", count(empties)),
                    ("with outer space", count(padded)),
                ]
            }
        }
    }
}

impl LengthSummary {
    fn figures(&self) -> Vec<(&'static str, String)> {
        let whole = |n: Option<u64>| n.map(grouped).unwrap_or_default();
        vec![
            ("shortest", whole(self.min)),
            ("mean length", optional(self.mean)),
            ("longest", whole(self.max)),
            ("empty", whole(Some(self.empties).filter(|n| *n > 0))),
        ]
    }
}

/// The section with a picture of `bins`, each labelled by its middle; a single value needs none.
fn with_histogram(section: Section, bins: Option<&Bins>, label: impl Fn(f64) -> String) -> Section {
    let Some(bins) = bins.filter(|bins| bins.counts.len() > 1) else { return section };
    let labels = bins.edges.windows(2).map(|edges| label(edges[0] / 2.0 + edges[1] / 2.0));
    let counts = bins.counts.iter().map(|count| *count as f64);
    section.with_chart(Chart::bars("Distribution", labels).with_series("rows", counts))
}

/// The section with a picture of the quantiles between which lie about as many values; few values
/// need none.
fn with_quantiles(section: Section, bins: Option<&Bins>) -> Section {
    let Some(bins) = bins.filter(|bins| bins.counts.len() > 4) else { return section };
    let total = bins.counts.iter().sum::<u64>().max(1) as f64;
    let mut below = 0;
    let shares = bins.counts.iter().map(|count| {
        below += count;
        percent(below as f64 / total)
    });
    let labels: Vec<String> = ["0%".to_owned()].into_iter().chain(shares).collect();
    let edges = bins.edges.iter().copied();
    section
        .with_chart(Chart::lines("Quantiles", labels).with_series("value", edges).with_x_label("share of the values"))
}

fn tick_label(tick: f64, data_type: &str) -> String {
    data_type.parse::<DataType>().map_or_else(|_| number(tick), |data_type| show(tick as i64, &data_type))
}
