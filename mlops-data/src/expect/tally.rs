use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, StringArray, StringBuilder};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use mlops_core::Result;

use super::judge::{Bound, Failed, Judge, Test, Verdict};
use super::sequence::Memory;
use super::validation::Folds;
use super::whole::Finding;
use super::{CheckReport, Example, Outcome, Severity, ValidationReport};

/// Counts and examples over batches in order, and the rows on either side.
#[derive(Debug)]
pub(super) struct Tally {
    judge: Arc<Judge>,
    memories: Vec<Option<Memory>>,
    /// Why a check that seemed possible could not be made.
    problems: Vec<Option<String>>,
    report: ValidationReport,
}

/// The rows of a batch that fail.
pub(super) struct Taken {
    /// Those that are set aside.
    out: Failed,
    /// By check.
    failed: Vec<Failed>,
}

impl Tally {
    pub(super) fn new(judge: Arc<Judge>) -> Self {
        let memory = |test: &Test| if let Test::Sequence(sequence) = test { Some(Memory::of(sequence)) } else { None };
        Self {
            memories: judge.checks.iter().map(|bound| memory(&bound.test)).collect(),
            problems: vec![None; judge.checks.len()],
            report: ValidationReport { checks: judge.checks.iter().map(unjudged).collect(), ..Default::default() },
            judge,
        }
    }

    /// Takes in the next rows with what was found in each of them alone, and says which fail.
    pub(super) fn take(&mut self, batch: &RecordBatch, verdicts: Vec<Verdict>) -> Result<Taken> {
        let mut failed = Vec::with_capacity(verdicts.len());
        let mut out: Failed = None;
        for (index, verdict) in verdicts.into_iter().enumerate() {
            let rows = self.settle(index, batch, verdict)?;
            if let Some(rows) = &rows {
                self.count(index, batch, rows)?;
                if self.judge.checks[index].sets_aside() {
                    out = Some(union(out, rows));
                }
            }
            failed.push(rows);
        }
        let count = out.as_ref().map_or(0, BooleanBuffer::count_set_bits);
        self.report.rows += batch.num_rows();
        self.report.passed += batch.num_rows() - count;
        self.report.quarantined += count;
        Ok(Taken { out, failed })
    }

    /// The rows that passed, if there are any.
    pub(super) fn passed(&self, batch: &RecordBatch, taken: &Taken) -> Result<Option<RecordBatch>> {
        let passed = match &taken.out {
            Some(out) => filter_record_batch(batch, &BooleanArray::new(!out, None))?,
            None => batch.clone(),
        };
        Ok((passed.num_rows() > 0).then_some(passed))
    }

    /// The rows that are set aside with their reasons, if there are any.
    pub(super) fn quarantined(&self, batch: &RecordBatch, taken: &Taken) -> Result<Option<RecordBatch>> {
        let Some(out) = &taken.out else { return Ok(None) };
        let quarantined = filter_record_batch(batch, &BooleanArray::new(out.clone(), None))?;
        let mut columns = quarantined.columns().to_vec();
        columns.push(Arc::new(self.reasons(out, &taken.failed)));
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.judge.quarantine), columns)?))
    }

    /// The rows that fail, now that those before are known.
    fn settle(&mut self, index: usize, batch: &RecordBatch, verdict: Verdict) -> Result<Failed> {
        let bound = &self.judge.checks[index];
        let verdict = match (&bound.test, &mut self.memories[index]) {
            (Test::Sequence(sequence), Some(memory)) => memory.failed(sequence, batch, &bound.reads)?,
            _ => verdict,
        };
        Ok(verdict.unwrap_or_else(|problem| {
            self.problems[index].get_or_insert(problem);
            None
        }))
    }

    fn count(&mut self, index: usize, batch: &RecordBatch, rows: &BooleanBuffer) -> Result<()> {
        let check = &mut self.report.checks[index];
        check.failed += rows.count_set_bits();
        let wanted = CheckReport::MAX_EXAMPLES.saturating_sub(check.examples.len());
        for row in rows.set_indices().take(wanted) {
            let value = self.judge.show(index, batch, row)?;
            check.examples.push(Example { row: self.report.rows + row + 1, value });
        }
        Ok(())
    }

    /// For every row that is set aside the checks that do so.
    fn reasons(&self, out: &BooleanBuffer, failed: &[Failed]) -> StringArray {
        let checks = self.judge.checks.iter().zip(failed);
        let decisive: Vec<(String, &BooleanBuffer)> = checks
            .filter(|(bound, _)| bound.sets_aside())
            .filter_map(|(bound, failed)| Some((bound.title(), failed.as_ref()?)))
            .collect();
        let mut builder = StringBuilder::new();
        for row in out.set_indices() {
            let failed = decisive.iter().filter(|(_, failed)| failed.value(row));
            let names: Vec<&str> = failed.map(|(name, _)| name.as_str()).collect();
            builder.append_value(names.join("; "));
        }
        builder.finish()
    }

    /// Whether a row has failed a check that refuses the data.
    pub(super) fn has_refused(&self) -> bool {
        let failed = |(bound, check): (&Bound, &CheckReport)| check.failed > 0 && bound.sets_aside();
        let checks = self.judge.checks.iter().zip(&self.report.checks);
        let problems = self.judge.checks.iter().zip(&self.problems);
        checks.filter(|(bound, _)| bound.severity == Severity::Fail).any(failed)
            || problems.into_iter().any(|(bound, problem)| problem.is_some() && bound.severity != Severity::Warn)
    }

    pub(super) fn report(&self, folds: &Folds) -> ValidationReport {
        let mut report = self.report.clone();
        let rows = report.rows;
        for (index, check) in report.checks.iter_mut().enumerate() {
            if self.problems[index].is_some() {
                (check.failed, check.examples) = (0, Vec::new());
            }
            check.fraction = check.failed as f64 / rows.max(1) as f64;
            (check.outcome, check.found) = self.outcome(index, check, rows, folds);
        }
        report
    }

    fn outcome(&self, index: usize, check: &CheckReport, rows: usize, folds: &Folds) -> (Outcome, Option<String>) {
        let bound = &self.judge.checks[index];
        let judged = |passed: bool| if passed { Outcome::Passed } else { Outcome::Failed };
        if let Some(problem) = &self.problems[index] {
            return (Outcome::Impossible, Some(problem.clone()));
        }
        match (&bound.test, folds.at(index)) {
            (Test::Failed(reason), _) => (Outcome::Failed, Some(reason.clone())),
            (Test::Given(remark), _) => (Outcome::Passed, remark.clone()),
            (Test::Impossible(reason), _) => (Outcome::Impossible, Some(reason.clone())),
            (Test::RowCount(range), _) => (judged(range.contains(rows as f64)), Some(format!("{rows} rows"))),
            (Test::Whole(whole), Some(fold)) => {
                let Finding { passed, found } = fold.finding(whole);
                (judged(passed), Some(found))
            }
            _ => (judged(check.fraction <= bound.tolerance.unwrap_or(0.0)), None),
        }
    }
}

fn unjudged(bound: &Bound) -> CheckReport {
    CheckReport {
        column: bound.column.clone(),
        check: bound.name.clone(),
        severity: bound.severity,
        outcome: Outcome::Passed,
        found: None,
        failed: 0,
        fraction: 0.0,
        examples: Vec::new(),
    }
}

fn union(left: Failed, right: &BooleanBuffer) -> BooleanBuffer {
    match left {
        Some(left) => &left | right,
        None => right.clone(),
    }
}
