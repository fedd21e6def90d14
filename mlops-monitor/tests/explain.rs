//! Shapley values against shap's enumeration, and by theory.

mod common;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use common::{matrix, of_numbers};
use mlops_core::{Explainer, Table};
use mlops_monitor::ShapleyExplainer;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/shap_models.json")).unwrap()
}

fn cell(batch: &RecordBatch, row: usize, column: usize) -> f64 {
    batch.column(column).as_primitive::<Float64Type>().value(row)
}

fn assert_equals(explained: &RecordBatch, expected: &Value, tolerance: f64) {
    let expected: Vec<Vec<f64>> = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(explained.num_rows(), expected.len());
    for (r, row) in expected.iter().enumerate() {
        for (c, value) in row.iter().enumerate() {
            let got = cell(explained, r, c);
            assert!((got - value).abs() <= tolerance, "row {r}, input {c}: {got}, shap has {value}");
        }
    }
}

fn black_box(x: &[f64]) -> f64 {
    x[0].sin() * x[1] + x[2].powi(2) - 0.5 * x[3] * x[4] + 0.1 * x[5]
}

#[test]
fn exact_values_equal_enumeration() {
    let golden = golden();
    let explainer = ShapleyExplainer::default().fit(&Table::from_batch(matrix(&golden["background"]))).unwrap();
    let explained = explainer.explain(of_numbers(6, black_box).as_ref(), &matrix(&golden["Q"])).unwrap();
    assert_equals(&explained, &golden["blackbox_g"]["exact_shapley"], 1e-12);
    assert!((cell(&explained, 0, 6) - golden["blackbox_g"]["base"].as_f64().unwrap()).abs() < 1e-12);
}

#[test]
fn a_linear_model_is_explained_by_its_coefficients() {
    let golden = golden();
    let coefficients: Vec<f64> = serde_json::from_value(golden["linear"]["coef"].clone()).unwrap();
    let intercept = golden["linear"]["intercept"].as_f64().unwrap();
    let linear = of_numbers(6, move |x| x.iter().zip(&coefficients).map(|(x, c)| x * c).sum::<f64>() + intercept);
    let background = Table::from_batch(matrix(&golden["background"]));
    let queries = matrix(&golden["Q"]);
    for recipe in [ShapleyExplainer::default(), ShapleyExplainer::default().with_exact_up_to(0).with_permutations(1)] {
        let explained = recipe.fit(&background).unwrap().explain(linear.as_ref(), &queries).unwrap();
        assert_equals(&explained, &golden["linear"]["interventional"], 1e-12);
    }
}

#[test]
fn sampled_values_come_near_the_exact_ones() {
    let golden = golden();
    // Three inputs at a time interact, so that an order and its reverse do not settle it.
    let model = of_numbers(6, |x| x[0] * x[1] * x[2] + x[3] * x[4] - x[5] + x[0].sin());
    let (background, queries) = (Table::from_batch(matrix(&golden["background"])), matrix(&golden["Q"]));
    let explain =
        |recipe: ShapleyExplainer| recipe.fit(&background).unwrap().explain(model.as_ref(), &queries).unwrap();
    let exact = explain(ShapleyExplainer::default());
    let sampled =
        |permutations| explain(ShapleyExplainer::default().with_exact_up_to(0).with_permutations(permutations));
    let off = |explained: &RecordBatch| {
        let cells = (0..queries.num_rows()).flat_map(|r| (0..6).map(move |c| (r, c)));
        cells.map(|(r, c)| (cell(explained, r, c) - cell(&exact, r, c)).abs()).fold(0.0, f64::max)
    };
    let (few, many) = (off(&sampled(2)), off(&sampled(200)));
    assert!(many < 0.1 && many < few / 3.0, "{few} with 2 orders, {many} with 200");
}

#[test]
fn an_input_that_changes_nothing_contributes_nothing() {
    let golden = golden();
    let model = of_numbers(6, |x| x[0] + x[1] * x[2]);
    let explainer = ShapleyExplainer::default().fit(&Table::from_batch(matrix(&golden["background"]))).unwrap();
    let explained = explainer.explain(model.as_ref(), &matrix(&golden["Q"])).unwrap();
    assert!((0..explained.num_rows()).all(|row| (3..6).all(|input| cell(&explained, row, input) == 0.0)));
}

#[test]
fn a_background_without_an_input_says_so() {
    let golden = golden();
    let background = Table::from_batch(matrix(&golden["background"])).select(["x0", "x1"]).unwrap();
    let model = of_numbers(6, black_box);
    let error = ShapleyExplainer::default().fit(&background).unwrap().explain(model.as_ref(), &matrix(&golden["Q"]));
    assert!(error.unwrap_err().to_string().contains("fit the explainer on rows with all inputs"));
    assert!(ShapleyExplainer::default().with_background(0).fit(&background).is_err());
    assert!(ShapleyExplainer::default().with_exact_up_to(30).fit(&background).is_err());
    assert_eq!(model.signature().inputs.len(), 6);
}
