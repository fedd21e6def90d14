/// A picture of numbers: lines or bars over labels such as weeks, bins or features.
///
/// NaN, an infinity or `None` is a gap. A line of more than [`Chart::MAX_POINTS`] points is drawn
/// by the extremes of neighbours, so that a page stays small and no peak is lost.
///
/// # Example
/// ```
/// use mlops_core::report::Chart;
///
/// let chart = Chart::bars("Share by carrier", ["AA", "UA"])
///     .with_series("reference", [0.4, 0.6])
///     .with_series("this week", [Some(0.7), None])
///     .with_y_label("share")
///     .with_y_range(0.0, 1.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    pub(super) kind: Kind,
    pub(super) title: String,
    pub(super) labels: Vec<String>,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) y_range: Option<(f64, f64)>,
    pub(super) series: Vec<Series>,
    pub(super) levels: Vec<(String, f64)>,
    pub(super) marks: Vec<(usize, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bars,
    Lines,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) values: Vec<Option<f64>>,
}

impl Chart {
    /// The most points of a line that are drawn.
    pub const MAX_POINTS: usize = 600;

    /// Bars beside each other, one group a label.
    pub fn bars<S: Into<String>>(title: impl Into<String>, labels: impl IntoIterator<Item = S>) -> Self {
        Self::new(Kind::Bars, title.into(), labels.into_iter().map(Into::into).collect())
    }

    /// Lines from label to label.
    pub fn lines<S: Into<String>>(title: impl Into<String>, labels: impl IntoIterator<Item = S>) -> Self {
        Self::new(Kind::Lines, title.into(), labels.into_iter().map(Into::into).collect())
    }

    fn new(kind: Kind, title: String, labels: Vec<String>) -> Self {
        Self {
            kind,
            title,
            labels,
            x_label: String::new(),
            y_label: String::new(),
            y_range: None,
            series: Vec::new(),
            levels: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// With one more series: a value for each label, in their order; missing ones are gaps.
    #[must_use]
    pub fn with_series<V: Into<Option<f64>>>(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let finite = |value: V| value.into().filter(|v: &f64| v.is_finite());
        let mut values: Vec<Option<f64>> = values.into_iter().map(finite).collect();
        values.resize(self.labels.len(), None);
        self.series.push(Series { name: name.into(), values });
        self
    }

    /// With a dashed horizontal line: a threshold, a baseline.
    #[must_use]
    pub fn with_level(mut self, name: impl Into<String>, value: f64) -> Self {
        if value.is_finite() {
            self.levels.push((name.into(), value));
        }
        self
    }

    /// With a vertical mark at the `index`-th label: something that happened then.
    #[must_use]
    pub fn with_mark(mut self, index: usize, text: impl Into<String>) -> Self {
        if index < self.labels.len() {
            self.marks.push((index, text.into()));
        }
        self
    }

    /// With a name for the labels.
    #[must_use]
    pub fn with_x_label(mut self, label: impl Into<String>) -> Self {
        self.x_label = label.into();
        self
    }

    /// With a name for the values.
    #[must_use]
    pub fn with_y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// With an axis that reaches at least from `min` to `max`. Without, bars start at 0 and lines
    /// where the values do.
    #[must_use]
    pub fn with_y_range(mut self, min: f64, max: f64) -> Self {
        if min.is_finite() && max.is_finite() && min < max {
            self.y_range = Some((min, max));
        }
        self
    }

    /// The least and the greatest number in the picture.
    pub(super) fn extent(&self) -> (f64, f64) {
        let values = self.series.iter().flat_map(|s| s.values.iter().flatten().copied());
        let all = values.chain(self.levels.iter().map(|(_, value)| *value));
        let all = all.chain(self.y_range.iter().flat_map(|(min, max)| [*min, *max]));
        let all = all.chain((self.kind == Kind::Bars).then_some(0.0));
        let extent = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| (min.min(x), max.max(x)));
        if extent.0 > extent.1 { (0.0, 1.0) } else { extent }
    }
}
