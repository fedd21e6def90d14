//! Tables: rows in, rows out, roles, and the refusal of leaks.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt, stream};
use mlops_core::{Accumulator, ErrorKind, Result, Role, Roles, Run, Scan, Table, col, lit};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

fn numbers(values: std::ops::Range<i64>) -> RecordBatch {
    let values: Vec<i64> = values.collect();
    let doubled: Vec<f64> = values.iter().map(|x| *x as f64 * 2.0).collect();
    RecordBatch::try_from_iter([
        ("n", Arc::new(arrow::array::Int64Array::from(values)) as Arc<dyn Array>),
        ("d", Arc::new(arrow::array::Float64Array::from(doubled)) as Arc<dyn Array>),
    ])
    .unwrap()
}

fn ints(table: &Table) -> Vec<i64> {
    table.column("n").unwrap().as_primitive::<Int64Type>().values().to_vec()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    value: Option<f64>,
    count: u32,
    good: bool,
}

#[test]
fn structs_become_rows_and_rows_become_structs() {
    let rows = vec![
        Reading { sensor: "a".into(), value: Some(0.1), count: 7, good: true },
        Reading { sensor: "b".into(), value: None, count: 0, good: false },
    ];
    let table = Table::from_rows(&rows).unwrap();
    assert_eq!(table.to_rows::<Reading>().unwrap(), rows);
    assert_eq!(*table.schema().field_with_name("sensor").unwrap().data_type(), DataType::Utf8);
    assert!(table.schema().field_with_name("value").unwrap().is_nullable());
}

#[test]
fn no_rows_have_no_schema() {
    let error = Table::from_rows::<Reading>(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
}

#[test]
fn a_struct_with_other_fields_is_refused() {
    #[derive(Debug, Deserialize)]
    struct Other {
        #[expect(dead_code, reason = "never filled")]
        missing: i64,
    }
    let error = Table::from_batch(numbers(0..2)).to_rows::<Other>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn batches_of_other_columns_are_refused_by_number() {
    let good = numbers(0..2);
    let other = record_batch!(("n", Utf8, ["x"]), ("d", Float64, [1.0])).unwrap();
    let error = Table::new(good.schema(), [good, other]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    assert!(error.to_string().contains("batch: 1"), "{error}");
}

#[test]
fn columns_have_different_names() {
    let schema = Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("a", DataType::Utf8, true)]);
    let error = Table::new(Arc::new(schema), []).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Schema, "two columns are called 'a': rename one of them"));
}

#[test]
fn a_target_may_be_null() {
    let table = Table::from_batch(numbers(0..2)).with_target("t", &lit(mlops_core::Literal::Null).eq(lit(1))).unwrap();
    assert_eq!(table.column("t").unwrap().null_count(), 2);
}

/// Keeps the rows of every update, part by part.
struct Pieces(Vec<Vec<usize>>);

impl Accumulator for Pieces {
    type Output = Vec<Vec<usize>>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.0.is_empty() {
            self.0.push(Vec::new());
        }
        self.0[0].push(batch.num_rows());
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.0.extend(other.0);
        Ok(())
    }

    fn finish(self) -> Result<Self::Output> {
        Ok(self.0)
    }
}

#[test]
fn a_fold_is_cut_by_the_data_and_not_by_the_threads() {
    let cut = |table: &Table, threads: usize| {
        let run = Run::default().with_threads(threads.try_into().unwrap());
        run.install(|| table.fold(|| Pieces(Vec::new())).unwrap().finish().unwrap()).unwrap()
    };
    let many = Table::from_batch(numbers(0..1_000)).rebatch(7).unwrap();
    let one = Table::from_batch(numbers(0..150_000));
    for table in [&many, &one] {
        let pieces = cut(table, 1);
        assert!(pieces.len() <= 64);
        assert_eq!(pieces.iter().flatten().sum::<usize>(), table.num_rows());
        assert_eq!(cut(table, 3), pieces);
    }
    assert_eq!(cut(&one, 2), [[65_536], [65_536], [18_928]]);
    assert_eq!(cut(&Table::from_batch(numbers(0..0)), 2), [[0]]);
}

#[test]
fn outcomes_and_targets_are_no_inputs() {
    let table = Table::from_batch(numbers(0..3)).with_role("d", Role::Outcome).unwrap();
    assert!(table.check_inputs(["n"]).is_ok());
    let error = table.check_inputs(["n", "d"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Leak);
    assert!(error.to_string().starts_with("column 'd' has the role outcome"), "{error}");
    let target = Table::from_batch(numbers(0..3)).with_role("d", Role::Target).unwrap();
    assert_eq!(target.check_inputs(["d"]).unwrap_err().kind(), ErrorKind::Leak);
    assert_eq!(target.features().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["n"]);
}

#[test]
fn a_target_is_one_column() {
    let table = Table::from_batch(numbers(0..3));
    assert_eq!(table.target().unwrap_err().kind(), ErrorKind::Schema);
    let two = table.with_roles(&Roles::new().with_all(["n", "d"], Role::Target));
    assert_eq!(two.target().unwrap_err().message(), "two target columns, 'n' and 'd': keep one");
}

#[test]
fn rows_can_be_taken_filtered_and_put_together() {
    let table = Table::new(numbers(0..1).schema(), [numbers(0..4), numbers(4..10)]).unwrap();
    assert_eq!(ints(&table.take(&[9, 0, 5, 5]).unwrap()), [9, 0, 5, 5]);
    assert_eq!(table.take(&[10]).unwrap_err().kind(), ErrorKind::Data);
    let odd: BooleanArray = (0..10).map(|i| Some(i % 2 == 1)).collect();
    assert_eq!(ints(&table.filter(&odd).unwrap()), [1, 3, 5, 7, 9]);
    assert_eq!(table.filter(&odd.slice(0, 3)).unwrap_err().kind(), ErrorKind::Data);
    let twice = table.concat(&table).unwrap();
    assert_eq!(twice.num_rows(), 20);
    assert_eq!(table.rebatch(0).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn an_empty_table_still_has_columns() {
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, true)]));
    let table = Table::new(schema, []).unwrap();
    assert_eq!(table.num_rows(), 0);
    assert_eq!(table.column("x").unwrap().len(), 0);
    assert_eq!(table.to_batch().unwrap().num_columns(), 1);
    assert_eq!(table.rebatch(10).unwrap().num_rows(), 0);
}

proptest! {
    #[test]
    fn batches_do_not_change_the_rows(rows in 0i64..200, size in 1usize..50) {
        let table = Table::from_batch(numbers(0..rows)).rebatch(size).unwrap();
        prop_assert!(table.batches().iter().all(|batch| batch.num_rows() <= size));
        prop_assert_eq!(ints(&table), (0..rows).collect::<Vec<_>>());
    }

    #[test]
    fn a_scan_filters_limits_and_projects(
        rows in 0i64..120, size in 1usize..40, batch_size in 1usize..40, above in 0i64..120, limit in 0usize..120,
    ) {
        let source = Table::from_batch(numbers(0..rows)).rebatch(size).unwrap();
        let batches = stream::iter(source.batches().to_vec()).map(Ok).boxed();
        let scan = Scan::all().with_columns(["d"]).with_filter(col("n").gt_eq(lit(above))).with_limit(limit)
            .with_batch_size(batch_size);
        let read: Vec<RecordBatch> = block_on(scan.apply(source.schema(), batches).unwrap().try_collect()).unwrap();
        prop_assert!(read.iter().all(|batch| batch.num_rows() <= batch_size && batch.num_rows() > 0));
        let read = Table::new(scan.schema(source.schema()).unwrap(), read).unwrap();
        let wanted: Vec<f64> = (0..rows).filter(|n| *n >= above).take(limit).map(|n| n as f64 * 2.0).collect();
        let column = read.column("d").unwrap();
        prop_assert_eq!(column.as_primitive::<arrow::datatypes::Float64Type>().values().to_vec(), wanted);
        prop_assert_eq!(read.schema().fields().len(), 1);
    }
}
