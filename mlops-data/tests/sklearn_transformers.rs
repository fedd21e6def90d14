//! The transformers agree with scikit-learn; `tests/golden/sklearn/README.md` says how the values
//! were made and read.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use mlops_core::{Literal, Role, Run, Table, Transform, Transformer, transform_table};
use mlops_data::transform::{
    DropCategory, EmptyColumns, OneHotEncoder, OrdinalEncoder, SimpleImputer, Smooth, StandardScaler, Strategy,
    TargetEncoder,
};
use serde_json::{Map, Value as Json};

type Columns = Map<String, Json>;

fn cases(transformer: &str) -> Vec<Json> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sklearn/transformers.json");
    let cases: Vec<Json> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases: Vec<Json> = cases.into_iter().filter(|case| case["transformer"] == transformer).collect();
    assert!(!cases.is_empty());
    cases
}

fn column(values: &Json) -> ArrayRef {
    let values = values.as_array().unwrap();
    if values.iter().any(Json::is_string) {
        return Arc::new(values.iter().map(Json::as_str).collect::<StringArray>());
    }
    if values.iter().any(Json::is_f64) || values.iter().all(Json::is_null) {
        return Arc::new(values.iter().map(Json::as_f64).collect::<Float64Array>());
    }
    Arc::new(values.iter().map(Json::as_i64).collect::<Int64Array>())
}

fn table(columns: &Json) -> Table {
    let columns = columns.as_object().unwrap().iter().map(|(name, values)| (name, column(values), true));
    Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
}

fn names(case: &Json) -> Vec<String> {
    case["columns"].as_object().unwrap().keys().cloned().collect()
}

/// Fits, and compares both outputs with what scikit-learn made.
fn run(case: &Json, recipe: &dyn Transformer, training: &Table) -> Arc<dyn Transform> {
    let fitted = recipe.fit(training, &Run::default()).unwrap_or_else(|error| panic!("{}: {error:?}", case["name"]));
    for (input, expected) in [("columns", "expected_train"), ("new", "expected_new")] {
        let input = transform_table(fitted.as_ref(), &retyped(&case[input], &case["columns"])).unwrap();
        compare(case, &input, case[expected].as_object().unwrap());
    }
    fitted
}

/// The new rows with the types of the training rows, which JSON does not tell.
fn retyped(columns: &Json, training: &Json) -> Table {
    let (given, fitted) = (table(columns), table(training));
    let columns = fitted.schema().fields().iter().map(|field| {
        let column = arrow::compute::cast(&given.column(field.name()).unwrap(), field.data_type()).unwrap();
        (field.name(), column, true)
    });
    Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
}

fn compare(case: &Json, actual: &Table, expected: &Columns) {
    let actual_names: Vec<&String> = actual.schema().fields().iter().map(|field| field.name()).collect();
    let mut sorted = (actual_names.clone(), expected.keys().collect::<Vec<_>>());
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1, "{}", case["name"]);
    for (name, expected) in expected {
        let column = actual.column(name).unwrap();
        let expected = expected.as_array().unwrap();
        assert_eq!(column.len(), expected.len());
        for (row, expected) in expected.iter().enumerate() {
            let place = format!("{}: {name}, row {row}", case["name"]);
            if let Some(texts) = column.as_string_opt::<i32>() {
                assert_eq!(texts.value(row), expected.as_str().unwrap(), "{place}");
                continue;
            }
            let numbers = column.as_primitive::<Float64Type>();
            let number = Some(numbers.value(row)).filter(|x| numbers.is_valid(row) && !x.is_nan());
            let tolerance = case["tolerance"][name].as_f64().unwrap_or(1e-9);
            close(&place, number, expected.as_f64(), tolerance);
        }
    }
}

fn close(place: &str, actual: Option<f64>, expected: Option<f64>, tolerance: f64) {
    match (actual, expected) {
        (None, None) => {}
        (Some(actual), Some(expected)) => {
            let far = (actual - expected).abs() > tolerance * expected.abs().max(1.0);
            assert!(!far, "{place}: {actual} instead of {expected}");
        }
        _ => panic!("{place}: {actual:?} instead of {expected:?}"),
    }
}

fn learned(fitted: &dyn Transform) -> Vec<(String, Json)> {
    let columns = fitted.save().unwrap().state["columns"].as_array().unwrap().clone();
    columns.into_iter().map(|c| (c["name"].as_str().unwrap().to_owned(), c["learned"].clone())).collect()
}

#[test]
fn standard_scaler() {
    for case in cases("StandardScaler") {
        let flag = |name: &str| case["params"][name].as_bool().unwrap();
        let recipe = StandardScaler::on(names(&case)).with_mean(flag("with_mean")).with_std(flag("with_std"));
        let fitted = run(&case, &recipe, &table(&case["columns"]));
        for (name, learned) in learned(fitted.as_ref()) {
            assert_eq!(learned["count"], case["fitted"]["count"][&name]);
            for part in ["mean", "scale"] {
                let Some(expected) = case["fitted"][part][&name].as_f64() else { continue };
                let tolerance = case["tolerance"][&name].as_f64().unwrap_or(1e-9) * expected.abs().min(1.0);
                close(
                    &format!("{}: {part} of {name}", case["name"]),
                    learned[part].as_f64(),
                    Some(expected),
                    tolerance,
                );
            }
        }
    }
}

#[test]
fn simple_imputer() {
    for case in cases("SimpleImputer") {
        let params = &case["params"];
        let mut recipe = SimpleImputer::mean(names(&case));
        recipe.strategy = match params["strategy"].as_str().unwrap() {
            "mean" => Strategy::Mean,
            "median" => Strategy::Median,
            "most_frequent" => Strategy::MostFrequent,
            _ => Strategy::Constant(match &params["fill_value"] {
                Json::String(text) => Literal::Text(text.clone()),
                number => Literal::Float(number.as_f64().unwrap()),
            }),
        };
        let keep = params["keep_empty_features"] == true;
        recipe.empty_columns = if keep { EmptyColumns::Fill } else { EmptyColumns::LeaveOut };
        let fitted = run(&case, &recipe, &table(&case["columns"]));
        for (name, learned) in learned(fitted.as_ref()) {
            let place = format!("{}: {name}", case["name"]);
            match (&learned["fill"], &case["fitted"]["statistics"][&name]) {
                (Json::Object(fill), Json::String(expected)) => assert_eq!(fill["text"], **expected, "{place}"),
                (Json::Object(fill), expected) => close(&place, fill["number"].as_f64(), expected.as_f64(), 1e-9),
                (fill, expected) => assert!(fill.is_null() && expected.is_null(), "{place}"),
            }
        }
    }
}

/// The categories as the golden file has them: null last.
fn categories(vocabulary: &Json) -> Vec<Json> {
    let lists = vocabulary["categories"].as_object().unwrap();
    let known = lists.values().next().unwrap().as_array().unwrap().iter().cloned();
    known.chain((vocabulary["null"] == true).then_some(Json::Null)).collect()
}

#[test]
fn one_hot_encoder() {
    for case in cases("OneHotEncoder") {
        let drop = match case["params"]["drop"].as_str() {
            Some("first") => DropCategory::First,
            Some("if_binary") => DropCategory::IfBinary,
            _ => DropCategory::None,
        };
        let fitted = run(&case, &OneHotEncoder::on(names(&case)).with_drop(drop), &table(&case["columns"]));
        for (name, learned) in learned(fitted.as_ref()) {
            assert_eq!(Json::from(categories(&learned["vocabulary"])), case["fitted"]["categories"][&name]);
        }
    }
}

#[test]
fn ordinal_encoder() {
    for case in cases("OrdinalEncoder") {
        let recipe = OrdinalEncoder::on(names(&case)).with_unknown_value(case["params"]["unknown_value"].as_f64());
        let fitted = run(&case, &recipe, &table(&case["columns"]));
        for (name, learned) in learned(fitted.as_ref()) {
            assert_eq!(Json::from(categories(&learned["vocabulary"])), case["fitted"]["categories"][&name]);
        }
    }
}

#[test]
fn target_encoder() {
    for case in cases("TargetEncoder") {
        let smooth = case["params"]["smooth"].as_f64().map_or(Smooth::Auto, Smooth::Weight);
        let recipe = TargetEncoder::on(names(&case)).with_smooth(smooth);
        let mut columns = case["columns"].clone();
        columns["target"] = case["target"].clone();
        let training = table(&columns).with_role("target", Role::Target).unwrap();
        let fitted = run(&case, &recipe, &training);
        for (name, learned) in learned(fitted.as_ref()) {
            assert_eq!(Json::from(categories(&learned["vocabulary"])), case["fitted"]["categories"][&name]);
            close("target_mean", learned["target_mean"][0].as_f64(), case["fitted"]["target_mean"].as_f64(), 1e-9);
            let expected = case["fitted"]["encodings"][&name].as_array().unwrap();
            for (encodings, expected) in learned["encodings"].as_array().unwrap().iter().zip(expected) {
                close("encoding", encodings[0].as_f64(), expected.as_f64(), 1e-9);
            }
        }
        for size in [7, 60] {
            let (_, crossed) = recipe.fit_transform(&training.rebatch(size).unwrap(), &Run::default()).unwrap();
            let crossed = crossed.select(names(&case)).unwrap();
            compare(&case, &crossed, case["cross_fit"]["expected_train"].as_object().unwrap());
        }
    }
}
