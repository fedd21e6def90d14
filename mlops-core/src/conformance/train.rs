//! What every [`Trainer`] and the [`Model`]s it fits must do.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema};

use super::Trial;
use crate::{
    Cancel, CellReader, Codecs, Error, ErrorKind, Model, Predictions, Result, Role, Run, Scratch, Table, Task, Trainer,
    score_row,
};

/// A trainer to be tried, and rows to try it on.
///
/// # Example
/// ```no_run
/// # fn example(recipe: fn() -> Box<dyn mlops_core::Trainer>, flights: mlops_core::Table, codecs: mlops_core::Codecs) {
/// use mlops_core::conformance::{TrainerSubject, trainer};
///
/// for trial in trainer(TrainerSubject::new("my_trainer", recipe, flights, codecs)) {
///     futures::executor::block_on(trial.run());
/// }
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct TrainerSubject {
    /// The first part of the trials' names.
    pub name: String,
    /// Makes the recipe.
    pub recipe: Arc<dyn Fn() -> Box<dyn Trainer> + Send + Sync>,
    /// At least 30 complete rows with a target (without one, if groups are to be found); fast to learn.
    pub data: Table,
    /// Reads the recipe and the model.
    pub codecs: Codecs,
}

impl fmt::Debug for TrainerSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrainerSubject").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TrainerSubject {
    /// A recipe to be tried on `data`.
    pub fn new(
        name: impl Into<String>,
        recipe: impl Fn() -> Box<dyn Trainer> + Send + Sync + 'static,
        data: Table,
        codecs: Codecs,
    ) -> Self {
        Self { name: name.into(), recipe: Arc::new(recipe), data, codecs }
    }

    fn fit(&self, data: &Table) -> Result<Arc<dyn Model>> {
        (self.recipe)().fit(data, &Run::default().with_seed(42))
    }

    fn fitted(&self) -> Arc<dyn Model> {
        self.fit(&self.data).expect("the recipe learns from the subject's data")
    }

    fn rows(&self) -> RecordBatch {
        self.data.to_batch().expect("the subject's data make one batch")
    }

    /// The target; `None` if groups are to be found.
    fn target(&self) -> Option<Field> {
        self.data.target().ok().map(|field| field.as_ref().clone())
    }

    /// The subject's data with one column replaced or added; roles stay.
    fn with_column(&self, name: &str, column: ArrayRef) -> Table {
        let rows = self.rows();
        let given = rows.schema();
        let field = Arc::new(Field::new(name, column.data_type().clone(), true));
        let mut fields = given.fields().to_vec();
        let mut columns = rows.columns().to_vec();
        match given.index_of(name) {
            Ok(i) => (fields[i], columns[i]) = (field, column),
            Err(_) => {
                fields.push(field);
                columns.push(column);
            }
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of equal length");
        Table::from_batch(batch).with_roles(self.data.roles())
    }
}

type Check = fn(&TrainerSubject);

/// The trials of a [`Trainer`] and its [`Model`]s.
#[expect(clippy::needless_pass_by_value, reason = "a subject is made for its trials")]
pub fn trainer(subject: TrainerSubject) -> Vec<Trial> {
    let checks: [(&str, Check); 23] = [
        ("same_seed_gives_the_same_model", same_seed),
        ("threads_do_not_matter", threads),
        ("batches_of_the_training_rows_do_not_matter", training_batches),
        ("the_recipe_survives_being_written", recipe_round_trip),
        ("the_model_survives_being_written", model_round_trip),
        ("a_newer_artifact_is_refused", newer_artifact),
        ("answers_have_the_declared_form", declared_form),
        ("answers_align_with_rows", alignment),
        ("pieces_are_answered_like_the_whole", pieces),
        ("rows_are_answered_like_batches", rows_like_batches),
        ("inputs_are_found_by_name", by_name),
        ("a_missing_input_is_named", missing_input),
        ("one_row_is_learned_or_refused", one_row),
        ("no_rows_are_refused", no_rows),
        ("no_features_are_refused", no_features),
        ("no_target_is_refused", no_target),
        ("one_class_is_refused_and_one_number_learned", constant_target),
        ("a_constant_feature_does_no_harm", constant_feature),
        ("a_text_is_prepared_or_refused", text_feature),
        ("a_missing_value_is_prepared_or_refused", missing_value),
        ("weights_are_checked", weights),
        ("importances_fit_the_inputs", importances),
        ("cancelled_work_stops", cancellation),
    ];
    let trial = |(name, check): (&str, Check)| {
        let subject = subject.clone();
        Trial::new(format!("{}::{name}", subject.name), move || check(&subject))
    };
    checks.into_iter().map(trial).collect()
}

fn importances(subject: &TrainerSubject) {
    let model = subject.fitted();
    let Some(outputs) = model.importances() else { return };
    let inputs = model.signature().inputs.len();
    assert!(!outputs.is_empty(), "importances of no output: say None");
    for output in outputs {
        assert_eq!(output.len(), inputs, "one number an input is needed");
        assert!(output.iter().all(|x| x.is_finite()), "an importance is not finite: {output:?}");
    }
}

fn predict(model: &dyn Model, batch: &RecordBatch) -> RecordBatch {
    model.predict(batch).expect("the model answers rows like those it has learned from")
}

/// The numbers of an answer, bit by bit, and its labels.
fn bits(answer: &RecordBatch) -> (Vec<u64>, Option<ArrayRef>) {
    let mut labels = None;
    let mut numbers = Vec::new();
    for column in answer.columns() {
        match column.data_type() {
            DataType::Float64 => numbers.extend(column.as_primitive::<Float64Type>().values().iter().map(bits_of)),
            DataType::FixedSizeList(_, width) => {
                let (list, width) = (column.as_fixed_size_list(), *width as usize);
                let values = list.values().slice(list.offset() * width, list.len() * width);
                let values = cast(&values, &DataType::Float64).expect("a list of numbers or of bools");
                numbers.extend(values.as_primitive::<Float64Type>().values().iter().map(bits_of));
            }
            _ => labels = Some(Arc::clone(column)),
        }
    }
    (numbers, labels)
}

/// All NaNs are one.
fn bits_of(x: &f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }
}

#[track_caller]
fn assert_same_answers(a: &RecordBatch, b: &RecordBatch, what: &str) {
    assert_eq!(bits(a), bits(b), "answers differ: {what}");
}

#[track_caller]
fn assert_same_model(subject: &TrainerSubject, a: &dyn Model, b: &dyn Model, what: &str) {
    assert_same_answers(&predict(a, &subject.rows()), &predict(b, &subject.rows()), what);
    let (a, b) = (a.save().expect("it can be saved"), b.save().expect("it can be saved"));
    assert!(a == b, "the saved models differ: {what}");
}

#[track_caller]
fn assert_refused(result: Result<Arc<dyn Model>>, kinds: &[ErrorKind]) -> Error {
    let error = result.expect_err("it should have been refused");
    assert!(kinds.contains(&error.kind()), "a refusal of kind {:?}, not {kinds:?}: {error}", error.kind());
    assert!(!error.message().is_empty(), "a refusal without a message");
    error
}

/// A row may be far from every group, but every other answer is a number.
#[track_caller]
fn assert_finite(model: &dyn Model, answer: &RecordBatch) {
    let finite = bits(answer).0.into_iter().all(|bits| f64::from_bits(bits).is_finite());
    assert!(finite || matches!(model.signature().task, Task::Clustering { .. }), "an answer is not finite");
}

fn same_seed(subject: &TrainerSubject) {
    assert_same_model(subject, subject.fitted().as_ref(), subject.fitted().as_ref(), "the same seed");
}

fn threads(subject: &TrainerSubject) {
    let fit = |threads| {
        let threads = NonZeroUsize::new(threads).expect("at least one");
        let run = Run::default().with_seed(42).with_threads(threads);
        (subject.recipe)().fit(&subject.data, &run).expect("the recipe learns")
    };
    let one = fit(1);
    assert_same_model(subject, one.as_ref(), fit(2).as_ref(), "1 thread and 2");
    assert_same_model(subject, one.as_ref(), fit(3).as_ref(), "1 thread and 3");
}

fn training_batches(subject: &TrainerSubject) {
    let whole = subject.fit(&subject.data.rebatch(usize::MAX).expect("one batch")).expect("it learns");
    let cut = subject.fit(&subject.data.rebatch(7).expect("batches of 7")).expect("it learns");
    assert_same_model(subject, whole.as_ref(), cut.as_ref(), "batches of 7 rows");
}

fn recipe_round_trip(subject: &TrainerSubject) {
    let spec = (subject.recipe)().to_spec().expect("the recipe can be written");
    let text = serde_json::to_string(&spec).expect("a recipe is JSON");
    let read = serde_json::from_str(&text).expect("JSON is read back");
    let recipe = subject.codecs.trainer(&read).expect("the codecs know the recipe");
    assert_eq!(recipe.to_spec().expect("it can be written"), spec);
    let run = Run::default().with_seed(42);
    let model = recipe.fit(&subject.data, &run).expect("the recipe that was read learns");
    assert_same_model(subject, subject.fitted().as_ref(), model.as_ref(), "the recipe that was read");
}

fn model_round_trip(subject: &TrainerSubject) {
    let model = subject.fitted();
    let artifact = model.save().expect("it can be saved");
    let text = serde_json::to_string(&artifact).expect("an artifact is JSON");
    let mut read: crate::Artifact = serde_json::from_str(&text).expect("JSON is read back");
    restore_blobs(&artifact, &mut read);
    let loaded = subject.codecs.model(&read).expect("the codecs know the model");
    assert_eq!(loaded.signature(), model.signature());
    assert_same_model(subject, model.as_ref(), loaded.as_ref(), "the model that was read");
}

/// Blobs are stored beside the JSON.
fn restore_blobs(from: &crate::Artifact, to: &mut crate::Artifact) {
    to.blobs.clone_from(&from.blobs);
    from.parts.iter().zip(&mut to.parts).for_each(|(from, to)| restore_blobs(from, to));
}

fn newer_artifact(subject: &TrainerSubject) {
    let mut artifact = subject.fitted().save().expect("it can be saved");
    artifact.version += 1;
    assert_refused(subject.codecs.model(&artifact), &[ErrorKind::Unsupported]);
}

fn declared_form(subject: &TrainerSubject) {
    let model = subject.fitted();
    let rows = subject.rows();
    let answer = predict(model.as_ref(), &rows);
    assert_eq!(answer.schema(), model.signature().output_schema());
    assert_eq!(answer.num_rows(), rows.num_rows());
    assert_finite(model.as_ref(), &answer);
    assert_eq!(predict(model.as_ref(), &rows.slice(0, 0)).num_rows(), 0, "no rows, no answers");
    let Task::Classification { classes } = &model.signature().task else { return };
    let scores = Predictions::scores_of(model.signature(), &answer).expect("an answer of its signature");
    for row in scores.chunks_exact(classes.len()) {
        let sum: f64 = row.iter().sum();
        assert!((sum - 1.0).abs() < 1e-9, "probabilities add up to {sum}");
        assert!(row.iter().all(|p| (0.0..=1.0).contains(p)), "probabilities {row:?}");
    }
}

fn alignment(subject: &TrainerSubject) {
    let model = subject.fitted();
    let reversed: Vec<usize> = (0..subject.data.num_rows()).rev().collect();
    let backwards = subject.data.take(&reversed).expect("rows in another order");
    let answer = predict(model.as_ref(), &backwards.to_batch().expect("one batch"));
    let expected = Table::from_batch(predict(model.as_ref(), &subject.rows())).take(&reversed).expect("rows");
    assert_same_answers(&expected.to_batch().expect("one batch"), &answer, "rows in reverse order");
}

fn pieces(subject: &TrainerSubject) {
    let model = subject.fitted();
    let rows = subject.rows();
    let whole = predict(model.as_ref(), &rows);
    for size in [1, 7] {
        let starts = (0..rows.num_rows()).step_by(size);
        let piece = |start: usize| predict(model.as_ref(), &rows.slice(start, size.min(rows.num_rows() - start)));
        let pieces: Vec<RecordBatch> = starts.map(piece).collect();
        let together = concat_batches(&whole.schema(), &pieces).expect("answers of one form");
        assert_same_answers(&whole, &together, "pieces");
    }
}

fn rows_like_batches(subject: &TrainerSubject) {
    let model = subject.fitted();
    rows_equal_batch(model.as_ref(), &subject.rows());
}

/// Nothing to compare where the model only takes batches.
fn rows_equal_batch(model: &dyn Model, rows: &RecordBatch) {
    let inputs = model.signature().check(rows).expect("the rows fit the signature");
    let reader = CellReader::new(&inputs).expect("inputs are cells");
    let width = model.signature().num_scores();
    let mut scores = vec![0.0; width * reader.num_rows()];
    let mut scratch = Scratch::default();
    for (row, scores) in scores.chunks_exact_mut(width).enumerate() {
        let cells: Vec<_> = reader.row(row).collect();
        let scored = score_row(model, &cells, &mut scratch, scores).expect("a row like those of a batch");
        if scored.is_none() {
            return;
        }
    }
    let answer = model.signature().answer(scores).expect("scores make an answer");
    assert_same_answers(&predict(model, rows), &answer, "row by row");
}

fn by_name(subject: &TrainerSubject) {
    let model = subject.fitted();
    let rows = subject.rows();
    let mut order: Vec<usize> = (0..rows.num_columns()).rev().collect();
    let target = subject.target();
    order.retain(|i| target.as_ref().is_none_or(|target| rows.schema_ref().field(*i).name() != target.name()));
    let shuffled = rows.project(&order).expect("columns in another order");
    let unused = Arc::new(StringArray::from_iter_values((0..rows.num_rows()).map(|i| i.to_string()))) as ArrayRef;
    let fields = shuffled.schema_ref().fields().iter().cloned().chain([Arc::new(Field::new(
        "a column of no use",
        DataType::Utf8,
        false,
    ))]);
    let columns = shuffled.columns().iter().cloned().chain([unused]).collect();
    let more = RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns).expect("a batch");
    let expected = predict(model.as_ref(), &rows);
    assert_same_answers(&expected, &predict(model.as_ref(), &more), "other columns, in another order, without target");
}

fn missing_input(subject: &TrainerSubject) {
    let model = subject.fitted();
    let rows = subject.rows();
    let input = &model.signature().inputs[0].name;
    let kept: Vec<usize> = (0..rows.num_columns()).filter(|i| rows.schema_ref().field(*i).name() != input).collect();
    let error = model.predict(&rows.project(&kept).expect("fewer columns")).expect_err("an input is missing");
    assert_eq!(error.kind(), ErrorKind::Schema, "{error}");
    assert!(error.to_string().contains(input.as_str()), "the error does not name '{input}': {error}");
}

fn one_row(subject: &TrainerSubject) {
    match subject.fit(&subject.data.take(&[0]).expect("one row")) {
        Ok(model) => assert_finite(model.as_ref(), &predict(model.as_ref(), &subject.rows())),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Data, "{error}"),
    }
}

fn no_rows(subject: &TrainerSubject) {
    assert_refused(subject.fit(&subject.data.take(&[]).expect("no rows")), &[ErrorKind::Data]);
}

fn no_features(subject: &TrainerSubject) {
    let data = match subject.target() {
        Some(target) => subject.data.select([target.name()]).expect("the target alone"),
        None => {
            let ignored = |data: Table, field: &FieldRef| data.with_role(field.name(), Role::Ignored);
            let mut features = subject.data.features().into_iter();
            features
                .try_fold(subject.data.clone(), |data, field| ignored(data, &field))
                .expect("columns that are there")
        }
    };
    assert_refused(subject.fit(&data), &[ErrorKind::Schema]);
}

fn no_target(subject: &TrainerSubject) {
    let Some(target) = subject.target() else { return };
    let data = subject.data.clone().with_role(target.name(), Role::Ignored).expect("the column is there");
    assert_refused(subject.fit(&data), &[ErrorKind::Schema]);
}

fn constant_target(subject: &TrainerSubject) {
    let rows = subject.data.num_rows();
    let Some(target) = subject.target() else { return };
    if !target.data_type().is_floating() {
        let first = subject.data.column(target.name()).expect("the target").slice(0, 1);
        let zeros = arrow::array::UInt32Array::from(vec![0; rows]);
        let constant = arrow::compute::take(&first, &zeros, None).expect("the first value, repeated");
        assert_refused(subject.fit(&subject.with_column(target.name(), constant)), &[ErrorKind::Data]);
    } else {
        let constant = cast(&Float64Array::from(vec![2.5; rows]), target.data_type()).expect("a float");
        let data = subject.with_column(target.name(), constant);
        let model = subject.fit(&data).expect("a constant number can be learned");
        for bits in bits(&predict(model.as_ref(), &subject.rows())).0 {
            let answer = f64::from_bits(bits);
            assert!((answer - 2.5).abs() < 1e-6, "{answer} was answered where every target was 2.5");
        }
    }
}

fn constant_feature(subject: &TrainerSubject) {
    for value in [0.0, 1e6] {
        let constant = Arc::new(Float64Array::from(vec![value; subject.data.num_rows()]));
        let data = subject.with_column("a constant", constant);
        let model = subject.fit(&data).expect("a constant feature is no obstacle");
        assert_finite(model.as_ref(), &predict(model.as_ref(), &data.to_batch().expect("one batch")));
    }
}

fn text_feature(subject: &TrainerSubject) {
    let texts = (0..subject.data.num_rows()).map(|i| if i % 2 == 0 { "even" } else { "odd" });
    let data = subject.with_column("a text", Arc::new(StringArray::from_iter_values(texts)));
    if let Err(error) = subject.fit(&data) {
        assert_eq!(error.kind(), ErrorKind::Schema, "{error}");
        assert!(error.to_string().contains("a text"), "the error does not name the column: {error}");
    }
}

fn missing_value(subject: &TrainerSubject) {
    let rows = subject.data.num_rows();
    let complete: Vec<f64> = (0..rows).map(|i| (i % 5) as f64).collect();
    let with_null: Float64Array = (0..rows).map(|i| (i != 3).then_some((i % 5) as f64)).collect();
    let mut with_nan = complete.clone();
    with_nan[3] = f64::NAN;
    for gap in [Arc::new(with_null) as ArrayRef, Arc::new(Float64Array::from(with_nan))] {
        let incomplete = subject.with_column("a gap", gap);
        match subject.fit(&incomplete) {
            Ok(model) => {
                assert_finite(model.as_ref(), &predict(model.as_ref(), &incomplete.to_batch().expect("one batch")));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Data, "{error}");
                assert!(error.to_string().contains("a gap"), "the error does not name the column: {error}");
            }
        }
        // A row that is to be answered may have a gap that training had not: an answer or a refusal, the same by
        // batch and by row, and no panic.
        let model = subject.fit(&subject.with_column("a gap", Arc::new(Float64Array::from(complete.clone()))));
        let rows = incomplete.to_batch().expect("one batch");
        let model = model.expect("the recipe learns from complete rows");
        match model.predict(&rows) {
            Ok(_) => rows_equal_batch(model.as_ref(), &rows),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Data | ErrorKind::Schema), "{error}"),
        }
    }
}

fn weights(subject: &TrainerSubject) {
    let rows = subject.data.num_rows();
    let weighted = |weights: Vec<f64>| {
        let data = subject.with_column("a weight", Arc::new(Float64Array::from(weights)));
        data.with_role("a weight", Role::Weight).expect("the column is there")
    };
    let model = subject.fit(&weighted(vec![1.0; rows])).expect("equal weights are no obstacle");
    assert!(model.signature().inputs.iter().all(|input| input.name != "a weight"), "a weight is no feature");
    for wrong in [-1.0, f64::NAN, f64::INFINITY] {
        let mut weights = vec![1.0; rows];
        weights[1] = wrong;
        // An algorithm that can't weigh rows need not look at them.
        if let Err(error) = subject.fit(&weighted(weights)) {
            assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        }
    }
}

fn cancellation(subject: &TrainerSubject) {
    let cancel = Cancel::default();
    cancel.cancel();
    let run = Run::default().with_cancel(cancel);
    assert_refused((subject.recipe)().fit(&subject.data, &run), &[ErrorKind::Cancelled]);

    let cancel = Cancel::default();
    let run = Run::default().with_cancel(cancel.clone());
    let work = {
        let subject = subject.clone();
        std::thread::spawn(move || (subject.recipe)().fit(&subject.data, &run))
    };
    std::thread::sleep(Duration::from_millis(5));
    let start = Instant::now();
    cancel.cancel();
    let result = work.join().expect("the fit does not panic");
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?} to stop", start.elapsed());
    if let Err(error) = result {
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    }
}
