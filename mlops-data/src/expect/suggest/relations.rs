use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use mlops_core::{Result, Table};

use super::rounded;
use crate::expect::hash::Keys;
use crate::expect::{Distribution, Drift, Expectations, Measure};

/// What holds between the columns of rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Relations {
    /// Whether no row comes twice.
    all_differ: bool,
    /// Which columns tell which.
    dependencies: Vec<(Vec<String>, String)>,
    /// At which hours of the day columns of times lie.
    hours: Vec<(String, Drift)>,
}

/// So many rows are looked at.
const ROWS: usize = 50_000;
/// Pairs of so many columns are looked at.
const COLUMNS: usize = 24;
/// What holds between so few rows of a group each says little.
const ROWS_A_GROUP: usize = 10;
/// More would be no help to who edits them.
const MOST: usize = 20;

/// A column with its values numbered from 0 in order of their first row.
struct Numbered {
    name: String,
    ids: Vec<u32>,
    count: usize,
    /// Whether it may tell others: equal floats are equal by chance.
    tells: bool,
}

const NULL: u32 = u32::MAX;

impl Relations {
    pub(super) fn of(table: &Table) -> Result<Self> {
        let whole = table.to_batch()?;
        let batch = whole.slice(0, whole.num_rows().min(ROWS));
        let fields = batch.schema();
        let mut columns = Vec::new();
        for (field, column) in fields.fields().iter().zip(batch.columns()) {
            if !field.data_type().is_nested() {
                columns.push(Numbered::of(field.name(), column)?);
            }
        }
        columns.retain(|column| column.count > 1);
        let mut dependencies = singles(&columns);
        pairs(&columns, &mut dependencies);
        dependencies.truncate(MOST);
        let name = |i: &usize| columns[*i].name.clone();
        Ok(Self {
            all_differ: all_differ(whole.columns())?,
            dependencies: dependencies.iter().map(|(from, to)| (from.iter().map(name).collect(), name(to))).collect(),
            hours: hours(&whole),
        })
    }

    pub(super) fn add_to(&self, draft: &mut Expectations) {
        let mut more = std::mem::take(draft);
        if self.all_differ {
            more = more.key(Vec::<String>::new());
        }
        for (from, to) in &self.dependencies {
            more = more.dependency(from.clone(), to.clone());
        }
        for (name, drift) in &self.hours {
            for column in more.columns.iter_mut().filter(|column| column.name == *name) {
                *column = column.clone().drift(drift.clone()).or_fail();
            }
        }
        *draft = more;
    }
}

fn all_differ(columns: &[ArrayRef]) -> Result<bool> {
    if columns.is_empty() || columns.iter().any(|column| column.data_type().is_nested()) {
        return Ok(false);
    }
    let mut keys = Keys::together(columns)?.wide();
    keys.sort_unstable();
    Ok(keys.len() > 1 && keys.windows(2).all(|pair| pair[0] != pair[1]))
}

/// At which hours the times of each column lie, with a limit of twice what an eighth of the rows was
/// away from all of them.
fn hours(rows: &RecordBatch) -> Vec<(String, Drift)> {
    const PARTS: usize = 8;
    const LEAST: f64 = 0.15;
    const TOO_FAR: f64 = 0.5;
    let limited = |column: &ArrayRef| {
        let whole = Distribution::hours_of(column)?.rounded();
        let length = column.len() / PARTS;
        let parts = (0..PARTS).filter_map(|part| Distribution::hours_of(&column.slice(part * length, length)));
        let away = parts.map(|part| Measure::Ks.distance(whole.shares(), part.shares())).fold(0.0, f64::max);
        let limit = rounded(f64::max(2.0 * away, LEAST));
        (length > 0 && limit <= TOO_FAR).then(|| Drift::new(Measure::Ks, limit, whole))
    };
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns());
    columns.filter_map(|(field, column)| Some((field.name().clone(), limited(column)?))).collect()
}

impl Numbered {
    fn of(name: &str, column: &ArrayRef) -> Result<Self> {
        let nulls = column.logical_nulls();
        let mut numbers: HashMap<u128, u32> = HashMap::new();
        let number = |(row, key): (usize, u128)| {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                return NULL;
            }
            let next = numbers.len() as u32;
            *numbers.entry(key).or_insert(next)
        };
        let ids = Keys::of(column)?.wide().into_iter().enumerate().map(number).collect();
        let tells = !column.data_type().is_floating() && !matches!(column.data_type(), DataType::Null);
        Ok(Self { name: name.to_owned(), ids, count: numbers.len(), tells })
    }

    fn may_tell(&self) -> bool {
        self.tells && self.count * ROWS_A_GROUP <= self.ids.len()
    }
}

type Dependencies = Vec<(Vec<usize>, usize)>;

/// Columns that follow from one other.
fn singles(columns: &[Numbered]) -> Dependencies {
    let mut found = Vec::new();
    for (a, from) in columns.iter().enumerate().filter(|(_, column)| column.may_tell()) {
        for (b, to) in columns.iter().enumerate().filter(|(b, to)| *b != a && to.count <= from.count) {
            if holds(&from.ids, from.count, &to.ids) {
                found.push((vec![a], b));
            }
        }
    }
    found
}

/// Columns that follow from two others, but from neither alone.
fn pairs(columns: &[Numbered], found: &mut Dependencies) {
    let follows = |found: &Dependencies, a: usize, b: usize| found.iter().any(|(from, to)| from[..] == [a] && *to == b);
    let singles = found.clone();
    for a in (0..columns.len().min(COLUMNS)).filter(|a| columns[*a].may_tell()) {
        for b in (a + 1..columns.len().min(COLUMNS)).filter(|b| columns[*b].may_tell()) {
            // One that follows from the other adds nothing to it.
            if follows(&singles, a, b) || follows(&singles, b, a) {
                continue;
            }
            let Some((ids, count)) = together(&columns[a], &columns[b]) else { continue };
            if count * ROWS_A_GROUP > ids.len() {
                continue;
            }
            for c in (0..columns.len()).filter(|c| *c != a && *c != b) {
                let alone = follows(&singles, a, c) || follows(&singles, b, c);
                if !alone && columns[c].count <= count && holds(&ids, count, &columns[c].ids) {
                    found.push((vec![a, b], c));
                }
            }
        }
    }
}

/// The values of both numbered together; `None` if there are too many combinations to say much.
fn together(a: &Numbered, b: &Numbered) -> Option<(Vec<u32>, usize)> {
    const MOST: usize = 1 << 22;
    let mut numbers = vec![NULL; a.count.checked_mul(b.count).filter(|all| *all <= MOST)?];
    let mut count = 0;
    let number = |(left, right): (&u32, &u32)| {
        if *left == NULL || *right == NULL {
            return NULL;
        }
        let number = &mut numbers[*left as usize * b.count + *right as usize];
        if *number == NULL {
            *number = count;
            count += 1;
        }
        *number
    };
    let ids = a.ids.iter().zip(&b.ids).map(number).collect();
    Some((ids, count as usize))
}

/// Whether rows that agree in `from` agree in `to`.
fn holds(from: &[u32], count: usize, to: &[u32]) -> bool {
    let mut told = vec![NULL; count];
    from.iter().zip(to).filter(|(from, to)| **from != NULL && **to != NULL).all(|(from, to)| {
        let told = &mut told[*from as usize];
        if *told == NULL {
            *told = *to;
        }
        *told == *to
    })
}
