//! Checks of whole columns, of rows in their order, of keys and dependencies; and that no cut into
//! batches, order of merging or number of threads changes what they find.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use mlops_core::{Accumulator, Table, col, lit};
use mlops_data::expect::{CheckReport, Distribution, Drift, Measure, Outcome, Period, Screening, Suggest, Validation};
use mlops_data::profile::Profile;
use mlops_data::{Column, Expectations, MemorySource, Severity, ValidationReport};
use proptest::prelude::*;

fn table(columns: impl IntoIterator<Item = (&'static str, ArrayRef)>) -> Table {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
}

fn of(values: impl arrow::array::Array + 'static) -> Table {
    table([("x", Arc::new(values) as ArrayRef)])
}

/// The last check on the table.
#[track_caller]
fn last(expected: impl Into<Expectations>, data: &Table) -> CheckReport {
    expected.into().check(data).unwrap().report.checks.pop().unwrap()
}

#[track_caller]
fn assert_check(check: &CheckReport, passes: bool, found: &str) {
    assert_eq!((check.is_ok(), check.found.as_deref()), (passes, Some(found)), "{check}");
}

#[test]
fn whole_columns_are_measured() {
    let numbers = || of(Float64Array::from(vec![Some(1.0), Some(2.0), None, Some(6.0), Some(f64::NAN)]));
    assert_check(&last([Column::number("x").mean(2.0..=3.0)], &numbers()), true, "mean 3");
    assert_check(&last([Column::number("x").mean(..3.0)], &numbers()), false, "mean 3");
    assert_check(&last([Column::number("x").std(2.0..2.2)], &numbers()), true, "standard deviation 2.16");
    assert_check(&last([Column::number("x").nulls(..=0.2)], &numbers()), true, "share of nulls 0.2");
    assert_check(&last([Column::number("x").nulls(..=0.1)], &numbers()), false, "share of nulls 0.2");
    assert_check(&last([Column::number("x").distinct(..=4)], &numbers()), true, "4 different values");
    // The median of 1, 2, 6 is 2.
    assert!(last([Column::number("x").quantile(0.5, 2.0..=2.0)], &numbers()).is_ok());
    let below = last([Column::number("x").quantile(0.5, 2.5..)], &numbers());
    assert_check(&below, false, "quantile 0.5 is below 2.5.., as 66.67 % of the numbers are");
    assert!(!last([Column::number("x").quantile(0.5, ..2.0)], &numbers()).is_ok());
    assert!(last([Column::number("x").quantile(0.0, 1.0..=1.0).quantile(1.0, 6.0..=6.0)], &numbers()).is_ok());
    // Nothing to judge by is no pass.
    let nothing = of(Float64Array::from(vec![None, None]));
    for column in [Column::number("x").mean(..), Column::number("x").quantile(0.5, ..), Column::number("x").std(..)] {
        assert_check(&last([column], &nothing), false, "there is no value to judge by");
    }
    assert_eq!(last([Column::number("x").mean(..3.0)], &numbers()).severity, Severity::Fail);
}

#[test]
fn a_tolerance_judges_the_whole_and_sets_no_row_aside() {
    let data = of(Int64Array::from(vec![1, 2, 3, 40]));
    let judged =
        |share: f64| Expectations::new([Column::integer("x").within(0.0..10.0).but_for(share)]).check(&data).unwrap();
    let (within, beyond) = (judged(0.25), judged(0.2));
    assert!(within.report.is_clean() && within.passed.num_rows() == 4);
    assert_eq!(within.report.checks[1].examples[0].to_string(), "row 4: 40");
    assert_eq!((beyond.passed.num_rows(), beyond.report.is_passed()), (4, false));
    assert!(beyond.into_result().is_err());
}

#[test]
fn times_are_fresh_and_within_a_period() {
    let hours = |hours: [i64; 2]| {
        of(TimestampMicrosecondArray::from(hours.map(|h| h * 3_600_000_000).to_vec()).with_timezone("UTC"))
    };
    let fresh = |now: &str| Expectations::new([Column::timestamp("x").fresh("2h".parse().unwrap())]).with_now(now);
    assert_check(&last(fresh("1970-01-01T06:00:00Z"), &hours([1, 4])), true, "latest 2 hours ago");
    assert_check(&last(fresh("1970-01-01T06:00:01Z"), &hours([1, 4])), false, "latest 2 hours ago");
    assert_check(&last(fresh("1970-01-01T00:00:00Z"), &hours([1, 4])), false, "latest 4 hours in the future");
    let during = |period: Period| last([Column::timestamp("x").during(period)], &hours([1, 4])).failed;
    assert_eq!(during(Period::from("1970-01-01T01:00:00Z").until("1970-01-01T03:59:59Z")), 1);
    assert_eq!(during(Period::from("1970-01-01T01:00:00.000001Z")), 1);
    assert_eq!(during(Period::from("1970-01-01").until("1970-01-01T04:00:00Z")), 0);
}

#[test]
fn order_is_that_of_neighbours() {
    let rows = |column: Column, data: &Table| -> Vec<usize> {
        last([column], data).examples.iter().map(|example| example.row).collect()
    };
    let numbers = of(Float64Array::from(vec![
        Some(1.0),
        None,
        Some(3.0),
        Some(2.0),
        Some(2.0),
        Some(f64::NAN),
        Some(9.0),
        Some(9.5),
    ]));
    for data in [numbers.clone(), numbers.rebatch(1).unwrap(), numbers.rebatch(3).unwrap()] {
        assert_eq!(rows(Column::any("x").ascending(), &data), [4, 6, 7]);
        assert_eq!(rows(Column::any("x").strictly_ascending(), &data), [4, 5, 6, 7]);
        assert_eq!(rows(Column::any("x").descending(), &data), [3, 6, 7, 8]);
    }
    let texts = of(StringArray::from(vec!["a", "c", "b"]));
    assert_eq!(rows(Column::any("x").ascending(), &texts), [3]);
}

#[test]
fn keys_and_dependencies() {
    let data = table([
        (
            "zip",
            Arc::new(StringArray::from(vec![Some("8001"), Some("3000"), Some("8001"), None, Some("8001")])) as ArrayRef,
        ),
        ("town", Arc::new(StringArray::from(vec![Some("Zürich"), Some("Bern"), Some("Zurich"), Some("Basel"), None]))),
        ("n", Arc::new(Int32Array::from(vec![1, 1, 1, 2, 2]))),
    ]);
    let told = last(Expectations::default().dependency(["zip"], "town"), &data);
    assert_eq!((told.failed, told.examples[0].to_string()), (1, "row 3: zip = 8001, town = Zurich".to_owned()));
    let key = last(Expectations::default().key(["zip", "n"]), &data);
    assert_eq!((key.failed, key.examples[0].row), (1, 3));
    assert!(last(Expectations::default().key(Vec::<String>::new()), &data).is_ok());
    let pair = last(Expectations::default().dependency(["zip", "n"], "town"), &data);
    assert_eq!(pair.failed, 1);
    assert!(!last(Expectations::default().row_count(6..), &data).is_ok());
    assert_check(&last(Expectations::default().row_count(..=5), &data), true, "5 rows");
}

#[test]
fn drift_is_measured_from_a_profile() {
    let normal = |shift: f64| of(Float64Array::from_iter_values((0..2_000).map(|i| f64::from(i % 100) + shift)));
    let profile = Profile::of(&normal(0.0)).unwrap();
    for (measure, least) in
        [(Measure::Ks, 0.19), (Measure::LInfinity, 0.19), (Measure::JensenShannon, 0.05), (Measure::Psi, 0.5)]
    {
        let expected = |limit| {
            Expectations::new([Column::number("x").drift(Drift::to_reference(measure, limit))]).with_reference(&profile)
        };
        assert!(last(expected(0.01), &normal(0.0)).is_ok(), "{measure}");
        assert!(last(expected(least), &normal(0.0)).is_ok(), "{measure}");
        assert!(!last(expected(least), &normal(20.0)).is_ok(), "{measure}");
    }
    let airports =
        |ewr: usize| of(StringArray::from_iter_values((0..100).map(|i| if i < ewr { "EWR" } else { "JFK" })));
    let reference = Distribution::of(Profile::of(&airports(50)).unwrap().column("x").unwrap()).unwrap();
    let drift = Drift::new(Measure::LInfinity, 0.2, reference);
    assert_check(&last([Column::category("x").drift(drift.clone())], &airports(60)), true, "distance 0.1");
    assert_check(&last([Column::category("x").drift(drift.clone())], &airports(80)), false, "distance 0.3");
    let flags = of(BooleanArray::from(vec![true]));
    assert_eq!(last([Column::boolean("x").drift(drift.clone())], &flags).outcome, Outcome::Failed);
    let numbers = of(Int64Array::from(vec![1]));
    assert_eq!(last([Column::any("x").drift(drift)], &numbers).outcome, Outcome::Impossible);
}

#[test]
fn suggestions_from_one_profile_pass_its_rows_and_warn() {
    let data = table([
        ("id", Arc::new(Int64Array::from_iter_values(0..100)) as ArrayRef),
        ("zone", Arc::new(StringArray::from_iter_values((0..100).map(|i| ["north", "south"][i % 2])))),
        ("flag", Arc::new(BooleanArray::from_iter((0..100).map(|i| Some(i % 3 == 0))))),
    ]);
    let suggested =
        Suggest::from_profile(&Profile::of(&data).unwrap()).with_rows(&data).unwrap().expectations().unwrap();
    assert!(suggested.check(&data).unwrap().report.is_clean());
    assert_eq!(Expectations::from_toml(&suggested.to_toml().unwrap()).unwrap(), suggested);
    assert!(Suggest::from_deliveries(&[]).is_err());
}

#[tokio::test]
async fn a_source_is_screened_as_a_table_is_checked() {
    let data = rich(&(0..500).map(|i| (i % 97 > 0).then_some(i * 7 % 60)).collect::<Vec<_>>());
    let source = MemorySource::new(data.rebatch(64).unwrap());
    let validated = suite().check(&data).unwrap();
    assert_eq!(suite().check_source(&source).await.unwrap(), validated.report);
    let (sender, receiver) = std::sync::mpsc::channel();
    let each = move |screened: mlops_data::expect::Screened| {
        let rows = |batch: Option<RecordBatch>| batch.map_or(0, |batch| batch.num_rows());
        sender.send((rows(screened.passed), rows(screened.quarantined))).unwrap();
        Ok(())
    };
    assert_eq!(suite().split_source(&source, each).await.unwrap(), validated.report);
    let (passed, quarantined) = receiver.iter().fold((0, 0), |(a, b), (p, q)| (a + p, b + q));
    assert_eq!((passed, quarantined), (validated.passed.num_rows(), validated.quarantined.num_rows()));
    let counted = Expectations::default().row_count(500..=500).extra_columns(mlops_data::expect::Extra::Refuse);
    let report = counted.check_source(&source).await.unwrap();
    let names: Vec<_> = report.failures().map(CheckReport::name).collect();
    assert_eq!(names, ["no other columns"], "columns that are not read count too");
}

/// Columns of every kind, made of numbers.
fn rich(values: &[Option<i64>]) -> Table {
    table([
        ("n", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef),
        ("f", Arc::new(values.iter().map(|v| v.map(|v| v as f64 / 3.0)).collect::<Float64Array>())),
        ("s", Arc::new(values.iter().map(|v| v.map(|v| format!("t{}", v % 5))).collect::<StringArray>())),
        ("t", Arc::new(values.iter().map(|v| v.map(|v| v * 1_000_000)).collect::<TimestampMicrosecondArray>())),
    ])
}

/// Checks of every kind.
fn suite() -> Expectations {
    let bins = Distribution::Numbers { edges: vec![0.0, 5.0, 10.0], shares: vec![0.1, 0.4, 0.4, 0.1] };
    Expectations::new([
        Column::integer("n")
            .never_null()
            .within(-5.0..55.0)
            .or_warn()
            .unique()
            .ascending()
            .or_warn()
            .mean(3.0..9.0)
            .nulls(..0.1),
        Column::number("f").finite().quantile(0.9, ..=6.0).std(1.0..3.0).drift(Drift::new(Measure::Ks, 0.3, bins)),
        Column::text("s").one_of(["t0", "t1", "t2", "t3"]).but_for(0.1).matches("^t[0-3]$").or_warn().distinct(4..),
        Column::timestamp("t").during(Period::from("1970-01-01T00:00:02Z")).or_warn().fresh("1m".parse().unwrap()),
    ])
    .row("not ten", col("n").not_eq(lit(10)))
    .key(["n", "s"])
    .or_warn()
    .dependency(["n"], "s")
    .dependency(["s"], "n")
    .or_warn()
    .row_count(20..)
    .with_now("1970-01-01T00:00:30Z")
}

fn part(data: &Table, from: usize, to: usize) -> Validation {
    let batch = data.to_batch().unwrap();
    let mut part = Validation::new(&suite(), data.schema()).unwrap();
    part.update(&batch.slice(from, to - from)).unwrap();
    part
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_threads_and_merges_change_nothing(
        values in proptest::collection::vec(proptest::option::weighted(0.9, -8i64..60), 1..200),
        size in 1usize..60,
        cuts in (0.0f64..1.0, 0.0f64..1.0),
    ) {
        let data = rich(&values);
        let whole = suite().check(&data).unwrap();
        let pieces = data.rebatch(size).unwrap();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let many = pool.install(|| suite().check(&pieces).unwrap());
            prop_assert_eq!(&many.report, &whole.report);
            prop_assert_eq!(many.passed.to_batch().unwrap(), whole.passed.to_batch().unwrap());
            prop_assert_eq!(many.quarantined.to_batch().unwrap(), whole.quarantined.to_batch().unwrap());
        }

        let mut screening = Screening::new(&suite(), data.schema()).unwrap();
        pieces.batches().iter().for_each(|batch| { screening.pass(batch).unwrap(); });
        prop_assert_eq!(&screening.finish(), &whole.report);

        let rows = values.len();
        let mut cuts = [(cuts.0 * rows as f64) as usize, (cuts.1 * rows as f64) as usize];
        cuts.sort_unstable();
        let parts = || (part(&data, 0, cuts[0]), part(&data, cuts[0], cuts[1]), part(&data, cuts[1], rows));
        let report = |validation: Validation| -> ValidationReport { validation.finish().unwrap().report };
        let (mut a, mut b, c) = parts();
        b.merge(c).unwrap();
        a.merge(b).unwrap();
        prop_assert_eq!(&report(a), &whole.report);
        let (mut a, b, c) = parts();
        a.merge(b).unwrap();
        a.merge(c).unwrap();
        prop_assert_eq!(&report(a), &whole.report);
    }
}
