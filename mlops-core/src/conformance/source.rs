use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use futures::future::{BoxFuture, try_join};
use futures::{FutureExt, StreamExt, TryStreamExt};

use super::Trial;
use crate::{CellReader, DataSource, ErrorKind, Expr, Literal, Result, Scan, Value, col, lit};

/// What every [`DataSource`] must do, whatever it reads. `make` gives the same data every time; a
/// source without rows is tested too, by giving one.
///
/// The data should have a hundred rows or more, nulls, and a column of each type that the source
/// knows. They are read whole, some hundred times.
///
/// # Example
/// ```
/// # use std::sync::Arc;
/// # use async_trait::async_trait;
/// # use futures::StreamExt;
/// # use mlops_core::*;
/// use mlops_core::conformance::{data_source, run_all};
///
/// #[derive(Debug)]
/// struct Mine(Table);
///
/// #[async_trait]
/// impl DataSource for Mine {
///     fn name(&self) -> String {
///         "mine".into()
///     }
///     async fn schema(&self) -> Result<arrow::datatypes::SchemaRef> {
///         Ok(self.0.schema().clone())
///     }
///     async fn scan(&self, scan: Scan) -> Result<BatchStream> {
///         let batches = futures::stream::iter(self.0.batches().to_vec()).map(Ok);
///         scan.apply(self.0.schema(), batches.boxed())
///     }
/// }
///
/// let batch = arrow::array::record_batch!(("n", Int64, [Some(1), None, Some(3)]), ("s", Utf8, ["a", "b", "c"]))?;
/// let trials = data_source("mine", move || Arc::new(Mine(Table::from_batch(batch.clone()))));
/// run_all(trials, |trial| futures::executor::block_on(trial));
/// # Ok::<(), Error>(())
/// ```
pub fn data_source(name: &str, make: impl Fn() -> Arc<dyn DataSource> + Clone + Send + 'static) -> Vec<Trial> {
    type Check = fn(Arc<dyn DataSource>) -> BoxFuture<'static, ()>;
    let checks: [(&str, Check); 13] = [
        ("has_a_name", |s| async move { assert!(!s.name().is_empty(), "the name is empty") }.boxed()),
        ("gives_batches_of_its_schema", |s| gives_batches_of_its_schema(s).boxed()),
        ("gives_the_same_rows_to_every_scan", |s| gives_the_same_rows_to_every_scan(s).boxed()),
        ("keeps_to_the_batch_size", |s| keeps_to_the_batch_size(s).boxed()),
        ("gives_the_first_rows_up_to_the_limit", |s| gives_the_first_rows_up_to_the_limit(s).boxed()),
        ("gives_the_selected_columns_in_their_order", |s| gives_the_selected_columns_in_their_order(s).boxed()),
        ("gives_the_rows_that_pass_the_filter", |s| gives_the_rows_that_pass_the_filter(s).boxed()),
        ("filters_by_columns_that_are_not_selected", |s| filters_by_columns_that_are_not_selected(s).boxed()),
        ("counts_the_limit_after_the_filter", |s| counts_the_limit_after_the_filter(s).boxed()),
        ("refuses_columns_it_does_not_have", |s| refuses_columns_it_does_not_have(s).boxed()),
        ("refuses_a_filter_that_is_no_condition", |s| refuses_a_filter_that_is_no_condition(s).boxed()),
        ("survives_streams_dropped_early", |s| survives_streams_dropped_early(s).boxed()),
        ("gives_streams_that_outlive_it", |s| gives_streams_that_outlive_it(s).boxed()),
    ];
    let trial = |(what, check): (&str, Check)| {
        let make = make.clone();
        // What `make` holds, such as a directory of files, lives as long as the trial.
        Trial::of_future(format!("{name}::{what}"), move || async move {
            check(make()).await;
            drop(make);
        })
    };
    checks.into_iter().map(trial).collect()
}

async fn gives_batches_of_its_schema(source: Arc<dyn DataSource>) {
    let schema = must(source.schema().await, "schema");
    assert_eq!(must(source.schema().await, "schema"), schema, "two calls of schema() differ");
    let batches: Vec<RecordBatch> = must(stream_of(&source, Scan::all()).await.try_collect().await, "read all");
    for (i, batch) in batches.iter().enumerate() {
        assert_eq!(batch.schema_ref().fields(), schema.fields(), "batch {i} has another schema");
    }
}

async fn gives_the_same_rows_to_every_scan(source: Arc<dyn DataSource>) {
    let first = read(&source, Scan::all()).await;
    same(&read(&source, Scan::all()).await, &first, "the second scan");
    let (one, other) = (stream_of(&source, Scan::all()).await, stream_of(&source, Scan::all()).await);
    let both = try_join(one.try_collect::<Vec<_>>(), other.try_collect::<Vec<_>>()).await;
    let (one, other) = must(both, "two scans at once");
    let schema = first.schema();
    same(&joined(&schema, &one), &first, "one of two scans at once");
    same(&joined(&schema, &other), &first, "the other of two scans at once");
}

async fn keeps_to_the_batch_size(source: Arc<dyn DataSource>) {
    let all = read(&source, Scan::all()).await;
    for size in [1, 7, 1_000_000] {
        let scan = Scan::all().with_batch_size(size);
        let batches: Vec<RecordBatch> = must(stream_of(&source, scan).await.try_collect().await, "small batches");
        for batch in &batches {
            assert!(batch.num_rows() <= size, "a batch of {} rows where {size} were asked for", batch.num_rows());
        }
        same(&joined(&all.schema(), &batches), &all, &format!("batches of {size}"));
    }
}

async fn gives_the_first_rows_up_to_the_limit(source: Arc<dyn DataSource>) {
    let all = read(&source, Scan::all()).await;
    for limit in [0, 1, all.num_rows() / 2, all.num_rows(), all.num_rows() + 1] {
        for size in [3, 8192] {
            let scan = Scan::all().with_limit(limit).with_batch_size(size);
            check(&source, &all, scan).await;
        }
    }
}

async fn gives_the_selected_columns_in_their_order(source: Arc<dyn DataSource>) {
    let all = read(&source, Scan::all()).await;
    let names: Vec<String> = names(&all);
    check(&source, &all, Scan::all().with_columns(names.iter().rev())).await;
    for name in &names {
        check(&source, &all, Scan::all().with_columns([name])).await;
    }
    let none = Scan::all().with_columns(Vec::<String>::new());
    let batches: Vec<RecordBatch> = must(stream_of(&source, none).await.try_collect().await, "no columns");
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, all.num_rows(), "rows, when no column is selected");
}

async fn gives_the_rows_that_pass_the_filter(source: Arc<dyn DataSource>) {
    let all = read(&source, Scan::all()).await;
    for filter in filters(&all) {
        check(&source, &all, Scan::all().with_filter(filter)).await;
    }
}

async fn filters_by_columns_that_are_not_selected(source: Arc<dyn DataSource>) {
    let all = read(&source, Scan::all()).await;
    let names = names(&all);
    for filter in filters(&all) {
        let others = names.iter().filter(|name| !filter.columns().contains(&name.as_str()));
        check(&source, &all, Scan::all().with_columns(others.rev()).with_filter(filter.clone())).await;
    }
}

async fn counts_the_limit_after_the_filter(source: Arc<dyn DataSource>) {
    let all = read(&source, Scan::all()).await;
    for filter in filters(&all) {
        let scan = Scan::all().with_filter(filter).with_limit(all.num_rows() / 3).with_batch_size(5);
        check(&source, &all, scan).await;
    }
}

async fn refuses_columns_it_does_not_have(source: Arc<dyn DataSource>) {
    let missing = "no such column, surely";
    for scan in [Scan::all().with_columns([missing]), Scan::all().with_filter(col(missing).is_null())] {
        refused(&source, scan, Some(missing)).await;
    }
}

async fn refuses_a_filter_that_is_no_condition(source: Arc<dyn DataSource>) {
    let schema = must(source.schema().await, "schema");
    let no_condition = schema.fields().iter().find(|f| !matches!(f.data_type(), DataType::Boolean | DataType::Null));
    if let Some(field) = no_condition {
        refused(&source, Scan::all().with_filter(col(field.name())), None).await;
    }
}

async fn survives_streams_dropped_early(source: Arc<dyn DataSource>) {
    let all = read(&source, Scan::all()).await;
    for taken in 0..20 {
        let stream = stream_of(&source, Scan::all().with_batch_size(1)).await;
        let first: Vec<RecordBatch> = must(stream.take(taken).try_collect().await, "the first batches");
        assert_eq!(first.len(), taken.min(all.num_rows()), "batches of one row");
    }
    same(&read(&source, Scan::all()).await, &all, "the scan after dropped ones");
}

async fn gives_streams_that_outlive_it(source: Arc<dyn DataSource>) {
    let all = read(&source, Scan::all()).await;
    let stream = stream_of(&source, Scan::all()).await;
    drop(source);
    let batches: Vec<RecordBatch> = must(stream.try_collect().await, "read after the source is gone");
    same(&joined(&all.schema(), &batches), &all, "the scan of a source that is gone");
}

/// The scan must give what the same work gives when it is done to all rows.
async fn check(source: &Arc<dyn DataSource>, all: &RecordBatch, scan: Scan) {
    let mut expected = all.clone();
    if let Some(filter) = &scan.filter {
        let mask = must(filter.evaluate_mask(all), "the filter");
        expected = filter_record_batch(all, &mask).expect("a mask of the same length");
    }
    expected = expected.slice(0, expected.num_rows().min(scan.limit.unwrap_or(usize::MAX)));
    let schema = must(scan.schema(all.schema_ref()), "the selection");
    let indices: Vec<usize> =
        schema.fields().iter().map(|f| all.schema_ref().index_of(f.name()).expect("it was selected")).collect();
    let expected = expected.project(&indices).expect("they are columns");
    let batches: Vec<RecordBatch> = must(stream_of(source, scan.clone()).await.try_collect().await, "scan");
    if indices.is_empty() {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, expected.num_rows(), "rows of {scan:?}");
    } else {
        same(&joined(&schema, &batches), &expected, &format!("{scan:?}"));
    }
}

async fn refused(source: &Arc<dyn DataSource>, scan: Scan, naming: Option<&str>) {
    let shown = format!("{scan:?}");
    let result = match source.scan(scan).await {
        Ok(stream) => stream.try_collect::<Vec<_>>().await,
        Err(error) => Err(error),
    };
    let error = result.err().unwrap_or_else(|| panic!("not refused: {shown}"));
    assert_eq!(error.kind(), ErrorKind::Schema, "{shown} is refused with {error:?}");
    if let Some(name) = naming {
        assert!(error.to_string().contains(name), "the error does not name '{name}': {error}");
    }
}

/// Conditions over the data: comparisons with a value that is there, nulls, and constants.
fn filters(all: &RecordBatch) -> Vec<Expr> {
    let mut filters = vec![lit(true), lit(false), lit(Literal::Null)];
    for (column, field) in all.columns().iter().zip(all.schema_ref().fields()).take(16) {
        let of = || col(field.name());
        filters.push(of().is_null());
        filters.push(of().is_null().not());
        let values = [all.num_rows() / 4, all.num_rows() / 2].map(|row| literal(column, row));
        let [Some(low), Some(high)] = values.map(|value| value.map(lit)) else { continue };
        filters.push(of().eq(low.clone()));
        filters.push(of().lt(high.clone()));
        filters.push(high.clone().lt_eq(of()));
        filters.push(of().gt_eq(low).and(of().not_eq(high)));
    }
    filters
}

/// A value of the data as a literal of its type.
fn literal(column: &ArrayRef, row: usize) -> Option<Literal> {
    if row >= column.len() || column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Timestamp(_, Some(_)) => return None,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, None) => {
            let text = cast(column, &DataType::Utf8).ok()?;
            return Some(Literal::Text(text.as_string::<i32>().value(row).to_owned()));
        }
        other if other.is_temporal() => return None,
        _ => {}
    }
    let batch = RecordBatch::try_from_iter([("value", column.slice(row, 1))]).ok()?;
    let cells = CellReader::new(&batch).ok()?;
    match cells.row(0).next()? {
        Value::Bool(value) => Some(Literal::Bool(value)),
        Value::Float(value) => Some(Literal::Float(value)).filter(|_| value.is_finite()),
        Value::Int(value) => Some(Literal::Int(value)),
        Value::Null => None,
        Value::Text(value) => Some(Literal::Text(value.to_owned())),
    }
}

async fn read(source: &Arc<dyn DataSource>, scan: Scan) -> RecordBatch {
    let schema = must(source.schema().await, "schema");
    let schema = must(scan.schema(&schema), "the selection");
    let batches: Vec<RecordBatch> = must(stream_of(source, scan).await.try_collect().await, "read all");
    joined(&schema, &batches)
}

async fn stream_of(source: &Arc<dyn DataSource>, scan: Scan) -> crate::BatchStream {
    must(source.scan(scan).await, "scan")
}

fn names(all: &RecordBatch) -> Vec<String> {
    all.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
}

fn joined(schema: &SchemaRef, batches: &[RecordBatch]) -> RecordBatch {
    concat_batches(schema, batches).unwrap_or_else(|error| panic!("the batches have other columns: {error}"))
}

fn same(given: &RecordBatch, expected: &RecordBatch, what: &str) {
    assert_eq!(names(given), names(expected), "columns of {what}");
    assert_eq!(given.num_rows(), expected.num_rows(), "rows of {what}");
    for (name, (given, expected)) in names(given).iter().zip(given.columns().iter().zip(expected.columns())) {
        assert_eq!(given, expected, "column '{name}' of {what}");
    }
}

fn must<T>(result: Result<T>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error:?}"))
}
