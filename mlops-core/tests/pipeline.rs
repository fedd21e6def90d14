//! Pipelines: fitting step by step, the columns a model asks for, saving, loading, and the one-row path.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, record_batch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use mlops_core::columns::{find_column, numbers};
use mlops_core::conformance::LinearModel;
use mlops_core::{
    Artifact, CellReader, Codecs, Dense, Error, ErrorKind, InputColumn, Load, Model, Named, Package, Pipeline, Recipe,
    Result, Role, RowModel, RowTransform, Run, Scratch, Signature, Table, Task, Trainer, Transform, Transformer, Value,
    predict_dense, score_row,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// Subtracts the mean: a recipe and a fitted step of a user's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Center {
    column: String,
}

impl Named for Center {
    const KIND: &'static str = "center";
}

impl Transformer for Center {
    fn learn(&self, data: &Table, _: &Run) -> Result<Arc<dyn Transform>> {
        data.check_inputs([&self.column])?;
        let values = numbers(&data.column(&self.column)?, &self.column)?;
        let mean = values.values().iter().sum::<f64>() / values.values().len() as f64;
        Ok(Arc::new(Centered { column: self.column.clone(), mean }))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Centered {
    column: String,
    mean: f64,
}

impl Transform for Centered {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        let index = find_column(input, &self.column)?;
        let mut fields = input.fields().to_vec();
        fields[index] = Arc::new(Field::new(&self.column, DataType::Float64, true));
        Ok(Arc::new(Schema::new(fields)))
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let schema = self.output_schema(batch.schema_ref())?;
        let index = find_column(batch.schema_ref(), &self.column)?;
        let centered = numbers(batch.column(index), &self.column)?.unary::<_, Float64Type>(|x| x - self.mean);
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns[index] = Arc::new(centered);
        Ok(RecordBatch::try_new(schema, columns)?)
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        Ok(Some(Arc::new(CenteredRow { index: find_column(input, &self.column)?, mean: self.mean })))
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(self)
    }
}

impl Load for Centered {
    const KIND: &'static str = "centered";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        artifact.state()
    }
}

#[derive(Debug)]
struct CenteredRow {
    index: usize,
    mean: f64,
}

impl RowTransform for CenteredRow {
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        output.extend_from_slice(input);
        output[self.index] = input[self.index].as_f64().map_or(Value::Null, |x| Value::Float(x - self.mean));
        Ok(())
    }
}

/// A recipe whose model is known, so that answers can be told by hand: `2 a - b`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {}

impl Named for Known {
    const KIND: &'static str = "known";
}

impl Trainer for Known {
    fn fit(&self, _: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        Ok(Arc::new(LinearModel::regression([("a", 2.0), ("b", -1.0)], 0.0)?))
    }
}

fn codecs() -> Codecs {
    Codecs::default()
        .with(LinearModel::codecs())
        .with_transform::<Centered>()
        .with_transformer::<Center>()
        .with_trainer::<Known>()
}

fn table() -> Table {
    let batch = record_batch!(
        ("id", Int64, [1, 2, 3]),
        ("a", Float64, [1.0, 2.0, 6.0]),
        ("b", Int32, [10, 20, 30]),
        ("unused", Utf8, ["x", "y", "z"]),
        ("y", Float64, [0.0, 1.0, 2.0])
    );
    let table = Table::from_batch(batch.unwrap());
    table.with_role("y", Role::Target).unwrap().with_role("id", Role::Id).unwrap()
}

fn recipe() -> impl Trainer {
    Pipeline::new().then(Center { column: "a".into() }).then(Center { column: "b".into() }).train(Known {})
}

fn answers(model: &dyn Model, batch: &RecordBatch) -> Vec<f64> {
    model.predict(batch).unwrap().column(0).as_primitive::<Float64Type>().values().to_vec()
}

#[test]
fn a_pipeline_model_takes_raw_rows_and_only_the_columns_it_needs() {
    let model = recipe().fit(&table(), &Run::default()).unwrap();
    assert_eq!(model.signature().input_names(), ["a", "b"]);
    assert_eq!(model.signature().inputs[1].data_type, DataType::Int32);
    // a - 3 and b - 20, so 2 (a - 3) - (b - 20).
    assert_eq!(answers(model.as_ref(), &table().to_batch().unwrap()), [6.0, -2.0, -4.0]);
}

#[test]
fn a_leak_is_refused_before_anything_is_fitted() {
    let table = table().with_role("b", Role::Outcome).unwrap();
    let error = recipe().fit(&table, &Run::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Leak);
    assert!(error.to_string().ends_with("(step: 2: center)"), "{error}");
}

#[test]
fn a_missing_column_names_the_step() {
    let recipe = Pipeline::new().then(Center { column: "aa".into() }).train(Known {});
    let error = recipe.fit(&table(), &Run::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    assert!(error.to_string().contains("did you mean 'a'?"), "{error}");
}

#[test]
fn a_recipe_is_plain_data() {
    let spec = recipe().to_spec().unwrap();
    let json = serde_json::to_string(&spec).unwrap();
    let back = codecs().trainer(&serde_json::from_str(&json).unwrap()).unwrap();
    assert_eq!(back.to_spec().unwrap(), spec);
    let (one, two) = (recipe().fit(&table(), &Run::default()), back.fit(&table(), &Run::default()));
    assert_eq!(one.unwrap().save().unwrap(), two.unwrap().save().unwrap());
}

#[test]
fn settings_that_are_not_its_own_are_refused() {
    let spec = serde_json::from_str(r#"{"kind": "center", "settings": {"column": "a", "colour": "red"}}"#).unwrap();
    // A plain derive takes unknown fields; recipes of the library deny them, and so must a pipeline.
    assert!(codecs().transformer(&spec).is_ok());
    let spec = serde_json::from_str(r#"{"kind": "centre"}"#).unwrap();
    let error = codecs().transformer(&spec).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("known are [center, pipeline]"), "{error}");
}

#[test]
fn a_loaded_model_answers_the_same() {
    let model = recipe().fit(&table(), &Run::default()).unwrap();
    let artifact = model.save().unwrap();
    let json = serde_json::to_string(&artifact).unwrap();
    let back = codecs().model(&serde_json::from_str(&json).unwrap()).unwrap();
    let batch = table().to_batch().unwrap();
    assert_eq!(answers(back.as_ref(), &batch), answers(model.as_ref(), &batch));
    assert_eq!(back.save().unwrap(), artifact);
}

#[test]
fn damaged_artifacts_are_errors() {
    let artifact = recipe().fit(&table(), &Run::default()).unwrap().save().unwrap();
    let kind = |artifact: &Artifact| codecs().model(artifact).unwrap_err().kind();

    let mut newer = artifact.clone();
    newer.version = 99;
    assert_eq!(kind(&newer), ErrorKind::Unsupported);

    let mut torn = artifact.clone();
    torn.parts.pop();
    assert_eq!(kind(&torn), ErrorKind::Corrupt);

    let mut foreign = artifact.clone();
    foreign.parts[0].parts[0].kind = "pickle".into();
    assert_eq!(kind(&foreign), ErrorKind::Unsupported);

    let mut wrong = artifact;
    wrong.state = serde_json::json!({});
    assert_eq!(kind(&wrong), ErrorKind::Corrupt);
}

#[test]
fn a_package_notices_a_model_that_answers_otherwise() {
    let model = recipe().fit(&table(), &Run::default()).unwrap();
    let rows = table().to_batch().unwrap();
    let mut package = Package::new("known", Arc::clone(&model), &rows).unwrap();
    package.self_test().unwrap();
    package.model = Arc::new(LinearModel::regression([("a", 2.0), ("b", -1.5)], 0.0).unwrap());
    let error = package.self_test().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().starts_with("sample row 0 got another 'predict'"), "{error}");
    package.model = model;
    package.samples.expected = RecordBatch::try_new(
        package.samples.expected.schema(),
        vec![Arc::new(Float64Array::from(vec![6.0, -2.0, -4.1]))],
    )
    .unwrap();
    let error = package.self_test().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().starts_with("sample row 2 got another 'predict'"), "{error}");
}

#[test]
fn a_package_needs_a_name_and_rows() {
    let model = recipe().fit(&table(), &Run::default()).unwrap();
    let rows = table().to_batch().unwrap();
    let error = Package::new("no/slash", Arc::clone(&model), &rows).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(Package::new("ok", model, &rows.slice(0, 0)).unwrap_err().kind(), ErrorKind::Data);
}

/// Trains a model of two inputs in this order, whatever the data.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Swapped {}

impl Named for Swapped {
    const KIND: &'static str = "swapped";
}

impl Trainer for Swapped {
    fn fit(&self, _: &Table, _: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(LinearModel::regression([("b", -1.0), ("a", 2.0)], 0.0)?))
    }
}

#[test]
fn a_pipeline_without_steps_is_dense_only_if_its_row_is_the_one_of_the_model() {
    let model = Pipeline::new().train(Swapped {}).fit(&table(), &Run::default()).unwrap();
    assert_eq!(model.signature().input_names(), ["a", "b"]);
    assert!(model.dense().is_none());
    let mut score = [0.0];
    score_row(model.as_ref(), &[Value::Float(1.0), Value::Int(10)], &mut Scratch::default(), &mut score).unwrap();
    assert_eq!(score, [-8.0]);
    let model = Pipeline::new().train(Known {}).fit(&table(), &Run::default()).unwrap();
    model.dense().unwrap().score_row(&[1.0, 10.0], &mut score);
    assert_eq!(score, [-8.0]);
}

#[test]
fn rows_that_do_not_fit_are_errors() {
    let model = recipe().fit(&table(), &Run::default()).unwrap();
    let mut scratch = Scratch::default();
    let mut kind = |row: &[Value<'_>], scores: &mut [f64]| {
        score_row(model.as_ref(), row, &mut scratch, scores).err().map(|error| error.kind())
    };
    let (a, b) = (Value::Float(1.0), Value::Int(10));
    assert_eq!(kind(&[a], &mut [0.0]), Some(ErrorKind::Schema));
    assert_eq!(kind(&[a, b], &mut [0.0; 2]), Some(ErrorKind::Schema));
    assert_eq!(kind(&[Value::Text("x"), b], &mut [0.0]), Some(ErrorKind::Schema));
    assert_eq!(kind(&[a, Value::Int(1 << 40)], &mut [0.0]), Some(ErrorKind::Data));
    assert_eq!(kind(&[a, b], &mut [0.0]), None);
    let error = model.row().unwrap().score_row(&[Value::Null, b], &mut scratch, &mut [0.0]).unwrap_err();
    assert_eq!(
        error.message(),
        "input 'a' must have a value; it is null: fill it in, or fit the model on rows without it too"
    );
}

/// A model over cells that is not dense: twice the value of `a`, with a cell of its own in between.
#[derive(Debug)]
struct Twice(Signature);

impl Model for Twice {
    fn signature(&self) -> &Signature {
        &self.0
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = self.0.check(batch)?;
        let values = batch.column(0).as_primitive::<Float64Type>();
        self.0.answer(values.values().iter().map(|x| 2.0 * x).collect())
    }

    fn dense(&self) -> Option<&dyn Dense> {
        None
    }

    fn row(&self) -> Option<&dyn RowModel> {
        Some(self)
    }

    fn save(&self) -> Result<Artifact> {
        Err(Error::unsupported("only for this test"))
    }
}

impl RowModel for Twice {
    fn score_row(&self, row: &[Value<'_>], _: &mut Scratch, scores: &mut [f64]) -> Result<()> {
        scores[0] = 2.0 * row[0].to_f64();
        if scores[0] > 1e6 { Err(Error::data("too much")) } else { Ok(()) }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct TrainTwice {}

impl Named for TrainTwice {
    const KIND: &'static str = "twice";
}

impl Trainer for TrainTwice {
    fn fit(&self, _: &Table, _: &Run) -> Result<Arc<dyn Model>> {
        let input = InputColumn::new("a", DataType::Float64, true);
        Ok(Arc::new(Twice(Signature::new(vec![input], Task::Regression))))
    }
}

#[test]
fn a_model_over_cells_keeps_its_row_path_inside_of_pipelines() {
    let inner = Pipeline::new().then(Center { column: "a".into() }).train(TrainTwice {});
    let model =
        Pipeline::new().then(Center { column: "a".into() }).train(inner).fit(&table(), &Run::default()).unwrap();
    let mut scratch = Scratch::default();
    let mut score = [0.0];
    for _ in 0..2 {
        score_row(model.as_ref(), &[Value::Float(5.0)], &mut scratch, &mut score).unwrap().unwrap();
        assert_eq!(score, [4.0]);
        assert!(score_row(model.as_ref(), &[Value::Float(1e9)], &mut scratch, &mut score).is_err());
    }
    assert_eq!(answers(model.as_ref(), &table().to_batch().unwrap())[2], 6.0);
}

/// Answers 7 to everything.
#[derive(Debug)]
struct Seven(Signature);

impl Dense for Seven {
    fn score_row(&self, _: &[f64], scores: &mut [f64]) {
        scores.fill(7.0);
    }
}

#[test]
fn a_model_without_inputs_answers_every_row() {
    let seven = Seven(Signature::new(vec![], Task::Regression));
    for rows in [2, 600] {
        let batch = table().to_batch().unwrap().slice(0, 1);
        let batch = arrow::compute::concat_batches(&batch.schema(), &vec![batch; rows]).unwrap();
        let answer = predict_dense(&seven.0, &seven, &batch).unwrap();
        assert_eq!(answer.column(0).as_primitive::<Float64Type>().values().to_vec(), vec![7.0; rows]);
    }
}

#[test]
fn a_self_test_needs_samples_and_takes_no_infinity_for_a_number() {
    let model = recipe().fit(&table(), &Run::default()).unwrap();
    let package = Package::new("known", model, &table().to_batch().unwrap()).unwrap();
    let expected = |first: f64| {
        let mut package = package.clone();
        let values = Float64Array::from(vec![first, -2.0, -4.0]);
        package.samples.expected =
            RecordBatch::try_new(package.samples.expected.schema(), vec![Arc::new(values)]).unwrap();
        package
    };
    assert!(expected(6.0).self_test().is_ok());
    assert_eq!(expected(f64::INFINITY).self_test().unwrap_err().kind(), ErrorKind::Corrupt);
    let mut loose = expected(6.001);
    assert!(loose.self_test().is_err());
    loose.samples = loose.samples.with_tolerance(1e-3);
    assert!(loose.self_test().is_ok());
    loose.samples = loose.samples.with_tolerance(f64::INFINITY);
    assert_eq!(loose.self_test().unwrap_err().kind(), ErrorKind::Corrupt);
    let mut empty = package.clone();
    empty.samples.inputs = empty.samples.inputs.slice(0, 0);
    empty.samples.expected = empty.samples.expected.slice(0, 0);
    assert!(empty.self_test().unwrap_err().message().contains("no sample rows"));
}

/// Counts the elements of a list, which no cell can hold.
#[derive(Debug)]
struct Lengths(Signature);

impl Model for Lengths {
    fn signature(&self) -> &Signature {
        &self.0
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = self.0.check(batch)?;
        let lists = batch.column(0).as_list::<i32>();
        self.0.answer((0..batch.num_rows()).map(|row| f64::from(lists.value_length(row))).collect())
    }

    fn dense(&self) -> Option<&dyn Dense> {
        None
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn save(&self) -> Result<Artifact> {
        Err(Error::unsupported("only for this test"))
    }
}

#[test]
fn a_model_of_batches_only_can_be_packaged() {
    let list = arrow::array::ListArray::from_iter_primitive::<Float64Type, _, _>(vec![Some(vec![Some(1.0)])]);
    let batch = RecordBatch::try_from_iter([("list", Arc::new(list) as ArrayRef)]).unwrap();
    let input = InputColumn::new("list", batch.schema().field(0).data_type().clone(), true);
    let model = Lengths(Signature::new(vec![input], Task::Regression));
    Package::new("lengths", Arc::new(model), &batch).unwrap().self_test().unwrap();
}

proptest! {
    #[test]
    fn row_by_row_equals_the_batch(rows in prop::collection::vec((prop::num::f64::NORMAL, any::<i32>()), 1..20)) {
        let model = recipe().fit(&table(), &Run::default()).unwrap();
        let (a, b): (Vec<f64>, Vec<i32>) = rows.into_iter().unzip();
        let batch = RecordBatch::try_from_iter([
            ("a", Arc::new(Float64Array::from(a)) as ArrayRef),
            ("b", Arc::new(arrow::array::Int32Array::from(b)) as ArrayRef),
        ]).unwrap();
        let reader = CellReader::new(&batch).unwrap();
        let mut scratch = Scratch::default();
        for (row, expected) in answers(model.as_ref(), &batch).into_iter().enumerate() {
            let cells: Vec<_> = reader.row(row).collect();
            let mut score = [0.0];
            prop_assert!(score_row(model.as_ref(), &cells, &mut scratch, &mut score).unwrap().is_some());
            prop_assert_eq!(score[0].to_bits(), expected.to_bits());
        }
    }
}
