//! Parquet.

use std::fs;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, record_batch};
use arrow::datatypes::{DataType, Int64Type};
use futures::TryStreamExt;
use mlops_core::{DataSource, DataSourceExt, ErrorKind, Scan, Table, col, lit};
use mlops_data::Parquet;
use proptest::prelude::*;

use crate::{Dir, assert_error, runtime};

fn flights(start: i64, rows: i64) -> RecordBatch {
    let id = arrow::array::Int64Array::from_iter_values(start..start + rows);
    let carrier = arrow::array::StringArray::from_iter_values((0..rows).map(|i| format!("C{}", i % 7)));
    RecordBatch::try_from_iter([("id", Arc::new(id) as _), ("carrier", Arc::new(carrier) as _)]).unwrap()
}

#[tokio::test]
async fn a_pattern_is_read_in_the_order_of_names() {
    let dir = Dir::new();
    dir.parquet("b.parquet", &flights(250, 150));
    dir.parquet("a.parquet", &flights(0, 250));
    fs::create_dir(dir.path("c.parquet")).unwrap();
    let table = Parquet::at(dir.path("*.parquet")).read().await.unwrap();
    let id = table.column("id").unwrap();
    assert!(id.as_primitive::<Int64Type>().values().iter().copied().eq(0..400));
}

#[tokio::test]
async fn texts_come_as_the_dictionaries_of_the_file_if_asked_for() {
    use arrow::compute::cast;
    let dir = Dir::new();
    fs::create_dir(dir.path("year=2013")).unwrap();
    dir.parquet("year=2013/a.parquet", &flights(0, 250));
    // Every text is another one, so that the dictionary has no room for them.
    let id = arrow::array::Int64Array::from_iter_values(0..100);
    let long = arrow::array::StringArray::from_iter_values((0..100).map(|i| format!("{i:030000}")));
    let large = RecordBatch::try_from_iter([("id", Arc::new(id) as _), ("carrier", Arc::new(long) as _)]).unwrap();
    dir.parquet("year=2013/b.parquet", &large);
    let source = Parquet::at(dir.0.path());
    let plain = source.read().await.unwrap();

    let scan = Scan::all().with_dictionaries();
    let table = source.read_scan(scan.clone()).await.unwrap();
    assert_eq!(table.to_batch().unwrap(), plain.to_batch().unwrap(), "a table has one schema");
    let batches: Vec<RecordBatch> = source.scan(scan.clone()).await.unwrap().try_collect().await.unwrap();
    let coded = batches.iter().filter(|batch| matches!(batch.column(1).data_type(), DataType::Dictionary(..)));
    assert_eq!((coded.count(), batches.len()), (3, 4));
    let texts = batches.iter().map(|batch| {
        let mut columns = batch.columns().to_vec();
        columns[1] = cast(&columns[1], &DataType::Utf8).unwrap();
        RecordBatch::try_new(Arc::clone(plain.schema()), columns).unwrap()
    });
    let texts = Table::new(Arc::clone(plain.schema()), texts.collect::<Vec<_>>()).unwrap();
    assert_eq!(texts.to_batch().unwrap(), plain.to_batch().unwrap());

    let filtered = scan.with_filter(col("carrier").eq(lit("C3")));
    let batches: Vec<RecordBatch> = source.scan(filtered).await.unwrap().try_collect().await.unwrap();
    assert!(batches.iter().all(|batch| *batch.column(1).data_type() == DataType::Utf8));
}

#[tokio::test]
async fn a_source_with_dictionaries_is_fitted_as_its_table() {
    use mlops_core::{Pipeline, Role, Roles, Run, Transformer};
    use mlops_data::transform::{OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder};
    let dir = Dir::new();
    let rows = 350;
    let text = |i: i64, most: i64| (i % 9 != 4).then(|| format!("c{}", i * i % most));
    let columns: [(&str, arrow::array::ArrayRef); 4] = [
        ("late", Arc::new((0..rows).map(|i| Some(i * 7 % 5 > 2)).collect::<arrow::array::BooleanArray>())),
        ("fare", Arc::new(arrow::array::Int64Array::from_iter_values(0..rows))),
        ("city", Arc::new((0..rows).map(|i| text(i, 7)).collect::<arrow::array::StringArray>())),
        ("sku", Arc::new((0..rows).map(|i| text(i, 301)).collect::<arrow::array::StringArray>())),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
    let source = Parquet::at(dir.parquet("a.parquet", &batch));
    let recipe = |name: &str| match name {
        "one hot" => Pipeline::new().then(StandardScaler::on(["fare"])).then(OneHotEncoder::on(["city", "sku"])),
        "ordinal" => Pipeline::new().then(OrdinalEncoder::on(["city", "sku"])),
        // The second step sees what the first one made of the texts.
        "twice" => Pipeline::new()
            .then(OneHotEncoder::on(["city"]))
            .then(StandardScaler::on(["city_c0"]))
            .then(OrdinalEncoder::on(["sku"])),
        _ => Pipeline::new().then(TargetEncoder::on(["city", "sku"])),
    };
    let table = source.read().await.unwrap();
    for name in ["one hot", "ordinal", "twice", "target"] {
        let roles = Roles::new().with("late", Role::Target);
        let fitted = recipe(name).fit_source(&source, &roles, &Run::default()).await.unwrap();
        let expected =
            recipe(name).fit(&table.clone().with_role("late", Role::Target).unwrap(), &Run::default()).unwrap();
        assert_eq!(fitted.save().unwrap().state, expected.save().unwrap().state, "{name}");
        let batches: Vec<RecordBatch> = source
            .scan(Scan::all().with_dictionaries().with_batch_size(40))
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        let prepared: Vec<RecordBatch> = batches.into_iter().map(|batch| fitted.apply(batch).unwrap()).collect();
        let whole = arrow::compute::concat_batches(&prepared[0].schema(), &prepared).unwrap();
        let expected = expected.apply(table.to_batch().unwrap()).unwrap();
        assert_eq!(whole.columns(), expected.columns(), "{name}");
    }
}

#[tokio::test]
async fn row_groups_that_a_filter_rules_out_are_not_read() {
    let dir = Dir::new();
    let path = dir.parquet("a.parquet", &flights(0, 400));
    // The pages of the first row group, ids 0 to 99, are made unreadable.
    let mut bytes = fs::read(&path).unwrap();
    bytes[4..200].fill(0xFF);
    fs::write(&path, bytes).unwrap();
    let source = Parquet::at(&path);
    let late = Scan::all().with_columns(["id"]).with_filter(lit(100).lt_eq(col("id")).and(col("id").lt(lit(150))));
    assert_eq!(source.read_scan(late).await.unwrap().num_rows(), 50);
    let early = Scan::all().with_filter(col("id").eq(lit(3)));
    assert_error(source.read_scan(early).await, ErrorKind::Corrupt, &["a.parquet", "after row: 0"]);
}

#[tokio::test]
async fn torn_and_damaged_files_are_errors() {
    let dir = Dir::new();
    let whole = fs::read(dir.parquet("a.parquet", &flights(0, 1000))).unwrap();
    for (name, bytes) in [
        ("empty.parquet", Vec::new()),
        ("short.parquet", whole[..whole.len() / 2].to_vec()),
        ("tail.parquet", whole[..whole.len() - 1].to_vec()),
        ("text.parquet", b"a,b\n1,2\n".to_vec()),
    ] {
        let source = Parquet::at(dir.write(name, bytes));
        assert_error(source.read().await, ErrorKind::Corrupt, &[name, "not a whole Parquet file", "restore it"]);
    }
}

#[tokio::test]
async fn a_pattern_over_different_columns_names_both_files() {
    let dir = Dir::new();
    dir.parquet("1.parquet", &flights(0, 10));
    dir.parquet("2.parquet", &record_batch!(("id", Float64, [1.0]), ("carrier", Utf8, ["UA"])).unwrap());
    let result = Parquet::at(dir.path("*.parquet")).read().await;
    assert_error(result, ErrorKind::Schema, &["1.parquet", "2.parquet", "id: Float64", "id: Int64"]);
}

#[tokio::test]
async fn settings_are_plain_data() {
    let source = Parquet::at("data/*.parquet");
    let json = serde_json::to_string(&source).unwrap();
    assert_eq!(serde_json::from_str::<Parquet>(&json).unwrap(), source);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn flipped_bytes_are_rows_or_an_error(places in proptest::collection::vec((0.0..1.0, 1u8..), 1..4)) {
        let dir = Dir::new();
        let path = dir.parquet("a.parquet", &flights(0, 300));
        let mut bytes = fs::read(&path).unwrap();
        for (place, flip) in places {
            let place = (place * bytes.len() as f64) as usize;
            bytes[place] ^= flip;
        }
        fs::write(&path, bytes).unwrap();
        if let Err(error) = runtime().block_on(Parquet::at(path).read()) {
            prop_assert_ne!(error.kind(), ErrorKind::Internal, "{:?}", error);
            prop_assert!(error.to_string().contains("a.parquet"), "{}", error);
        }
    }

    #[test]
    fn a_filter_that_is_pushed_down_finds_the_same_rows(
        cells in proptest::collection::vec((-30i64..30, -30i64..30), 350),
        level in -30i64..30,
    ) {
        let float = |n: i64| match n {
            -30 => f64::NAN,
            -29 => -0.0,
            n => n as f64 / 2.0,
        };
        let steps = cells.iter().enumerate().map(|(i, (a, b))| (a + i as i64 / 10, float(*b) + (i / 20) as f64));
        let (ints, floats): (Vec<i64>, Vec<f64>) = steps.unzip();
        let columns = [
            ("int", Arc::new(arrow::array::Int32Array::from_iter_values(ints.iter().map(|n| *n as i32))) as _),
            ("float", Arc::new(arrow::array::Float32Array::from_iter_values(floats.iter().map(|x| *x as f32))) as _),
            ("day", Arc::new(arrow::array::Date32Array::from_iter_values(ints.iter().map(|n| *n as i32))) as _),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let dir = Dir::new();
        let file = Parquet::at(dir.parquet("a.parquet", &batch));
        let memory = mlops_data::MemorySource::new(Table::from_batch(batch));
        let day = lit("1970-01-10");
        for filter in [
            col("int").gt(lit(level)),
            lit(level).gt_eq(col("int")).and(col("float").lt(lit(level as f64))),
            col("float").eq(lit(level as f64 / 2.0)),
            lit(0.0).lt_eq(col("float")),
            col("float").gt(lit(f64::NAN)).or(col("int").eq(lit(level))),
            col("int").lt(lit(level as f64 + 0.5)),
            col("day").gt_eq(day.clone()).and(col("day").not_eq(day)),
        ] {
            let scan = Scan::all().with_filter(filter);
            let rows = |source: &dyn DataSource| runtime().block_on(source.read_scan(scan.clone())).unwrap().to_batch();
            prop_assert_eq!(rows(&file).unwrap(), rows(&memory).unwrap(), "{:?}", scan);
        }
    }

    #[test]
    fn any_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let dir = Dir::new();
        let framed = [b"PAR1".as_slice(), &bytes, &(bytes.len() as u32).to_le_bytes(), b"PAR1"].concat();
        for bytes in [bytes, framed] {
            let result = runtime().block_on(Parquet::at(dir.write("a.parquet", bytes)).read());
            prop_assert_eq!(result.unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
