use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Which rows a table holds, or which rows something was fitted on: names of parts of data, such as
/// `93a1…/train_test_split(0.8, 42):0`.
///
/// A table that was cut names its parts by what was cut and how; any other table is named after its
/// content ([`Table::provenance`](crate::Table::provenance)). Two provenances overlap if a part of one
/// is a part of the other or lies within it. That is how an evaluation can refuse
/// ([`ErrorKind::Leak`](crate::ErrorKind::Leak)) to judge a model on rows that it, or the preparation
/// in front of it, was fitted on.
///
/// What it does not find: rows chosen by hand (`filter`, `take`) are named after their content, and
/// parts of two different cuts of the same rows are taken to have none in common.
///
/// # Example
/// ```
/// use mlops_core::Table;
///
/// let all = Table::from_batch(arrow::array::record_batch!(("n", Int64, [1, 2, 3, 4]))?);
/// let train = all.take(&[0, 1, 2])?.with_part_of(&all, "by hand", [0]);
/// let test = all.take(&[3])?.with_part_of(&all, "by hand", [1]);
/// assert!(train.provenance().overlap(&test.provenance()).is_none());
/// assert!(all.provenance().overlap(&test.provenance()).is_some());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Provenance(BTreeSet<String>);

impl Provenance {
    pub(crate) fn of(part: String) -> Self {
        Self(BTreeSet::from([part]))
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts, in order of their names.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Adds the parts of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// A part that both have, if there is one.
    pub fn overlap<'a>(&'a self, other: &'a Self) -> Option<&'a str> {
        let meet = |a: &'a str, b: &'a str| {
            let (outer, inner) = if a.len() <= b.len() { (a, b) } else { (b, a) };
            let rest = inner.strip_prefix(outer)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(inner)
        };
        self.parts().find_map(|a| other.parts().find_map(|b| meet(a, b)))
    }

    /// Every part as `split:part` of it, for each of `parts`.
    pub(crate) fn cut(&self, split: &str, parts: impl IntoIterator<Item = impl fmt::Display>) -> Self {
        // A slash would look like a part of a part.
        let split = split.replace('/', "|");
        let within = |part| self.0.iter().map(|whole| format!("{whole}/{split}:{part}")).collect::<Vec<_>>();
        Self(parts.into_iter().flat_map(within).collect())
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.parts().enumerate() {
            write!(f, "{}{part}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_overlaps_what_it_lies_within() {
        let whole = Provenance::of("a".to_owned());
        let train = whole.cut("half", [0]);
        let fold = train.cut("k/fold", [1, 2]);
        assert_eq!(whole.overlap(&train), Some("a/half:0"));
        assert_eq!(fold.overlap(&whole), Some("a/half:0/k|fold:1"));
        assert_eq!(train.overlap(&whole.cut("half", [1])), None);
        assert_eq!(fold.overlap(&train.cut("k/fold", [0])), None);
        assert_eq!(fold.overlap(&train.cut("k/fold", [2])), Some("a/half:0/k|fold:2"));
        assert_eq!(Provenance::of("ab".to_owned()).overlap(&whole), None);
        assert_eq!(Provenance::default().overlap(&whole), None);
    }
}
