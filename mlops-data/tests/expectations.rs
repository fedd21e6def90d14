//! What checks find, what they do to rows, and what they refuse to pretend.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int64Array, NullArray, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt64Array, record_batch,
};
use arrow::datatypes::{Int32Type, Int64Type};
use futures::TryStreamExt;
use mlops_core::{Accumulator, DataSource, DataSourceExt, Error, ErrorKind, Result, Role, Scan, Table, col, lit};
use mlops_data::expect::{CheckReport, Distribution, Drift, Extra, Measure, Outcome, Period, REASONS, Validation};
use mlops_data::{Column, Expectations, ExpectingExt, MemorySource, Severity, ValidationReport};
use proptest::prelude::*;

fn table(columns: impl IntoIterator<Item = (&'static str, ArrayRef)>) -> Table {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
}

/// The rows of a single column that fail its checks.
fn failing(column: Column, values: impl Array + 'static) -> Vec<usize> {
    let rows = Int64Array::from_iter_values(0..values.len() as i64);
    let data = table([("x", Arc::new(values) as ArrayRef), ("row", Arc::new(rows))]);
    let validated = Expectations::new([column]).check(&data).unwrap();
    let rows = validated.quarantined.column("row").unwrap();
    rows.as_primitive::<Int64Type>().values().iter().map(|row| *row as usize).collect()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, says: &[&str]) {
    let error = result.expect_err("it was not refused");
    assert_eq!(error.kind(), kind, "{error:?}");
    for text in says {
        assert!(error.to_string().contains(text), "'{text}' is not in: {error}");
    }
}

mod checks {
    use super::*;

    const NUMBERS: [Option<f64>; 7] =
        [Some(0.0), Some(5.0), Some(-0.1), None, Some(f64::NAN), Some(f64::INFINITY), Some(5.1)];

    #[test]
    fn numbers() {
        let numbers = || Float64Array::from(NUMBERS.to_vec());
        assert_eq!(failing(Column::number("x").within(0.0..=5.0), numbers()), [2, 4, 5, 6]);
        assert_eq!(failing(Column::number("x").within(0.0..5.0), numbers()), [1, 2, 4, 5, 6]);
        assert_eq!(failing(Column::number("x").within(0.0..), numbers()), [2, 4]);
        assert_eq!(failing(Column::number("x").finite(), numbers()), [4, 5]);
        assert_eq!(failing(Column::number("x").never_null(), numbers()), [3]);
        assert_eq!(failing(Column::number("x").one_of([0.0, 5.1]), numbers()), [1, 2, 4, 5]);
        assert_eq!(failing(Column::category("x").one_of([1, 3]), Int64Array::from(vec![1, 2, 3])), [1]);
    }

    #[test]
    fn texts() {
        let texts = || StringArray::from(vec![Some("EWR"), Some("ewr"), None, Some(""), Some("Zürich")]);
        assert_eq!(failing(Column::category("x").one_of(["EWR", "JFK"]), texts()), [1, 3, 4]);
        assert_eq!(failing(Column::text("x").matches("^[A-Z]+$"), texts()), [1, 3, 4]);
        assert_eq!(failing(Column::text("x").length(1..=3), texts()), [3, 4]);
        assert_eq!(failing(Column::text("x").length(..=6), texts()), Vec::<usize>::new());
        let dictionary: DictionaryArray<Int32Type> = [Some("a"), None, Some("b"), Some("a")].into_iter().collect();
        assert_eq!(failing(Column::category("x").one_of(["a"]).never_null(), dictionary.clone()), [1, 2]);
        assert_eq!(failing(Column::category("x").unique(), dictionary), [3]);
    }

    #[test]
    fn booleans_and_columns_of_nothing() {
        let flags = BooleanArray::from(vec![Some(true), Some(false), None]);
        assert_eq!(failing(Column::boolean("x").one_of([true]), flags), [1]);
        assert_eq!(failing(Column::number("x").within(0.0..1.0), NullArray::new(2)), Vec::<usize>::new());
        assert_eq!(failing(Column::text("x").matches("a").never_null(), NullArray::new(2)), [0, 1]);
    }

    #[test]
    fn only_the_first_of_equal_values_is_unique() {
        let column = || Column::any("x").unique();
        assert_eq!(failing(column(), Int64Array::from(vec![Some(1), Some(2), Some(1), None, None, Some(1)])), [2, 5]);
        let beyond_f64 = UInt64Array::from(vec![u64::MAX, u64::MAX - 1, u64::MAX]);
        assert_eq!(failing(column(), beyond_f64), [2]);
        assert_eq!(failing(column(), StringArray::from(vec!["", "a", ""])), [2]);
    }

    #[test]
    fn rules_over_rows() {
        let data = table([
            ("dep", Arc::new(Int64Array::from(vec![Some(5), Some(6), None])) as ArrayRef),
            ("arr", Arc::new(Int64Array::from(vec![8, 4, 9]))),
        ]);
        let expected = Expectations::default().row("arr after dep", col("arr").gt_eq(col("dep")));
        let validated = expected.check(&data).unwrap();
        assert_eq!(validated.report.checks[0].failed, 1);
        assert_eq!(validated.report.checks[0].examples[0].to_string(), "row 2: arr = 4, dep = 6");
        assert_eq!(validated.passed.num_rows(), 2);
    }
}

mod outcome {
    use super::*;

    fn trips() -> Table {
        table([
            ("origin", Arc::new(StringArray::from(vec!["EWR", "LAX", "JFK", "XXX"])) as ArrayRef),
            ("minutes", Arc::new(Float64Array::from(vec![Some(10.0), Some(-1.0), None, Some(20.0)]))),
        ])
        .with_role("minutes", Role::Target)
        .unwrap()
    }

    fn expected() -> Expectations {
        Expectations::new([
            Column::category("origin").one_of(["EWR", "JFK", "LGA"]),
            Column::number("minutes").within(0.0..=600.0).never_null().or_warn(),
        ])
    }

    #[test]
    fn rows_are_split_with_their_reasons_and_roles() {
        let columns =
            [Column::category("origin").one_of(["EWR", "JFK"]), Column::number("minutes").within(0.0..).or_fail()];
        let validated = Expectations::new(columns).check(&trips()).unwrap();
        assert_eq!((validated.passed.num_rows(), validated.quarantined.num_rows()), (2, 2));
        assert_eq!(validated.passed.target().unwrap().name(), "minutes");
        assert_eq!(validated.quarantined.roles().of(REASONS), Role::Ignored);
        let reasons = validated.quarantined.column(REASONS).unwrap();
        let reasons: Vec<_> = reasons.as_string::<i32>().iter().flatten().collect();
        assert_eq!(
            reasons,
            ["origin: one of \"EWR\", \"JFK\"; minutes: within 0..", "origin: one of \"EWR\", \"JFK\""]
        );
        let says = ["'minutes: within 0..' fails for 1 rows (25.00 %), first row 2: -1.0", "lower the severity"];
        assert_refused(validated.into_result(), ErrorKind::Data, &says);
    }

    #[test]
    fn warnings_keep_the_row_and_are_told() {
        let validated = expected().check(&trips()).unwrap().into_result().unwrap();
        assert_eq!(validated.passed.num_rows(), 2);
        assert!(!validated.report.is_clean());
        let warned: Vec<_> = validated.report.failures().map(CheckReport::name).collect();
        assert_eq!(warned.len(), 3);
        assert_eq!(validated.report.checks[4].failed, 1);
    }

    #[test]
    fn the_report_is_a_table_and_json() {
        let report = expected().check(&trips()).unwrap().report;
        let expected = "\
4 rows: 2 passed, 2 quarantined
check                                                   outcome         failed     share  found
origin: a category (text, a whole number or a boolean)  ok                   0    0.00 %
origin: one of \"EWR\", \"JFK\", \"LGA\"                      quarantine           2   50.00 %  row 2: LAX
minutes: a number                                       ok                   0    0.00 %
minutes: within 0..=600                                 warn                 1   25.00 %  row 2: -1.0
minutes: never null                                     warn                 1   25.00 %  row 3: null
";
        assert_eq!(report.to_string(), expected);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<ValidationReport>(&json).unwrap(), report);
    }

    #[test]
    fn a_table_without_rows_passes_with_its_schema() {
        let empty = Table::new(Arc::clone(trips().schema()), []).unwrap();
        let validated = expected().check(&empty).unwrap();
        assert_eq!(validated.passed.schema(), empty.schema());
        assert_eq!(validated.quarantined.schema().fields().len(), 3);
        assert_eq!((validated.report.rows, validated.report.checks.len()), (0, 5));
    }
}

mod refusals {
    use super::*;

    fn data() -> Table {
        let utc = TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC");
        table([
            ("n", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
            ("s", Arc::new(StringArray::from(vec!["a"]))),
            ("t", Arc::new(utc)),
        ])
    }

    fn refused(expected: impl Into<Expectations>) -> Error {
        expected.into().check(&data()).expect_err("it makes sense")
    }

    /// The checks that did not pass, each with what it says.
    fn failures(expected: impl Into<Expectations>) -> Vec<(String, Outcome, String)> {
        let validated = expected.into().check(&data()).unwrap();
        let failures = validated.report.failures();
        let failures =
            failures.map(|check| (check.name(), check.outcome, check.found.clone().unwrap_or_default())).collect();
        assert!(validated.into_result().is_err(), "what can't be known refuses the data");
        failures
    }

    #[track_caller]
    fn assert_impossible(expected: impl Into<Expectations>, says: &[&str]) {
        let failures = failures(expected);
        assert!(failures.iter().any(|(_, outcome, _)| *outcome == Outcome::Impossible), "{failures:?}");
        for text in says {
            assert!(failures.iter().any(|(_, _, found)| found.contains(text)), "'{text}' is not in {failures:?}");
        }
    }

    #[test]
    fn a_check_that_cannot_be_made_is_a_failed_result() {
        assert!(
            Expectations::new([Column::timestamp("t").never_null().unique()]).check(&data()).unwrap().report.is_clean()
        );
        let missing = failures([Column::number("nn").never_null().or_warn()]);
        assert_eq!(missing[0].0, "nn: a number");
        assert_eq!((missing[0].1, missing[1].1), (Outcome::Failed, Outcome::Impossible));
        assert!(missing[0].2.contains("did you mean 'n'") && missing[1].2.contains("no column 'nn'"));
        let kinds = [Column::number("s"), Column::timestamp("n"), Column::integer("t")];
        assert_eq!(failures(kinds).iter().filter(|(_, outcome, _)| *outcome == Outcome::Failed).count(), 3);
        assert_impossible([Column::text("s").within(0.0..1.0)], &["'within 0..1' is for a number", "'s'"]);
        assert_impossible([Column::number("n").matches("a")], &["'matches a' is for text", "'n'"]);
        assert_impossible([Column::number("n").one_of(["a"])], &["'n' is Int64", "\"a\""]);
        assert_impossible([Column::timestamp("t").one_of([1])], &["'t'"]);
        assert_impossible([Column::number("n").drift(Drift::to_reference(Measure::Ks, 0.1))], &["no reference"]);
        assert_impossible([Column::number("n").fresh("1d".parse().unwrap())], &["for a date or timestamp"]);
        let rule = |expr| Expectations::default().row("rule", expr);
        assert_impossible(rule(col("n").add(lit(1))), &["Int64", "condition"]);
        assert_impossible(rule(col("m").gt(lit(1))), &["no column 'm'"]);
        assert_impossible(Expectations::default().key(["n", "m"]), &["no column 'm'"]);
        assert_impossible(Expectations::default().dependency(["n"], "m"), &["no column 'm'"]);
        // Found out in the middle of the data.
        let overflow = Expectations::default().row("rule", col("n").add(lit(i64::MAX)).gt(lit(0)));
        assert_impossible(overflow, &["verflow"]);
        // A warning does not refuse.
        let warned = Expectations::new([Column::text("s").within(0.0..1.0).or_warn()]).check(&data()).unwrap();
        assert!(!warned.report.is_clean() && warned.into_result().is_ok());
        // A column that may be missing is told, and passes.
        let optional = Expectations::new([Column::number("nn").never_null().optional()]).check(&data()).unwrap();
        assert!(optional.report.is_clean());
        assert_eq!(optional.report.checks[0].found.as_deref(), Some("is not there, which is allowed"));
    }

    #[test]
    fn expectations_that_make_no_sense_are_an_error() {
        let says = |expected: Expectations, text: &str| {
            let error = refused(expected);
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().contains(text), "'{text}' is not in {error}");
        };
        let column = |column: Column| Expectations::new([column]);
        says(column(Column::text("s").matches("(")), "no regular expression");
        says(column(Column::number("n").within(2.0..1.0)), "holds no value");
        says(column(Column::number("n").within(f64::NAN..)), "holds no value");
        says(Expectations::new([Column::any("n"), Column::any("n")]), "'n' is expected twice");
        says(column(Column::number("n").mean(0.0..1.0).or_quarantine()), "warn or fail");
        says(column(Column::number("n").finite().but_for(1.5)), "tolerance 1.5");
        says(column(Column::number("n").quantile(1.5, ..)), "no quantile 1.5");
        says(column(Column::timestamp("t").during(Period::from("soon"))), "no moment");
        says(Expectations::default().dependency(["n"], "n"), "makes no sense");
        let unordered = Distribution::Numbers { edges: vec![1.0, 0.0], shares: vec![0.5, 0.5, 0.0] };
        says(column(Column::number("n").drift(Drift::new(Measure::Ks, 0.1, unordered))), "ascending edges");
        says(column(Column::timestamp("t").fresh("1d".parse().unwrap())).with_now("today"), "no moment");
    }

    #[test]
    fn extra_columns_can_be_refused() {
        let expected = Expectations::new([Column::any("n")]).row("r", col("s").eq(lit("a")));
        assert!(expected.check(&data()).unwrap().report.is_clean());
        let refusing = failures(expected.clone().extra_columns(Extra::Refuse));
        assert!(refusing[0].2.contains("unexpected columns 't'"), "{refusing:?}");
        let warning = expected.extra_columns(Extra::Warn).check(&data()).unwrap();
        assert!(!warning.report.is_clean() && warning.report.is_passed());
    }

    #[test]
    fn rows_that_were_quarantined_before_are_not_checked_again() {
        let expected = Expectations::new([Column::number("n").within(5.0..)]);
        let quarantined = expected.check(&data()).unwrap().quarantined;
        assert_refused(expected.check(&quarantined), ErrorKind::Schema, &[REASONS, "leave it out"]);
    }

    #[test]
    fn a_fold_refuses_batches_of_other_columns() {
        let mut validation = Validation::new(&Expectations::default(), data().schema()).unwrap();
        let other = record_batch!(("n", Utf8, ["a"])).unwrap();
        assert_refused(validation.update(&other), ErrorKind::Schema, &["n: Int64", "n: Utf8"]);
    }
}

#[test]
fn expectations_written_once_are_read_forever() {
    let stored = include_str!("data/expectations.v1.json");
    let expected = Expectations::new([
        Column::number("distance").never_null().or_fail().within(0.0..5000.0).finite().or_warn(),
        Column::category("origin").one_of(["EWR", "JFK", "LGA"]),
        Column::text("tailnum").matches("^[A-Z0-9]+$").length(1..=6),
        Column::timestamp("time_hour").unique(),
        Column::boolean("late"),
        Column::any("note"),
        Column::number("month").one_of([1, 2]),
    ])
    .row("arrives after departing", col("arr").gt_eq(col("dep")))
    .or_fail()
    .extra_columns(Extra::Refuse);
    assert_eq!(serde_json::from_str::<Expectations>(stored).unwrap(), expected);
    assert_eq!(Expectations::from_json(&expected.to_json().unwrap()).unwrap(), expected);
    assert!(serde_json::from_str::<Expectations>(r#"{"collumns": []}"#).is_err());
}

mod expecting {
    use super::*;

    fn source() -> MemorySource {
        let batches = [
            record_batch!(("n", Int64, [1, -2, 3]), ("s", Utf8, ["a", "b", "a"])).unwrap(),
            record_batch!(("n", Int64, [4, 5, -6]), ("s", Utf8, ["c", "b", "d"])).unwrap(),
        ];
        MemorySource::new(Table::new(batches[0].schema(), batches).unwrap())
    }

    async fn numbers(source: &impl DataSource, scan: Scan) -> Vec<i64> {
        let table = source.read_scan(scan.with_columns(["n"])).await.unwrap();
        table.column("n").unwrap().as_primitive::<Int64Type>().values().to_vec()
    }

    #[tokio::test]
    async fn rows_that_are_not_as_expected_do_not_come() {
        let expecting = source().expecting([Column::number("n").within(0.0..), Column::text("s").unique()]);
        assert_eq!(numbers(&expecting, Scan::all()).await, [1, 4]);
        // The filter comes after the checks: 3 is the second "a" whether or not the first is asked for.
        assert_eq!(numbers(&expecting, Scan::all().with_filter(col("n").gt(lit(1)))).await, [4]);
        assert_eq!(numbers(&expecting, Scan::all().with_batch_size(1).with_limit(1)).await, [1]);
        let validated = expecting.read_validated().await.unwrap();
        assert_eq!((validated.passed.num_rows(), validated.quarantined.num_rows()), (2, 4));
    }

    #[tokio::test]
    async fn a_row_that_must_not_be_ends_the_stream() {
        let expecting = source().with_name("trips").expecting([Column::number("n").within(0.0..).or_fail()]);
        let stream = expecting.scan(Scan::all()).await.unwrap();
        let result: Result<Vec<_>> = stream.try_collect().await;
        assert_refused(result, ErrorKind::Data, &["'n: within 0..'", "row 2: -2", "source: trips"]);
        assert_refused(expecting.read_validated().await.unwrap().into_result(), ErrorKind::Data, &["row 6: -6"]);
    }

    #[tokio::test]
    async fn a_check_that_cannot_be_made_refuses_the_source() {
        let expecting = source().expecting([Column::number("m")]);
        assert_refused(expecting.schema().await, ErrorKind::Schema, &["no column 'm'", "source: memory"]);
        assert_refused(expecting.read().await, ErrorKind::Schema, &["no column 'm'"]);
        let strict = source().expecting(Expectations::new([Column::any("n")]).extra_columns(Extra::Refuse));
        assert_refused(strict.read_scan(Scan::all().with_columns(["n"])).await, ErrorKind::Schema, &["'s'"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In one batch or many, on one thread or more: the same rows and the same report.
    #[test]
    fn batches_and_threads_change_nothing(
        values in proptest::collection::vec(proptest::option::weighted(0.9, -5i64..20), 1..200),
        size in 1usize..60,
        cut in 0.0f64..1.0,
    ) {
        let data = table([
            ("x", Arc::new(Int64Array::from(values.clone())) as ArrayRef),
            ("row", Arc::new(Int64Array::from_iter_values(0..values.len() as i64))),
        ]);
        let expected = Expectations::new([
            Column::number("x").within(0.0..15.0).unique().or_warn().never_null(),
            Column::number("row").within(3.0..),
        ])
        .row("not ten", col("x").not_eq(lit(10)));
        let unique = Expectations::new([Column::any("x").unique()]);
        let whole = (expected.check(&data).unwrap(), unique.check(&data).unwrap());
        let pieces = data.rebatch(size).unwrap();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (many, many_unique) = pool.install(|| (expected.check(&pieces).unwrap(), unique.check(&pieces).unwrap()));
            prop_assert_eq!(&many.report, &whole.0.report);
            prop_assert_eq!(many.passed.to_batch().unwrap(), whole.0.passed.to_batch().unwrap());
            prop_assert_eq!(many.quarantined.to_batch().unwrap(), whole.0.quarantined.to_batch().unwrap());
            prop_assert_eq!(&many_unique.report, &whole.1.report);
            prop_assert_eq!(many_unique.passed.to_batch().unwrap(), whole.1.passed.to_batch().unwrap());
        }

        let cut = (cut * values.len() as f64) as usize;
        let batch = data.to_batch().unwrap();
        let part = |batch: RecordBatch| {
            let mut part = Validation::new(&unique, data.schema()).unwrap();
            part.update(&batch).unwrap();
            part
        };
        let mut merged = part(batch.slice(0, cut));
        merged.merge(part(batch.slice(cut, batch.num_rows() - cut))).unwrap();
        prop_assert_eq!(merged.finish().unwrap().report, whole.1.report);
    }
}

/// A rule that can't be computed for one row is not known for the others either, in whichever batch.
#[test]
fn a_rule_that_overflows_in_one_batch_sets_no_row_aside() {
    let data = table([("n", Arc::new(Int64Array::from(vec![-5, 1, i64::MAX])) as ArrayRef)]);
    let expected = Expectations::default().row("rule", col("n").add(lit(1)).gt(lit(0)));
    let whole = expected.check(&data).unwrap();
    assert_eq!((whole.report.checks[0].outcome, whole.quarantined.num_rows()), (Outcome::Impossible, 0));
    assert_eq!(expected.check(&data.rebatch(1).unwrap()).unwrap().report, whole.report);
}

#[test]
fn severities_are_what_they_are_called() {
    assert_eq!(
        serde_json::to_string(&[Severity::Fail, Severity::Quarantine, Severity::Warn]).unwrap(),
        r#"["fail","quarantine","warn"]"#
    );
}
