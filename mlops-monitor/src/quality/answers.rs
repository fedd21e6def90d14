use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mlops_core::{Route, Version};

/// When a request was answered, and a number that parts those of one millisecond.
type Key = (i64, u64);

/// The answers that wait for labels or have got them, by time and by id.
#[derive(Debug, Default)]
pub(super) struct Answers {
    by_time: BTreeMap<Key, Answer>,
    by_id: HashMap<Arc<str>, Vec<Key>>,
    rows: usize,
    next: u64,
}

/// The answer of one version to one request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) id: Arc<str>,
    pub(super) version: Arc<Version>,
    pub(super) route: Route,
    /// Row-major.
    pub(super) scores: Vec<f64>,
    /// NaN where the label has not come.
    pub(super) truth: Vec<f64>,
}

impl Answer {
    pub(super) fn labelled(&self) -> usize {
        self.truth.iter().filter(|truth| !truth.is_nan()).count()
    }

    fn unlabelled(&self) -> usize {
        self.truth.len() - self.labelled()
    }
}

impl Answers {
    pub(super) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// The answers to a request.
    pub(super) fn of(&self, id: &str) -> impl Iterator<Item = &Answer> {
        self.by_id.get(id).into_iter().flatten().filter_map(|key| self.by_time.get(key))
    }

    /// Those answered in a span of time, oldest first.
    pub(super) fn between(&self, from_ms: i64, until_ms: i64) -> impl Iterator<Item = &Answer> {
        let keys = (from_ms, 0)..(until_ms.max(from_ms), 0);
        self.by_time.range(keys).map(|(_, answer)| answer)
    }

    pub(super) fn times(&self) -> Option<(i64, i64)> {
        Some((self.by_time.first_key_value()?.0.0, self.by_time.last_key_value()?.0.0))
    }

    /// Adds an answer. One of the same id, version and route is replaced; labels that came for
    /// another version's answer to the request are its labels as well. Returns whether one was
    /// replaced.
    pub(super) fn insert(&mut self, time_ms: i64, mut answer: Answer) -> bool {
        for other in self.of(&answer.id) {
            let pairs = answer.truth.iter_mut().zip(&other.truth);
            pairs.filter(|(mine, _)| mine.is_nan()).for_each(|(mine, truth)| *mine = *truth);
        }
        let same = |key: &&Key| {
            let old = self.by_time.get(*key);
            old.is_some_and(|old| (&old.version, old.route) == (&answer.version, answer.route))
        };
        let old = self.by_id.get(&answer.id).and_then(|keys| keys.iter().find(same).copied());
        if let Some(old) = old {
            self.remove(old);
        }
        let key = (time_ms, self.next);
        self.next += 1;
        self.rows += answer.truth.len();
        self.by_id.entry(Arc::clone(&answer.id)).or_default().push(key);
        self.by_time.insert(key, answer);
        old.is_some()
    }

    /// Sets the label of a row in every answer to the request; returns whether it had another
    /// before.
    pub(super) fn label(&mut self, id: &str, row: usize, truth: f64) -> bool {
        let mut replaced = false;
        for key in self.by_id.get(id).into_iter().flatten() {
            let cell = self.by_time.get_mut(key).and_then(|answer| answer.truth.get_mut(row));
            if let Some(cell) = cell {
                replaced |= !cell.is_nan();
                *cell = truth;
            }
        }
        replaced
    }

    /// Forgets the answers before `time_ms`; returns how many rows were never labelled.
    pub(super) fn expire(&mut self, time_ms: i64) -> u64 {
        self.remove_while(|_, key| key.0 < time_ms)
    }

    /// Forgets the oldest answers until there are at most `rows` rows; returns how many rows were
    /// never labelled.
    pub(super) fn shrink(&mut self, rows: usize) -> u64 {
        self.remove_while(|answers, _| answers.rows > rows)
    }

    fn remove_while(&mut self, goes: impl Fn(&Self, Key) -> bool) -> u64 {
        let mut unlabelled = 0;
        while let Some((key, answer)) = self.by_time.first_key_value() {
            let (key, lost) = (*key, answer.unlabelled());
            if !goes(self, key) {
                break;
            }
            unlabelled += lost as u64;
            self.remove(key);
        }
        unlabelled
    }

    fn remove(&mut self, key: Key) {
        let Some(answer) = self.by_time.remove(&key) else { return };
        self.rows -= answer.truth.len();
        if let Some(keys) = self.by_id.get_mut(&answer.id) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_id.remove(&answer.id);
            }
        }
    }
}
