//! What the conformance suite does not say: how columns are chosen, how replicas are merged, how
//! much is significant.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use mlops_core::random::SplitMix64;
use mlops_core::{DriftDetector, DriftMonitor, ErrorKind, Load, Role, Table};
use mlops_monitor::{ChiSquare, ColumnMonitor, Correction, DriftSuite, KsTest, Psi, codecs};
use proptest::prelude::*;

fn numbers(values: impl IntoIterator<Item = f64>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Float64Array::from_iter_values(values));
    RecordBatch::try_from_iter([("x", column)]).unwrap()
}

fn fit(detector: &dyn DriftDetector, reference: RecordBatch) -> ColumnMonitor {
    let monitor = detector.fit(&Table::from_batch(reference)).unwrap();
    ColumnMonitor::load(&monitor.save().unwrap(), &codecs()).unwrap()
}

fn mixed() -> RecordBatch {
    arrow::array::record_batch!(
        ("km", Float64, [1.0, 2.0, 3.0]),
        ("hour", Int64, [1, 2, 3]),
        ("zone", Utf8, ["a", "b", "a"]),
        ("late", Boolean, [true, false, true])
    )
    .unwrap()
}

#[test]
fn each_recipe_takes_the_columns_of_its_type() {
    let watched = |detector: &dyn DriftDetector| {
        let table = Table::from_batch(mixed()).with_role("late", Role::Target).unwrap();
        let monitor = detector.fit(&table).unwrap();
        monitor.report().unwrap().features.into_iter().map(|f| format!("{} {}", f.feature, f.test)).collect::<Vec<_>>()
    };
    assert_eq!(watched(&KsTest::per_column()), ["km ks", "hour ks"]);
    assert_eq!(watched(&Psi::default()), ["km psi", "hour psi"]);
    assert_eq!(watched(&ChiSquare::default()), ["zone chi_square"]);
    assert_eq!(watched(&DriftSuite::default()), ["km ks", "hour ks", "zone chi_square"]);
    // A named column may have any role: to watch the labels is fine.
    assert_eq!(watched(&ChiSquare::on(["late", "hour"])), ["late chi_square", "hour chi_square"]);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let table = Table::from_batch(mixed());
    let kind = |detector: &dyn DriftDetector| detector.fit(&table).unwrap_err().kind();
    assert_eq!(kind(&KsTest::default().with_alpha(0.0)), ErrorKind::Config);
    assert_eq!(kind(&KsTest::default().with_max_cells(2)), ErrorKind::Config);
    assert_eq!(kind(&KsTest::default().with_min_effect(2.0)), ErrorKind::Config);
    assert_eq!(kind(&ChiSquare::default().with_max_categories(0)), ErrorKind::Config);
    assert_eq!(kind(&Psi::default().with_bins(1)), ErrorKind::Config);
    assert_eq!(kind(&Psi::default().with_threshold(f64::NAN)), ErrorKind::Config);
    assert_eq!(kind(&KsTest::on(["zone"])), ErrorKind::Schema);
    assert_eq!(kind(&ChiSquare::on(["km"])), ErrorKind::Schema);
    assert_eq!(kind(&DriftSuite::on(["speed"])), ErrorKind::Schema);
}

#[test]
fn a_trivial_shift_of_many_rows_is_significant_but_no_drift() {
    let mut rng = SplitMix64::new(5);
    let mut sample = |count: usize, shift: f64| numbers((0..count).map(|_| rng.uniform() + shift).collect::<Vec<_>>());
    let (reference, window) = (sample(50_000, 0.0), sample(50_000, 0.02));
    let judge = |test: KsTest| {
        let mut monitor = fit(&test, reference.clone());
        monitor.observe(&window).unwrap();
        monitor.report().unwrap().features.remove(0)
    };
    let strict = judge(KsTest::default());
    assert!(strict.drifted && strict.p_value.unwrap() < 1e-6, "{strict:?}");
    let practical = judge(KsTest::default().with_min_effect(0.1));
    assert!(!practical.drifted && practical.p_value == strict.p_value, "{practical:?}");
}

#[test]
fn a_correction_keeps_twenty_columns_quiet() {
    let mut rng = SplitMix64::new(6);
    let mut sample = |rows: usize| {
        let columns = (0..20).map(|i| {
            let column: ArrayRef = Arc::new((0..rows).map(|_| Some(rng.uniform())).collect::<Float64Array>());
            (format!("x{i}"), column)
        });
        RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap()
    };
    let mut rate = |correction: Correction| {
        let alarms = (0..60).filter(|_| {
            let mut monitor = fit(&KsTest::default().with_correction(correction), sample(300));
            monitor.observe(&sample(200)).unwrap();
            monitor.report().unwrap().is_drift()
        });
        alarms.count() as f64 / 60.0
    };
    assert!(rate(Correction::None) > 0.3);
    assert!(rate(Correction::BenjaminiHochberg) < 0.14);
    assert!(rate(Correction::Bonferroni) < 0.14);
}

#[test]
fn a_report_is_a_table_with_what_drifted_first() {
    let rows = mixed().slice(0, 2);
    let reference = arrow::compute::concat_batches(&rows.schema(), &vec![rows; 50]).unwrap();
    let mut monitor = fit(&DriftSuite::on(["km", "zone"]), reference);
    let drifted = arrow::array::record_batch!(("km", Float64, [1.0, 2.0]), ("zone", Utf8, ["a", "b"])).unwrap();
    monitor.observe(&drifted).unwrap();
    let text = monitor.report().unwrap().to_string();
    assert!(text.starts_with("2 rows, no drift\nfeature"), "{text}");
    (0..40).for_each(|_| monitor.observe(&map_zone(&drifted)).unwrap());
    let text = monitor.report().unwrap().to_string();
    assert!(text.starts_with("82 rows, drift in zone\n"), "{text}");
    assert!(text.lines().nth(3).unwrap().starts_with("zone"), "{text}");
}

/// The same rows in another zone.
fn map_zone(batch: &RecordBatch) -> RecordBatch {
    let zone: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["z"; batch.num_rows()]));
    RecordBatch::try_from_iter([("km", Arc::clone(batch.column(0))), ("zone", zone)]).unwrap()
}

#[test]
fn new_categories_are_named() {
    let batch = arrow::array::record_batch!(("zone", Utf8, ["a", "moon", "moon", "mars"])).unwrap();
    let mut monitor = fit(&ChiSquare::on(["zone"]), mixed());
    monitor.observe(&batch).unwrap();
    assert_eq!(monitor.new_categories("zone"), [("mars", 1), ("moon", 2)]);
    assert!(monitor.new_categories("km").is_empty());
}

#[test]
fn replicas_merge_to_the_whole_and_strangers_do_not() {
    let batches: Vec<RecordBatch> = (0..4).map(|i| numbers((0..100).map(|j| f64::from(j * i % 37)))).collect();
    let start = fit(&DriftSuite::default(), batches[3].clone());
    let mut whole = start.clone();
    let mut merged = start.clone();
    for batch in &batches {
        whole.observe(batch).unwrap();
        let mut replica = start.clone();
        replica.observe(batch).unwrap();
        merged.merge(&replica).unwrap();
    }
    assert_eq!(merged, whole);
    let stranger = fit(&DriftSuite::default(), batches[2].clone());
    assert_eq!(merged.merge(&stranger).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(merged, whole);
}

/// The Kolmogorov-Smirnov distance by its definition.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let below =
        |values: &[f64], x: f64| values.iter().filter(|value| **value <= x).count() as f64 / values.len() as f64;
    a.iter().chain(b).map(|x| (below(a, *x) - below(b, *x)).abs()).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn counts_between_the_reference_values_give_the_exact_distance(
        reference in prop::collection::vec(-20i32..20, 1..60), window in prop::collection::vec(-25i32..25, 1..60),
    ) {
        let floats = |values: &[i32]| values.iter().map(|x| f64::from(*x) / 2.0).collect::<Vec<_>>();
        let (reference, window) = (floats(&reference), floats(&window));
        let mut monitor = fit(&KsTest::default(), numbers(reference.clone()));
        monitor.observe(&numbers(window.clone())).unwrap();
        let found = monitor.report().unwrap().features[0].statistic;
        prop_assert!((found - distance(&reference, &window)).abs() < 1e-12);

        let mut coarse = fit(&KsTest::default().with_max_cells(5), numbers(reference));
        coarse.observe(&numbers(window)).unwrap();
        prop_assert!(coarse.report().unwrap().features[0].statistic <= found + 1e-12);
    }

    #[test]
    fn any_cut_and_a_save_in_between_change_nothing(
        values in prop::collection::vec(any::<f64>(), 1..80), cut in 0usize..80, reference in prop::collection::vec(any::<f64>(), 1..80),
    ) {
        prop_assume!(reference.iter().any(|x| !x.is_nan()));
        for detector in [&KsTest::default() as &dyn DriftDetector, &Psi::default(), &KsTest::default().with_max_cells(7)] {
            let mut whole = fit(detector, numbers(reference.clone()));
            let mut pieces = whole.clone();
            whole.observe(&numbers(values.clone())).unwrap();
            let (a, b) = values.split_at(cut.min(values.len()));
            pieces.observe(&numbers(a.to_vec())).unwrap();
            let text = serde_json::to_string(&pieces.save().unwrap()).unwrap();
            let mut pieces = ColumnMonitor::load(&serde_json::from_str(&text).unwrap(), &codecs()).unwrap();
            pieces.observe(&numbers(b.to_vec())).unwrap();
            prop_assert_eq!(&pieces, &whole);
            prop_assert!(whole.report().unwrap().features.iter().all(|f| f.p_value.unwrap() >= 0.0));
        }
    }
}
