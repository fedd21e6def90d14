use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, RecordBatchOptions, StringArray, UInt32Array, new_null_array,
};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use async_trait::async_trait;
use futures::{StreamExt, stream};

use super::Trial;
use crate::columns::{find_column, is_text};
use crate::random::SplitMix64;
use crate::{
    Artifact, BatchStream, CellReader, Codecs, DataSource, Error, ErrorKind, Result, Role, RowTransform, Run, Scan,
    Table, Transform, Transformer, Value, transform_table,
};

/// A transformer recipe, data to fit it on and the codecs that read it back: what [`transformer`]
/// tries.
///
/// The data should have some 20 to 500 rows in it, nulls where the recipe takes them, and columns
/// that the recipe does not name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransformerSubject {
    /// What the trials are called after.
    pub name: String,
    /// The recipe.
    pub recipe: Arc<dyn Transformer>,
    /// What it is fitted on.
    pub data: Table,
    /// What reads the recipe and the fitted transform back.
    pub codecs: Codecs,
    /// Whether fitting promises not to depend on the order of rows; it does unless said otherwise.
    pub ignores_row_order: bool,
    /// Whether the fitted transform must work row by row; it must unless said otherwise.
    pub has_rows: bool,
    /// Whether there may be other training rows after fitting; there may not unless said otherwise.
    pub changes_rows: bool,
}

impl TransformerSubject {
    /// A recipe to try.
    pub fn new(name: impl Into<String>, recipe: impl Transformer, data: Table, codecs: Codecs) -> Self {
        let recipe = Arc::new(recipe);
        Self { name: name.into(), recipe, data, codecs, ignores_row_order: true, has_rows: true, changes_rows: false }
    }

    /// What is fitted depends on the order of rows.
    #[must_use]
    pub fn with_row_order(mut self) -> Self {
        self.ignores_row_order = false;
        self
    }

    /// There are other training rows after fitting; rows that are served must pass through all the same.
    #[must_use]
    pub fn with_row_changes(mut self) -> Self {
        self.changes_rows = true;
        self
    }

    /// The fitted transform only takes batches.
    #[must_use]
    pub fn with_batches_only(mut self) -> Self {
        self.has_rows = false;
        self
    }
}

/// What every [`Transformer`] and the [`Transform`] that it fits must do.
///
/// The columns that the fitted transform needs are found by leaving out one after the other; those are
/// tried with nulls, NaN, infinities, unseen categories, other types and the role of an outcome. The
/// recipe is fitted some hundred times.
///
/// # Example
/// ```
/// use mlops_core::conformance::{TransformerSubject, run_all, transformer};
/// use mlops_core::{Codecs, Pipeline, Table};
///
/// let batch = arrow::array::record_batch!(("n", Float64, [Some(1.0), None, Some(3.0)]), ("s", Utf8, ["a", "b", "c"]))?;
/// let subject = TransformerSubject::new("no steps", Pipeline::new(), Table::from_batch(batch), Codecs::default());
/// run_all(transformer(subject), |trial| futures::executor::block_on(trial));
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub fn transformer(subject: TransformerSubject) -> Vec<Trial> {
    let subject = Arc::new(subject);
    let trial = |what: &str, check: fn(&TransformerSubject)| {
        let subject = Arc::clone(&subject);
        Trial::new(format!("{}::{what}", subject.name), move || check(&subject))
    };
    vec![
        trial("gives_the_declared_schema", declared_schema),
        trial("prepares_pieces_as_the_whole", pieces_as_whole),
        trial("prepares_rows_as_batches", rows_as_batches),
        trial("keeps_an_empty_batch_empty", empty_batch),
        trial("finds_columns_by_name", permuted_columns),
        trial("leaves_a_shared_batch_alone", shared_batch),
        trial("fits_the_same_in_any_batches", any_batches),
        trial("fits_the_same_on_any_threads", any_threads),
        trial("fits_the_same_in_any_order", any_order),
        trial("fits_and_transforms_in_one_consistently", fit_transform_consistent),
        from_a_source(&subject),
        trial("stops_when_cancelled", cancelled),
        trial("knows_what_it_was_fitted_on", knows_its_rows),
        trial("survives_saving", survives_saving),
        trial("fits_the_same_from_its_settings", settings_round_trip),
        trial("refuses_damaged_state_or_stays_sane", damaged_state),
        trial("names_a_missing_column", missing_column),
        trial("names_a_column_of_another_type", other_types),
        trial("refuses_a_leak", leak),
        trial("does_not_need_the_target_to_apply", without_target),
        trial("handles_null_columns", null_columns),
        trial("handles_nan_and_infinities", extreme_numbers),
        trial("handles_unseen_categories", unseen_categories),
        trial("handles_no_rows_to_fit_on", no_rows),
    ]
}

impl TransformerSubject {
    fn fit(&self) -> Arc<dyn Transform> {
        must("fit", self.recipe.fit(&self.data, &Run::default()))
    }

    fn batch(&self) -> RecordBatch {
        must("join the batches", self.data.to_batch())
    }

    /// The columns that `fitted` can't do without.
    fn needed(&self, fitted: &dyn Transform) -> Vec<usize> {
        let schema = self.data.schema();
        let without = |i: usize| {
            let others: Vec<usize> = (0..schema.fields().len()).filter(|other| *other != i).collect();
            must("leave out a column", schema.project(&others).map_err(Error::from))
        };
        (0..schema.fields().len()).filter(|i| fitted.output_schema(&without(*i)).is_err()).collect()
    }

    /// The data with another column in the place of the `i`-th.
    fn with_column(&self, i: usize, column: ArrayRef) -> Table {
        let batch = replace(&self.batch(), i, column);
        Table::from_batch(batch).with_roles(self.data.roles())
    }
}

fn must<T>(what: &str, result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("failed to {what}: {error:?}"))
}

fn replace(batch: &RecordBatch, i: usize, column: ArrayRef) -> RecordBatch {
    let mut fields: Vec<_> = batch.schema().fields().to_vec();
    fields[i] = Arc::new(Field::new(fields[i].name(), column.data_type().clone(), true));
    let mut columns = batch.columns().to_vec();
    columns[i] = column;
    must("put a column in its place", RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::from))
}

/// The cells of a batch as bits: any NaN equals any other, -0 differs from 0.
fn cells(batch: &RecordBatch) -> Vec<Vec<Cell>> {
    let reader = must("read the cells", CellReader::new(batch));
    (0..reader.num_rows()).map(|row| reader.row(row).map(Cell::of).collect()).collect()
}

#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Float(u64, f64),
    Nan,
    Other(String),
}

impl Cell {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Float(x) if x.is_nan() => Self::Nan,
            Value::Float(x) => Self::Float(x.to_bits(), x),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

fn assert_same(what: &str, actual: &RecordBatch, expected: &RecordBatch) {
    let names = |batch: &RecordBatch| {
        let fields = batch.schema();
        fields.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect::<Vec<_>>()
    };
    assert_eq!(names(actual), names(expected), "{what}: other columns");
    assert_eq!(actual.num_rows(), expected.num_rows(), "{what}: another number of rows");
    for (row, (actual, expected)) in cells(actual).into_iter().zip(cells(expected)).enumerate() {
        assert_eq!(actual, expected, "{what}: row {row} differs");
    }
}

/// Applies to `input`, and checks that declared schema and rows agree with what comes out.
fn apply_checked(what: &str, fitted: &dyn Transform, input: &RecordBatch) -> Result<RecordBatch> {
    let declared = fitted.output_schema(input.schema_ref())?;
    let output = fitted.apply(input.clone());
    if let Some(rows) = fitted.rows(input.schema_ref())? {
        check_rows(what, rows.as_ref(), input, output.as_ref())?;
    }
    let output = output?;
    assert_eq!(output.num_rows(), input.num_rows(), "{what}: rows were lost or made");
    let columns = |schema: &SchemaRef| {
        schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect::<Vec<_>>()
    };
    assert_eq!(columns(output.schema_ref()), columns(&declared), "{what}: the declared schema is another");
    for (field, column) in declared.fields().iter().zip(output.columns()) {
        let kept = field.is_nullable() || column.null_count() == 0;
        assert!(kept, "{what}: '{}' is declared without nulls, but has some", field.name());
    }
    Ok(output)
}

/// Prepares the rows one by one, and compares them with the batch: a batch is refused if one of its
/// rows is.
fn check_rows(
    what: &str,
    rows: &dyn RowTransform,
    input: &RecordBatch,
    output: Result<&RecordBatch, &Error>,
) -> Result<()> {
    let reader = CellReader::new(input)?;
    let alone = |row| {
        let cells: Vec<Value<'_>> = reader.row(row).collect();
        let mut output = Vec::new();
        let prepared =
            rows.apply_row(&cells, &mut output).map(|()| output.into_iter().map(Cell::of).collect::<Vec<_>>());
        let (mut here, mut spare) = (cells.clone(), vec![Value::Text("left over"); 3]);
        match (rows.apply_in_place(&mut here, &mut spare), &prepared) {
            (Ok(()), Ok(prepared)) => {
                let here: Vec<Cell> = here.into_iter().map(Cell::of).collect();
                assert_eq!(&here, prepared, "{what}: row {row} in place differs");
            }
            (here, prepared) => {
                let refused: (Option<ErrorKind>, Option<ErrorKind>) =
                    (here.err().map(|e| e.kind()), prepared.as_ref().err().map(Error::kind));
                assert_eq!(refused.0, refused.1, "{what}: row {row} is refused in place only, or only there not");
            }
        }
        prepared
    };
    let mut prepared = (0..reader.num_rows()).map(alone);
    match output {
        Err(error) => {
            let refused = prepared.any(|row| row.is_err_and(|e| e.kind() == error.kind()));
            assert!(refused, "{what}: the batch is refused, but no row alone: {error:?}");
        }
        Ok(output) => {
            for (row, (prepared, expected)) in prepared.zip(cells(output)).enumerate() {
                assert_eq!(must("prepare a row", prepared), expected, "{what}: row {row} alone differs from the batch");
            }
        }
    }
    Ok(())
}

/// What a step may do about values that it was not made for: prepare them consistently, or name the
/// column in an error of kind [`ErrorKind::Data`]. A chain names the step, and a column that may be
/// one it made of the other.
fn applies_or_names(what: &str, fitted: &dyn Transform, input: &RecordBatch, column: &str) {
    if let Err(error) = apply_checked(what, fitted, input) {
        assert_names_column_or_step(what, &error, column);
    }
}

fn fits_or_names(what: &str, subject: &TransformerSubject, data: &Table, column: &str) {
    match subject.recipe.fit(data, &Run::default()) {
        Ok(fitted) => applies_or_names(what, fitted.as_ref(), &must("join", data.to_batch()), column),
        Err(error) => assert_names_column_or_step(what, &error, column),
    }
}

fn assert_names_column_or_step(what: &str, error: &Error, column: &str) {
    assert_eq!(error.kind(), ErrorKind::Data, "{what}: {error:?}");
    let names_step = error.context().iter().any(|(key, _)| *key == "step");
    assert!(names_step || error.to_string().contains(column), "{what}: the error does not name '{column}': {error:?}");
}

fn assert_names(what: &str, error: &Error, kind: ErrorKind, column: &str) {
    assert_eq!(error.kind(), kind, "{what}: {error:?}");
    assert!(error.to_string().contains(column), "{what}: the error does not name '{column}': {error:?}");
}

fn declared_schema(subject: &TransformerSubject) {
    must("apply", apply_checked("the training rows", subject.fit().as_ref(), &subject.batch()));
}

fn pieces_as_whole(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let whole = must("apply", transform_table(fitted.as_ref(), &subject.data));
    for size in [1, 7, 1000] {
        let pieces = must("cut the rows", subject.data.rebatch(size));
        let pieces = must("apply to pieces", transform_table(fitted.as_ref(), &pieces));
        let (pieces, whole) = (must("join", pieces.to_batch()), must("join", whole.to_batch()));
        assert_same(&format!("pieces of {size} rows"), &pieces, &whole);
    }
}

fn rows_as_batches(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let input = subject.batch();
    let rows = must("bind to rows", fitted.rows(input.schema_ref()));
    assert_eq!(rows.is_some(), subject.has_rows, "whether it works row by row is declared otherwise");
    must("apply", apply_checked("the training rows", fitted.as_ref(), &input));
    if let Some(rows) = rows {
        let error = rows.apply_row(&[], &mut Vec::new()).err();
        let empty = input.num_columns() == 0;
        assert!(empty || error.is_some_and(|e| e.kind() == ErrorKind::Schema), "a row without cells is accepted");
    }
}

fn empty_batch(subject: &TransformerSubject) {
    let fitted = subject.fit();
    must("apply", apply_checked("no rows", fitted.as_ref(), &subject.batch().slice(0, 0)));
}

fn permuted_columns(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let input = subject.batch();
    let reversed: Vec<usize> = (0..input.num_columns()).rev().collect();
    let reversed = must("reverse the columns", input.project(&reversed).map_err(Error::from));
    let expected = must("apply", fitted.apply(input));
    let actual = must("apply", apply_checked("reversed columns", fitted.as_ref(), &reversed));
    let names = expected.schema_ref().fields().iter().map(|field| field.name());
    let order = names.map(|name| find_column(actual.schema_ref(), name));
    let order: Vec<usize> = must("find the columns again", order.collect());
    assert_eq!(actual.num_columns(), expected.num_columns(), "another number of columns");
    assert_same("reversed columns", &must("reorder", actual.project(&order).map_err(Error::from)), &expected);
}

fn shared_batch(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let held = subject.batch();
    let rows: UInt32Array = (0..held.num_rows() as u32).collect();
    let copy = must("copy the rows", take_record_batch(&held, &rows).map_err(Error::from));
    must("apply", fitted.apply(held.clone()));
    assert_eq!(held, copy, "a batch that somebody else holds was changed");
    let owned = must("apply", fitted.apply(copy));
    assert_same("a batch that nobody else holds", &owned, &must("apply", fitted.apply(held)));
}

/// Fits on other data that should make no difference, and compares what the transforms do.
fn fits_same(what: &str, subject: &TransformerSubject, data: &Table) {
    let fitted = must("fit", subject.recipe.fit(data, &Run::default()));
    let expected = must("apply", subject.fit().apply(subject.batch()));
    assert_same(what, &must("apply", fitted.apply(subject.batch())), &expected);
}

fn any_batches(subject: &TransformerSubject) {
    for size in [1, 7, 1000] {
        let data = must("cut the rows", subject.data.rebatch(size));
        fits_same(&format!("batches of {size} rows"), subject, &data);
        let (_, whole) = must("fit", subject.recipe.fit_transform(&subject.data, &Run::default()));
        let (_, pieces) = must("fit", subject.recipe.fit_transform(&data, &Run::default()));
        let (whole, pieces) = (must("join", whole.to_batch()), must("join", pieces.to_batch()));
        assert_same(&format!("training rows in batches of {size}"), &pieces, &whole);
    }
}

fn any_threads(subject: &TransformerSubject) {
    let data = must("cut the rows", subject.data.rebatch(5));
    let on = |threads| {
        let run = Run::default().with_threads(threads);
        let (fitted, table) = must("fit", subject.recipe.fit_transform(&data, &run));
        (must("apply", fitted.apply(subject.batch())), must("join", table.to_batch()))
    };
    let ((one, one_table), (two, two_table)) = (on(NonZeroUsize::MIN), on(NonZeroUsize::MIN.saturating_add(1)));
    assert_same("2 threads", &two, &one);
    assert_same("2 threads, training rows", &two_table, &one_table);
}

fn any_order(subject: &TransformerSubject) {
    if !subject.ignores_row_order {
        return;
    }
    let mut order: Vec<usize> = (0..subject.data.num_rows()).collect();
    for seed in 0..3 {
        SplitMix64::new(seed).shuffle(&mut order);
        let data = must("shuffle", subject.data.take(&order).and_then(|data| data.rebatch(11)));
        fits_same("shuffled rows", subject, &data);
    }
}

fn fit_transform_consistent(subject: &TransformerSubject) {
    let (fitted, table) = must("fit", subject.recipe.fit_transform(&subject.data, &Run::default()));
    let (expected, input) = (subject.fit(), subject.batch());
    let (actual, expected) = (fitted.apply(input.clone()), expected.apply(input.clone()));
    assert_same("fitted in one", &must("apply", actual), &must("apply", expected));
    let declared = must("declare", fitted.output_schema(input.schema_ref()));
    assert_eq!(table.schema(), &declared, "the training rows have another schema than is declared");
    if !subject.changes_rows {
        assert_eq!(table.num_rows(), input.num_rows(), "training rows were lost or made");
    }
    assert_eq!(table.roles(), subject.data.roles(), "the roles are others");
}

/// A table as a source.
#[derive(Debug)]
struct Rows(Table);

#[async_trait]
impl DataSource for Rows {
    fn name(&self) -> String {
        "the rows of the subject".to_owned()
    }

    async fn schema(&self) -> Result<SchemaRef> {
        Ok(Arc::clone(self.0.schema()))
    }

    async fn scan(&self, scan: Scan) -> Result<BatchStream> {
        let batches = stream::iter(self.0.batches().to_vec().into_iter().map(Ok)).boxed();
        scan.apply(self.0.schema(), batches)
    }
}

/// A fold sees the columns it asked for, and nothing else.
fn from_a_source(subject: &Arc<TransformerSubject>) -> Trial {
    let name = format!("{}::fits_the_same_from_a_source", subject.name);
    let subject = Arc::clone(subject);
    Trial::of_future(name, move || async move { fit_a_source(&subject).await })
}

async fn fit_a_source(subject: &TransformerSubject) {
    let data = must("cut the rows", subject.data.rebatch(7));
    let Some(learner) = must("make a learner", subject.recipe.learner(data.schema(), data.roles())) else { return };
    let fitted = must("fit on a source", learner.fit_source(&Rows(data), &Run::default()).await);
    let expected = must("apply", subject.fit().apply(subject.batch()));
    assert_same("fitted on a source", &must("apply", fitted.apply(subject.batch())), &expected);
}

fn cancelled(subject: &TransformerSubject) {
    let run = Run::default();
    run.cancel.cancel();
    let learner = must("make a learner", subject.recipe.learner(subject.data.schema(), subject.data.roles()));
    match subject.recipe.fit(&subject.data, &run) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled, "cancelled: {error:?}"),
        // What takes no time need not stop.
        Ok(_) => assert!(learner.is_none_or(|learner| learner.known().is_some()), "a cancelled fit went on"),
    }
}

fn knows_its_rows(subject: &TransformerSubject) {
    let (fitted, table) = must("fit", subject.recipe.fit_transform(&subject.data, &Run::default()));
    let rows = subject.data.provenance();
    assert_eq!(fitted.fitted_on(), Some(&rows), "the rows it was fitted on are not remembered");
    let loaded = must("load", subject.codecs.transform(&through_text(&must("save", fitted.save()))));
    assert_eq!(loaded.fitted_on(), Some(&rows), "the rows it was fitted on are not written down");
    assert_eq!(table.fitted_on(), &rows, "the training rows do not tell what their columns were fitted on");
    let prepared = must("apply", transform_table(loaded.as_ref(), &subject.data));
    assert_eq!(prepared.fitted_on(), &rows, "prepared rows do not tell what their columns were fitted on");
    assert_eq!(prepared.provenance(), rows, "prepared rows are other rows");
}

/// The artifact as it comes back from a file.
fn through_text(artifact: &Artifact) -> Artifact {
    let text = must("write", serde_json::to_string(&artifact.state).map_err(Error::from));
    let mut copy = artifact.clone();
    copy.state = must("read", serde_json::from_str(&text).map_err(Error::from));
    copy.parts = artifact.parts.iter().map(through_text).collect();
    copy
}

fn survives_saving(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let artifact = must("save", fitted.save());
    let loaded = must("load", subject.codecs.transform(&through_text(&artifact)));
    let input = subject.batch();
    let output = must("apply", apply_checked("loaded", loaded.as_ref(), &input));
    assert_same("loaded", &output, &must("apply", fitted.apply(input)));
    assert_eq!(must("save again", loaded.save()), artifact, "what was loaded is saved as something else");
}

fn settings_round_trip(subject: &TransformerSubject) {
    let spec = must("write the settings", subject.recipe.to_spec());
    let text = must("write", serde_json::to_string(&spec).map_err(Error::from));
    let read = must("read", serde_json::from_str(&text).map_err(Error::from));
    let recipe = must("read the recipe", subject.codecs.transformer(&read));
    assert_eq!(must("write the settings", recipe.to_spec()), spec, "the settings changed on the way");
    let fitted = must("fit", recipe.fit(&subject.data, &Run::default()));
    let expected = must("apply", subject.fit().apply(subject.batch()));
    assert_same("fitted from settings", &must("apply", fitted.apply(subject.batch())), &expected);
}

fn damaged_state(subject: &TransformerSubject) {
    use serde_json::{Value as Json, json};
    const MOST_PLACES: usize = 100;
    let artifact = must("save", subject.fit().save());
    let mut places = Vec::new();
    pointers(&artifact.state, String::new(), &mut places);
    for place in places.iter().take(MOST_PLACES) {
        for damage in [Json::Null, json!(-1), json!(1e300), json!("damaged"), json!([]), json!({})] {
            let mut damaged = artifact.clone();
            let Some(slot) = damaged.state.pointer_mut(place) else { continue };
            *slot = damage;
            match subject.codecs.transform(&damaged) {
                // Another state of the right form can't be told from the one that was written.
                Ok(loaded) => drop(loaded.apply(subject.batch())),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "damage at '{place}': {error:?}"),
            }
        }
    }
}

fn pointers(state: &serde_json::Value, here: String, places: &mut Vec<String>) {
    match state {
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| pointers(item, format!("{here}/{i}"), places));
        }
        serde_json::Value::Object(items) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            items.iter().for_each(|(key, item)| pointers(item, format!("{here}/{}", escaped(key)), places));
        }
        _ => {}
    }
    places.push(here);
}

fn missing_column(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let batch = subject.batch();
    for i in subject.needed(fitted.as_ref()) {
        let name = subject.data.schema().field(i).name().clone();
        let others: Vec<usize> = (0..batch.num_columns()).filter(|other| *other != i).collect();
        let without = must("leave out a column", batch.project(&others).map_err(Error::from));
        for error in [
            fitted.output_schema(without.schema_ref()).err(),
            fitted.apply(without.clone()).err(),
            fitted.rows(without.schema_ref()).err(),
            subject
                .recipe
                .fit(&Table::from_batch(without.clone()).with_roles(subject.data.roles()), &Run::default())
                .err(),
        ] {
            let error = error.unwrap_or_else(|| panic!("a row without '{name}' is accepted"));
            assert_names("a missing column", &error, ErrorKind::Schema, &name);
        }
    }
}

fn other_types(subject: &TransformerSubject) {
    use DataType as D;
    let fitted = subject.fit();
    let batch = subject.batch();
    let types = [D::Binary, D::Boolean, D::Date32, D::Float32, D::Float64, D::Int64, D::LargeUtf8, D::UInt64, D::Utf8];
    for i in subject.needed(fitted.as_ref()) {
        let name = subject.data.schema().field(i).name().clone();
        for data_type in &types {
            let other = replace(&batch, i, new_null_array(data_type, batch.num_rows()));
            let what = format!("'{name}' as {data_type}");
            let refused = |error: &Error| {
                let known = matches!(error.kind(), ErrorKind::Data | ErrorKind::Schema | ErrorKind::Unsupported);
                assert!(known && error.to_string().contains(&name), "{what}: {error:?}");
            };
            match fitted.output_schema(other.schema_ref()) {
                Err(error) => {
                    refused(&error);
                    assert!(fitted.apply(other.clone()).is_err(), "{what}: applied in spite of its schema");
                }
                // Binary can't be read cell by cell, so only what is declared is compared.
                Ok(declared) if *data_type == D::Binary => match fitted.apply(other) {
                    Ok(output) => {
                        assert_eq!(
                            output.schema_ref().fields().len(),
                            declared.fields().len(),
                            "{what}: other columns"
                        );
                    }
                    Err(error) => refused(&error),
                },
                Ok(_) => drop(apply_checked(&what, fitted.as_ref(), &other).map_err(|error| refused(&error))),
            }
        }
    }
}

fn leak(subject: &TransformerSubject) {
    let fitted = subject.fit();
    for i in subject.needed(fitted.as_ref()) {
        let name = subject.data.schema().field(i).name();
        let data = must("declare an outcome", subject.data.clone().with_role(name, Role::Outcome));
        let error = subject
            .recipe
            .fit(&data, &Run::default())
            .err()
            .unwrap_or_else(|| panic!("the outcome '{name}' was learned from"));
        assert_names("an outcome", &error, ErrorKind::Leak, name);
        assert_eq!(subject.recipe.fit_transform(&data, &Run::default()).err().map(|e| e.kind()), Some(ErrorKind::Leak));
    }
}

fn without_target(subject: &TransformerSubject) {
    let Ok(target) = subject.data.target() else { return };
    let fitted = subject.fit();
    let i = must("find the target", find_column(subject.data.schema(), target.name()));
    let mut batch = subject.batch();
    batch.remove_column(i);
    must("apply without the target", apply_checked("no target", fitted.as_ref(), &batch));
}

fn null_columns(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let batch = subject.batch();
    for i in subject.needed(fitted.as_ref()) {
        let name = batch.schema().field(i).name().clone();
        let nulls = new_null_array(batch.column(i).data_type(), batch.num_rows());
        let data = subject.with_column(i, nulls);
        let what = format!("'{name}' all null");
        applies_or_names(&what, fitted.as_ref(), &must("join", data.to_batch()), &name);
        fits_or_names(&what, subject, &data, &name);
    }
}

fn extreme_numbers(subject: &TransformerSubject) {
    const EXTREMES: [f64; 8] =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324];
    let fitted = subject.fit();
    let batch = subject.batch();
    for i in subject.needed(fitted.as_ref()) {
        let (name, data_type) = (batch.schema().field(i).name().clone(), batch.column(i).data_type().clone());
        if !data_type.is_floating() {
            continue;
        }
        let numbers = must("read numbers", cast(batch.column(i), &DataType::Float64).map_err(Error::from));
        let numbers = numbers.as_primitive::<Float64Type>();
        let mixed = |row: usize| EXTREMES.get(row % 11).copied().or_else(|| numbers.iter().nth(row).flatten());
        let mixed: ArrayRef = Arc::new((0..batch.num_rows()).map(mixed).collect::<Float64Array>());
        let data = subject.with_column(i, must("cast back", cast(&mixed, &data_type).map_err(Error::from)));
        let what = format!("'{name}' with NaN and infinities");
        applies_or_names(&what, fitted.as_ref(), &must("join", data.to_batch()), &name);
        fits_or_names(&what, subject, &data, &name);
        let nan: ArrayRef = Arc::new(Float64Array::from_value(f64::NAN, batch.num_rows()));
        let nan = subject.with_column(i, must("cast back", cast(&nan, &data_type).map_err(Error::from)));
        fits_or_names(&format!("'{name}' all NaN"), subject, &nan, &name);
    }
}

fn unseen_categories(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let batch = subject.batch();
    for i in subject.needed(fitted.as_ref()) {
        let (name, data_type) = (batch.schema().field(i).name().clone(), batch.column(i).data_type().clone());
        let unseen: ArrayRef = match &data_type {
            text if is_text(text) => Arc::new(StringArray::from(vec!["never seen before: \u{fffd}"; batch.num_rows()])),
            integer if integer.is_integer() => Arc::new(Float64Array::from_value(119.0, batch.num_rows())),
            _ => continue,
        };
        let unseen = must("cast", cast(&unseen, &data_type).map_err(Error::from));
        applies_or_names(&format!("'{name}' unseen"), fitted.as_ref(), &replace(&batch, i, unseen), &name);
    }
}

fn no_rows(subject: &TransformerSubject) {
    let empty = Table::from_batch(subject.batch().slice(0, 0)).with_roles(subject.data.roles());
    let nothing =
        must("make a table", Table::new(Arc::clone(subject.data.schema()), [])).with_roles(subject.data.roles());
    for data in [empty, nothing] {
        match subject.recipe.fit(&data, &Run::default()) {
            Ok(fitted) => drop(must("apply", apply_checked("fitted on no rows", fitted.as_ref(), &subject.batch()))),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Data, "fitted on no rows: {error:?}"),
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(3));
    let bare = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options);
    let bare = must("make rows without columns", bare.map_err(Error::from));
    if let Ok(output) = subject.fit().apply(bare) {
        assert_eq!(output.num_rows(), 3, "rows without columns were lost");
    }
}
