//! Features as numbers of bins.

use std::collections::BTreeMap;

use mlops_core::{Error, Result, Run};
use rayon::prelude::*;

use super::edges::{bin_of, edges, sample};
use crate::trees::{CodeSet, Test};

/// The bin of missing values, and of categories too rare for one of their own.
pub(super) const MISSING: usize = 255;
/// Features whose bins of a row are neighbours.
pub(super) const LANES: usize = 8;
/// Codes of categories are below this.
const MAX_CODE: f64 = 65_536.0;

/// How one feature is cut.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bins {
    /// By the code of each bin, the most frequent first.
    Codes {
        codes: Vec<u32>,
        /// Those that share the bin of the missing, ascending.
        rare: Vec<u32>,
    },
    /// By the greatest number of each bin but the last, ascending.
    Edges(Vec<f64>),
}

/// The training rows as bins: features in groups of up to eight, so that one load brings the bins of
/// eight features of a row.
#[derive(Debug)]
pub(crate) struct Binned {
    rows: usize,
    features: Vec<Bins>,
    /// Whether a row has the bin of the missing.
    missing: Vec<bool>,
    /// Features in a group; the last may have fewer.
    lanes: usize,
    groups: Vec<Vec<[u8; LANES]>>,
}

impl Bins {
    /// How many bins there are, without that of the missing.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Codes { codes, .. } => codes.len(),
            Self::Edges(edges) => edges.len() + 1,
        }
    }

    /// The test of going left with bins up to `bin`; with the last of them, every number does.
    pub(super) fn at_most(&self, bin: usize) -> Test {
        let Self::Edges(edges) = self else { return self.one_of(&[bin], false) };
        Test::AtMost(edges.get(bin).copied().unwrap_or(f64::INFINITY))
    }

    /// The test of going left with these bins.
    pub(super) fn one_of(&self, bins: &[usize], missing_left: bool) -> Test {
        let Self::Codes { codes, rare } = self else { return self.at_most(bins.first().copied().unwrap_or(0)) };
        let rare = if missing_left { rare.as_slice() } else { &[] };
        let codes = bins.iter().map(|bin| codes[*bin]).chain(rare.iter().copied());
        Test::In { codes: codes.collect::<CodeSet>(), unknown_left: missing_left }
    }

    fn of_numbers(column: &[f64], max_bins: usize) -> Self {
        Self::Edges(edges(column, max_bins))
    }

    fn of_codes(column: &[f64], max_bins: usize) -> Self {
        let mut counts = BTreeMap::new();
        column.iter().for_each(|x| *counts.entry(*x as u32).or_insert(0usize) += 1);
        let mut codes: Vec<(u32, usize)> = counts.into_iter().collect();
        codes.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
        let mut rare: Vec<u32> = codes.split_off(max_bins.min(codes.len())).iter().map(|(code, _)| *code).collect();
        rare.sort_unstable();
        Self::Codes { codes: codes.into_iter().map(|(code, _)| code).collect(), rare }
    }
}

impl Binned {
    /// Cuts the features of a row-major matrix; those that are `categorical` are codes, the others
    /// numbers. Edges are found from at most 200,000 rows. Takes one copy of a column a thread, and
    /// a byte a value.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for a category that is no whole number from 0
    /// to 65,535; it names the column by `names`.
    /// [`ErrorKind::Cancelled`](mlops_core::ErrorKind::Cancelled) between two columns.
    pub(crate) fn new(
        matrix: &[f64],
        names: &[&str],
        categorical: &[bool],
        max_bins: usize,
        run: &Run,
    ) -> Result<Self> {
        let width = names.len();
        let rows = matrix.len() / width;
        let sampled = sample(rows, run.seed);
        let cut = |feature: usize| {
            run.check()?;
            if categorical[feature] {
                check_codes(matrix, width, feature, names[feature])?;
                let column = (0..rows).map(|row| matrix[row * width + feature]).filter(|x| !x.is_nan());
                return Ok(Bins::of_codes(&column.collect::<Vec<_>>(), max_bins));
            }
            let column = sampled.iter().map(|row| matrix[row * width + feature]).filter(|x| !x.is_nan());
            Ok(Bins::of_numbers(&column.collect::<Vec<_>>(), max_bins))
        };
        let features = (0..width).into_par_iter().map(cut).collect::<Result<Vec<_>>>()?;
        let lanes = width.div_ceil(width.div_ceil(LANES));
        let groups: Vec<Vec<[u8; LANES]>> = (0..width.div_ceil(lanes))
            .into_par_iter()
            .map(|group| {
                run.check()?;
                Ok(fill(matrix, width, &features, group * lanes..((group + 1) * lanes).min(width)))
            })
            .collect::<Result<_>>()?;
        let mut binned = Self { rows, features, missing: vec![false; width], lanes, groups };
        let missing = (0..width).into_par_iter().map(|feature| {
            let (group, lane) = binned.place(feature);
            group.iter().any(|bins| usize::from(bins[lane]) == MISSING)
        });
        binned.missing = missing.collect();
        Ok(binned)
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn width(&self) -> usize {
        self.features.len()
    }

    pub(super) fn bins(&self, feature: usize) -> &Bins {
        &self.features[feature]
    }

    /// Whether a row lacks a feature.
    #[cfg(test)]
    pub(super) fn has_missing(&self, feature: usize) -> bool {
        self.missing[feature]
    }

    /// Groups of neighbouring features, and how many are in each but the last.
    pub(super) fn groups(&self) -> (&[Vec<[u8; LANES]>], usize) {
        (&self.groups, self.lanes)
    }

    /// The group that a feature is in, and where.
    pub(super) fn place(&self, feature: usize) -> (&[[u8; LANES]], usize) {
        (&self.groups[feature / self.lanes], feature % self.lanes)
    }
}

fn fill(matrix: &[f64], width: usize, features: &[Bins], group: std::ops::Range<usize>) -> Vec<[u8; LANES]> {
    let tables: Vec<Option<Vec<u8>>> = features[group.clone()].iter().map(code_table).collect();
    let bins = |row: &[f64]| {
        let mut bins = [0; LANES];
        for (lane, (x, feature)) in row[group.clone()].iter().zip(&features[group.clone()]).enumerate() {
            bins[lane] = match (feature, &tables[lane]) {
                _ if x.is_nan() => MISSING as u8,
                (_, Some(table)) => table[*x as usize],
                (Bins::Edges(edges), _) => bin_of(edges, *x),
                (Bins::Codes { .. }, None) => MISSING as u8,
            };
        }
        bins
    };
    matrix.chunks_exact(width).map(bins).collect()
}

/// The bin of each code.
fn code_table(bins: &Bins) -> Option<Vec<u8>> {
    let Bins::Codes { codes, rare } = bins else { return None };
    let greatest = codes.iter().chain(rare).max().map_or(0, |code| *code as usize);
    let mut table = vec![MISSING as u8; greatest + 1];
    codes.iter().enumerate().for_each(|(bin, code)| table[*code as usize] = bin as u8);
    Some(table)
}

fn check_codes(matrix: &[f64], width: usize, feature: usize, name: &str) -> Result<()> {
    let column = matrix.iter().skip(feature).step_by(width);
    let is_code = |x: &f64| x.is_nan() || (*x >= 0.0 && *x < MAX_CODE && x.fract() == 0.0);
    let Some((row, x)) = column.enumerate().find(|(_, x)| !is_code(x)) else { return Ok(()) };
    Err(Error::data(format!(
        "categorical feature '{name}' is {x} in row {}: categories are whole numbers from 0 to 65,535, as an \
         OrdinalEncoder makes them",
        row + 1
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_cut() {
        let nan = f64::NAN;
        let matrix = [1.0, 7.0, 2.0, 3.0, nan, 7.0, 3.0, 3.0];
        let binned = Binned::new(&matrix, &["x", "c"], &[false, true], 255, &Run::default()).unwrap();
        assert_eq!(binned.rows(), 4);
        assert_eq!(*binned.bins(0), Bins::Edges(vec![1.5, 2.5]));
        assert_eq!(*binned.bins(1), Bins::Codes { codes: vec![3, 7], rare: vec![] });
        let (group, lane) = binned.place(1);
        assert_eq!(group.iter().map(|bins| bins[lane]).collect::<Vec<_>>(), [1, 0, 1, 0]);
        assert_eq!(group.iter().map(|bins| bins[0]).collect::<Vec<_>>(), [0, 1, 255, 2]);
        assert_eq!([binned.has_missing(0), binned.has_missing(1)], [true, false]);
        assert_eq!(binned.bins(0).at_most(2), Test::AtMost(f64::INFINITY));
    }

    #[test]
    fn rare_categories_go_with_the_missing() {
        let bins = Bins::of_codes(&[5.0, 1.0, 5.0, 9.0, 9.0, 40.0], 2);
        assert_eq!(bins, Bins::Codes { codes: vec![5, 9], rare: vec![1, 40] });
        let codes = [1, 40, 9].into_iter().collect();
        assert_eq!(bins.one_of(&[1], true), Test::In { codes, unknown_left: true });
    }

    #[test]
    fn what_is_no_category_is_named() {
        for wrong in [-1.0, 0.5, 65_536.0, f64::INFINITY] {
            let error = Binned::new(&[1.0, wrong], &["dest"], &[true], 255, &Run::default()).unwrap_err();
            assert!(error.message().contains("'dest'") && error.message().contains("row 2"), "{error}");
        }
    }
}
