//! Signatures: what a model takes, how inputs are checked, how scores become answers.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int32Array,
    Int64Array, NullArray, RecordBatch, StringArray, TimestampMillisecondArray, record_batch,
};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimeUnit};
use mlops_core::{Classes, Domain, ErrorKind, InputColumn, Predictions, Result, Role, Signature, Table, Task, Value};

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

fn refused(request: &RecordBatch) -> (ErrorKind, String) {
    let error = Signature::of(&flights()).unwrap().check(request).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    let missing = record_batch!(("distance", Float64, [1.0]), ("carrier", Utf8, ["UA"])).unwrap();
    let (kind, message) = refused(&missing);
    assert_eq!(kind, ErrorKind::Schema);
    assert!(message.starts_with("input 'seats' (Int64) is missing"), "{message}");

    let wrong = record_batch!(("distance", Utf8, ["far"]), ("carrier", Utf8, ["UA"]), ("seats", Int64, [1])).unwrap();
    let (kind, message) = refused(&wrong);
    assert_eq!((kind, message.as_str()), (ErrorKind::Schema, "input 'distance' must be Float64, given was Utf8"));

    let fraction =
        record_batch!(("distance", Float64, [1.0]), ("carrier", Utf8, ["UA"]), ("seats", Float64, [1.5])).unwrap();
    assert_eq!(refused(&fraction).0, ErrorKind::Schema);
}

#[test]
fn values_that_do_not_fit_the_type_are_refused_not_nulled() {
    let batch = record_batch!(("small", Int8, [1, 2]), ("y", Float64, [0.0, 1.0])).unwrap();
    let table = Table::from_batch(batch).with_role("y", Role::Target).unwrap();
    let signature = Signature::of(&table).unwrap();
    let error = signature.check(&record_batch!(("small", Int64, [300])).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(error.message(), "input 'small' has values that Int8 can't hold: they would lose digits");
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
    let many = one("y", Int64Array::from_iter_values(0..1_001));
    assert!(of(many).unwrap_err().to_string().contains("convert it to Float64"));
}

#[test]
fn one_class_is_nothing_to_learn() {
    let of = |target: ArrayRef| Task::of(&target, &arrow::datatypes::Field::new("y", target.data_type().clone(), true));
    let targets: [ArrayRef; 6] = [
        Arc::new(arrow::array::BooleanArray::from(vec![true, true])),
        Arc::new(arrow::array::BooleanArray::from(Vec::<bool>::new())),
        Arc::new(Int64Array::from(vec![7, 7])),
        Arc::new(StringArray::from(vec!["a"])),
        Arc::new(StringArray::from(Vec::<&str>::new())),
        Arc::new(arrow::array::UInt64Array::from(vec![1, u64::MAX])),
    ];
    for target in targets {
        assert_eq!(of(Arc::clone(&target)).unwrap_err().kind(), ErrorKind::Data, "{target:?}");
    }
    let values = StringArray::from(vec![Some("a"), Some("b"), None]);
    let hidden_null = DictionaryArray::<Int32Type>::new(Int32Array::from(vec![0, 1, 2]), Arc::new(values));
    assert!(of(Arc::new(hidden_null)).unwrap_err().message().contains("1 nulls"));
}

#[test]
fn a_signature_that_was_read_is_checked() {
    let read = |json: &str| serde_json::from_str::<Signature>(json).map_err(|error| error.to_string());
    let with = |classes: &str| format!(r#"{{"inputs": [], "task": {{"classification": {{"classes": {classes}}}}}}}"#);
    for good in [r#""bool""#, r#"{"int": [-1, 4]}"#, r#"{"text": ["a", "b"]}"#] {
        assert!(read(&with(good)).is_ok(), "{good}");
    }
    for bad in [r#"{"int": []}"#, r#"{"int": [1]}"#, r#"{"int": [2, 1]}"#, r#"{"text": ["a", "a"]}"#] {
        assert!(read(&with(bad)).is_err(), "{bad}");
    }
    let many = format!(r#"{{"int": {:?}}}"#, (0..1_001).collect::<Vec<_>>());
    assert!(read(&with(&many)).unwrap_err().contains("1001 classes"));
    let input = serde_json::to_string(&InputColumn::new("a", DataType::Float64, true)).unwrap();
    let twice = format!(r#"{{"inputs": [{input}, {input}], "task": "regression"}}"#);
    assert!(read(&twice).unwrap_err().contains("two inputs are called 'a'"));
    let huge = serde_json::to_string(&InputColumn::new("a", DataType::FixedSizeBinary(i32::MAX), true)).unwrap();
    let huge = format!(r#"{{"inputs": [{huge}], "task": "regression"}}"#);
    assert!(read(&huge).unwrap_err().contains("2147483647 bytes"));
}

#[test]
fn a_signature_without_classes_is_an_error_of_ours() {
    let none = Signature::new(vec![], Task::Classification { classes: Classes::Int(vec![]) });
    assert_eq!(none.answer(vec![]).unwrap_err().kind(), ErrorKind::Internal);
}

fn one(name: &str, column: impl Array + 'static) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([(name, Arc::new(column) as ArrayRef, true)]).unwrap()
}

/// What an input of a type makes of a column.
fn taken(data_type: DataType, column: impl Array + 'static) -> Result<ArrayRef> {
    let signature = Signature::new(vec![InputColumn::new("a", data_type, true)], Task::Regression);
    Ok(Arc::clone(signature.check(&one("a", column))?.column(0)))
}

fn kind_of_refusal(data_type: DataType, column: impl Array + 'static) -> Option<ErrorKind> {
    taken(data_type, column).err().map(|error| error.kind())
}

#[test]
fn no_digits_are_lost() {
    let (exact, too_long) = (1i64 << 53, (1i64 << 53) + 1);
    assert_eq!(kind_of_refusal(DataType::Float64, Int64Array::from(vec![exact, -exact])), None);
    assert_eq!(kind_of_refusal(DataType::Float64, Int64Array::from(vec![too_long])), Some(ErrorKind::Data));
    assert_eq!(kind_of_refusal(DataType::Float64, Int64Array::from(vec![i64::MAX])), Some(ErrorKind::Data));
    assert_eq!(kind_of_refusal(DataType::Float32, Int64Array::from(vec![16_777_217])), Some(ErrorKind::Data));
    let rounded = taken(DataType::Float32, Float64Array::from(vec![Some(0.1), None, Some(f64::INFINITY)])).unwrap();
    assert_eq!(rounded.as_ref(), &Float32Array::from(vec![Some(0.1), None, Some(f32::INFINITY)]) as &dyn Array);
    let error = taken(DataType::Float32, Float64Array::from(vec![1e300])).unwrap_err();
    assert!(error.message().ends_with("would lose digits"), "{error}");
    let tenth = Decimal128Array::from(vec![1]).with_precision_and_scale(5, 1).unwrap();
    assert_eq!(taken(DataType::Float64, tenth).unwrap().as_primitive::<Float64Type>().value(0), 0.1);
}

#[test]
fn times_are_converted_within_their_kind_and_never_cut() {
    let millis = || TimestampMillisecondArray::from(vec![Some(1_500), None]);
    let seconds = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Second, zone.map(Into::into));
    let micros = taken(DataType::Timestamp(TimeUnit::Microsecond, None), millis()).unwrap();
    assert_eq!(micros.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(0), 1_500_000);
    assert_eq!(kind_of_refusal(seconds(None), millis()), Some(ErrorKind::Data));
    assert_eq!(kind_of_refusal(seconds(None), TimestampMillisecondArray::from(vec![2_000])), None);
    assert_eq!(kind_of_refusal(DataType::Date32, millis()), Some(ErrorKind::Data));
    assert_eq!(kind_of_refusal(seconds(None), Date32Array::from(vec![1])), None);
    for other in [seconds(Some("UTC")), DataType::Time64(TimeUnit::Microsecond), DataType::Duration(TimeUnit::Second)] {
        assert_eq!(kind_of_refusal(other.clone(), millis()), Some(ErrorKind::Schema), "{other}");
    }
    assert_eq!(kind_of_refusal(seconds(Some("UTC")), millis().with_timezone("+01:00")), Some(ErrorKind::Data));
    assert_eq!(kind_of_refusal(DataType::Date32, Int64Array::from(vec![15_700])), None);
    assert_eq!(kind_of_refusal(DataType::Date32, Int64Array::from(vec![1 << 40])), Some(ErrorKind::Data));
}

#[test]
fn nulls_are_found_where_they_hide() {
    assert_eq!(taken(DataType::Float64, NullArray::new(2)).unwrap().null_count(), 2);
    let values = StringArray::from(vec![Some("x"), None]);
    let hidden = DictionaryArray::<Int32Type>::new(Int32Array::from(vec![0, 1]), Arc::new(values));
    assert_eq!(taken(DataType::Utf8, hidden.clone()).unwrap().null_count(), 1);
    for (data_type, column) in [
        (hidden.data_type().clone(), Arc::new(hidden.clone()) as ArrayRef),
        (DataType::Utf8, Arc::new(hidden)),
        (DataType::Float64, Arc::new(NullArray::new(1))),
    ] {
        let strict = Signature::new(vec![InputColumn::new("a", data_type, false)], Task::Regression);
        let error =
            strict.check(&RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap()).unwrap_err();
        assert!(error.message().contains("1 are null, the first in row"), "{error}");
    }
}

#[test]
fn a_row_is_checked_as_a_batch_is() {
    let kind = |data_type: DataType, cell: Value<'_>| {
        let signature = Signature::new(vec![InputColumn::new("a", data_type, false)], Task::Regression);
        signature.check_row(&[cell], &[0.0]).err().map(|error| error.kind())
    };
    let (schema, data) = (Some(ErrorKind::Schema), Some(ErrorKind::Data));
    assert_eq!(kind(DataType::Float64, Value::Int(3)), None);
    assert_eq!(kind(DataType::Float64, Value::Int(i64::MAX)), data);
    assert_eq!(kind(DataType::Float64, Value::Text("3")), schema);
    assert_eq!(kind(DataType::Float64, Value::Null), data);
    assert_eq!(kind(DataType::Float32, Value::Float(1e300)), data);
    assert_eq!(kind(DataType::Int8, Value::Int(300)), data);
    assert_eq!(kind(DataType::Int8, Value::Float(3.0)), schema);
    assert_eq!(kind(DataType::UInt64, Value::Float(3.0)), None);
    assert_eq!(kind(DataType::Boolean, Value::Int(1)), schema);
    assert_eq!(kind(DataType::Utf8, Value::Text("a")), None);
    assert_eq!(kind(DataType::Utf8, Value::Int(1)), schema);
    assert_eq!(kind(DataType::Date32, Value::Int(15_700)), None);
    let two = Signature::new(vec![InputColumn::new("a", DataType::Int8, true)], Task::Regression);
    assert_eq!(two.check_row(&[], &[0.0]).unwrap_err().kind(), ErrorKind::Schema);
    assert_eq!(two.check_row(&[Value::Null], &[]).unwrap_err().kind(), ErrorKind::Schema);
}

#[test]
fn probabilities_are_numbers() {
    let signature = Signature::of(&flights()).unwrap();
    let error = signature.answer(vec![0.8, 0.2, f64::NAN, f64::NAN]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().starts_with("row 1 has no probabilities: an input is missing"), "{error}");
    let regression = Signature::new(vec![], Task::Regression);
    assert!(regression.answer(vec![f64::NAN]).is_ok());
}

#[test]
fn targets_of_another_kind_are_refused() {
    let kind = |classes: Classes, target: ArrayRef| classes.indices(&target).unwrap_err().kind();
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.9]));
    assert_eq!(kind(Classes::Int(vec![0, 1]), Arc::clone(&floats)), ErrorKind::Schema);
    assert_eq!(kind(Classes::Bool, Arc::new(Int64Array::from(vec![1]))), ErrorKind::Schema);
    assert_eq!(kind(Classes::Text(vec!["0.9".into()]), floats), ErrorKind::Schema);
    assert_eq!(kind(Classes::Int(vec![0, 1]), Arc::new(Int64Array::from(vec![Some(1), None]))), ErrorKind::Data);
    let text: ArrayRef = Arc::new(vec!["b", "a"].into_iter().collect::<DictionaryArray<Int32Type>>());
    assert_eq!(Classes::Text(vec!["a".into(), "b".into()]).indices(&text).unwrap(), [1, 0]);
    assert_eq!(Classes::Bool.indices(&(Arc::new(arrow::array::BooleanArray::from(vec![true])) as _)).unwrap(), [1]);
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
    assert_eq!(Predictions::new(Task::Regression, vec![f64::NAN], vec![1.0]).unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(Predictions::new(Task::Regression, vec![1.0], vec![f64::NAN]).unwrap_err().kind(), ErrorKind::Data);
    assert!(predictions.clone().with_weights(vec![1.0]).is_err());
    assert!(predictions.with_weights(vec![1.0, f64::NAN]).is_err());
}
