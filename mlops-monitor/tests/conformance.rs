//! Every detector and explainer passes the suites of `mlops-core`.

mod common;

use std::sync::Arc;

use common::{mixed_rows, of_mixed_columns, of_numbers};
use futures::executor::block_on;
use libtest_mimic::Arguments;
use mlops_core::conformance::{DriftSubject, ExplainerSubject, Trial, drift_detector, explainer};
use mlops_core::{DriftDetector, Table};
use mlops_monitor::{ChiSquare, Correction, DriftSuite, KsTest, NumericTest, Psi, ShapleyExplainer, codecs};

fn main() {
    let named = |trial: Trial| {
        let name = trial.name().to_owned();
        libtest_mimic::Trial::test(name, move || {
            block_on(trial.run());
            Ok(())
        })
    };
    let trials = drift().into_iter().flat_map(drift_detector).chain(shapley().into_iter().flat_map(explainer));
    libtest_mimic::run(&Arguments::from_args(), trials.map(named).collect()).exit();
}

fn subject(name: &str, detector: impl DriftDetector) -> DriftSubject {
    DriftSubject::new(name, detector, codecs())
}

fn drift() -> [DriftSubject; 7] {
    let few_cells =
        KsTest::on(["count", "normal", "uniform"]).with_max_cells(64).with_correction(Correction::Bonferroni);
    let of_psi = DriftSuite::default().with_numeric(NumericTest::Psi { bins: 12, threshold: 0.0 }).with_min_effect(0.0);
    [
        subject("ks_test", KsTest::per_column()).with_numbers_only(),
        subject("ks_test_64", few_cells).with_numbers_only(),
        subject("chi_square", ChiSquare::default()).with_texts_only(),
        subject("chi_square_20", ChiSquare::default().with_max_categories(20)).with_texts_only(),
        subject("psi", Psi::default()).with_numbers_only(),
        subject("drift_suite", DriftSuite::default()),
        subject("drift_suite_psi", of_psi),
    ]
}

fn shapley() -> [ExplainerSubject; 2] {
    [of_any_columns(), of_many_inputs()]
}

fn of_any_columns() -> ExplainerSubject {
    let fitted = ShapleyExplainer::default().fit(&Table::from_batch(mixed_rows())).unwrap();
    ExplainerSubject::new("shapley", Arc::new(fitted), of_mixed_columns(), mixed_rows(), codecs())
}

fn of_many_inputs() -> ExplainerSubject {
    let model = of_numbers(14, |x| x.iter().enumerate().map(|(i, x)| x * i as f64).sum::<f64>().sin() + x[0] * x[13]);
    let rows: Vec<Vec<f64>> = (0..9).map(|r| (0..14).map(|c| f64::from((r * 7 + c * 5) % 11)).collect()).collect();
    let rows = common::matrix(&serde_json::json!(rows));
    let fitted = ShapleyExplainer::default().with_background(6).fit(&Table::from_batch(rows.clone())).unwrap();
    ExplainerSubject::new("shapley_sampled", Arc::new(fitted), model, rows, codecs())
}
