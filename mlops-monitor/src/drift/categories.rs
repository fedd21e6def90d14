use std::collections::{BTreeMap, HashMap};

use arrow::array::StringArray;
use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::cells::are_rows;
use crate::stats::{Outcome, Pair, pooled_test};

/// Texts counted by the categories of the reference; null is a category.
///
/// At most `most` categories of the reference are told apart, the most frequent; the others are
/// `rest`. The window also counts at most `most` categories that are new.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Categories {
    names: Vec<String>,
    reference: Vec<u64>,
    window: Vec<u64>,
    new: BTreeMap<String, u64>,
    most: usize,
    null: Pair,
    rest: Pair,
    /// Where a name stands in `names`.
    #[serde(skip)]
    index: HashMap<String, usize>,
}

impl Categories {
    pub(super) fn fit(values: &[StringArray], most: usize) -> Result<Self> {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        let mut null = Pair::default();
        for value in values.iter().flat_map(StringArray::iter) {
            match value {
                Some(name) => *counts.entry(name).or_default() += 1,
                None => null.reference += 1,
            }
        }
        if counts.is_empty() {
            return Err(Error::data("it has no values in the reference: leave it out, or choose another reference"));
        }
        let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
        // The most frequent first, of equals the first by name.
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let rest = counts.split_off(counts.len().min(most)).iter().map(|(_, count)| count).sum();
        let mut categories = Self {
            names: counts.iter().map(|(name, _)| (*name).to_owned()).collect(),
            reference: counts.iter().map(|(_, count)| *count).collect(),
            window: vec![0; counts.len()],
            new: BTreeMap::new(),
            most,
            null,
            rest: Pair::new(rest, 0),
            index: HashMap::new(),
        };
        categories.index_names();
        Ok(categories)
    }

    fn index_names(&mut self) {
        self.index = self.names.iter().enumerate().map(|(i, name)| (name.clone(), i)).collect();
    }

    pub(super) fn observe(&mut self, values: &StringArray) {
        for value in values {
            match value {
                None => self.null.window += 1,
                Some(name) => self.count(name, 1),
            }
        }
    }

    fn count(&mut self, name: &str, rows: u64) {
        if let Some(i) = self.index.get(name) {
            self.window[*i] += rows;
        } else if let Some(count) = self.new.get_mut(name) {
            *count += rows;
        } else if self.new.len() < self.most {
            self.new.insert(name.to_owned(), rows);
        } else {
            self.rest.window += rows;
        }
    }

    /// Adds the window of another with the same reference.
    pub(super) fn merge(&mut self, other: &Self) {
        self.window.iter_mut().zip(&other.window).for_each(|(a, b)| *a += b);
        other.new.iter().for_each(|(name, rows)| self.count(name, *rows));
        self.null.window += other.null.window;
        self.rest.window += other.rest.window;
    }

    pub(super) fn same_reference(&self, other: &Self) -> bool {
        self.names == other.names
            && self.reference == other.reference
            && self.null.reference == other.null.reference
            && self.rest.reference == other.rest.reference
    }

    pub(super) fn reset(&mut self) {
        self.window.fill(0);
        self.new.clear();
        self.null.window = 0;
        self.rest.window = 0;
    }

    /// Refuses what can't have been written by `save`, and makes the index that is not written.
    pub(super) fn check(&mut self) -> Result<()> {
        self.index_names();
        let size = self.names.len();
        let fits = self.reference.len() == size && self.window.len() == size && self.index.len() == size;
        let new = self.new.len() <= self.most && !self.new.keys().any(|name| self.index.contains_key(name));
        let sides = [self.null, self.rest].into_iter().flat_map(|pair| [pair.reference, pair.window]);
        let counts = self.reference.iter().chain(&self.window).chain(self.new.values()).copied().chain(sides);
        if fits && new && are_rows(counts) {
            Ok(())
        } else {
            Err(Error::corrupt("the counts of a category column do not fit its names"))
        }
    }

    /// Pearson's test over the categories of both sides.
    ///
    /// Where the reference has a rest, a category that seems new may have been in it, so all such
    /// are compared with the rest together.
    pub(super) fn test(&self) -> Outcome {
        let known = self.reference.iter().zip(&self.window).map(|(r, w)| Pair::new(*r, *w));
        let known = known.chain([self.null]);
        let new = || self.new.values().copied();
        if self.rest.reference > 0 {
            return pooled_test(known, Pair::new(self.rest.reference, self.rest.window + new().sum::<u64>()));
        }
        pooled_test(known.chain(new().map(|rows| Pair::new(0, rows))), self.rest)
    }

    /// The new categories, with their rows.
    pub(super) fn new_categories(&self) -> impl Iterator<Item = (&str, u64)> {
        self.new.iter().map(|(name, rows)| (name.as_str(), *rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(counts: &[(&str, usize)], most: usize) -> Categories {
        let values = StringArray::from(counts.iter().flat_map(|(name, n)| vec![*name; *n]).collect::<Vec<_>>());
        Categories::fit(&[values], most).unwrap()
    }

    #[test]
    fn a_common_new_category_is_drift_and_is_named() {
        let mut categories = fit(&[("a", 600), ("b", 400)], 10);
        categories.observe(&StringArray::from([Some("a"), Some("b"), Some("z")].repeat(50)));
        assert!(categories.test().p_value < 1e-20);
        assert_eq!(categories.new_categories().collect::<Vec<_>>(), [("z", 50)]);
    }

    #[test]
    fn counts_that_no_rows_have_are_refused() {
        let mut damaged = fit(&[("a", 6), ("b", 4)], 10);
        damaged.check().unwrap();
        damaged.new.insert("c".to_owned(), u64::MAX);
        assert!(damaged.check().is_err());
    }

    #[test]
    fn null_is_a_category() {
        let mut categories = fit(&[("a", 600), ("b", 400)], 10);
        categories.observe(&StringArray::from([Some("a"), Some("b"), None].repeat(50)));
        assert!(categories.test().p_value < 1e-20);
    }

    #[test]
    fn names_of_a_long_tail_are_no_drift() {
        // Every row has its own name, on both sides.
        let names = |from: usize, to: usize| StringArray::from_iter_values((from..to).map(|i| format!("id{i}")));
        for most in [100, 100_000] {
            let mut categories = Categories::fit(&[names(0, 5_000)], most).unwrap();
            categories.observe(&names(10_000, 11_000));
            assert!(categories.test().p_value > 0.5, "{:?}", categories.test());
            assert!(categories.new.len() <= most && categories.names.len() <= most);
        }
    }
}
