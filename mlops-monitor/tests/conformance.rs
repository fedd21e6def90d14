//! Every detector and explainer passes the suites of `mlops-core`.

mod common;

use std::sync::Arc;

use common::{mixed_rows, of_mixed_columns, of_numbers};
use futures::executor::block_on;
use mlops_core::conformance::{DriftSubject, ExplainerSubject, drift_detector, explainer, run_all};
use mlops_core::{DriftDetector, Table};
use mlops_monitor::{ChiSquare, Correction, DriftSuite, KsTest, NumericTest, Psi, ShapleyExplainer, codecs};

fn subject(name: &str, detector: impl DriftDetector) -> DriftSubject {
    DriftSubject::new(name, detector, codecs())
}

#[test]
fn ks_test() {
    run_all(drift_detector(subject("ks_test", KsTest::per_column()).with_numbers_only()), block_on);
}

#[test]
fn ks_test_on_few_cells_with_bonferroni() {
    let detector =
        KsTest::on(["count", "normal", "uniform"]).with_max_cells(64).with_correction(Correction::Bonferroni);
    run_all(drift_detector(subject("ks_test_64", detector).with_numbers_only()), block_on);
}

#[test]
fn chi_square() {
    run_all(drift_detector(subject("chi_square", ChiSquare::default()).with_texts_only()), block_on);
}

#[test]
fn chi_square_of_few_categories() {
    let detector = ChiSquare::default().with_max_categories(20);
    run_all(drift_detector(subject("chi_square_20", detector).with_texts_only()), block_on);
}

#[test]
fn psi() {
    run_all(drift_detector(subject("psi", Psi::default()).with_numbers_only()), block_on);
}

#[test]
fn drift_suite() {
    run_all(drift_detector(subject("drift_suite", DriftSuite::default())), block_on);
}

#[test]
fn drift_suite_with_psi_and_without_a_least_effect() {
    let detector =
        DriftSuite::default().with_numeric(NumericTest::Psi { bins: 12, threshold: 0.0 }).with_min_effect(0.0);
    run_all(drift_detector(subject("drift_suite_psi", detector)), block_on);
}

#[test]
fn shapley_of_any_columns() {
    let fitted = ShapleyExplainer::default().fit(&Table::from_batch(mixed_rows())).unwrap();
    let subject = ExplainerSubject::new("shapley", Arc::new(fitted), of_mixed_columns(), mixed_rows(), codecs());
    run_all(explainer(subject), block_on);
}

#[test]
fn shapley_of_many_inputs() {
    let model = of_numbers(14, |x| x.iter().enumerate().map(|(i, x)| x * i as f64).sum::<f64>().sin() + x[0] * x[13]);
    let rows: Vec<Vec<f64>> = (0..9).map(|r| (0..14).map(|c| f64::from((r * 7 + c * 5) % 11)).collect()).collect();
    let rows = common::matrix(&serde_json::json!(rows));
    let fitted = ShapleyExplainer::default().with_background(6).fit(&Table::from_batch(rows.clone())).unwrap();
    let subject = ExplainerSubject::new("shapley_sampled", Arc::new(fitted), model, rows, codecs());
    run_all(explainer(subject), block_on);
}
