use std::fmt;

use super::{escape, push};

/// A table for people: [`Display`](fmt::Display) prints it for a terminal, a
/// [`Report`](super::Report) shows it as HTML. Columns of numbers are aligned right.
///
/// # Example
/// ```
/// use mlops_core::report::{Grid, Tone};
///
/// let grid = Grid::new(["feature", "statistic"])
///     .with_row(["distance", "0.02"])
///     .with_toned_row(Tone::Bad, ["carrier", "0.31"]);
/// assert_eq!(
///     grid.to_string(),
///     "feature   statistic\n\
///      ────────  ─────────\n\
///      distance       0.02\n\
///      carrier        0.31\n",
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    columns: Vec<String>,
    rows: Vec<(Tone, Vec<String>)>,
}

/// Whether a row of a [`Grid`] stands out; the text must say it as well, for not everybody sees
/// colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// It needs attention.
    Bad,
    /// It is good news.
    Good,
    /// It does not stand out.
    #[default]
    Plain,
}

impl Grid {
    /// A table with these columns and no rows.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// With one more row; missing cells are empty, cells without a column are left out.
    #[must_use]
    pub fn with_row<S: Into<String>>(self, cells: impl IntoIterator<Item = S>) -> Self {
        self.with_toned_row(Tone::Plain, cells)
    }

    /// With one more row that stands out.
    #[must_use]
    pub fn with_toned_row<S: Into<String>>(mut self, tone: Tone, cells: impl IntoIterator<Item = S>) -> Self {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.columns.len(), String::new());
        self.rows.push((tone, cells));
        self
    }

    /// How many rows there are.
    pub fn num_rows(&self) -> usize {
        self.rows.len()
    }

    fn is_number(&self, column: usize) -> bool {
        let says_number = |cell: &str| {
            let cell = cell.trim_end_matches(['%', '*', 's']).trim_start_matches(['+', '−', '<', '≤', '≥', '~', ' ']);
            matches!(cell, "" | "–") || cell.replace(',', "").parse::<f64>().is_ok()
        };
        let mut cells = self.rows.iter().map(|(_, cells)| cells[column].as_str());
        cells.clone().any(|cell| !cell.is_empty()) && cells.all(says_number)
    }

    /// Numbers stand right, long text is broken into lines.
    fn class(&self, column: usize) -> &'static str {
        const LONG: usize = 32;
        let is_long = || self.rows.iter().any(|(_, cells)| cells[column].chars().nth(LONG).is_some());
        match () {
            () if self.is_number(column) => " class=\"n\"",
            () if is_long() => " class=\"w\"",
            () => "",
        }
    }

    pub(super) fn write_html(&self, html: &mut String) {
        let classes: Vec<&str> = (0..self.columns.len()).map(|c| self.class(c)).collect();
        html.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
        for (c, name) in self.columns.iter().enumerate() {
            push(html, format_args!("<th scope=\"col\"{}>{}</th>", classes[c], escape(name)));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for (tone, cells) in &self.rows {
            html.push_str(match tone {
                Tone::Bad => "<tr class=\"bad\">",
                Tone::Good => "<tr class=\"good\">",
                Tone::Plain => "<tr>",
            });
            for (c, cell) in cells.iter().enumerate() {
                push(html, format_args!("<td{}>{}</td>", classes[c], escape(cell)));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n</table></div>\n");
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: &str| text.chars().count();
        let widths: Vec<usize> = (self.columns.iter().enumerate())
            .map(|(c, name)| self.rows.iter().map(|(_, cells)| width(&cells[c])).fold(width(name), usize::max))
            .collect();
        let numbers: Vec<bool> = (0..self.columns.len()).map(|c| self.is_number(c)).collect();
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut text = String::new();
            for (c, cell) in cells.enumerate() {
                let pad = " ".repeat(widths[c] - width(cell));
                let gap = if c == 0 { "" } else { "  " };
                // A cell can't break the line it stands in.
                let cell = cell.replace(char::is_control, " ");
                text += &if numbers[c] { format!("{gap}{pad}{cell}") } else { format!("{gap}{cell}{pad}") };
            }
            writeln!(f, "{}", text.trim_end())
        };
        line(&mut self.columns.iter().map(String::as_str))?;
        let rules: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
        line(&mut rules.iter().map(String::as_str))?;
        self.rows.iter().try_for_each(|(_, cells)| line(&mut cells.iter().map(String::as_str)))
    }
}
