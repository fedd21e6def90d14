use arrow::array::AsArray;
use mlops_core::{Classes, ErrorKind, Model};
use mlops_train::{Import, TreeModel, foreign};

use super::golden::{ROWS, assert_agrees, assert_is_kept, batch, path, read, rows};

const LIGHTGBM: &[&str] = &[
    "lgb_binary",
    "lgb_codes",
    "lgb_cross_entropy",
    "lgb_forest",
    "lgb_gamma",
    "lgb_multiclass",
    "lgb_no_missing",
    "lgb_ova",
    "lgb_poisson",
    "lgb_quantile",
    "lgb_rank",
    "lgb_regression",
    "lgb_sigmoid",
    "lgb_tweedie",
];
const XGBOOST: &[&str] = &[
    "xgb_absolute",
    "xgb_binary",
    "xgb_codes",
    "xgb_dart",
    "xgb_forest",
    "xgb_gamma",
    "xgb_multi",
    "xgb_one_hot",
    "xgb_poisson",
    "xgb_rank",
    "xgb_raw",
    "xgb_regression",
    "xgb_share",
    "xgb_small",
    "xgb_softmax",
    "xgb_tweedie",
];

fn lightgbm(name: &str) -> TreeModel {
    Import::new().lightgbm(&read(&format!("{name}.txt"))).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn xgboost(name: &str) -> TreeModel {
    Import::new().xgboost(&read(&format!("{name}.ubj"))).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn lightgbm_answers_the_same() {
    let rows = rows(ROWS, 3, true);
    for name in LIGHTGBM {
        let model = lightgbm(name);
        // The expected numbers are rounded to f32.
        assert_agrees(name, &model, &rows, 6e-8);
        assert_is_kept(name, &model, &rows);
    }
}

#[test]
fn xgboost_answers_the_same() {
    let rows = rows(ROWS, 3, true);
    for name in XGBOOST {
        let model = xgboost(name);
        assert_agrees(name, &model, &rows, 2e-6);
        assert_is_kept(name, &model, &rows);
    }
    for name in ["xgb_binary", "xgb_codes"] {
        let model = Import::new().xgboost(&read(&format!("{name}.json"))).unwrap();
        assert_agrees(name, &model, &rows, 2e-6);
    }
}

#[test]
fn every_file_has_its_test() {
    let mut files: Vec<String> = std::fs::read_dir(path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".txt") && name.starts_with("lgb") || name.ends_with(".ubj"))
        .collect();
    files.sort();
    let named = LIGHTGBM.iter().map(|name| format!("{name}.txt"));
    let named: Vec<String> = named.chain(XGBOOST.iter().map(|name| format!("{name}.ubj"))).collect();
    assert_eq!(files, named);
}

#[test]
fn what_was_written_again_answers_the_same() {
    let rows = rows(ROWS, 3, true);
    for name in LIGHTGBM.iter().chain(XGBOOST) {
        let model = if name.starts_with("lgb") { lightgbm(name) } else { xgboost(name) };
        let tolerance = if name.starts_with("lgb") { 6e-8 } else { 2e-6 };
        match foreign::to_lightgbm(&model) {
            Ok(text) => {
                let again = Import::new().lightgbm(text.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_agrees(name, &again, &rows, tolerance);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
                assert!(["xgb_codes", "xgb_one_hot", "xgb_small"].contains(name), "{name}: {error}");
            }
        }
        match foreign::to_xgboost(&model) {
            Ok(json) => {
                let again = Import::new().xgboost(json.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_agrees(name, &again, &rows, 2e-6);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
                assert!(["lgb_sigmoid", "lgb_ova"].contains(name), "{name}: {error}");
            }
        }
    }
}

#[test]
fn names_and_classes_are_the_files_or_the_callers() {
    let model = xgboost("xgb_binary");
    assert_eq!(model.signature().inputs[3].name, "sensor 3");
    assert_eq!(xgboost("xgb_multi").signature().inputs[3].name, "f3");
    assert_eq!(lightgbm("lgb_binary").signature().inputs[3].name, "Column_3");
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let import = Import::new().with_classes(Classes::Text(vec!["no".into(), "yes".into()])).with_features(names);
    let model = import.read(&read("lgb_binary.txt")).unwrap();
    assert_eq!(model.signature().input_names(), names);
    let answer = model.predict(&batch(model.as_ref(), &rows(5, 3, false))).unwrap();
    assert!(["no", "yes"].contains(&answer.column(0).as_string::<i32>().value(0)));

    let file = read("lgb_multiclass.txt");
    for wrong in [
        Import::new().with_classes(Classes::Bool),
        Import::new().with_classes(Classes::Int(vec![2, 1, 0])),
        Import::new().with_features(["a"]),
        Import::new().with_features(["a", "b", "c", "d", "e", "f", "g", "a"]),
    ] {
        assert_eq!(wrong.read(&file).unwrap_err().kind(), ErrorKind::Config, "{wrong:?}");
    }
    let number = Import::new().with_classes(Classes::Bool).read(&read("lgb_poisson.txt"));
    assert_eq!(number.unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn importances_are_gains() {
    let model = lightgbm("lgb_regression");
    let [shares] = <[Vec<f64>; 1]>::try_from(model.importances().unwrap()).unwrap();
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert!(shares[0] > shares[5] && shares[1] > shares[7], "{shares:?}");
}

/// Changes a file by a text edit and says what came of it.
fn edited(file: &str, from: &str, to: &str) -> mlops_core::Error {
    let text = String::from_utf8(read(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    Import::new().read(text.replacen(from, to, 1).as_bytes()).map(|_| ()).expect_err(to)
}

#[test]
fn wrong_files_are_refused_by_place() {
    use ErrorKind::{Corrupt, Unsupported};
    let cases = [
        ("lgb_binary.txt", "end of trees", "", Corrupt, "cut off"),
        ("lgb_binary.txt", "num_leaves=12", "num_leaves=99999999999", Corrupt, "'leaf_value' of tree 0"),
        ("lgb_binary.txt", "split_feature=0", "split_feature=8", Corrupt, "split 0 of tree 0 asks for feature 8 of 8"),
        ("lgb_binary.txt", "left_child=1", "left_child=0", Corrupt, "branches with two parents"),
        ("lgb_binary.txt", "left_child=1", "left_child=-99", Corrupt, "has a"),
        ("lgb_binary.txt", "left_child=1", "left_child=x", Corrupt, "can't be 'x0'"),
        ("lgb_binary.txt", "max_feature_idx=7", "max_feature_idx=18446744073709551615", Corrupt, "max_feature_idx"),
        ("lgb_binary.txt", "num_class=1", "num_class=99999999999", Corrupt, "classes"),
        ("lgb_binary.txt", "objective=binary", "objective=dance", Unsupported, "'dance'; known are"),
        ("lgb_binary.txt", "is_linear=0", "is_linear=1", Unsupported, "linear"),
        ("lgb_codes.txt", "cat_boundaries=0 1", "cat_boundaries=0 9999999999", Corrupt, ""),
        ("lgb_multiclass.txt", "num_tree_per_iteration=3", "num_tree_per_iteration=2", Corrupt, "3 classes with 2"),
        ("xgb_binary.json", "binary:logistic", "binary:dance", Unsupported, "'binary:dance'; known are"),
        ("xgb_binary.json", "\"gbtree\"", "\"gblinear\"", Unsupported, "'gblinear'"),
        ("xgb_binary.json", "\"left_children\":[1", "\"left_children\":[0", Corrupt, "tree 0"),
        ("xgb_binary.json", "\"left_children\":[1", "\"left_children\":[1e300", Corrupt, "tree 0"),
        (
            "xgb_binary.json",
            "\"num_feature\":\"8\",\"num_target\"",
            "\"num_feature\":\"99999999999\",\"num_target\"",
            Corrupt,
            "feature_names",
        ),
        ("xgb_binary.json", "\"tree_info\":[0", "\"tree_info\":[7", Corrupt, "tree 0"),
        ("xgb_binary.json", "\"base_score\":\"[", "\"base_score\":\"[x", Corrupt, "base_score"),
        (
            "xgb_binary.json",
            "\"size_leaf_vector\":\"1\"",
            "\"size_leaf_vector\":\"3\"",
            Unsupported,
            "one_output_per_tree",
        ),
        ("xgb_codes.json", "\"categories_sizes\":[", "\"categories_sizes\":[9e18,", Corrupt, "categories_sizes"),
    ];
    for (file, from, to, kind, message) in cases {
        let error = edited(file, from, to);
        assert_eq!(error.kind(), kind, "{to}: {error}");
        assert!(error.to_string().contains(message), "{to}: {error}");
    }
    for bytes in [b"".as_slice(), b"tree", b"pickle", b"\x80\x04"] {
        assert!(Import::new().read(bytes).is_err());
    }
}
