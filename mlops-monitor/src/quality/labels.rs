use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mlops_core::{Classes, Error, Result, Task, Value};
use serde::{Deserialize, Serialize};

/// Where in a batch of labels the ids and the labels are.
///
/// # Example
/// ```
/// use mlops_monitor::LabelColumns;
///
/// // One label a request, or one for each of the rows of a request.
/// let single = LabelColumns::new("request", "late");
/// let many = LabelColumns::new("request", "late").with_row("row");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LabelColumns {
    /// The column with the id of the request.
    pub id: String,
    /// The column with the label; null means not known yet.
    pub truth: String,
    /// The column with the index of the row within its request, from 0; always 0 if `None`.
    #[serde(default)]
    pub row: Option<String>,
}

impl LabelColumns {
    /// Labels of requests of one row.
    pub fn new(id: impl Into<String>, truth: impl Into<String>) -> Self {
        Self { id: id.into(), truth: truth.into(), row: None }
    }

    /// Labels of requests of several rows.
    #[must_use]
    pub fn with_row(mut self, row: impl Into<String>) -> Self {
        self.row = Some(row.into());
        self
    }
}

/// A label as metrics see it: the index of the class, or the number; `None` for null.
pub(super) fn truth_of(task: &Task, value: Value<'_>) -> Result<Option<f64>> {
    if value.is_null() {
        return Ok(None);
    }
    let truth = match (task, value) {
        (Task::Regression, _) => value.as_f64().filter(|y| !y.is_nan()),
        (Task::Classification { classes: Classes::Bool }, Value::Bool(_) | Value::Int(0 | 1)) => value.as_f64(),
        (Task::Classification { classes: Classes::Int(classes) }, Value::Int(class)) => {
            classes.binary_search(&class).ok().map(|i| i as f64)
        }
        (Task::Classification { classes: Classes::Text(classes) }, Value::Text(class)) => {
            classes.binary_search_by(|known| known.as_str().cmp(class)).ok().map(|i| i as f64)
        }
        _ => None,
    };
    truth.map(Some).ok_or_else(|| {
        let wanted = match task {
            Task::Classification { classes } => {
                let shown: Vec<String> = (0..classes.len().min(8)).map(|i| classes.name(i)).collect();
                format!(
                    "one of {} classes ({}{})",
                    classes.len(),
                    shown.join(", "),
                    if classes.len() > 8 { ", …" } else { "" }
                )
            }
            _ => "a number".to_owned(),
        };
        Error::data(format!("the label {value:?} is not {wanted}"))
    })
}

/// Labels whose request is not known, oldest first: they came before it, or after it expired.
#[derive(Debug, Default)]
pub(super) struct Early {
    by_id: HashMap<Arc<str>, Waiting>,
    by_time: BTreeMap<Key, Arc<str>>,
    labels: usize,
    next: u64,
}

/// When the first label of a request came, and a number that parts those of one millisecond.
type Key = (i64, u64);

#[derive(Debug)]
struct Waiting {
    since: Key,
    labels: Vec<(usize, f64)>,
}

impl Early {
    pub(super) fn len(&self) -> usize {
        self.labels
    }

    /// Keeps a label; returns whether it replaced another of the same row.
    pub(super) fn insert(&mut self, id: &str, row: usize, truth: f64, now_ms: i64) -> bool {
        if let Some(waiting) = self.by_id.get_mut(id) {
            if let Some(old) = waiting.labels.iter_mut().find(|(r, _)| *r == row) {
                old.1 = truth;
                return true;
            }
            waiting.labels.push((row, truth));
        } else {
            let (id, since): (Arc<str>, Key) = (id.into(), (now_ms, self.next));
            self.next += 1;
            self.by_time.insert(since, Arc::clone(&id));
            self.by_id.insert(id, Waiting { since, labels: vec![(row, truth)] });
        }
        self.labels += 1;
        false
    }

    /// Hands over the labels of a request.
    pub(super) fn take(&mut self, id: &str) -> Vec<(usize, f64)> {
        let Some(waiting) = self.by_id.remove(id) else { return Vec::new() };
        self.by_time.remove(&waiting.since);
        self.labels -= waiting.labels.len();
        waiting.labels
    }

    /// All labels that wait came at `now_ms`: before, nobody knew the time.
    pub(super) fn stamp(&mut self, now_ms: i64) {
        self.by_time = std::mem::take(&mut self.by_time).into_iter().map(|((_, i), id)| ((now_ms, i), id)).collect();
        self.by_id.values_mut().for_each(|waiting| waiting.since.0 = now_ms);
    }

    /// Forgets labels that came before `time_ms`; returns how many.
    pub(super) fn expire(&mut self, time_ms: i64) -> u64 {
        self.remove_while(|_, since| since.0 < time_ms)
    }

    /// Forgets the oldest labels until there are at most `most`; returns how many.
    pub(super) fn shrink(&mut self, most: usize) -> u64 {
        self.remove_while(|early, _| early.labels > most)
    }

    fn remove_while(&mut self, goes: impl Fn(&Self, Key) -> bool) -> u64 {
        let before = self.labels;
        while let Some((since, id)) = self.by_time.first_key_value() {
            if !goes(self, *since) {
                break;
            }
            let id = Arc::clone(id);
            self.take(&id);
        }
        (before - self.labels) as u64
    }
}
