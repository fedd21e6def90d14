//! Agreement with scipy and shap on fixed data; see `golden/README.md`.

use std::sync::Arc;

use arrow::array::{Float64Array, RecordBatch, StringArray};
use mlops_core::random::SplitMix64;
use mlops_core::{DriftDetector, FeatureDrift, Table};
use mlops_monitor::stats::{self, Correction};
use mlops_monitor::{ChiSquare, KsTest};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/scipy_tests.json")).unwrap()
}

fn close(what: &str, got: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    assert!((got - expected).abs() <= tolerance * expected.abs().max(1e-300), "{what}: {got}, scipy has {expected}");
}

fn uniforms(seed: u64, count: usize) -> Vec<f64> {
    let mut rng = SplitMix64::new(seed);
    (0..count).map(|_| rng.uniform()).collect()
}

fn normals(seed: u64, count: usize) -> Vec<f64> {
    let uniforms = uniforms(seed, count * 12);
    uniforms.chunks_exact(12).map(|u| u.iter().sum::<f64>() - 6.0).collect()
}

fn numbers(values: Vec<f64>) -> RecordBatch {
    RecordBatch::try_from_iter([("x", Arc::new(Float64Array::from(values)) as _)]).unwrap()
}

fn verdict(detector: &dyn DriftDetector, reference: RecordBatch, window: &RecordBatch) -> FeatureDrift {
    let mut monitor = detector.fit(&Table::from_batch(reference)).unwrap();
    monitor.observe(window).unwrap();
    monitor.report().unwrap().features.remove(0)
}

#[test]
fn the_generator_is_the_same() {
    let check = &golden()["generator_check"];
    let mut rng = SplitMix64::new(42);
    for expected in check["splitmix64(42)[:3]"].as_array().unwrap() {
        assert_eq!(rng.next_u64().to_string(), expected.as_str().unwrap());
    }
    for (values, name) in
        [(uniforms(42, 3), "unif(42)[:3]"), (normals(42, 3), "norm(42)[:3]"), (normals(7, 3), "norm(7)[:3]")]
    {
        assert_eq!(serde_json::json!(values), check[name], "{name}");
    }
}

#[test]
fn kolmogorov_smirnov() {
    for (name, case) in golden()["continuous"].as_object().unwrap() {
        let (n, m) = (case["n"].as_u64().unwrap() as usize, case["m"].as_u64().unwrap() as usize);
        let (shift, scale) = (case["shift"].as_f64().unwrap(), case["scale"].as_f64().unwrap());
        let mut reference = normals(42, n);
        let mut window: Vec<f64> = normals(7, m).into_iter().map(|x| x * scale + shift).collect();
        if case["formula"].as_str().unwrap().contains("floor") {
            reference.iter_mut().chain(&mut window).for_each(|x| *x = (*x * 4.0).floor() / 4.0);
        }
        let window = numbers(window);
        for (key, exact_up_to, tolerance) in [("ks_two-sided_asymp", 0, 1e-7), ("ks_two-sided_exact", u64::MAX, 1e-8)] {
            let Some(expected) = case.get(key) else { continue };
            let test = KsTest::default().with_max_cells(n).with_exact_up_to(exact_up_to);
            let got = verdict(&test, numbers(reference.clone()), &window);
            close(name, got.statistic, &expected["stat"], 1e-9);
            close(&format!("{name} {key}"), got.p_value.unwrap(), &expected["p"], tolerance);
        }
    }
}

#[test]
fn chi_square() {
    let names = |counts: &[u64]| {
        let texts = counts.iter().enumerate().flat_map(|(i, n)| vec![format!("c{i}"); *n as usize]);
        let texts = StringArray::from(texts.collect::<Vec<_>>());
        RecordBatch::try_from_iter([("c", Arc::new(texts) as _)]).unwrap()
    };
    for (name, case) in golden()["categorical"].as_object().unwrap() {
        let table: Vec<Vec<u64>> = serde_json::from_value(case["table"].clone()).unwrap();
        let plain = stats::chi_square(&table[0], &table[1], false);
        close(name, plain.statistic, &case["chi2"]["stat"], 1e-9);
        close(name, plain.p_value, &case["chi2"]["p"], 1e-8);

        let got = verdict(&ChiSquare::default(), names(&table[0]), &names(&table[1]));
        close(name, got.statistic, &case["chi2_yates_if_2x2"]["stat"], 1e-9);
        close(name, got.p_value.unwrap(), &case["chi2_yates_if_2x2"]["p"], 1e-8);
    }
}

#[test]
fn population_stability_and_total_variation() {
    for (name, case) in golden()["continuous"].as_object().unwrap() {
        for bins in ["hist10", "hist30"] {
            let counts = |side: &str, rows: &str| {
                let shares: Vec<f64> = serde_json::from_value(case[bins][side].clone()).unwrap();
                let rows = case[rows].as_f64().unwrap();
                shares.iter().map(|share| (share * rows).round() as u64).collect::<Vec<_>>()
            };
            let (reference, window) = (counts("p", "n"), counts("q", "m"));
            close(name, stats::population_stability(&reference, &window), &case[bins]["psi_eps1e_4"], 1e-9);
            close(name, stats::total_variation(&reference, &window), &case[bins]["tvd"], 1e-9);
        }
    }
}

#[test]
fn benjamini_hochberg() {
    let fdr = golden()["fdr"].clone();
    let p: Vec<f64> = serde_json::from_value(fdr["p"].clone()).unwrap();
    let adjusted: Vec<f64> = serde_json::from_value(fdr["bh_adjusted"].clone()).unwrap();
    for alpha in (1..80).map(|i| f64::from(i) / 100.0 + 0.001) {
        let threshold = Correction::BenjaminiHochberg.threshold(&p, alpha);
        let rejected: Vec<bool> = p.iter().map(|p| *p < threshold).collect();
        assert_eq!(rejected, adjusted.iter().map(|q| *q < alpha).collect::<Vec<_>>(), "{alpha}");
    }
}

#[test]
fn tails() {
    let special = golden()["special"].clone();
    let pair = |key: &str| {
        let (a, b) = key.split_once(',').unwrap();
        (a.parse::<f64>().unwrap(), b.parse::<f64>().unwrap())
    };
    for (key, expected) in special["chi2_sf"].as_object().unwrap() {
        let (x, dof) = pair(key);
        close(key, stats::chi_square_sf(x, dof), expected, 1e-8);
    }
    for (key, expected) in special["kstwo_sf"].as_object().unwrap() {
        let (x, n) = pair(key);
        close(key, stats::kolmogorov_sf(n as u64, x), expected, 1e-7);
    }
    for (key, expected) in special["t_sf"].as_object().unwrap() {
        let (t, dof) = pair(key);
        close(key, 0.5 * stats::incomplete_beta(dof / 2.0, 0.5, dof / (dof + t * t)), expected, 1e-8);
    }
}
