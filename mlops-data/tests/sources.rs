//! Files as they should be, and every way in which they are not.
#![cfg(all(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use futures::StreamExt;
use mlops_core::{DataSource, DataSourceExt, Error, ErrorKind, Scan, Table, col, lit};
use mlops_data::{Csv, Parquet};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use tempfile::TempDir;

struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn parquet(&self, name: &str, batch: &RecordBatch) -> PathBuf {
        let path = self.path(name);
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        path
    }
}

/// The error must be of `kind` and say all of `says`.
#[track_caller]
fn assert_error(result: Result<Table, Error>, kind: ErrorKind, says: &[&str]) {
    let error = result.map(|table| table.num_rows()).expect_err("bad input was read");
    assert_eq!(error.kind(), kind, "{error:?}");
    for text in says {
        assert!(error.to_string().contains(text), "'{text}' is not in: {error}");
    }
}

fn types(table: &Table) -> Vec<DataType> {
    table.schema().fields().iter().map(|field| field.data_type().clone()).collect()
}

mod csv {
    use super::*;

    #[tokio::test]
    async fn types_come_from_every_row() {
        let dir = Dir::new();
        let mut text = String::from("int,float,text,late_null\n");
        (0..5000).for_each(|i| text.push_str(&format!("{i},{i},{i},{i}\n")));
        text.push_str("7,7.5,seven,\n");
        let table = Csv::at(dir.write("a.csv", text)).read().await.unwrap();
        assert_eq!(types(&table), [DataType::Int64, DataType::Float64, DataType::Utf8, DataType::Int64]);
        assert_eq!(table.num_rows(), 5001);
        assert_eq!(table.column("late_null").unwrap().null_count(), 1);
        assert_eq!(table.column("text").unwrap().as_string::<i32>().value(5000), "seven");
    }

    #[tokio::test]
    async fn types_widen_over_files() {
        let dir = Dir::new();
        dir.write("2.csv", "n,when\n1.5,2013-01-02 03:04:05\n");
        dir.write("1.csv", "n,when\n1,2013-01-01\n");
        let table = Csv::at(dir.path("*.csv")).read().await.unwrap();
        assert_eq!(types(&table), [DataType::Float64, DataType::Timestamp(TimeUnit::Microsecond, None)]);
        let when = table.column("when").unwrap();
        assert_eq!(when.as_primitive::<TimestampMicrosecondType>().value(0), 1_356_998_400_000_000);
    }

    #[tokio::test]
    async fn instants_are_read_in_utc() {
        let dir = Dir::new();
        let path = dir.write("a.csv", "t\n2013-01-01T05:00:00Z\n2013-01-01T05:00:00+05:00\n");
        let table = Csv::at(path).read().await.unwrap();
        assert_eq!(types(&table), [DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))]);
        let t = table.column("t").unwrap();
        let t = t.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(t.value(0) - t.value(1), 5 * 3600 * 1_000_000);
    }

    #[tokio::test]
    async fn settings_are_followed() {
        let dir = Dir::new();
        let path = dir.write("a.csv", "\u{feff}1;NA;\"NA\"\r\n02; 3 ;x\r\n");
        let csv = Csv::at(&path).with_delimiter(';').with_header(false).with_nulls(["NA"]);
        let table = csv.clone().with_type("column_1", DataType::Utf8).read().await.unwrap();
        assert_eq!(types(&table), [DataType::Utf8, DataType::Int64, DataType::Utf8]);
        assert_eq!(table.column("column_1").unwrap().as_string::<i32>().value(1), "02");
        assert!(table.column("column_2").unwrap().is_null(0));
        assert_eq!(table.column("column_3").unwrap().as_string::<i32>().value(0), "NA");

        let json = serde_json::to_string(&csv).unwrap();
        assert_eq!(serde_json::from_str::<Csv>(&json).unwrap(), csv);
    }

    #[tokio::test]
    async fn a_file_that_changes_is_inferred_again() {
        let dir = Dir::new();
        let csv = Csv::at(dir.write("a.csv", "a\n1\n"));
        assert_eq!(types(&csv.read().await.unwrap()), [DataType::Int64]);
        dir.write("a.csv", "a\none\n");
        assert_eq!(types(&csv.read().await.unwrap()), [DataType::Utf8]);
    }

    #[tokio::test]
    async fn a_wrong_type_in_row_one_million_is_found() {
        let dir = Dir::new();
        let path = dir.path("big.csv");
        let mut file = BufWriter::new(File::create(&path).unwrap());
        writeln!(file, "id,distance").unwrap();
        for row in 1..1_000_000 {
            writeln!(file, "{row},{}", row % 3000).unwrap();
        }
        writeln!(file, "1000000,far\n1000001,12").unwrap();
        file.flush().unwrap();
        drop(file);

        let declared = Csv::at(&path).with_type("id", DataType::Int64).with_type("distance", DataType::Float64);
        let says =
            ["big.csv", "line 1000001", "'distance'", "'far'", "Float64", "with_type(\"distance\", DataType::Utf8)"];
        assert_error(declared.read().await, ErrorKind::Data, &says);
        let first = declared.read_scan(Scan::all().with_limit(10)).await.unwrap();
        assert_eq!(first.num_rows(), 10);
        assert_eq!(Csv::at(&path).schema().await.unwrap().field(1).data_type(), &DataType::Utf8);
    }

    #[tokio::test]
    async fn lines_are_counted_in_the_file_not_in_records() {
        let dir = Dir::new();
        let path = dir.write("a.csv", "a,b\n\"one\ntwo\",1\n\n\nthree,x\n");
        let csv = Csv::at(path).with_type("a", DataType::Utf8).with_type("b", DataType::Int64);
        assert_error(csv.read().await, ErrorKind::Data, &["line 6", "'b'", "'x'", "Int64"]);
    }

    #[tokio::test]
    async fn a_usual_word_for_null_is_recognised() {
        let dir = Dir::new();
        let csv = Csv::at(dir.write("a.csv", "a\n1\nNA\n")).with_type("a", DataType::Int64);
        assert_error(csv.read().await, ErrorKind::Data, &["line 3", "with_nulls([\"\", \"NA\"])"]);
    }

    #[tokio::test]
    async fn ragged_lines_are_errors() {
        let dir = Dir::new();
        let short = Csv::at(dir.write("short.csv", "a,b,c\n1,2,3\n4,5\n"));
        assert_error(short.read().await, ErrorKind::Data, &["short.csv", "line 3", "2 fields", "'c'"]);
        let long = Csv::at(dir.write("long.csv", "a,b\n1,2\n3,4,5\n"));
        assert_error(long.read().await, ErrorKind::Data, &["long.csv", "line 3", "3 fields", "2 are expected"]);
        let torn = Csv::at(dir.write("torn.csv", "a,b\n1,\"2\n3,4\n"));
        assert_error(torn.read().await, ErrorKind::Data, &["torn.csv", "line 2", "never closed"]);
    }

    #[tokio::test]
    async fn columns_that_are_missing_or_extra_are_errors() {
        let dir = Dir::new();
        let path = dir.write("a.csv", "a,c\n1,2\n");
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Int64, true)]);
        let declared = Csv::at(&path).with_schema(schema);
        assert_error(declared.read().await, ErrorKind::Schema, &["a.csv", "[a, c]", "b: Int64", "declared schema"]);
        let typo = Csv::at(&path).with_type("cc", DataType::Int64);
        assert_error(typo.read().await, ErrorKind::Schema, &["no column 'cc'", "did you mean 'c'"]);
        let twins = Csv::at(dir.write("twins.csv", "a,b,a\n1,2,3\n"));
        assert_error(twins.read().await, ErrorKind::Schema, &["twins.csv", "columns 1 and 3", "'a'"]);
    }

    #[tokio::test]
    async fn a_null_where_none_is_declared_is_an_error() {
        let dir = Dir::new();
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, false), Field::new("b", DataType::Utf8, true)]);
        let csv = Csv::at(dir.write("a.csv", "a,b\n1,x\n,y\n")).with_schema(schema);
        assert_error(csv.read().await, ErrorKind::Data, &["line 3", "'a'", "never to be null"]);
    }

    #[tokio::test]
    async fn text_that_is_not_utf8_is_an_error() {
        let dir = Dir::new();
        let csv = Csv::at(dir.write("a.csv", b"name,n\nM\xFCller,1\n"));
        assert_error(csv.read().await, ErrorKind::Data, &["a.csv", "line 2", "'name'", "UTF-8", "iconv"]);
        let csv = Csv::at(dir.write("b.csv", b"\xFF\xFEa\0,\0b\0\n\0"));
        assert_error(csv.read().await, ErrorKind::Data, &["b.csv", "UTF-16"]);
    }

    #[tokio::test]
    async fn files_without_content_are_errors_and_files_without_rows_are_not() {
        let dir = Dir::new();
        for content in ["", "\n\n", "\u{feff}"] {
            let csv = Csv::at(dir.write("empty.csv", content));
            assert_error(csv.read().await, ErrorKind::Data, &["empty.csv", "the file is empty"]);
        }
        let table = Csv::at(dir.write("header.csv", "a,,c")).read().await.unwrap();
        assert_eq!((table.num_rows(), table.schema().field(1).name().as_str()), (0, "column_2"));
    }

    #[tokio::test]
    async fn a_pattern_over_different_columns_names_both_files() {
        let dir = Dir::new();
        dir.write("1.csv", "a,b\n1,2\n");
        dir.write("2.csv", "a,x\n1,2\n");
        let result = Csv::at(dir.path("*.csv")).read().await;
        assert_error(result, ErrorKind::Schema, &["1.csv", "2.csv", "[a, x]", "[a, b]"]);
    }

    #[tokio::test]
    async fn settings_that_make_no_sense_are_errors() {
        let dir = Dir::new();
        let path = dir.write("a.csv", "a\n1\n");
        let csv = Csv::at(&path).with_delimiter('"');
        assert_error(csv.read().await, ErrorKind::Config, &["'\"'", "one ASCII character"]);
        let list = DataType::new_list(DataType::Int64, true);
        assert_error(Csv::at(&path).with_type("a", list).read().await, ErrorKind::Config, &["column 'a'", "List"]);
        assert_error(Csv::default().read().await, ErrorKind::Config, &["path of a source or sink is empty"]);
    }

    #[test]
    fn there_must_be_a_runtime() {
        let result = futures::executor::block_on(Csv::at("a.csv").read());
        assert_error(result, ErrorKind::Config, &["tokio"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_bytes_are_rows_or_an_error(bytes in bytes(), header in any::<bool>()) {
            let dir = Dir::new();
            let csv = Csv::at(dir.write("a.csv", bytes)).with_header(header);
            if let Err(error) = runtime().block_on(csv.read()) {
                prop_assert!(matches!(error.kind(), ErrorKind::Data | ErrorKind::Schema), "{:?}", error);
            }
        }

        #[test]
        fn any_texts_come_back(rows in proptest::collection::vec(["[a-zü,\"\n\r ;]{0,6}", "-?[0-9]{0,19}(\\.[0-9]{1,3})?"], 1..40)) {
            let dir = Dir::new();
            let quoted = |text: &String| format!("\"{}\"", text.replace('"', "\"\""));
            let lines = rows.iter().map(|[a, b]| format!("{},{}\n", quoted(a), quoted(b)));
            let path = dir.write("a.csv", format!("a,b\n{}", lines.collect::<String>()));
            let csv = Csv::at(path).with_type("a", DataType::Utf8).with_type("b", DataType::Utf8);
            let table = runtime().block_on(csv.read()).unwrap();
            let (a, b) = (table.column("a").unwrap(), table.column("b").unwrap());
            for (row, [x, y]) in rows.iter().enumerate() {
                prop_assert_eq!(a.as_string::<i32>().value(row), x);
                prop_assert_eq!(b.as_string::<i32>().value(row), y);
            }
        }

        #[test]
        fn what_is_inferred_can_be_read(cells in proptest::collection::vec(cell(), 1..30)) {
            let dir = Dir::new();
            let lines: String = cells.iter().map(|cell| format!("x,{cell}\n")).collect();
            let table = runtime().block_on(Csv::at(dir.write("a.csv", format!("x,a\n{lines}"))).read());
            prop_assert!(table.is_ok(), "{:?}", table);
            let nulls = table.unwrap().column("a").unwrap().null_count();
            prop_assert_eq!(nulls, cells.iter().filter(|cell| cell.is_empty()).count());
        }
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let likely = proptest::sample::select(b"aa1,,,,\"\n\n\r\xC3\xA9".to_vec());
        proptest::collection::vec(prop_oneof![4 => likely, 1 => any::<u8>()], 0..300)
    }

    /// Texts that look like values of some type, and nearly so.
    fn cell() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9]{1,20}",
            "[+-]?[0-9]{0,3}\\.?[0-9]{0,3}([eE][+-]?[0-9]{1,3})?",
            "(true|false|TRUE|NaN|inf|-inf|Infinity|-|\\+|\\.)?",
            "[0-9]{4}-[01][0-9]-[0-3][0-9]",
            "[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{1,12})?)?(Z|\\+[0-2][0-9]:[0-9]{2}| UTC)?",
        ]
    }
}

mod parquet_files {
    use super::*;

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
}

mod paths {
    use super::*;

    #[tokio::test]
    async fn what_is_not_there_is_named() {
        let dir = Dir::new();
        let missing = dir.path("nothing.csv");
        assert_error(Csv::at(&missing).read().await, ErrorKind::NotFound, &["nothing.csv", "check the path"]);
        assert_error(Parquet::at(&missing).read().await, ErrorKind::NotFound, &["nothing.csv"]);
        assert_error(Csv::at(dir.path("*.csv")).read().await, ErrorKind::NotFound, &["*.csv", "no file matches"]);
        assert_error(Csv::at("no/such.csv").read().await, ErrorKind::NotFound, &["relative paths start at"]);
    }

    #[tokio::test]
    async fn a_directory_without_files_of_the_format_is_an_error() {
        let dir = Dir::new();
        dir.write("notes.txt", "a\n1\n");
        assert_error(Csv::at(dir.0.path()).read().await, ErrorKind::NotFound, &["nothing to read", ".csv"]);
        assert_error(Parquet::at(dir.0.path()).read().await, ErrorKind::NotFound, &[".parquet"]);
    }

    #[tokio::test]
    async fn a_name_that_looks_like_a_pattern_is_a_name_first() {
        let dir = Dir::new();
        let path = dir.write("a[1].csv", "a\n1\n");
        assert_eq!(Csv::at(path).read().await.unwrap().num_rows(), 1);
        assert_error(Csv::at(dir.path("a[.csv")).read().await, ErrorKind::Config, &["a[.csv", "no pattern"]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_may_not_be_read_is_denied() {
        use std::os::unix::fs::PermissionsExt;

        let dir = Dir::new();
        let path = dir.write("secret.csv", "a\n1\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        if File::open(&path).is_ok() {
            // The superuser may read everything.
            return;
        }
        assert_error(Csv::at(&path).read().await, ErrorKind::Denied, &["secret.csv", "allow this user"]);
    }
}

mod places {
    use super::*;
    use mlops_data::{ArrowIpc, ArrowIpcSink, CsvSink, JsonLines, JsonLinesSink, ParquetSink, Place, SinkExt};
    use object_store::memory::InMemory;
    use object_store::{ObjectStore, ObjectStoreExt};

    fn trips(start: i64) -> Table {
        let minutes = arrow::array::Int64Array::from_iter_values(start..start + 5);
        Table::from_batch(RecordBatch::try_from_iter([("minutes", Arc::new(minutes) as _)]).unwrap())
    }

    /// A directory by year and zone, local and in a store, in every format.
    async fn lake(place: impl Fn(&str) -> Place) {
        for (i, directory) in
            ["year=2013/zone=north", "year=2013/zone=s%C3%BCd", "year=2014/zone=__HIVE_DEFAULT_PARTITION__"]
                .into_iter()
                .enumerate()
        {
            let (at, table) = (|ending: &str| place(&format!("{directory}/a.{ending}")), trips(10 * i as i64));
            CsvSink::at(at("csv")).write_table(&table).await.unwrap();
            ParquetSink::at(at("parquet")).write_table(&table).await.unwrap();
            JsonLinesSink::at(at("jsonl")).write_table(&table).await.unwrap();
            ArrowIpcSink::at(at("arrow")).write_table(&table).await.unwrap();
        }
        CsvSink::at(place("_logs/a.csv")).write_table(&trips(0)).await.unwrap();
    }

    async fn read_lake(place: impl Fn(&str) -> Place) {
        let sources: [Box<dyn DataSource>; 4] = [
            Box::new(Csv::at(place(""))),
            Box::new(Parquet::at(place(""))),
            Box::new(JsonLines::at(place("*/*/*.jsonl"))),
            Box::new(ArrowIpc::at(place("**/*.arrow"))),
        ];
        for source in sources {
            let table = source.read().await.unwrap();
            let names: Vec<_> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(names, ["minutes", "year", "zone"], "{}", source.name());
            assert_eq!(types(&table), [DataType::Int64, DataType::Int64, DataType::Utf8]);
            assert_eq!((table.num_rows(), table.column("zone").unwrap().null_count()), (15, 5));
            assert_eq!(table.column("zone").unwrap().as_string::<i32>().value(5), "süd");
            let scan = Scan::all()
                .with_columns(["zone"])
                .with_filter(col("year").gt(lit(2013)).and(col("minutes").lt(lit(22))));
            assert_eq!(source.read_scan(scan).await.unwrap().num_rows(), 2, "{}", source.name());
            let none = Scan::all().with_filter(col("year").eq(lit(1999)));
            assert_eq!(source.read_scan(none).await.unwrap().num_rows(), 0);
        }
        let fixed = Csv::at(place("year=2013/*/*.csv")).read().await.unwrap();
        assert_eq!(fixed.schema().fields().len(), 2, "what is fixed of a path is no column");
        assert_eq!(fixed.num_rows(), 10);
    }

    #[tokio::test]
    async fn directories_are_columns_in_every_format_and_place() {
        let dir = Dir::new();
        let local = |path: &str| Place::from(&dir.path("lake").join(path));
        lake(local).await;
        read_lake(local).await;
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let stored = |path: &str| Place::in_store(Arc::clone(&store), format!("lake/{path}"));
        lake(stored).await;
        read_lake(stored).await;
        let url = format!("file://{}", dir.path("lake/year=2014").display());
        assert_eq!(Parquet::at(url).read().await.unwrap().num_rows(), 5);
    }

    #[tokio::test]
    async fn files_that_a_filter_rules_out_are_not_opened() {
        let dir = Dir::new();
        for year in [2013, 2014] {
            fs::create_dir_all(dir.path(&format!("year={year}"))).unwrap();
            dir.write(&format!("year={year}/a.jsonl"), "{\"a\": 1}\n");
        }
        let json = JsonLines::at(dir.0.path());
        json.schema().await.unwrap();
        // Of the same length and time, so that its types are still known.
        let path = dir.path("year=2013/a.jsonl");
        let modified = path.metadata().unwrap().modified().unwrap();
        dir.write("year=2013/a.jsonl", "{\"a\": x}\n");
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        let late = Scan::all().with_filter(lit(2013).lt(col("year")));
        assert_eq!(json.read_scan(late).await.unwrap().num_rows(), 1);
        assert_error(json.read().await, ErrorKind::Data, &["year=2013", "line 1"]);
    }

    #[tokio::test]
    async fn partitions_that_do_not_agree_are_errors() {
        let dir = Dir::new();
        for directory in ["year=2013", "month=1"] {
            fs::create_dir_all(dir.path(directory)).unwrap();
            dir.write(&format!("{directory}/a.csv"), "year\n1\n");
        }
        assert_error(Csv::at(dir.0.path()).read().await, ErrorKind::Schema, &["[year]", "[month]"]);
        fs::remove_dir_all(dir.path("month=1")).unwrap();
        assert_error(Csv::at(dir.0.path()).read().await, ErrorKind::Schema, &["'year'", "of the directories"]);
    }

    #[tokio::test]
    async fn an_object_that_is_not_there_or_changes_is_an_error() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let place = Place::in_store(Arc::clone(&store), "a.parquet");
        assert_error(Parquet::at(place.clone()).read().await, ErrorKind::NotFound, &["a.parquet"]);
        let pattern = Place::in_store(Arc::clone(&store), "b/*.csv");
        assert_error(Csv::at(pattern).read().await, ErrorKind::NotFound, &["b/*.csv", "no file matches"]);
        ParquetSink::at(place.clone()).write_table(&trips(0)).await.unwrap();
        let whole = store.get(&"a.parquet".into()).await.unwrap().bytes().await.unwrap();
        store.put(&"a.parquet".into(), whole.slice(..whole.len() - 9).into()).await.unwrap();
        assert_error(Parquet::at(place).read().await, ErrorKind::Corrupt, &["a.parquet", "restore it"]);
    }

    #[tokio::test]
    async fn stores_that_this_build_does_not_know_are_named() {
        assert_error(Csv::at("ftp://host/a.csv").read().await, ErrorKind::Unsupported, &["'ftp://'", "s3"]);
        #[cfg(not(feature = "gcs"))]
        assert_error(Csv::at("gs://bucket/a.csv").read().await, ErrorKind::Unsupported, &["feature 'gcs'"]);
    }
}

mod streams {
    use super::*;

    #[tokio::test]
    async fn a_dropped_stream_stops_reading() {
        let dir = Dir::new();
        let path = dir.path("a.csv");
        let mut file = BufWriter::new(File::create(&path).unwrap());
        writeln!(file, "a,b").unwrap();
        (0..200_000).for_each(|i| writeln!(file, "{i},{i}").unwrap());
        file.flush().unwrap();
        drop(file);
        let csv = Csv::at(&path).with_type("a", DataType::Int64).with_type("b", DataType::Int64);
        let mut stream = csv.scan(Scan::all().with_batch_size(10)).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().num_rows(), 10);
        assert!(is_open(&path), "a stream that is alive holds its file");
        drop(stream);
        for _ in 0..200 {
            if !is_open(&path) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the file is still open two seconds after its stream was dropped");
    }

    /// Whether this process holds the file open; where that can't be told, what the test wants.
    fn is_open(path: &Path) -> bool {
        let Ok(entries) = fs::read_dir("/proc/self/fd") else { return false };
        entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}
