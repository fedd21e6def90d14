use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, StringBuilder};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use arrow::row::{RowConverter, SortField};
use mlops_core::{Accumulator, Result, Role, Roles, Table};
use xxhash_rust::xxh3::xxh3_128;

use super::judge::{Bound, Failed, Judge};
use super::{CheckReport, Example, Expectations, Severity, ValidationReport};

/// The column of [`Validated::quarantined`] that lists the checks that a row failed.
pub const REASONS: &str = "mlops_reasons";

/// Rows that are as expected, rows that are not, and the report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Validated {
    /// The rows that passed, in order; those with warnings too.
    pub passed: Table,
    /// The rows that were set aside, in order, with the checks that they failed in the text column
    /// [`REASONS`], separated by `; `.
    pub quarantined: Table,
    /// What every check found.
    pub report: ValidationReport,
}

impl Validated {
    /// The same, unless a check of [`Severity::Fail`] failed.
    ///
    /// # Errors
    /// As [`ValidationReport::into_result`].
    pub fn into_result(self) -> Result<Self> {
        let Self { passed, quarantined, report } = self;
        Ok(Self { passed, quarantined, report: report.into_result()? })
    }

    pub(super) fn with_roles(self, roles: &Roles) -> Self {
        let Self { passed, quarantined, report } = self;
        let reasons = Roles::new().with(REASONS, Role::Ignored);
        Self {
            passed: passed.with_roles(roles),
            quarantined: quarantined.with_roles(roles).with_roles(&reasons),
            report,
        }
    }
}

/// The fold behind [`Expectations::check`]: rows in batches, the split and the report at the end.
///
/// What is merged into it counts as the rows after its own: places of rows, and which of equal
/// values is the first, follow that order; counts do not depend on it. It holds the batches it was
/// given until it is finished, and one hash for each different value of a unique column.
#[derive(Debug)]
pub struct Validation {
    judge: Arc<Judge>,
    rows: usize,
    judged: Vec<Judged>,
    seen: Vec<Seen>,
}

/// A batch, the place of its first row, and the rows that failed, by check.
#[derive(Debug)]
pub(super) struct Judged {
    batch: RecordBatch,
    start: usize,
    failed: Vec<Failed>,
}

/// The different values of a unique column, and where each was seen first.
#[derive(Debug)]
struct Seen {
    check: usize,
    column: usize,
    first: HashMap<u128, usize, BuildHasherDefault<Hashed>>,
}

/// Takes the low half of a hash for the hash.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64(bytes);
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

impl Validation {
    /// A fold over batches of `schema`.
    ///
    /// # Errors
    /// As [`Expectations::check`].
    pub fn new(expectations: &Expectations, schema: &Schema) -> Result<Self> {
        Ok(Self::of(Arc::new(Judge::bind(expectations, schema)?)))
    }

    pub(super) fn of(judge: Arc<Judge>) -> Self {
        let seen = judge.unique().map(|(check, column)| Seen { check, column, first: HashMap::default() }).collect();
        Self { judge, rows: 0, judged: Vec::new(), seen }
    }

    /// Takes out the batches judged so far: what streams calls after each update.
    pub(super) fn drain(&mut self) -> Vec<Judged> {
        std::mem::take(&mut self.judged)
    }
}

impl Accumulator for Validation {
    type Output = Validated;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut failed = self.judge.verdict(batch)?;
        for seen in &mut self.seen {
            failed[seen.check] = seen.again(batch.column(seen.column), self.rows)?;
        }
        self.judged.push(Judged { batch: batch.clone(), start: self.rows, failed });
        self.rows += batch.num_rows();
        Ok(())
    }

    fn merge(&mut self, mut other: Self) -> Result<()> {
        for (mine, theirs) in self.seen.iter_mut().zip(other.seen) {
            let mut again = Vec::new();
            for (hash, row) in theirs.first {
                match mine.first.entry(hash) {
                    Entry::Occupied(_) => again.push(row),
                    Entry::Vacant(vacant) => {
                        vacant.insert(self.rows + row);
                    }
                }
            }
            again.sort_unstable();
            other.judged.iter_mut().for_each(|judged| judged.fail(mine.check, &again));
        }
        for mut judged in other.judged {
            judged.start += self.rows;
            self.judged.push(judged);
        }
        self.rows += other.rows;
        Ok(())
    }

    fn finish(mut self) -> Result<Validated> {
        let mut tally = Tally::new(Arc::clone(&self.judge));
        let (mut passed, mut quarantined) = (Vec::new(), Vec::new());
        for judged in self.drain() {
            let split = tally.split(&judged)?;
            passed.extend(split.passed);
            quarantined.extend(split.quarantined);
        }
        Ok(Validated {
            passed: Table::new(Arc::clone(&self.judge.schema), passed)?,
            quarantined: Table::new(Arc::clone(&self.judge.quarantine), quarantined)?,
            report: tally.report(),
        })
    }
}

impl Seen {
    /// The rows of `column` whose value was seen before; nulls are never.
    fn again(&mut self, column: &ArrayRef, start: usize) -> Result<Failed> {
        let converter = RowConverter::new(vec![SortField::new(column.data_type().clone())])?;
        let rows = converter.convert_columns(&[Arc::clone(column)])?;
        let nulls = column.logical_nulls();
        let mut any = false;
        let failed = BooleanBuffer::collect_bool(column.len(), |row| {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                return false;
            }
            match self.first.entry(xxh3_128(rows.row(row).as_ref())) {
                Entry::Occupied(_) => {
                    any = true;
                    true
                }
                Entry::Vacant(vacant) => {
                    vacant.insert(start + row);
                    false
                }
            }
        });
        Ok(any.then_some(failed))
    }
}

impl Judged {
    /// Marks those of `rows` (places, ascending) that are in this batch as failing.
    fn fail(&mut self, check: usize, rows: &[usize]) {
        let end = self.start + self.batch.num_rows();
        let mine = &rows[rows.partition_point(|row| *row < self.start)..rows.partition_point(|row| *row < end)];
        if mine.is_empty() {
            return;
        }
        let mut marks = vec![false; self.batch.num_rows()];
        mine.iter().for_each(|row| marks[row - self.start] = true);
        let marks = BooleanBuffer::from(marks);
        self.failed[check] = Some(union(self.failed[check].take(), &marks));
    }
}

/// Counts and examples over batches in order, and the rows on either side.
#[derive(Debug)]
pub(super) struct Tally {
    judge: Arc<Judge>,
    report: ValidationReport,
}

/// The rows of a batch that passed and that did not, where there are any.
pub(super) struct Split {
    pub(super) passed: Option<RecordBatch>,
    pub(super) quarantined: Option<RecordBatch>,
}

impl Tally {
    pub(super) fn new(judge: Arc<Judge>) -> Self {
        let check = |bound: &Bound| CheckReport {
            column: bound.column.as_ref().map(|(_, name)| name.clone()),
            check: bound.name.clone(),
            severity: bound.severity,
            failed: 0,
            fraction: 0.0,
            examples: Vec::new(),
        };
        let report = ValidationReport { checks: judge.checks.iter().map(check).collect(), ..Default::default() };
        Self { judge, report }
    }

    pub(super) fn split(&mut self, judged: &Judged) -> Result<Split> {
        let Judged { batch, start, failed } = judged;
        let mut out: Failed = None;
        for (index, (check, failed)) in self.report.checks.iter_mut().zip(failed).enumerate() {
            let Some(failed) = failed else { continue };
            check.failed += failed.count_set_bits();
            let wanted = CheckReport::MAX_EXAMPLES.saturating_sub(check.examples.len());
            for row in failed.set_indices().take(wanted) {
                let value = self.judge.show(index, batch, row)?;
                check.examples.push(Example { row: start + row, value });
            }
            if check.severity != Severity::Warn {
                out = Some(union(out, failed));
            }
        }
        let count = out.as_ref().map_or(0, BooleanBuffer::count_set_bits);
        self.report.rows += batch.num_rows();
        self.report.passed += batch.num_rows() - count;
        self.report.quarantined += count;
        let Some(out) = out else {
            return Ok(Split { passed: (batch.num_rows() > 0).then(|| batch.clone()), quarantined: None });
        };
        let passed = filter_record_batch(batch, &BooleanArray::new(!&out, None))?;
        let quarantined = filter_record_batch(&self.with_reasons(judged)?, &BooleanArray::new(out, None))?;
        Ok(Split { passed: (passed.num_rows() > 0).then_some(passed), quarantined: Some(quarantined) })
    }

    fn with_reasons(&self, judged: &Judged) -> Result<RecordBatch> {
        let mut columns = judged.batch.columns().to_vec();
        columns.push(Arc::new(self.reasons(judged)));
        Ok(RecordBatch::try_new(Arc::clone(&self.judge.quarantine), columns)?)
    }

    /// For every row the checks that set it aside.
    fn reasons(&self, judged: &Judged) -> StringArray {
        let checks = self.report.checks.iter().zip(&judged.failed);
        let decisive: Vec<(String, &BooleanBuffer)> = checks
            .filter(|(check, _)| check.severity != Severity::Warn)
            .filter_map(|(check, failed)| Some((check.name(), failed.as_ref()?)))
            .collect();
        let mut builder = StringBuilder::new();
        for row in 0..judged.batch.num_rows() {
            let failed = decisive.iter().filter(|(_, failed)| failed.value(row));
            let names: Vec<&str> = failed.map(|(name, _)| name.as_str()).collect();
            builder.append_value(names.join("; "));
        }
        builder.finish()
    }

    /// The error that ends a stream when a check of [`Severity::Fail`] has failed.
    pub(super) fn refuse(&self) -> Result<()> {
        let refuses = |check: &CheckReport| check.severity == Severity::Fail && !check.is_ok();
        if self.report.checks.iter().any(refuses) { self.report().into_result().map(drop) } else { Ok(()) }
    }

    pub(super) fn report(&self) -> ValidationReport {
        let mut report = self.report.clone();
        let rows = report.rows.max(1) as f64;
        report.checks.iter_mut().for_each(|check| check.fraction = check.failed as f64 / rows);
        report
    }
}

fn union(left: Failed, right: &BooleanBuffer) -> BooleanBuffer {
    match left {
        Some(left) => &left | right,
        None => right.clone(),
    }
}
