//! `Smote` against imbalanced-learn; the values are made by `tests/golden/imblearn/gen.py`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    record_batch,
};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use mlops_core::{ErrorKind, Role, Run, Table, Transformer};
use mlops_data::transform::{SamplingStrategy, Smote};
use serde_json::Value as Json;

fn golden() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/imblearn/smote.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn floats(values: &Json) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The rows of the golden file, with their number as id.
fn table(golden: &Json) -> Table {
    let x: Vec<Vec<f64>> = golden["x"].as_array().unwrap().iter().map(floats).collect();
    let y: StringArray = golden["y"].as_array().unwrap().iter().map(Json::as_str).collect();
    let columns: [(&str, ArrayRef); 5] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..y.len() as i64))),
        ("a", Arc::new(Float64Array::from(x[0].clone()))),
        ("b", Arc::new(Float64Array::from(x[1].clone()))),
        ("c", Arc::new(Float64Array::from(x[2].clone()))),
        ("class", Arc::new(y)),
    ];
    let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).rebatch(40).unwrap();
    table.with_role("class", Role::Target).unwrap().with_role("id", Role::Id).unwrap()
}

/// Id, class and features of each row.
fn rows(table: &Table) -> Vec<(usize, String, [f64; 3])> {
    let batch = table.to_batch().unwrap();
    let column = |place: usize| batch.column(place).as_primitive::<Float64Type>();
    let ids = batch.column(0).as_primitive::<Int64Type>();
    let row = |row: usize| {
        let class = batch.column(4).as_string::<i32>().value(row).to_owned();
        (ids.value(row) as usize, class, [1, 2, 3].map(|place| column(place).value(row)))
    };
    (0..batch.num_rows()).map(row).collect()
}

fn counts(table: &Table) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    rows(table).into_iter().for_each(|(_, class, _)| *counts.entry(class).or_default() += 1);
    counts
}

/// The share of the way from `from` to `to` at which `point` is, if it is on it.
fn share(point: &[f64; 3], from: &[f64; 3], to: &[f64; 3]) -> Option<f64> {
    let share = (point[0] - from[0]) / (to[0] - from[0]);
    let is_on = (0..3).all(|i| (from[i] + share * (to[i] - from[i]) - point[i]).abs() < 1e-9);
    (is_on && (0.0..1.0).contains(&share)).then_some(share)
}

#[test]
fn rows_are_made_between_the_neighbours_that_imbalanced_learn_finds() {
    let golden = golden();
    let table = table(&golden);
    let given = rows(&table);
    for (strategy, name) in [(SamplingStrategy::Balanced, "balanced"), (SamplingStrategy::Ratio(0.5), "half")] {
        let recipe = Smote::new().with_sampling_strategy(strategy);
        let made = recipe.fit_transform(&table, &Run::default().with_seed(3)).unwrap().1;
        let expected: BTreeMap<String, u64> = golden["classes"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(class, of)| (class.clone(), of[name].as_u64().unwrap()))
            .collect();
        assert_eq!(counts(&made), expected);
        let made = rows(&made);
        assert_eq!(made[..given.len()], given);
        let mut shares = Vec::new();
        for (id, class, point) in &made[given.len()..] {
            let neighbours = golden["classes"][class]["neighbours"][id.to_string()].as_array().unwrap();
            let to = |n: &Json| share(point, &given[*id].2, &given[n.as_u64().unwrap() as usize].2);
            shares.push(neighbours.iter().find_map(to).unwrap_or_else(|| panic!("{point:?} of {id} is on no way")));
        }
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        assert!(
            (mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / shares.len() as f64).sqrt(),
            "the shares are not uniform: {mean}"
        );
    }
}

#[test]
fn made_rows_are_distributed_as_those_of_imbalanced_learn() {
    let golden = golden();
    let table = table(&golden);
    let mut made: BTreeMap<String, Vec<[f64; 3]>> = BTreeMap::new();
    for seed in 0..100 {
        let new = Smote::new().fit_transform(&table, &Run::default().with_seed(seed)).unwrap().1;
        for (_, class, point) in rows(&new).split_off(table.num_rows()) {
            made.entry(class).or_default().push(point);
        }
    }
    assert_eq!(made.len(), 2);
    for (class, points) in made {
        let of = &golden["classes"][&class];
        let (mean, std, n) = (floats(&of["mean"]), floats(&of["std"]), points.len() as f64);
        for i in 0..3 {
            let ours = points.iter().map(|point| point[i]).sum::<f64>() / n;
            let spread = (points.iter().map(|point| (point[i] - ours).powi(2)).sum::<f64>() / n).sqrt();
            // Five standard errors of a mean of ten thousand rows.
            assert!((ours - mean[i]).abs() < 5.0 * std[i] / n.sqrt(), "{class} {i}: {ours} and {}", mean[i]);
            assert!((spread / std[i] - 1.0).abs() < 0.05, "{class} {i}: {spread} and {}", std[i]);
        }
    }
}

#[test]
fn the_seed_alone_decides() {
    let table = table(&golden());
    let made = |table: &Table, run: &Run| Smote::new().fit_transform(table, run).unwrap().1.to_batch().unwrap();
    let run = |seed: u64| Run::default().with_seed(seed);
    let one = made(&table, &run(1));
    assert_eq!(made(&table.rebatch(7).unwrap(), &run(1).with_threads(NonZeroUsize::MIN)), one);
    assert_ne!(made(&table, &run(2)), one);

    let recipe: Smote = serde_json::from_str(r#"{"k_neighbors": 3}"#).unwrap();
    assert_eq!(recipe, Smote::new().with_k_neighbors(NonZeroUsize::new(3).unwrap()));
    assert!(serde_json::from_str::<Smote>(r#"{"k_neighbors": 0}"#).is_err());
}

#[test]
fn whole_numbers_and_other_columns_keep_their_types() {
    let columns: [(&str, ArrayRef); 3] = [
        ("age", Arc::new((0..40).map(|n| Some(n * 7 % 90)).collect::<Int32Array>())),
        ("height", Arc::new((0..40).map(|n| Some(n as f32 / 3.0)).collect::<arrow::array::Float32Array>())),
        ("ill", Arc::new((0..40).map(|n| Some(n % 5 == 0)).collect::<BooleanArray>())),
    ];
    let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).with_role("ill", Role::Target).unwrap();
    let (fitted, made) = Smote::new().fit_transform(&table, &Run::default()).unwrap();
    assert_eq!((made.num_rows(), made.schema()), (64, table.schema()));
    assert_eq!(*made.schema().field(1).data_type(), DataType::Float32);
    let ages = made.column("age").unwrap();
    let ill = made.column("ill").unwrap();
    assert!(ages.as_primitive::<Int32Type>().values()[40..].iter().all(|age| (0..90).contains(age)));
    assert!((40..64).all(|row| ill.as_boolean().value(row)));
    assert_eq!(fitted.apply(table.to_batch().unwrap()).unwrap(), table.to_batch().unwrap());
}

#[test]
fn what_has_no_between_is_refused_with_a_remedy() {
    let refused = |x: Option<ArrayRef>| {
        let rare: ArrayRef = Arc::new(StringArray::from(vec!["n", "n", "n", "n", "y", "y", "y"]));
        let columns = x.map(|x| ("x", x)).into_iter().chain([("rare", rare)]);
        let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
        Smote::new().fit_transform(&table.with_role("rare", Role::Target).unwrap(), &Run::default()).unwrap_err()
    };
    let text = refused(Some(Arc::new(StringArray::from(vec!["a", "b", "c", "d", "e", "f", "g"]))));
    assert_eq!(text.kind(), ErrorKind::Schema);
    assert!(text.to_string().contains("'x' is Utf8") && text.to_string().contains("OneHotEncoder"), "{text}");
    assert_eq!(refused(Some(Arc::new(BooleanArray::from(vec![true; 7])))).kind(), ErrorKind::Schema);
    let few = refused(Some(Arc::new(Int32Array::from_iter_values(0..7))));
    assert_eq!(few.kind(), ErrorKind::Data);
    assert!(few.to_string().contains("the class 'y' has 3 rows") && few.to_string().contains("k_neighbors"), "{few}");
    for bad in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let x = (0..7).map(|row| if row == 2 { bad } else { Some(f64::from(row)) });
        let gap = refused(Some(Arc::new(x.collect::<Float64Array>())));
        assert_eq!(gap.kind(), ErrorKind::Data);
        assert!(gap.to_string().ends_with("(column: x, row: 3)"), "{gap}");
    }
    assert_eq!(refused(None).kind(), ErrorKind::Config);
    let amount = Table::from_batch(record_batch!(("x", Float64, [1.0, 2.5]), ("y", Float64, [0.5, 0.7])).unwrap());
    let amount =
        Smote::new().fit_transform(&amount.with_role("y", Role::Target).unwrap(), &Run::default()).unwrap_err();
    assert_eq!(amount.kind(), ErrorKind::Unsupported, "{amount}");
}
