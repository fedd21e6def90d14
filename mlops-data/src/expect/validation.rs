use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use mlops_core::{Accumulator, Result, Role, Roles, Table};

use super::judge::{Judge, Test, Verdict};
use super::tally::{Taken, Tally};
use super::whole::Fold;
use super::{Expectations, ValidationReport};

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
    /// The same, unless the data are refused: a check of [`Severity::Fail`](super::Severity::Fail)
    /// failed, or one that is more than a warning could not be made.
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
/// values is the first, follow that order; what is found of whole columns does not depend on it. It
/// holds the batches it was given until it is finished. For rows that come in order and need not be
/// held, there is [`Screening`].
#[derive(Debug)]
pub struct Validation {
    judge: Arc<Judge>,
    judged: Vec<Judged>,
    folds: Folds,
}

/// A batch, and what each check of single rows found in it.
#[derive(Debug)]
struct Judged {
    batch: RecordBatch,
    verdicts: Vec<Verdict>,
}

/// What is known of whole columns so far, by check.
#[derive(Debug)]
pub(super) struct Folds(Vec<Option<Fold>>);

impl Folds {
    pub(super) fn of(judge: &Judge) -> Self {
        let fold = |test: &Test| if let Test::Whole(whole) = test { Some(Fold::of(whole)) } else { None };
        Self(judge.checks.iter().map(|bound| fold(&bound.test)).collect())
    }

    pub(super) fn update(&mut self, judge: &Judge, batch: &RecordBatch) -> Result<()> {
        for (fold, bound) in self.0.iter_mut().zip(&judge.checks) {
            if let (Some(fold), Test::Whole(whole), Some(column)) = (fold, &bound.test, bound.reads.first()) {
                fold.update(whole, batch, *column)?;
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                mine.merge(theirs);
            }
        }
    }

    pub(super) fn at(&self, check: usize) -> Option<&Fold> {
        self.0[check].as_ref()
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
        Self { folds: Folds::of(&judge), judge, judged: Vec::new() }
    }
}

impl Accumulator for Validation {
    type Output = Validated;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let verdicts = self.judge.verdicts(batch)?;
        self.folds.update(&self.judge, batch)?;
        self.judged.push(Judged { batch: batch.clone(), verdicts });
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.judged.extend(other.judged);
        self.folds.merge(&other.folds);
        Ok(())
    }

    fn finish(self) -> Result<Validated> {
        let mut tally = Tally::new(Arc::clone(&self.judge));
        let problems = problems(&self.judged, self.judge.checks.len());
        let (mut passed, mut quarantined) = (Vec::new(), Vec::new());
        for Judged { batch, mut verdicts } in self.judged {
            for (verdict, problem) in verdicts.iter_mut().zip(&problems) {
                if let Some(problem) = problem {
                    *verdict = Err(problem.clone());
                }
            }
            let taken = tally.take(&batch, verdicts)?;
            passed.extend(tally.passed(&batch, &taken)?);
            quarantined.extend(tally.quarantined(&batch, &taken)?);
        }
        Ok(Validated {
            passed: Table::new(Arc::clone(&self.judge.schema), passed)?,
            quarantined: Table::new(Arc::clone(&self.judge.quarantine), quarantined)?,
            report: tally.report(&self.folds),
        })
    }
}

/// By check, why it could not be made on some rows: it then sets none aside, whichever batch they were
/// in.
fn problems(judged: &[Judged], checks: usize) -> Vec<Option<String>> {
    let problem = |check: usize| judged.iter().find_map(|judged| judged.verdicts[check].as_ref().err().cloned());
    (0..checks).map(problem).collect()
}

/// Checks batches in order as they come, and lets go of them: for data larger than memory. All checks
/// share the one pass.
///
/// What it finds is what [`Expectations::check`] does, but for a rule that can't be computed for some
/// row, as where a sum overflows: rows that failed it before that one were set aside already.
///
/// # Cost
/// Memory does not grow with the rows, but for [`MAX_SEEN`](super::MAX_SEEN).
///
/// # Example
/// ```
/// use mlops_data::expect::{Column, Expectations, Screening};
/// # let batch = arrow::array::record_batch!(("minutes", Float64, [12.0, -3.0]))?;
/// # let batches = [batch.clone(), batch.clone()];
/// # let schema = batch.schema();
///
/// let expectations = Expectations::new([Column::number("minutes").within(0.0..)]);
/// let mut screening = Screening::new(&expectations, &schema)?;
/// for batch in &batches {
///     let screened = screening.pass(batch)?;
///     assert_eq!(screened.quarantined.map(|rows| rows.num_rows()), Some(1));
/// }
/// assert_eq!(screening.finish().quarantined, 2);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Screening {
    judge: Arc<Judge>,
    folds: Folds,
    tally: Tally,
}

/// The rows of a batch that passed and those that did not, where there are any.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Screened {
    /// The rows that passed, those with warnings too.
    pub passed: Option<RecordBatch>,
    /// The rows that were set aside, with their reasons in the column [`REASONS`].
    pub quarantined: Option<RecordBatch>,
}

impl Screening {
    /// Checks batches of `schema`.
    ///
    /// # Errors
    /// As [`Expectations::check`].
    pub fn new(expectations: &Expectations, schema: &Schema) -> Result<Self> {
        Self::part(expectations, schema, schema)
    }

    /// Checks batches of `schema`, which is what is read of `whole`.
    pub(super) fn part(expectations: &Expectations, schema: &Schema, whole: &Schema) -> Result<Self> {
        let judge = Arc::new(Judge::bind_part(expectations, schema, whole)?);
        Ok(Self { folds: Folds::of(&judge), tally: Tally::new(Arc::clone(&judge)), judge })
    }

    /// The schema of the rows that are set aside.
    pub fn quarantine_schema(&self) -> arrow::datatypes::SchemaRef {
        Arc::clone(&self.judge.quarantine)
    }

    /// Checks the next rows.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a batch of another schema.
    pub fn pass(&mut self, batch: &RecordBatch) -> Result<Screened> {
        let taken = self.take(batch)?;
        let (passed, quarantined) = (self.tally.passed(batch, &taken)?, self.tally.quarantined(batch, &taken)?);
        Ok(Screened { passed, quarantined })
    }

    /// As [`pass`](Self::pass), but gives the rows that passed alone.
    pub(super) fn passed(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let taken = self.take(batch)?;
        self.tally.passed(batch, &taken)
    }

    /// Checks the next rows and only remembers what was found.
    ///
    /// # Errors
    /// As [`pass`](Self::pass).
    pub fn look(&mut self, batch: &RecordBatch) -> Result<()> {
        self.take(batch).map(drop)
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<Taken> {
        let verdicts = self.judge.verdicts(batch)?;
        self.folds.update(&self.judge, batch)?;
        self.tally.take(batch, verdicts)
    }

    /// What was found in the rows so far; checks of the whole take them for all.
    pub fn report(&self) -> ValidationReport {
        self.tally.report(&self.folds)
    }

    /// What was found.
    pub fn finish(self) -> ValidationReport {
        self.report()
    }

    /// The error that ends a stream when a row has failed a check of
    /// [`Severity::Fail`](super::Severity::Fail).
    pub(super) fn refuse_rows(&self) -> Result<()> {
        if self.tally.has_refused() { self.report().into_result().map(drop) } else { Ok(()) }
    }
}
