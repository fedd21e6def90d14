//! Reports for people: self-contained HTML with inline SVG charts, and tables for a terminal.
//!
//! A [`Report`] is sections; a section is paragraphs, key figures, [`Grid`]s and [`Chart`]s. The
//! page loads nothing from elsewhere, follows the reader's light or dark scheme, says every chart
//! in words for those who don't see it, and prints. All text is escaped: what came from data stays
//! text.
//!
//! ```
//! use mlops_core::report::{Chart, Grid, Report, Section};
//!
//! let chart = Chart::lines("ROC-AUC by week", ["27", "28", "29"])
//!     .with_series("frozen", [0.69, 0.67, 0.64])
//!     .with_series("served", [0.69, 0.70, f64::NAN]) // a gap
//!     .with_level("June", 0.72);
//! let section = Section::new("Quality").with_paragraph("A <model> & its heir.").with_chart(chart);
//! let html = Report::new("Flights").with_section(section).to_html();
//! assert!(html.contains("A &lt;model&gt; &amp; its heir."));
//! assert!(!html.contains("://"), "nothing is loaded");
//! ```

use std::fmt::Write as _;

mod chart;
mod grid;
mod scale;
mod svg;

pub use chart::Chart;
pub use grid::{Grid, Tone};

const STYLE: &str = include_str!("report/style.css");

/// A page of sections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    title: String,
    subtitle: String,
    sections: Vec<Section>,
}

/// A part of a [`Report`] under a heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    heading: String,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq)]
enum Block {
    Chart(Chart),
    Figures(Vec<(String, String)>),
    Grid(Grid),
    Paragraph(String),
}

impl Report {
    /// A page without sections yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// With a line under the title: what, when, from which data.
    #[must_use]
    pub fn with_subtitle(mut self, subtitle: impl Into<String>) -> Self {
        self.subtitle = subtitle.into();
        self
    }

    /// With one more section at the end.
    #[must_use]
    pub fn with_section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The page. Its size depends on what was put in and never on how many rows that summarises;
    /// the same report gives the same bytes.
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
        );
        if !self.subtitle.is_empty() {
            push(&mut html, format_args!("<p class=\"subtitle\">{}</p>\n", escape(&self.subtitle)));
        }
        html.push_str("</header>\n<main>\n");
        let mut ids = 0;
        for section in &self.sections {
            section.write(&mut html, &mut ids);
        }
        html.push_str("</main>\n</body>\n</html>\n");
        html
    }
}

impl Section {
    /// A section without content yet.
    pub fn new(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), ..Self::default() }
    }

    /// With a chart.
    #[must_use]
    pub fn with_chart(self, chart: Chart) -> Self {
        self.with(Block::Chart(chart))
    }

    /// With a row of key figures: what it is, and its value.
    #[must_use]
    pub fn with_figures<K: Into<String>, V: ToString>(self, figures: impl IntoIterator<Item = (K, V)>) -> Self {
        self.with(Block::Figures(figures.into_iter().map(|(k, v)| (k.into(), v.to_string())).collect()))
    }

    /// With a table.
    #[must_use]
    pub fn with_grid(self, grid: Grid) -> Self {
        self.with(Block::Grid(grid))
    }

    /// With a paragraph of text.
    #[must_use]
    pub fn with_paragraph(self, text: impl Into<String>) -> Self {
        self.with(Block::Paragraph(text.into()))
    }

    fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    fn write(&self, html: &mut String, ids: &mut usize) {
        push(html, format_args!("<section>\n<h2>{}</h2>\n", escape(&self.heading)));
        for block in &self.blocks {
            match block {
                Block::Chart(chart) => {
                    *ids += 1;
                    svg::write_figure(html, chart, *ids);
                }
                Block::Figures(figures) => write_figures(html, figures),
                Block::Grid(grid) => grid.write_html(html),
                Block::Paragraph(text) => push(html, format_args!("<p>{}</p>\n", escape(text))),
            }
        }
        html.push_str("</section>\n");
    }
}

fn write_figures(html: &mut String, figures: &[(String, String)]) {
    html.push_str("<dl class=\"figures\">\n");
    for (name, value) in figures {
        push(html, format_args!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value)));
    }
    html.push_str("</dl>\n");
}

/// Text that is safe between tags and in a quoted attribute.
///
/// ```
/// assert_eq!(mlops_core::report::escape("a<b>\"c\" & 'd'"), "a&lt;b&gt;&quot;c&quot; &amp; &#39;d&#39;");
/// ```
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Control characters are not allowed in HTML at all.
            c if c.is_control() && !matches!(c, '\n' | '\t') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// A number for people: four significant digits, no more.
///
/// ```
/// use mlops_core::report::number;
/// assert_eq!([number(0.123456), number(1234567.0), number(0.5), number(1e-9)], ["0.1235", "1234567", "0.5", "1e-9"]);
/// ```
pub fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return if value.is_nan() { "–".into() } else { format!("{value}") };
    }
    if (1000.0..1e15).contains(&size) {
        return format!("{value:.0}");
    }
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        return trim(&format!("{value:.2e}"));
    }
    let digits = if size == 0.0 { 0 } else { (3 - size.log10().floor() as i32).max(0) as usize };
    trim(&format!("{value:.digits$}"))
}

/// A count for people: its digits in groups of three.
///
/// ```
/// assert_eq!([7, 1000, 1_234_567].map(mlops_core::report::grouped), ["7", "1,000", "1,234,567"]);
/// ```
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Without zeros that say nothing at the end of the fraction.
fn trim(text: &str) -> String {
    let (mantissa, exponent) = text.find('e').map_or((text, ""), |at| text.split_at(at));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    format!("{mantissa}{exponent}")
}

fn push(html: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String can't fail.
    let _ = html.write_fmt(text);
}

#[cfg(test)]
mod tests;
