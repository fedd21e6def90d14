use std::fmt::{Display, Write as _};

use super::{BOUNDS, Duration64};

/// Metrics in Prometheus' text format, version 0.0.4, as they are written: a family, then its
/// samples.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    text: String,
    family: &'static str,
}

/// What a family of metrics is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Exposition {
    /// Begins a family.
    pub(crate) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// Adds a number to the family.
    pub(crate) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.family);
        self.labels(labels, None);
        self.line(format_args!(" {value}"));
    }

    /// Adds a histogram to the family.
    pub(crate) fn histogram(&mut self, labels: &[(&str, &str)], total: &Duration64) {
        let bounds = BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"]);
        for (bound, count) in bounds.zip(total.cumulative) {
            self.text.push_str(self.family);
            self.text.push_str("_bucket");
            self.labels(labels, Some(bound));
            self.line(format_args!(" {count}"));
        }
        let [.., count] = total.cumulative;
        for (suffix, value) in [("_sum", total.seconds.to_string()), ("_count", count.to_string())] {
            self.text.push_str(self.family);
            self.text.push_str(suffix);
            self.labels(labels, None);
            self.line(format_args!(" {value}"));
        }
    }

    /// All that was written.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn labels(&mut self, labels: &[(&str, &str)], bound: Option<&str>) {
        let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut open = '{';
        for (name, value) in all {
            self.text.push(open);
            self.text.push_str(name);
            self.text.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
            open = ',';
        }
        if open == ',' {
            self.text.push('}');
        }
    }

    fn line(&mut self, rest: std::fmt::Arguments<'_>) {
        // Writing into a String can't fail.
        let _ = writeln!(self.text, "{rest}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_families_and_escapes_labels() {
        let mut text = Exposition::default();
        text.family("a_total", Kind::Counter, "Things.");
        text.sample(&[], 3);
        text.sample(&[("model", "a\"b\\c\nd"), ("version", "1")], 4);
        assert_eq!(
            text.finish(),
            "# HELP a_total Things.\n# TYPE a_total counter\na_total 3\na_total{model=\"a\\\"b\\\\c\\nd\",version=\"1\"} 4\n"
        );
    }

    #[test]
    fn a_histogram_ends_with_all_of_its_observations() {
        let mut text = Exposition::default();
        text.family("t_seconds", Kind::Histogram, "Time.");
        let mut total = Duration64 { seconds: 0.5, ..Duration64::default() };
        *total.cumulative.last_mut().unwrap() = 2;
        text.histogram(&[("model", "m")], &total);
        let text = text.finish();
        assert!(text.contains("t_seconds_bucket{model=\"m\",le=\"0.000025\"} 0\n"), "{text}");
        assert!(text.ends_with(
            "t_seconds_bucket{model=\"m\",le=\"+Inf\"} 2\nt_seconds_sum{model=\"m\"} 0.5\nt_seconds_count{model=\"m\"} 2\n"
        ));
    }
}
