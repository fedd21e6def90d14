use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, RecordBatch};
use mlops_core::columns::{find_column, numbers, texts};
use mlops_core::{
    CellReader, Decision, Error, InferenceRecord, Metric, Predictions, Result, ResultExt, Route, Task, Value, Version,
};

use super::answers::{Answer, Answers};
use super::labels::{Early, truth_of};
use super::{LabelColumns, MetricScore, Quality, QualityCounts, QualityReport};
use mlops_core::compare::{Bootstrap, Comparison, compare, score_interval};

/// Joins answers with labels that come later, and scores them by version and route.
///
/// Time is that of the records: the latest one seen (or told by [`advance`](Self::advance)) is the
/// watermark, and what is older than it by more than the horizon expires. So memory is bounded by
/// the traffic of one horizon, and in any case by `max_rows` rows and as many waiting labels.
///
/// - Labels and records may come in any order. A label that comes first waits for its record until
///   the horizon has passed, then it is counted as orphaned.
/// - A label for a row that has one replaces it: the last wins.
/// - A null label says nothing: the row stays unlabelled.
/// - Answers of several versions to one request (a shadow's) share its labels. A second answer of
///   the same version on the same route replaces the first (a retry).
///
/// # Example
/// ```
/// # use mlops_core::{Classes, InferenceRecord, Metric, Predictions, Result, Route, Task, Value};
/// # #[derive(Debug)]
/// # struct Accuracy;
/// # impl Metric for Accuracy {
/// #     fn name(&self) -> &'static str { "accuracy" }
/// #     fn greater_is_better(&self) -> bool { true }
/// #     fn score(&self, p: &Predictions) -> Result<f64> {
/// #         let hits = p.positive_scores()?.iter().zip(&p.target).filter(|(s, y)| (**s > 0.5) == (**y == 1.0)).count();
/// #         Ok(hits as f64 / p.num_rows() as f64)
/// #     }
/// # }
/// use std::{sync::Arc, time::Duration};
/// use mlops_monitor::QualityMonitor;
///
/// let task = Task::Classification { classes: Classes::Bool };
/// let mut monitor = QualityMonitor::new(task, Duration::from_secs(7 * 86_400)).with_metric(Accuracy);
///
/// let inputs = arrow::array::record_batch!(("km", Float64, [3.0]))?;
/// let version = Arc::new("flights:1".parse()?);
/// monitor.record(InferenceRecord::new(Some("UA1".into()), version, Route::Primary, inputs, vec![0.2, 0.8]))?;
/// assert_eq!(monitor.report().primary().unwrap().unlabelled(), 1);
///
/// monitor.label("UA1", Value::Bool(true))?; // a day later
/// let report = monitor.report();
/// assert_eq!(report.primary().unwrap().score("accuracy").unwrap().value, Some(1.0));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct QualityMonitor {
    task: Task,
    decision: Decision,
    metrics: Vec<Arc<dyn Metric>>,
    bootstrap: Option<Bootstrap>,
    horizon_ms: i64,
    max_rows: usize,
    now_ms: Option<i64>,
    answers: Answers,
    early: Early,
    counts: QualityCounts,
}

impl QualityMonitor {
    /// A monitor of models with this task that waits for labels, and remembers answers, for
    /// `horizon`.
    pub fn new(task: Task, horizon: Duration) -> Self {
        Self {
            task,
            decision: Decision::default(),
            metrics: Vec::new(),
            bootstrap: None,
            horizon_ms: i64::try_from(horizon.as_millis()).unwrap_or(i64::MAX),
            max_rows: 1_000_000,
            now_ms: None,
            answers: Answers::default(),
            early: Early::default(),
            counts: QualityCounts::default(),
        }
    }

    /// Of models that choose a class otherwise than by the greatest probability.
    #[must_use]
    pub fn with_decision(mut self, decision: Decision) -> Self {
        self.decision = decision;
        self
    }

    /// With a metric in every report.
    #[must_use]
    pub fn with_metric(self, metric: impl Metric) -> Self {
        self.with_metrics([Arc::new(metric) as _])
    }

    /// With several metrics in every report.
    #[must_use]
    pub fn with_metrics(mut self, metrics: impl IntoIterator<Item = Arc<dyn Metric>>) -> Self {
        self.metrics.extend(metrics);
        self
    }

    /// With an interval beside every metric; a report then costs `resamples` times as much.
    #[must_use]
    pub fn with_intervals(mut self, bootstrap: Bootstrap) -> Self {
        self.bootstrap = Some(bootstrap);
        self
    }

    /// With room for another number of rows than 1,000,000; beyond, the oldest go first.
    #[must_use]
    pub fn with_max_rows(mut self, max_rows: usize) -> Self {
        self.max_rows = max_rows;
        self
    }

    /// Takes in a request and its answer. Inputs are not kept.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if the answer has not the scores that the
    /// task needs; then nothing is taken in.
    pub fn record(&mut self, record: InferenceRecord) -> Result<()> {
        let rows = record.inputs.num_rows();
        if record.scores.len() != rows * self.width() {
            return Err(Error::data(format!(
                "{} scores for {rows} rows of {}: this monitor is for {} a row; make one for each task",
                record.scores.len(),
                record.version,
                self.width()
            )));
        }
        self.counts.rows += rows as u64;
        self.advance(record.timestamp_ms);
        let Some(id) = record.id.filter(|_| rows > 0) else {
            self.counts.without_id += rows as u64;
            return Ok(());
        };
        let mut truth = vec![f64::NAN; rows];
        for (row, label) in self.early.take(&id) {
            match truth.get_mut(row) {
                Some(cell) => *cell = label,
                None => self.counts.orphaned += 1,
            }
        }
        let InferenceRecord { version, route, scores, timestamp_ms, .. } = record;
        let answer = Answer { id: id.into(), version, route, scores, truth };
        self.counts.replaced += u64::from(self.answers.insert(timestamp_ms, answer));
        self.forget();
        Ok(())
    }

    /// Takes in the label of a request of one row.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if the label is no class of the task, or no
    /// number for a regression.
    pub fn label(&mut self, id: &str, truth: Value<'_>) -> Result<()> {
        self.label_row(id, 0, truth)
    }

    /// Takes in the label of one row of a request.
    ///
    /// # Errors
    /// As [`Self::label`]; also if the request has no such row.
    pub fn label_row(&mut self, id: &str, row: usize, truth: Value<'_>) -> Result<()> {
        let truth = truth_of(&self.task, truth).context("request", id)?;
        self.check_row(id, row)?;
        self.join(id, row, truth);
        Ok(())
    }

    /// Takes in the labels of all rows of a request, in their order; null means not known yet.
    ///
    /// # Errors
    /// As [`Self::label_row`]; then none is taken in.
    pub fn label_rows(&mut self, id: &str, truth: &ArrayRef) -> Result<()> {
        let truth = self.truths(truth).context("request", id)?;
        if let Some(last) = truth.len().checked_sub(1) {
            self.check_row(id, last)?;
        }
        truth.into_iter().enumerate().for_each(|(row, truth)| self.join(id, row, truth));
        Ok(())
    }

    /// Takes in a batch of labels.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a missing column or another type,
    /// and as [`Self::label_row`]; then none is taken in.
    pub fn labels(&mut self, batch: &RecordBatch, columns: &LabelColumns) -> Result<()> {
        let column = |name: &String| find_column(batch.schema_ref(), name).map(|index| batch.column(index));
        let ids = texts(column(&columns.id)?, &columns.id)?;
        let truth = self.truths(column(&columns.truth)?).context("column", &columns.truth)?;
        let rows = columns.row.as_ref().map(|name| numbers(column(name)?, name)).transpose()?;
        let mut labels = Vec::with_capacity(truth.len());
        for (i, (id, truth)) in ids.iter().zip(truth).enumerate() {
            let id = id.ok_or_else(|| Error::data(format!("label {i} has no id in column '{}'", columns.id)))?;
            let row = rows.as_ref().map_or(Some(0.0), |rows| rows.is_valid(i).then(|| rows.value(i)));
            let row = row.filter(|row| *row >= 0.0 && row.fract() == 0.0);
            let row = row.ok_or_else(|| Error::data(format!("label {i} of request '{id}' has no row from 0 on")))?;
            self.check_row(id, row as usize)?;
            labels.push((id, row as usize, truth));
        }
        labels.into_iter().for_each(|(id, row, truth)| self.join(id, row, truth));
        Ok(())
    }

    /// Tells the time, where no records come that would: what is older by more than the horizon
    /// expires. Earlier times than those seen change nothing.
    pub fn advance(&mut self, now_ms: i64) {
        if self.now_ms.is_none() {
            self.early.stamp(now_ms);
        }
        if self.now_ms.is_none_or(|now| now < now_ms) {
            self.now_ms = Some(now_ms);
            self.forget();
        }
    }

    /// How good all answers within the horizon were.
    pub fn report(&self) -> QualityReport {
        let (from, last) = self.answers.times().unwrap_or_default();
        self.report_over(from..last.saturating_add(1))
    }

    /// How good the answers of a span of time were, from its start to before its end, in
    /// milliseconds since 1970, UTC. Nothing older than the horizon is left to report on.
    ///
    /// A metric that is not defined for the labelled rows, or fails, says so in its `problem`.
    pub fn report_over(&self, span: Range<i64>) -> QualityReport {
        let mut routes: BTreeMap<Route, Vec<&Answer>> = BTreeMap::new();
        let mut versions: BTreeMap<(Route, &Version), Vec<&Answer>> = BTreeMap::new();
        for answer in self.answers.between(span.start, span.end) {
            routes.entry(answer.route).or_default().push(answer);
            versions.entry((answer.route, &answer.version)).or_default().push(answer);
        }
        let routes = routes.into_iter().map(|(route, answers)| self.quality(route, None, &answers));
        let versions =
            versions.into_iter().map(|((route, version), answers)| self.quality(route, Some(version), &answers));
        QualityReport {
            from_ms: span.start,
            until_ms: span.end,
            routes: routes.collect(),
            versions: versions.collect(),
            counts: self.counts(),
        }
    }

    /// What was seen since the monitor was made.
    pub fn counts(&self) -> QualityCounts {
        QualityCounts { early: self.early.len() as u64, ..self.counts }
    }

    /// The labelled rows that two versions have both answered in a span of time, row beside row.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if there are none.
    pub fn pairs(
        &self,
        champion: &Version,
        challenger: &Version,
        span: Range<i64>,
    ) -> Result<(Predictions, Predictions)> {
        let width = self.width();
        let (mut target, mut before, mut after) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for ours in self.answers.between(span.start, span.end).filter(|answer| *answer.version == *champion) {
            // A version may have answered on both routes; once is enough.
            let theirs = self.answers.of(&ours.id).find(|answer| *answer.version == *challenger);
            let Some(theirs) = theirs.filter(|_| seen.insert(&ours.id)) else { continue };
            for (row, (a, b)) in ours.scores.chunks_exact(width).zip(theirs.scores.chunks_exact(width)).enumerate() {
                if !ours.truth[row].is_nan() {
                    target.push(ours.truth[row]);
                    before.extend_from_slice(a);
                    after.extend_from_slice(b);
                }
            }
        }
        if target.is_empty() {
            return Err(Error::data(format!(
                "no labelled row was answered by both {champion} and {challenger}: shadow the challenger, \
                 or wait for labels"
            )));
        }
        let predictions = |scores| self.judge(target.clone(), scores);
        Ok((predictions(before)?, predictions(after)?))
    }

    /// Compares two versions on the rows of [`Self::pairs`].
    ///
    /// # Errors
    /// As [`Self::pairs`] and [`compare`].
    pub fn compare(
        &self,
        champion: &Version,
        challenger: &Version,
        span: Range<i64>,
        metric: &dyn Metric,
        bootstrap: &Bootstrap,
    ) -> Result<Comparison> {
        let (before, after) = self.pairs(champion, challenger, span)?;
        compare(&before, &after, metric, bootstrap)
    }

    fn judge(&self, target: Vec<f64>, scores: Vec<f64>) -> Result<Predictions> {
        Ok(Predictions::new(self.task.clone(), target, scores)?.with_decision(self.decision.clone()))
    }

    fn width(&self) -> usize {
        self.task.num_scores()
    }

    fn truths(&self, column: &ArrayRef) -> Result<Vec<Option<f64>>> {
        let cells = CellReader::new(&RecordBatch::try_from_iter([("label", Arc::clone(column))])?)?;
        let value = |row| cells.row(row).next().unwrap_or_default();
        (0..cells.num_rows()).map(|row| truth_of(&self.task, value(row)).context("label", row)).collect()
    }

    fn check_row(&self, id: &str, row: usize) -> Result<()> {
        match self.answers.of(id).map(|answer| answer.truth.len()).max() {
            Some(rows) if row >= rows => {
                Err(Error::data(format!("request '{id}' has {rows} rows, so there is no row {row} to label")))
            }
            _ => Ok(()),
        }
    }

    fn join(&mut self, id: &str, row: usize, truth: Option<f64>) {
        let Some(truth) = truth else { return };
        self.counts.labels += 1;
        let replaced = if self.answers.contains(id) {
            self.answers.label(id, row, truth)
        } else {
            let replaced = self.early.insert(id, row, truth, self.now_ms.unwrap_or_default());
            self.counts.orphaned += self.early.shrink(self.max_rows);
            replaced
        };
        self.counts.relabelled += u64::from(replaced);
    }

    fn forget(&mut self) {
        let Some(now) = self.now_ms else { return };
        let oldest = now.saturating_sub(self.horizon_ms);
        self.counts.expired += self.answers.expire(oldest);
        self.counts.evicted += self.answers.shrink(self.max_rows);
        self.counts.orphaned += self.early.expire(oldest);
    }

    fn quality(&self, route: Route, version: Option<&Version>, answers: &[&Answer]) -> Quality {
        let rows = answers.iter().map(|answer| answer.truth.len()).sum();
        let labelled = answers.iter().map(|answer| answer.labelled()).sum();
        let predictions = self.predictions(answers);
        let scores = self.metrics.iter().map(|metric| self.score(metric.as_ref(), predictions.as_ref())).collect();
        Quality { route, version: version.cloned(), rows, labelled, scores }
    }

    fn predictions(&self, answers: &[&Answer]) -> Result<Predictions, String> {
        let (mut target, mut scores) = (Vec::new(), Vec::new());
        for answer in answers {
            let rows = answer.truth.iter().zip(answer.scores.chunks_exact(self.width()));
            for (truth, row) in rows.filter(|(truth, _)| !truth.is_nan()) {
                target.push(*truth);
                scores.extend_from_slice(row);
            }
        }
        if target.is_empty() {
            return Err("no labels yet".to_owned());
        }
        self.judge(target, scores).map_err(|error| error.to_string())
    }

    fn score(&self, metric: &dyn Metric, predictions: Result<&Predictions, &String>) -> MetricScore {
        let mut score = MetricScore::none(metric.name(), metric.greater_is_better());
        let value = predictions.map_err(Clone::clone).and_then(|predictions| {
            let value = metric.score(predictions).map_err(|error| error.to_string())?;
            if value.is_finite() { Ok((value, predictions)) } else { Err(format!("it is {value}")) }
        });
        match value {
            Ok((value, predictions)) => {
                score.value = Some(value);
                let interval = self.bootstrap.as_ref().map(|b| score_interval(predictions, metric, b)).transpose();
                match interval {
                    Ok(interval) => score.interval = interval,
                    Err(error) => score.problem = Some(format!("no interval: {error}")),
                }
            }
            Err(problem) => score.problem = Some(problem),
        }
        score
    }
}
