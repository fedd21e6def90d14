//! Frequent values.

use serde::{Deserialize, Serialize};
use stored::Stored;
use table::{Entry, Table};
use xxhash_rust::xxh3::xxh3_64;

use super::SketchError;

mod stored;
mod table;

const MOST: usize = 1 << 24;

/// The most frequent strings of a column and how often each occurred, in bounded memory.
///
/// While there are at most *capacity* distinct strings, every count is exact and the sketch is
/// equal for any order, batching and merging. Beyond that it is the Misra-Gries summary in the
/// mergeable form of Agarwal, Cormode, Huang, Phillips, Wei and Yi, "Mergeable Summaries" (PODS
/// 2012): when full, the lesser half is forgotten and the greatest count among the forgotten
/// becomes the [`floor`](Self::floor). Each entry also remembers the floor it started from, as in
/// the Space-Saving algorithm (Metwally, Agrawal and El Abbadi 2005), so a string that never fell
/// out has an exact count.
///
/// # Accuracy
///
/// The true count of a listed string is between `count - error` and `count`; that of any other is
/// at most the floor, which is at most `2 · total / capacity`, for any input and tree of merges.
///
/// # Cost
///
/// A hash lookup a string and no allocation: 15 ns; 40 ns a string where all are distinct. *Capacity*
/// strings are held, each as long as it is: cut long texts first, or set a
/// [budget](Self::with_budget).
///
/// ```
/// use mlops_core::sketch::TopK;
///
/// let mut zones = TopK::new(100)?;
/// for zone in ["north", "south", "north", "centre"] {
///     zones.update(zone);
/// }
/// let top = zones.top(1);
/// assert_eq!((top[0].value.as_str(), top[0].count, top[0].error), ("north", 2, 0));
/// # Ok::<(), mlops_core::sketch::SketchError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct TopK {
    capacity: usize,
    budget: Option<usize>,
    total: u64,
    floor: u64,
    entries: Table,
}

/// A frequent value as [`TopK`] knows it: it occurred at least `count - error` and at most `count`
/// times.
///
/// ```
/// use mlops_core::sketch::{Hit, TopK};
///
/// let mut sketch = TopK::default();
/// sketch.update("a");
/// let Hit { value, count, error } = sketch.top(1).remove(0);
/// assert_eq!((value.as_str(), count, error), ("a", 1, 0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The string.
    pub value: String,
    /// The most often it can have occurred.
    pub count: u64,
    /// How much less often it may have occurred; 0 if the count is exact.
    pub error: u64,
}

impl Default for TopK {
    /// An empty sketch of capacity 1024: the error is at most 0.2 % of the length.
    fn default() -> Self {
        Self { capacity: 1024, budget: None, total: 0, floor: 0, entries: Table::default() }
    }
}

impl TopK {
    /// An empty sketch that holds at most `capacity` strings, from 2 to 2^24.
    ///
    /// # Errors
    ///
    /// [`SketchError::Capacity`] for any other capacity.
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// assert!(TopK::new(64).is_ok());
    /// assert!(TopK::new(0).is_err());
    /// ```
    pub fn new(capacity: usize) -> Result<Self, SketchError> {
        if (2..=MOST).contains(&capacity) {
            Ok(Self { capacity, ..Self::default() })
        } else {
            Err(SketchError::Capacity { sketch: "TopK", given: capacity, min: 2, max: MOST })
        }
    }

    /// The same sketch within so many bytes when stored: once its strings need more, each counting 20
    /// bytes besides its own, the lesser ones are forgotten down to half of that, as they are when
    /// there are too many.
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// let mut sketch = TopK::default().with_budget(1_000);
    /// ["a", "b"].into_iter().for_each(|value| sketch.update(&value.repeat(600)));
    /// assert!(sketch.is_empty() && sketch.floor() == 1);
    /// ```
    #[must_use]
    pub fn with_budget(mut self, bytes: usize) -> Self {
        self.budget = Some(bytes);
        self.forget();
        self
    }

    /// Counts one occurrence.
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// let mut sketch = TopK::default();
    /// sketch.update("a");
    /// assert_eq!(sketch.count("a"), 1);
    /// ```
    pub fn update(&mut self, value: &str) {
        self.add(value, 1);
    }

    /// Counts `times` occurrences, as for the values of a dictionary-encoded batch.
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// let mut sketch = TopK::default();
    /// sketch.add("a", 41);
    /// sketch.add("a", 1);
    /// assert_eq!((sketch.count("a"), sketch.total()), (42, 42));
    /// ```
    pub fn add(&mut self, value: &str, times: u64) {
        self.add_hashed(value, xxh3_64(value.as_bytes()), times);
    }

    /// [`add`](Self::add) for who knows the hash of the string already; says whether the string was
    /// listed before.
    ///
    /// The hash is XXH3 of the 64 bits of the string's bytes, as [`HyperLogLog`](super::HyperLogLog)
    /// takes it. With another one the string counts as another string.
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// let mut sketch = TopK::default();
    /// let hash = xxhash_rust::xxh3::xxh3_64(b"a");
    /// assert!(!sketch.add_hashed("a", hash, 1));
    /// assert!(sketch.add_hashed("a", hash, 1));
    /// assert_eq!(sketch.count("a"), 2);
    /// ```
    #[inline]
    pub fn add_hashed(&mut self, value: &str, hash: u64, times: u64) -> bool {
        if times == 0 {
            return self.entries.find(value, hash).is_some();
        }
        self.total = self.total.saturating_add(times);
        if let Some(entry) = self.entries.find(value, hash) {
            let count = &mut self.entries.at(entry).count;
            *count = count.saturating_add(times);
            return true;
        }
        self.entries.insert(value, hash, Entry { count: self.floor.saturating_add(times), error: self.floor });
        self.forget();
        false
    }

    /// Takes in all that another sketch has seen. Of two different capacities the smaller one
    /// stays.
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// let (mut left, mut right) = (TopK::default(), TopK::default());
    /// left.add("a", 2);
    /// right.add("a", 3);
    /// left.merge(&right);
    /// assert_eq!(left.count("a"), 5);
    /// ```
    pub fn merge(&mut self, other: &Self) {
        let unlisted = Entry { count: other.floor, error: other.floor };
        self.entries.entries_mut().for_each(|entry| entry.absorb(unlisted));
        for (value, hash, theirs) in other.entries.iter() {
            // What the other lists was not among its unlisted ones.
            if let Some(at) = self.entries.find(value, hash) {
                let entry = self.entries.at(at);
                entry.count = entry.count.saturating_sub(unlisted.count).saturating_add(theirs.count);
                entry.error = entry.error.saturating_sub(unlisted.error).saturating_add(theirs.error);
            } else {
                let mut entry = Entry { count: self.floor, error: self.floor };
                entry.absorb(theirs);
                self.entries.insert(value, hash, entry);
            }
        }
        self.capacity = self.capacity.min(other.capacity);
        self.budget = [self.budget, other.budget].into_iter().flatten().min();
        self.total = self.total.saturating_add(other.total);
        self.floor = self.floor.saturating_add(other.floor);
        self.forget();
    }

    /// The `k` most frequent strings, by descending count and then by the string; fewer if fewer
    /// are listed.
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// let mut sketch = TopK::default();
    /// ["b", "a", "c", "c"].into_iter().for_each(|value| sketch.update(value));
    /// let order: Vec<String> = sketch.top(10).into_iter().map(|hit| hit.value).collect();
    /// assert_eq!(order, ["c", "a", "b"]);
    /// ```
    pub fn top(&self, k: usize) -> Vec<Hit> {
        let mut entries = self.entries.iter().collect::<Vec<_>>();
        entries.sort_unstable_by(|(a, _, x), (b, _, y)| y.count.cmp(&x.count).then_with(|| a.cmp(b)));
        let hit = |(value, _, entry): (&str, u64, Entry)| Hit {
            value: value.to_owned(),
            count: entry.count,
            error: entry.error,
        };
        entries.into_iter().take(k).map(hit).collect()
    }

    /// The most often that a string can have occurred: exact if [`is_exact`](Self::is_exact).
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// assert_eq!(TopK::default().count("never seen"), 0);
    /// ```
    pub fn count(&self, value: &str) -> u64 {
        let found = self.entries.find(value, xxh3_64(value.as_bytes()));
        found.map_or(self.floor, |at| self.entries.get(at).count)
    }

    /// The number of occurrences of all strings.
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// assert_eq!(TopK::default().total(), 0);
    /// ```
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The number of strings listed: of distinct strings, if [`is_exact`](Self::is_exact).
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// assert_eq!(TopK::default().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no string is listed.
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// assert!(TopK::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The most often that a string can have occurred which isn't listed; 0 if
    /// [`is_exact`](Self::is_exact).
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// let mut sketch = TopK::new(4)?;
    /// (0..100).for_each(|i| sketch.update(&i.to_string()));
    /// assert!((1..=50).contains(&sketch.floor()));
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Whether every string is listed with its exact count: whether there were at most *capacity*
    /// distinct ones.
    ///
    /// ```
    /// # use mlops_core::sketch::TopK;
    /// let mut sketch = TopK::new(2)?;
    /// ["a", "b", "a", "b"].into_iter().for_each(|value| sketch.update(value));
    /// assert!(sketch.is_exact());
    /// sketch.update("c");
    /// assert!(!sketch.is_exact());
    /// # Ok::<(), mlops_core::sketch::SketchError>(())
    /// ```
    pub fn is_exact(&self) -> bool {
        self.floor == 0
    }

    /// If there are more strings than the capacity, keeps at most half of it, those with the
    /// greatest counts; likewise for the budget.
    ///
    /// With `c = count - floor` this is the subtraction of the (half + 1)th greatest `c` from all,
    /// which takes away at least (half + 1) times what the floor gains; hence the bound on the
    /// floor (Agarwal et al. 2012).
    #[inline]
    fn forget(&mut self) {
        let within = self.budget.is_none_or(|budget| self.entries.bytes() <= budget);
        if self.entries.len() > self.capacity || !within {
            self.forget_lesser(within);
        }
    }

    #[cold]
    fn forget_lesser(&mut self, within: bool) {
        let mut floor = 0;
        if self.entries.len() > self.capacity {
            let mut counts = self.entries.iter().map(|(_, _, entry)| entry.count).collect::<Vec<_>>();
            floor = *counts.select_nth_unstable_by(self.capacity / 2, |a, b| b.cmp(a)).1;
        }
        if let (Some(budget), false) = (self.budget, within) {
            floor = floor.max(self.entries.count_beyond(budget / 2));
        }
        self.floor = self.floor.max(floor);
        self.entries.retain_above(floor);
    }
}

/// Whether both list the same strings with the same counts, however they came about.
impl PartialEq for TopK {
    fn eq(&self, other: &Self) -> bool {
        let numbers = |sketch: &Self| (sketch.capacity, sketch.budget, sketch.total, sketch.floor, sketch.len());
        let listed = |(value, hash, entry): (&str, u64, Entry)| {
            other.entries.find(value, hash).is_some_and(|at| other.entries.get(at) == entry)
        };
        numbers(self) == numbers(other) && self.entries.iter().all(listed)
    }
}

impl Eq for TopK {}

#[cfg(test)]
mod tests;
