use mlops_core::random::SplitMix64;
use mlops_core::{Error, Result, Table};
use serde::{Deserialize, Serialize};

use super::assign::{at_random, by_class};
use super::hash::{hashes, uniform};
use super::k_fold::class_column;
use super::keys::{classes, groups, unpacked};
use super::span::Span;
use super::time::times;
use super::{Stratify, time};

/// Rows to learn from, to choose by, and to judge on at the end: one recipe for every way to hold rows
/// back.
///
/// The test has `test` of the rows and the validation `validation` of them, both rounded up as
/// scikit-learn does; the others are learned from. [`SplitBy`] says how they are chosen. A cut is a
/// function of the rows and the recipe alone, and rows keep their order.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::split::Split;
/// # let batch = arrow::array::record_batch!(("day", Int32, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))?;
/// let days = Table::from_batch(batch);
/// let parts = Split::test(0.2).with_validation(0.2).by_time("day").tables(&days)?;
/// assert_eq!((parts.train.num_rows(), parts.validation.num_rows(), parts.test.num_rows()), (6, 2, 2));
///
/// // The target of a day is known two days later: what is learned from is no newer than that.
/// let parts = Split::test(0.2).by_time("day").with_purge(2).rows(&days)?;
/// assert_eq!((parts.train.as_slice(), parts.test.as_slice()), ([0, 1, 2, 3, 4, 5].as_slice(), [8, 9].as_slice()));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Split {
    /// The share of the rows to judge on.
    pub test: f64,
    /// The share of the rows to choose by; 0 unless said otherwise.
    pub validation: f64,
    /// How rows are chosen.
    pub by: SplitBy,
    /// Where all randomness comes from; with [`SplitBy::Hash`], makes other parts of the same keys.
    pub seed: u64,
}

/// How [`Split`] chooses rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SplitBy {
    /// This column says it, with the texts `train`, `validation` and `test`; shares are not looked at.
    Column(String),
    /// Whole groups of this column, drawn until they hold about the asked share of the rows.
    Group(String),
    /// By a hash of the key in these columns: the side of a key never changes, whatever rows are
    /// added, and a greater test holds all keys of a smaller one. Shares are met on average over many
    /// keys, so a part may be empty.
    ///
    /// The hash is XXH3-64, seeded, over the length (64 bits, little endian) and the text of each
    /// key; a whole number, boolean or date counts as it is written. Its upper 53 bits as a number in
    /// `[0, 1)` are below `test` for the test, then below `test + validation` for the validation.
    Hash(Vec<String>),
    /// Rows are drawn alike.
    #[default]
    Random,
    /// Rows are drawn so that every class is in every part, in proportion.
    Stratified(Stratify),
    /// In order of time: the latest rows are the test, those before it the validation. Rows of the
    /// same time stay together and go to the later part.
    Time {
        /// Dates, timestamps or whole numbers.
        column: String,
        /// How long it takes until the target of a row is known: no row of a part is within this time
        /// before the next part; such rows are in none.
        #[serde(default)]
        purge: Span,
    },
}

/// Something for each of the parts that a table is cut into: rows, or tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts<T> {
    /// To learn from.
    pub train: T,
    /// To choose by.
    pub validation: T,
    /// To judge on at the end.
    pub test: T,
}

impl Default for Split {
    fn default() -> Self {
        Self { test: 0.25, validation: 0.0, by: SplitBy::Random, seed: 0 }
    }
}

impl Split {
    /// Judging on this share of the rows, drawn at random.
    pub fn test(test: f64) -> Self {
        Self { test, ..Self::default() }
    }

    /// As this column of `train`, `validation` and `test` says.
    pub fn predefined(column: impl Into<String>) -> Self {
        Self { by: SplitBy::Column(column.into()), ..Self::default() }
    }

    /// Choosing by this share of the rows.
    #[must_use]
    pub fn with_validation(mut self, validation: f64) -> Self {
        self.validation = validation;
        self
    }

    /// With other draws.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// In whole groups of this column.
    #[must_use]
    pub fn by_group(mut self, column: impl Into<String>) -> Self {
        self.by = SplitBy::Group(column.into());
        self
    }

    /// By a hash of the key in these columns, stable as data grows.
    #[must_use]
    pub fn by_hash<S: Into<String>>(mut self, key: impl IntoIterator<Item = S>) -> Self {
        self.by = SplitBy::Hash(key.into_iter().map(Into::into).collect());
        self
    }

    /// With every class of the target in every part, in proportion.
    #[must_use]
    pub fn stratified(mut self) -> Self {
        self.by = SplitBy::Stratified(Stratify::Target);
        self
    }

    /// In order of this column of times.
    #[must_use]
    pub fn by_time(mut self, column: impl Into<String>) -> Self {
        self.by = SplitBy::Time { column: column.into(), purge: Span::default() };
        self
    }

    /// Leaving out so long a time before each part; for a split [`by_time`](Self::by_time) only.
    #[must_use]
    pub fn with_purge(mut self, span: impl Into<Span>) -> Self {
        if let SplitBy::Time { purge, .. } = &mut self.by {
            *purge = span.into();
        }
        self
    }

    /// The rows of each part, ascending.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for shares that leave nothing to learn
    /// from, [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column that is missing or of
    /// another type, [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for nulls in it, or if a part
    /// that was asked for has no row (except by hash).
    pub fn rows(&self, data: &Table) -> Result<Parts<Vec<usize>>> {
        self.check_shares()?;
        let parts = match &self.by {
            SplitBy::Column(column) => by_column(data, column)?,
            SplitBy::Group(column) => self.groups(data, column)?,
            SplitBy::Hash(key) => return self.keys(data, key),
            SplitBy::Random => self.drawn(data.num_rows(), |_, rows, count, seed| Ok(at_random(rows, count, seed)))?,
            SplitBy::Stratified(Stratify::None) => {
                return Self { by: SplitBy::Random, ..self.clone() }.rows(data);
            }
            SplitBy::Stratified(stratify) => {
                let column = match stratify {
                    Stratify::Column(column) => Some(column.as_str()),
                    _ => None,
                };
                let classes = classes(data, class_column(data, column)?)?;
                self.drawn(data.num_rows(), |left, _, count, seed| {
                    let left: Vec<usize> = left.iter().map(|row| classes[*row]).collect();
                    by_class(&left, count, seed)
                })?
            }
            SplitBy::Time { column, purge } => self.timed(data, column, *purge)?,
        };
        self.check_parts(&parts, data.num_rows())?;
        Ok(parts)
    }

    /// The rows of each part as a table, with the roles of `data` and marked as its parts, so that a
    /// model fitted on one is not judged on it. Copies them.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn tables(&self, data: &Table) -> Result<Parts<Table>> {
        let Parts { train, validation, test } = self.rows(data)?;
        let how = format!("{self:?}");
        let part = |rows: &[usize], name: &str| data.take(rows).map(|rows| rows.with_part_of(data, &how, [name]));
        Ok(Parts {
            train: part(&train, "train")?,
            validation: part(&validation, "validation")?,
            test: part(&test, "test")?,
        })
    }

    fn check_shares(&self) -> Result<()> {
        let held = self.test + self.validation;
        if self.test > 0.0 && self.validation >= 0.0 && held < 1.0 {
            return Ok(());
        }
        Err(Error::config(format!(
            "test = {} and validation = {} of the rows: the test must be above 0, and both together below 1, such as \
             0.2 and 0.1",
            self.test, self.validation
        )))
    }

    /// How many rows are for validation and test.
    fn sizes(&self, rows: usize) -> Result<(usize, usize)> {
        let of = |share: f64| (share * rows as f64).ceil() as usize;
        let (validation, test) = (of(self.validation), of(self.test));
        if validation + test >= rows {
            return Err(Error::data(format!(
                "{rows} rows are too few to hold back {test} for the test and {validation} for validation: bring more \
                 rows, or hold back less"
            )));
        }
        Ok((validation, test))
    }

    fn check_parts(&self, parts: &Parts<Vec<usize>>, rows: usize) -> Result<()> {
        let missing = match parts {
            Parts { train, .. } if train.is_empty() => "to learn from",
            Parts { test, .. } if test.is_empty() => "to judge on",
            Parts { validation, .. } if validation.is_empty() && self.validation > 0.0 => "to choose by",
            _ => return Ok(()),
        };
        Err(Error::data(format!(
            "of {rows} rows there are none {missing}: bring more rows (or groups, or moments), or choose other shares"
        )))
    }

    /// `draw` marks which of so many rows, of those that are left, are *not* held back.
    fn drawn(
        &self,
        rows: usize,
        draw: impl Fn(&[usize], usize, usize, u64) -> Result<Vec<bool>>,
    ) -> Result<Parts<Vec<usize>>> {
        let (validation, test) = self.sizes(rows)?;
        let all: Vec<usize> = (0..rows).collect();
        let cut = |from: Vec<usize>, held: usize, seed: u64| -> Result<(Vec<usize>, Vec<usize>)> {
            if held == 0 {
                return Ok((from, Vec::new()));
            }
            let kept = draw(&from, from.len(), from.len() - held, seed)?;
            let (kept, held): (Vec<_>, Vec<_>) = from.into_iter().zip(kept).partition(|(_, kept)| *kept);
            let rows = |pairs: Vec<(usize, bool)>| pairs.into_iter().map(|(row, _)| row).collect();
            Ok((rows(kept), rows(held)))
        };
        let (left, test) = cut(all, test, self.seed)?;
        let (train, validation) = cut(left, validation, SplitMix64::stream(self.seed, 1).next_u64())?;
        Ok(Parts { train, validation, test })
    }

    /// Groups in random order, each to the part that lacks the greatest share of its rows.
    fn groups(&self, data: &Table, column: &str) -> Result<Parts<Vec<usize>>> {
        let groups = groups(data, column)?;
        let (validation, test) = self.sizes(groups.of_row.len())?;
        let asked = [groups.of_row.len() - validation - test, test, validation];
        let sizes = groups.sizes();
        let mut order: Vec<usize> = (0..groups.count).collect();
        SplitMix64::new(self.seed).shuffle(&mut order);
        let (mut given, mut part_of) = ([0; 3], vec![0; groups.count]);
        for group in order {
            let lacks = |part: &usize| 1.0 - given[*part] as f64 / asked[*part] as f64;
            let parts = (0..3).filter(|part| asked[*part] > 0);
            let part = parts.reduce(|best, part| if lacks(&part) > lacks(&best) { part } else { best }).unwrap_or(0);
            given[part] += sizes[group];
            part_of[group] = part;
        }
        Ok(collect(groups.of_row.iter().map(|group| part_of[*group])))
    }

    fn keys(&self, data: &Table, key: &[String]) -> Result<Parts<Vec<usize>>> {
        let part = |hash: u64| match uniform(hash) {
            x if x < self.test => 1,
            x if x < self.test + self.validation => 2,
            _ => 0,
        };
        Ok(collect(hashes(data, key, self.seed)?.into_iter().map(part)))
    }

    fn timed(&self, data: &Table, column: &str, purge: Span) -> Result<Parts<Vec<usize>>> {
        let (of_row, purge) = (times(data, column)?, purge.ticks(data, column)?);
        let (validation, test) = self.sizes(of_row.len())?;
        let start = |held: usize| i128::from(time::quantile(&of_row, of_row.len() - held));
        let of_test = start(test);
        let of_validation = if validation > 0 { start(validation + test) } else { of_test };
        let part = |time: &i64| match i128::from(*time) {
            time if time >= of_test => 1,
            time if time >= of_validation && time + purge < of_test => 2,
            time if time + purge < of_validation && time < of_validation => 0,
            _ => NOWHERE,
        };
        Ok(collect(of_row.iter().map(part)))
    }
}

/// The part of a row that is left out.
const NOWHERE: usize = 3;

/// From the part of each row: 0 to learn from, 1 to judge on, 2 to choose by.
fn collect(part_of_row: impl Iterator<Item = usize>) -> Parts<Vec<usize>> {
    let mut parts = Parts::<Vec<usize>>::default();
    for (row, part) in part_of_row.enumerate() {
        match part {
            0 => parts.train.push(row),
            1 => parts.test.push(row),
            2 => parts.validation.push(row),
            _ => {}
        }
    }
    parts
}

fn by_column(data: &Table, name: &str) -> Result<Parts<Vec<usize>>> {
    let column = mlops_core::columns::texts(&unpacked(&data.column(name)?)?, name)?;
    let part = |(row, text): (usize, Option<&str>)| match text {
        Some("train") => Ok(0),
        Some("test") => Ok(1),
        Some("validation") => Ok(2),
        other => Err(Error::data(format!(
            "column '{name}' has {} in row {}: it must say 'train', 'validation' or 'test' for every row",
            other.map_or_else(|| "a null".to_owned(), |text| format!("{text:?}")),
            row + 1
        ))),
    };
    Ok(collect(column.iter().enumerate().map(part).collect::<Result<Vec<_>>>()?.into_iter()))
}
