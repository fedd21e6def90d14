//! Signatures: what a model takes, how inputs are checked, how scores become answers.

use arrow::array::{Array, AsArray, RecordBatch, record_batch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use mlops_core::{Classes, Domain, ErrorKind, Predictions, Role, Signature, Table, Task};

fn flights() -> Table {
    let batch = record_batch!(
        ("distance", Float64, [Some(100.0), None, Some(2500.0)]),
        ("carrier", Utf8, ["UA", "B6", "UA"]),
        ("seats", Int64, [150, 20, 180]),
        ("late", Utf8, ["yes", "no", "no"])
    );
    Table::from_batch(batch.unwrap()).with_role("late", Role::Target).unwrap()
}

#[test]
fn it_records_what_training_saw() {
    let signature = Signature::of(&flights()).unwrap();
    assert_eq!(signature.input_names(), ["distance", "carrier", "seats"]);
    assert_eq!(signature.inputs[0].domain, Domain::Range { min: 100.0, max: 2500.0 });
    assert_eq!(signature.inputs[1].domain, Domain::Categories(vec!["B6".into(), "UA".into()]));
    let classes = Classes::Text(vec!["no".into(), "yes".into()]);
    assert_eq!(signature.task, Task::Classification { classes });
}

#[test]
fn it_is_plain_data() {
    let signature = Signature::of(&flights()).unwrap();
    let json = serde_json::to_string(&signature).unwrap();
    assert_eq!(serde_json::from_str::<Signature>(&json).unwrap(), signature);
}

#[test]
fn inputs_are_found_by_name_and_converted_where_nothing_is_lost() {
    let signature = Signature::of(&flights()).unwrap();
    let request = record_batch!(
        ("seats", Int32, [3]),
        ("unused", Int64, [1]),
        ("distance", Float32, [0.5]),
        ("carrier", Utf8, ["never seen"])
    );
    let checked = signature.check(&request.unwrap()).unwrap();
    assert_eq!(checked.schema(), signature.input_schema());
    assert_eq!(checked.column(0).as_primitive::<Float64Type>().value(0), 0.5);
    assert_eq!(checked.column(2).as_primitive::<Int64Type>().value(0), 3);
}

fn refused(request: RecordBatch) -> (ErrorKind, String) {
    let error = Signature::of(&flights()).unwrap().check(&request).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    let missing = record_batch!(("distance", Float64, [1.0]), ("carrier", Utf8, ["UA"])).unwrap();
    let (kind, message) = refused(missing);
    assert_eq!(kind, ErrorKind::Schema);
    assert!(message.starts_with("input 'seats' (Int64) is missing"), "{message}");

    let wrong = record_batch!(("distance", Utf8, ["far"]), ("carrier", Utf8, ["UA"]), ("seats", Int64, [1])).unwrap();
    let (kind, message) = refused(wrong);
    assert_eq!((kind, message.as_str()), (ErrorKind::Schema, "input 'distance' must be Float64, given was Utf8"));

    let fraction =
        record_batch!(("distance", Float64, [1.0]), ("carrier", Utf8, ["UA"]), ("seats", Float64, [1.5])).unwrap();
    assert_eq!(refused(fraction).0, ErrorKind::Schema);
}

#[test]
fn values_that_do_not_fit_the_type_are_refused_not_nulled() {
    let batch = record_batch!(("small", Int8, [1, 2]), ("y", Float64, [0.0, 1.0])).unwrap();
    let table = Table::from_batch(batch).with_role("y", Role::Target).unwrap();
    let signature = Signature::of(&table).unwrap();
    let error = signature.check(&record_batch!(("small", Int64, [300])).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(error.message(), "input 'small' has values that Int8 can't hold");
}

#[test]
fn scores_become_labels_and_probabilities() {
    let signature = Signature::of(&flights()).unwrap();
    let answer = signature.answer(vec![0.8, 0.2, 0.1, 0.9, 0.5, 0.5]).unwrap();
    let labels = answer.column_by_name("predict").unwrap().as_string::<i32>();
    assert_eq!(labels.iter().flatten().collect::<Vec<_>>(), ["no", "yes", "no"]);
    let proba = answer.column_by_name("predict_proba").unwrap().as_fixed_size_list();
    assert_eq!(proba.value(1).as_primitive::<Float64Type>().values(), &[0.1, 0.9]);
    assert_eq!(signature.answer(vec![0.8]).unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn the_task_follows_from_the_target() {
    let of = |batch: RecordBatch| Task::of(batch.column(0), batch.schema().field(0));
    let float = record_batch!(("y", Float32, [0.5])).unwrap();
    assert_eq!(of(float).unwrap(), Task::Regression);
    let int = record_batch!(("y", Int32, [3, 1, 3])).unwrap();
    assert_eq!(of(int).unwrap(), Task::Classification { classes: Classes::Int(vec![1, 3]) });
    let nulls = record_batch!(("y", Int32, [Some(3), None])).unwrap();
    assert_eq!(of(nulls).unwrap_err().kind(), ErrorKind::Data);
    let many = RecordBatch::try_from_iter([(
        "y",
        std::sync::Arc::new(arrow::array::Int64Array::from_iter_values(0..1_001)) as std::sync::Arc<dyn Array>,
    )])
    .unwrap();
    assert!(of(many).unwrap_err().to_string().contains("convert it to Float64"));
}

#[test]
fn classes_have_indices() {
    let classes = Classes::Int(vec![-1, 4]);
    let target = record_batch!(("y", Int32, [4, -1, 4])).unwrap();
    assert_eq!(classes.indices(target.column(0)).unwrap(), [1, 0, 1]);
    let unknown = record_batch!(("y", Int32, [4, 5])).unwrap();
    let error = classes.indices(unknown.column(0)).unwrap_err();
    assert_eq!(error.message(), "row 1 of the target has no known class");
    assert_eq!(*classes.labels(&[1]).data_type(), DataType::Int64);
    assert_eq!(classes.name(0), "-1");
}

#[test]
fn predictions_check_their_lengths() {
    let task = Task::Classification { classes: Classes::Bool };
    assert_eq!(Predictions::new(task.clone(), vec![1.0], vec![0.5]).unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(Predictions::new(task.clone(), vec![2.0], vec![0.5, 0.5]).unwrap_err().kind(), ErrorKind::Data);
    let predictions = Predictions::new(task, vec![1.0, 0.0], vec![0.4, 0.6, 0.9, 0.1]).unwrap();
    assert_eq!(predictions.take(&[1, 1]).scores, [0.9, 0.1, 0.9, 0.1]);
    assert!(predictions.clone().with_weights(vec![1.0]).is_err());
    assert!(predictions.with_weights(vec![1.0, f64::NAN]).is_err());
}
