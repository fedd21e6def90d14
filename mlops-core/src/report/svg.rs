use super::chart::{Chart, Kind, Series};
use super::scale::Scale;
use super::{escape, number, push};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 42.0;
/// About the width of a letter of a label.
const LETTER: f64 = 6.6;
const WIDEST_BAR: f64 = 120.0;
/// So many colours the style sheet has; more series repeat them, with dashes.
const COLOURS: usize = 6;
/// Points get a dot and a tooltip as long as there are so few.
const DOTTED: usize = 80;

/// Where things lie on the picture.
struct Frame<'a> {
    chart: &'a Chart,
    y: Scale,
}

pub(super) fn write_figure(html: &mut String, chart: &Chart, id: usize) {
    let (min, max) = chart.extent();
    let frame = Frame { chart, y: Scale::around(min, max, 5) };
    push(html, format_args!("<figure>\n<figcaption>{}</figcaption>\n", escape(&chart.title)));
    push(
        html,
        format_args!(
            "<div class=\"scroll\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t{id} d{id}\">\n\
             <title id=\"t{id}\">{}</title>\n<desc id=\"d{id}\">{}</desc>\n",
            escape(&chart.title),
            escape(&in_words(chart))
        ),
    );
    frame.axes(html);
    frame.marks(html);
    for (i, series) in chart.series.iter().enumerate() {
        match chart.kind {
            Kind::Bars => frame.bars(html, i, series),
            Kind::Lines => frame.line(html, i, series),
        }
    }
    frame.levels(html);
    html.push_str("</svg></div>\n");
    legend(html, chart);
    html.push_str("</figure>\n");
}

/// The chart for those who don't see it.
fn in_words(chart: &Chart) -> String {
    let what = if chart.kind == Kind::Bars { "Bar chart" } else { "Line chart" };
    let mut words = match (chart.labels.first(), chart.labels.last()) {
        (Some(first), Some(last)) => format!("{what} over {} labels from {first} to {last}.", chart.labels.len()),
        _ => format!("{what} without values."),
    };
    for series in &chart.series {
        let values = || series.values.iter().flatten().copied();
        let Some(last) = values().last() else { continue };
        let (min, max) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        words += &format!(" {}: from {} to {}, last {}.", series.name, number(min), number(max), number(last));
    }
    for (name, value) in &chart.levels {
        words += &format!(" {name} is {}.", number(*value));
    }
    for (index, text) in &chart.marks {
        words += &format!(" At {}: {text}.", chart.labels[*index]);
    }
    words
}

impl Frame<'_> {
    /// The middle of the place of a label.
    fn x(&self, index: usize) -> f64 {
        let slots = self.chart.labels.len().max(1) as f64;
        LEFT + (WIDTH - LEFT - RIGHT) * (index as f64 + 0.5) / slots
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * self.y.share(value)
    }

    fn axes(&self, html: &mut String) {
        let right = WIDTH - RIGHT;
        for tick in &self.y.ticks {
            let (y, label) = (self.y(*tick), self.y.label(*tick));
            push(html, format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>"));
            push(
                html,
                format_args!("<text class=\"tick y\" x=\"{}\" y=\"{:.1}\">{label}</text>\n", LEFT - 8.0, y + 4.0),
            );
        }
        let (longest, count) = (self.longest_label(), self.chart.labels.len());
        let fits = ((WIDTH - LEFT - RIGHT) / (longest as f64 * LETTER + 14.0)).floor().max(1.0) as usize;
        let step = round_up(count.div_ceil(fits).max(1));
        for index in (0..count).step_by(step) {
            let (x, label) = (self.x(index), shorten(&self.chart.labels[index]));
            // A label that would leave the picture ends with it.
            let leaves = x + label.chars().count() as f64 * LETTER / 2.0 > WIDTH;
            let (class, x) = if leaves { ("tick x last", WIDTH - 2.0) } else { ("tick x", x) };
            push(
                html,
                format_args!(
                    "<text class=\"{class}\" x=\"{x:.1}\" y=\"{}\">{}</text>",
                    HEIGHT - BOTTOM + 17.0,
                    escape(&label)
                ),
            );
        }
        self.names(html);
    }

    fn names(&self, html: &mut String) {
        let (x, y) = (self.chart.x_label.as_str(), self.chart.y_label.as_str());
        if !x.is_empty() {
            let at = (LEFT + WIDTH - RIGHT) / 2.0;
            push(html, format_args!("<text class=\"name\" x=\"{at}\" y=\"{}\">{}</text>", HEIGHT - 6.0, escape(x)));
        }
        if !y.is_empty() {
            let at = (TOP + HEIGHT - BOTTOM) / 2.0;
            push(
                html,
                format_args!(
                    "<text class=\"name\" transform=\"translate(12 {at}) rotate(-90)\">{}</text>\n",
                    escape(y)
                ),
            );
        }
    }

    fn longest_label(&self) -> usize {
        self.chart.labels.iter().map(|label| shorten(label).chars().count()).max().unwrap_or(1)
    }

    fn line(&self, html: &mut String, i: usize, series: &Series) {
        let points = thin(&series.values, Chart::MAX_POINTS);
        let mut path = String::new();
        let mut pen_down = false;
        for (index, value) in &points {
            let Some(value) = value else {
                pen_down = false;
                continue;
            };
            push(
                &mut path,
                format_args!("{}{:.1} {:.1}", if pen_down { 'L' } else { 'M' }, self.x(*index), self.y(*value)),
            );
            pen_down = true;
        }
        push(html, format_args!("<path class=\"line {}\" d=\"{path}\"/>\n", colour(i)));
        let lonely = |p: usize| {
            let gap = |q: Option<usize>| q.and_then(|q| points.get(q)).is_none_or(|(_, value)| value.is_none());
            gap(p.checked_sub(1)) && gap(Some(p + 1))
        };
        for (p, (index, value)) in points.iter().enumerate() {
            // Without its dot, a point between two gaps would not be seen.
            let Some(value) = value.filter(|_| points.len() <= DOTTED || lonely(p)) else { continue };
            let (x, y, tip) = (self.x(*index), self.y(value), self.tip(*index, &series.name, value));
            push(
                html,
                format_args!(
                    "<circle class=\"{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>{tip}</title></circle>",
                    colour(i)
                ),
            );
        }
        html.push('\n');
    }

    fn bars(&self, html: &mut String, i: usize, series: &Series) {
        let (labels, count) = (self.chart.labels.len().max(1) as f64, self.chart.series.len().max(1) as f64);
        let width = ((WIDTH - LEFT - RIGHT) / labels * 0.8 / count).min(WIDEST_BAR);
        let group = width * count;
        let zero = self.y(0.0);
        for (index, value) in series.values.iter().enumerate() {
            let Some(value) = value else { continue };
            let x = self.x(index) - group / 2.0 + width * i as f64;
            let (top, height) = (self.y(*value).min(zero), (self.y(*value) - zero).abs());
            let tip = self.tip(index, &series.name, *value);
            push(
                html,
                format_args!(
                    "<rect class=\"{}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{tip}</title></rect>",
                    colour(i),
                    (width - 1.0).max(0.5)
                ),
            );
        }
        html.push('\n');
    }

    fn levels(&self, html: &mut String) {
        for (name, value) in &self.chart.levels {
            let (y, right) = (self.y(*value), WIDTH - RIGHT);
            let tip = escape(&level_in_words(name, *value));
            push(
                html,
                format_args!("<path class=\"level\" d=\"M{LEFT} {y:.1}H{right}\"><title>{tip}</title></path>\n"),
            );
        }
    }

    fn marks(&self, html: &mut String) {
        for (index, text) in &self.chart.marks {
            let x = self.x(*index);
            push(
                html,
                format_args!(
                    "<path class=\"mark\" d=\"M{x:.1} {TOP}V{}\"><title>{}</title></path>",
                    HEIGHT - BOTTOM,
                    escape(text)
                ),
            );
            push(
                html,
                format_args!(
                    "<path class=\"flag\" d=\"M{x:.1} {TOP}l-4 -7h8z\"><title>{}</title></path>\n",
                    escape(text)
                ),
            );
        }
    }

    fn tip(&self, index: usize, name: &str, value: f64) -> String {
        escape(&format!("{}, {name}: {}", self.chart.labels[index], number(value)))
    }
}

fn legend(html: &mut String, chart: &Chart) {
    let swatch = |class: &str| {
        format!("<svg viewBox=\"0 0 22 8\" aria-hidden=\"true\"><path class=\"{class}\" d=\"M1 4H21\"/></svg>")
    };
    if chart.series.len() < 2 && chart.marks.is_empty() && chart.levels.is_empty() {
        return;
    }
    html.push_str("<ul class=\"legend\">");
    for (i, series) in chart.series.iter().enumerate() {
        push(html, format_args!("<li>{}{}</li>", swatch(&format!("line {}", colour(i))), escape(&series.name)));
    }
    for (name, value) in &chart.levels {
        push(html, format_args!("<li>{}{}</li>", swatch("level"), escape(&level_in_words(name, *value))));
    }
    let mut told: Vec<&str> = Vec::new();
    for (_, text) in &chart.marks {
        if !told.contains(&text.as_str()) {
            told.push(text);
            push(html, format_args!("<li><span class=\"flag\" aria-hidden=\"true\">▼</span> {}</li>", escape(text)));
        }
    }
    html.push_str("</ul>\n");
}

fn level_in_words(name: &str, value: f64) -> String {
    format!("{name}: {}", number(value))
}

fn colour(series: usize) -> String {
    let dash = if series >= COLOURS { " dash" } else { "" };
    format!("c{}{dash}", series % COLOURS)
}

/// The next of 1, 2, 5, 10, 20, 50 and so on.
fn round_up(step: usize) -> usize {
    let power = 10_usize.pow(step.ilog10());
    [1, 2, 5, 10].into_iter().map(|factor| factor * power).find(|round| *round >= step).unwrap_or(step)
}

fn shorten(label: &str) -> String {
    const LONGEST: usize = 16;
    if label.chars().count() <= LONGEST {
        return label.to_owned();
    }
    label.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// At most about `most` points: of each run of neighbours the least and the greatest, in order. A
/// run without values stays a gap.
fn thin(values: &[Option<f64>], most: usize) -> Vec<(usize, Option<f64>)> {
    if values.len() <= most {
        return values.iter().copied().enumerate().collect();
    }
    let run = values.len().div_ceil(most / 2);
    let mut points = Vec::with_capacity(most);
    for (r, neighbours) in values.chunks(run).enumerate() {
        let known = || neighbours.iter().enumerate().filter_map(|(i, value)| value.map(|v| (r * run + i, v)));
        let least = known().min_by(|a, b| a.1.total_cmp(&b.1));
        let greatest = known().max_by(|a, b| a.1.total_cmp(&b.1));
        match (least, greatest) {
            (Some(a), Some(b)) => {
                let (first, second) = if a.0 <= b.0 { (a, b) } else { (b, a) };
                points.push((first.0, Some(first.1)));
                if first.0 != second.0 {
                    points.push((second.0, Some(second.1)));
                }
            }
            _ => points.push((r * run, None)),
        }
    }
    points
}
