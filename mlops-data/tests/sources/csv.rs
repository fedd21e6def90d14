//! CSV.

use std::fs::File;
use std::io::{BufWriter, Write};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit, TimestampMicrosecondType};
use mlops_core::{DataSource, DataSourceExt, ErrorKind, Scan};
use mlops_data::Csv;
use proptest::prelude::*;

use crate::{Dir, assert_error, runtime, types};

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
    let says = ["big.csv", "line 1000001", "'distance'", "'far'", "Float64", "with_type(\"distance\", DataType::Utf8)"];
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
