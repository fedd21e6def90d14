//! Files that are torn, that lie, or that are made to exhaust whoever reads them.
#![cfg(all(feature = "csv", feature = "ipc", feature = "json", feature = "parquet"))]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt;
use mlops_core::{DataSource, DataSourceExt, Error, ErrorKind, Scan, Table};
use mlops_data::{ArrowIpc, ArrowIpcSink, Csv, Encoding, JsonLines, Parquet, ParquetSink, SinkExt, sink::IpcFormat};
use proptest::prelude::*;
use tempfile::TempDir;

struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

#[track_caller]
fn assert_error(result: Result<Table, Error>, kind: ErrorKind, says: &[&str]) {
    let error = result.map(|table| table.num_rows()).expect_err("bad input was read");
    assert_eq!(error.kind(), kind, "{error:?}");
    for text in says {
        assert!(error.to_string().contains(text), "'{text}' is not in: {error}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

mod compressed {
    use super::*;

    #[tokio::test]
    async fn the_first_bytes_tell_not_the_name() {
        let dir = Dir::new();
        let zstd = |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
        // A frame that is skipped: its number, its length, its bytes.
        let skipped = [b"\x50\x2A\x4D\x18\x03\0\0\0xyz".as_slice()].concat();
        for (name, bytes) in [
            ("gzip.csv", gzip(b"a,b\n1,x\n2,y\n")),
            ("two members.csv", [gzip(b"a,b\n1,x\n"), gzip(b"2,y\n")].concat()),
            ("zstd.csv", zstd(b"a,b\n1,x\n2,y\n")),
            ("frames.csv", [zstd(b"a,b\n1,x\n"), skipped, zstd(b"2,y\n")].concat()),
            ("plain.csv.gz", b"a,b\n1,x\n2,y\n".to_vec()),
        ] {
            let table = Csv::at(dir.write(name, bytes)).read().await.unwrap();
            assert!(table.column("a").unwrap().as_primitive::<Int64Type>().values().iter().eq(&[1, 2]), "{name}");
        }
        let json = JsonLines::at(dir.write("a.jsonl", gzip(b"{\"a\": 1}\n"))).read().await.unwrap();
        assert_eq!(json.num_rows(), 1);
    }

    #[tokio::test]
    async fn a_bomb_stops_at_the_limit() {
        let dir = Dir::new();
        let mut lines = b"a\n".to_vec();
        lines.resize(8 << 20, b'\n');
        let path = dir.write("bomb.csv.gz", gzip(&lines));
        let csv = Csv::at(&path).with_max_decompressed_bytes(1 << 20);
        assert_error(
            csv.read().await,
            ErrorKind::Data,
            &["bomb.csv.gz", "1048576 bytes", "with_max_decompressed_bytes"],
        );
        assert_eq!(Csv::at(&path).read().await.unwrap().num_rows(), 0);
        // Without ends of lines, the limit of a record is met first.
        let endless = dir.write("endless.csv.gz", gzip(&vec![b'x'; 8 << 20]));
        let csv = Csv::at(endless).with_max_record_bytes(1 << 20);
        assert_error(csv.read().await, ErrorKind::Data, &["line 1", "1048576 bytes", "with_max_record_bytes"]);
    }

    #[tokio::test]
    async fn torn_and_damaged_files_are_corrupt() {
        let dir = Dir::new();
        let text: String = (0..20_000).map(|i| format!("{i},{}\n", i * 7919 % 10_007)).collect();
        let text = format!("a,b\n{text}");
        let zstd = ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
        for (name, whole) in [("a.csv.gz", gzip(text.as_bytes())), ("a.csv.zst", zstd)] {
            assert_eq!(Csv::at(dir.write(name, &whole)).read().await.unwrap().num_rows(), 20_000);
            let torn = dir.write(name, &whole[..whole.len() / 2]);
            assert_error(Csv::at(&torn).read().await, ErrorKind::Corrupt, &[name, "decompressed bytes", "restore"]);
            let mut flipped = whole.clone();
            let middle = whole.len() / 2;
            flipped[middle..middle + 8].fill(0xA5);
            assert_error(Csv::at(dir.write(name, flipped)).read().await, ErrorKind::Corrupt, &[name]);
        }
    }
}

mod csv {
    use super::*;

    #[tokio::test]
    async fn a_cell_of_100_megabytes_is_refused_unless_it_is_allowed() {
        let dir = Dir::new();
        let mut text = b"a,b\n1,\"".to_vec();
        text.resize(100 << 20, b'x');
        text.extend_from_slice(b"\"\n2,y\n");
        let csv = Csv::at(dir.write("large.csv", &text));
        let says = ["large.csv", "line 2", "67108864 bytes", "with_max_record_bytes"];
        assert_error(csv.read().await, ErrorKind::Data, &says);
        let table = csv.with_max_record_bytes(128 << 20).read().await.unwrap();
        assert_eq!(table.column("b").unwrap().as_string::<i32>().value(0).len(), (100 << 20) - 7);
    }

    #[tokio::test]
    async fn ten_thousand_columns_are_read_and_more_than_the_limit_are_not() {
        let dir = Dir::new();
        let line = |cell: &dyn Fn(usize) -> String| (0..10_000).map(cell).collect::<Vec<_>>().join(",") + "\n";
        let text = line(&|i| format!("c{i}")) + &line(&|i| i.to_string()) + &line(&|i| format!("{i}.5"));
        let csv = Csv::at(dir.write("wide.csv", text));
        let table = csv.read().await.unwrap();
        assert_eq!((table.num_rows(), table.schema().fields().len()), (2, 10_000));
        assert!(table.schema().fields().iter().all(|field| *field.data_type() == DataType::Float64));
        let says = ["wide.csv", "line 1", "9999 fields", "with_max_columns"];
        assert_error(csv.with_max_columns(9999).read().await, ErrorKind::Data, &says);
    }

    #[tokio::test]
    async fn a_column_turns_to_text_in_row_4_999_999() {
        let dir = Dir::new();
        let path = dir.path("late.csv");
        let mut text = "id,n\n".to_owned();
        for row in 1..=5_000_000 {
            text.push_str(if row == 4_999_999 { "1,late\n" } else { "1,2\n" });
        }
        fs::write(&path, text).unwrap();
        let schema = Csv::at(&path).schema().await.unwrap();
        assert_eq!((schema.field(0).data_type(), schema.field(1).data_type()), (&DataType::Int64, &DataType::Utf8));
        let late = Csv::at(&path).with_type("n", DataType::Int64).with_type("id", DataType::Int64);
        assert_error(
            late.read_scan(Scan::all().with_columns(["n"])).await,
            ErrorKind::Data,
            &["line 5000000", "'n'", "'late'"],
        );
    }

    #[tokio::test]
    async fn parts_of_a_large_file_are_the_whole_of_it() {
        let dir = Dir::new();
        for (name, end, quoted) in
            [("lf", "\n", false), ("crlf", "\r\n", false), ("cr", "\r", false), ("quotes", "\n", true)]
        {
            let mut text = format!("when,n,text{end}");
            for row in 0..900_000 {
                let text_cell = if quoted && row == 800_000 { "\"a\n1,2\"" } else { "some words to fill a line" };
                text.push_str(&format!("2013-01-01,{row},{text_cell}{end}"));
                if row % 1000 == 0 {
                    text.push_str(end);
                }
            }
            let text = text + "2013-01-01 05:00:00,0.5,x";
            assert!(text.len() > 32 << 20);
            let table =
                Csv::at(dir.write(name, text)).read_scan(Scan::all().with_columns(["when", "n"])).await.unwrap();
            let types: Vec<_> = table.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
            assert_eq!(types, ["Timestamp(µs)", "Float64"], "{name}");
            assert_eq!(table.num_rows(), 900_001, "{name}");
        }
    }

    #[tokio::test]
    async fn other_encodings_are_read_when_they_are_named() {
        let dir = Dir::new();
        let csv = Csv::at(dir.write("a.csv", b"name,n\nM\xFCller,1\n"));
        assert_error(csv.read().await, ErrorKind::Data, &["a.csv", "line 2", "'name'", "Encoding::Latin1"]);
        let name = |table: Table| table.column("name").unwrap().as_string::<i32>().value(0).to_owned();
        assert_eq!(name(csv.clone().with_encoding(Encoding::Latin1).read().await.unwrap()), "Müller");
        assert_eq!(name(csv.with_encoding(Encoding::Utf8Lossy).read().await.unwrap()), "M\u{FFFD}ller");
    }

    #[tokio::test]
    async fn the_dialect_is_found_and_settings_win() {
        let dir = Dir::new();
        let path = dir.write("a.txt", "x;y\r\n'1;5';2,5\n'3';4\r");
        let dialect = Csv::at(&path).dialect().await.unwrap();
        assert_eq!((dialect.delimiter, dialect.quote, dialect.header), (';', '\'', true));
        let table = Csv::at(&path).read().await.unwrap();
        assert_eq!(table.column("x").unwrap().as_string::<i32>().value(0), "1;5");
        let set = Csv::at(&path).with_delimiter(';').with_quote('\0').with_header(false);
        assert_error(set.read().await, ErrorKind::Data, &["line 2", "3 fields"]);
        let values = Csv::at(dir.write("b.csv", "1,2013-01-01\n2,2013-01-02\n"));
        assert_eq!(values.read().await.unwrap().num_rows(), 2);
        assert_eq!(values.with_header(true).read().await.unwrap().num_rows(), 1);
    }

    #[tokio::test]
    async fn columns_without_values_one_row_and_no_row() {
        let dir = Dir::new();
        let table = Csv::at(dir.write("a.csv", "a,b\n,1\n,2\n")).read().await.unwrap();
        assert_eq!(table.column("a").unwrap().null_count(), 2);
        assert_eq!(table.schema().field(0).data_type(), &DataType::Utf8);
        assert_eq!(Csv::at(dir.write("b.csv", "a\n1")).read().await.unwrap().num_rows(), 1);
        assert_eq!(Csv::at(dir.write("c.csv", "a\n")).read().await.unwrap().num_rows(), 0);
        let leap = Csv::at(dir.write("d.csv", "d\n2016-02-29\n2000-02-29\n")).read().await.unwrap();
        assert_eq!(leap.schema().field(0).data_type(), &DataType::Date32);
        let none = Csv::at(dir.write("e.csv", "d\n2016-02-29\n2015-02-29\n")).read().await.unwrap();
        assert_eq!(none.schema().field(0).data_type(), &DataType::Utf8);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// A fuzzer's little brother: whatever the bytes and the settings, there are rows or an error of the
        /// data, and the same whether types are inferred or not.
        #[test]
        fn any_bytes_are_rows_or_an_error(
            bytes in prop_oneof![
                proptest::collection::vec(proptest::sample::select(b"a1,,;\t|\"'\n\n\r\xC3\xA9 .-e\0".to_vec()), 0..400),
                proptest::collection::vec(any::<u8>(), 0..200),
                proptest::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| [b"\x1f\x8b\x08".as_slice(), &bytes].concat()),
                proptest::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| [b"\x28\xB5\x2F\xFD".as_slice(), &bytes].concat()),
                proptest::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| gzip(&bytes)),
            ],
            encoding in proptest::sample::select(vec![Encoding::Utf8, Encoding::Latin1, Encoding::Utf8Lossy]),
            header in proptest::option::of(any::<bool>()),
            quote in proptest::option::of(proptest::sample::select(vec!['"', '\'', '\0'])),
            limit in 1usize..500,
        ) {
            let dir = Dir::new();
            let mut csv = Csv::at(dir.write("a.csv", bytes)).with_encoding(encoding).with_max_record_bytes(limit).with_max_columns(20);
            (csv.header, csv.quote) = (header, quote);
            match runtime().block_on(csv.read()) {
                Ok(table) => {
                    let cells = table.num_rows() * table.schema().fields().len();
                    let text = table.schema().fields().iter().fold(csv, |csv, field| csv.with_type(field.name(), DataType::Utf8));
                    let again = runtime().block_on(text.read()).unwrap();
                    prop_assert_eq!(again.num_rows() * again.schema().fields().len(), cells);
                }
                Err(error) => {
                    let kind = error.kind();
                    prop_assert!(matches!(kind, ErrorKind::Data | ErrorKind::Schema | ErrorKind::Corrupt), "{:?}", error);
                    prop_assert!(error.to_string().contains("a.csv"), "{}", error);
                }
            }
        }
    }
}

mod json {
    use super::*;

    #[tokio::test]
    async fn types_widen_over_every_line_and_nest() {
        let dir = Dir::new();
        let text = "{\"b\": 1, \"a\": {\"x\": [1, 2]}}\n\n{\"a\": {\"y\": true}, \"b\": 2.5, \"c\": \"2013-01-01\"}\r\n{\"c\": 7}";
        let table = JsonLines::at(dir.write("a.jsonl", text)).read().await.unwrap();
        let schema = table.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["b", "a", "c"]);
        assert_eq!(schema.field(0).data_type(), &DataType::Float64);
        assert_eq!(
            table.column("c").unwrap().as_string::<i32>().iter().collect::<Vec<_>>(),
            [None, Some("2013-01-01"), Some("7")]
        );
        assert_eq!(table.column("a").unwrap().as_struct().num_columns(), 2);
        let day = JsonLines::at(dir.write("b.jsonl", "{\"d\": \"2013-01-01\"}\n")).with_type("d", DataType::Date32);
        assert_eq!(day.read().await.unwrap().schema().field(0).data_type(), &DataType::Date32);
    }

    #[tokio::test]
    async fn errors_name_the_line() {
        let dir = Dir::new();
        for (text, says) in [
            ("{\"a\": 1}\n\n{\"a\": }\n", &["line 3", "not a JSON object"][..]),
            ("{\"a\": 1}\n[1]\n", &["line 2", "an object"]),
            ("{\"a\": 1} {\"a\": 2}\n", &["line 1"]),
            ("{\"a\": 1}\n{\"a\": [1]}\n", &["'a'", "with_type"]),
        ] {
            let path = dir.write("a.jsonl", text);
            assert_error(JsonLines::at(&path).read().await, ErrorKind::Data, says);
        }
        let typed = JsonLines::at(dir.write("b.jsonl", "{\"a\": 1}\n{\"a\": \"x\"}\n")).with_type("a", DataType::Int64);
        assert_error(typed.read().await, ErrorKind::Data, &["b.jsonl", "line 2", "with_type"]);
        let long = JsonLines::at(dir.write("c.jsonl", format!("{{\"a\": 1}}\n{{\"a\": \"{}\"}}\n", "x".repeat(2000))));
        let says = ["line 2", "1000 bytes", "with_max_record_bytes"];
        assert_error(long.with_max_record_bytes(1000).read().await, ErrorKind::Data, &says);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_bytes_are_rows_or_an_error(
            bytes in proptest::collection::vec(prop_oneof![
                Just("{\"a\": 1}\n".as_bytes().to_vec()),
                Just("{\"a\": {\"b\": [".as_bytes().to_vec()),
                Just("null".as_bytes().to_vec()),
                Just("\n".as_bytes().to_vec()),
                proptest::sample::select(b"{}[]\",:1e.-\\u".to_vec()).prop_map(|byte| vec![byte]),
                any::<u8>().prop_map(|byte| vec![byte]),
            ], 0..60),
        ) {
            let dir = Dir::new();
            let json = JsonLines::at(dir.write("a.jsonl", bytes.concat()));
            if let Err(error) = runtime().block_on(json.read()) {
                prop_assert!(matches!(error.kind(), ErrorKind::Data | ErrorKind::Schema | ErrorKind::Corrupt), "{:?}", error);
            }
        }
    }
}

fn flights(rows: i64) -> RecordBatch {
    let id = arrow::array::Int64Array::from_iter_values(0..rows);
    let carrier = arrow::array::StringArray::from_iter_values((0..rows).map(|i| format!("C{}", i % 7)));
    RecordBatch::try_from_iter([("id", Arc::new(id) as _), ("carrier", Arc::new(carrier) as _)]).unwrap()
}

mod parquet_files {
    use super::*;

    fn whole(dir: &Dir) -> Vec<u8> {
        let path = dir.path("whole.parquet");
        let sink = ParquetSink::at(&path).with_row_group_rows(300).with_overwrite(true);
        runtime().block_on(sink.write_table(&Table::from_batch(flights(1000)))).unwrap();
        fs::read(path).unwrap()
    }

    fn read(dir: &Dir, bytes: &[u8]) -> Result<Table, Error> {
        runtime().block_on(Parquet::at(dir.write("a.parquet", bytes)).read())
    }

    /// A file of a footer alone.
    fn footer(bytes: &[u8]) -> Vec<u8> {
        [b"PAR1".as_slice(), bytes, &(bytes.len() as u32).to_le_bytes(), b"PAR1"].concat()
    }

    #[test]
    fn footers_that_lie_are_errors_before_memory_is_reserved() {
        let dir = Dir::new();
        let mut pointing_outside = whole(&dir);
        let length = pointing_outside.len();
        pointing_outside[length - 8..length - 4].copy_from_slice(&u32::MAX.to_le_bytes());
        // The row groups, a list of 2³¹ - 1, after a sound version and schema.
        let lying =
            [0x15, 2, 0x19, 0x1C, 0x48, 1, b's', 0x15, 0, 0, 0x16, 0, 0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0, 0];
        for bytes in
            [pointing_outside, footer(&lying), footer(&[0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 7]), footer(&[0x1C; 5000])]
        {
            assert_error(
                read(&dir, &bytes),
                ErrorKind::Corrupt,
                &["a.parquet", "not a whole Parquet file", "restore it"],
            );
        }
    }

    #[test]
    fn every_cut_is_an_error() {
        let dir = Dir::new();
        let whole = whole(&dir);
        assert_eq!(read(&dir, &whole).unwrap().num_rows(), 1000);
        for cut in (0..whole.len()).step_by(whole.len() / 60) {
            assert_error(read(&dir, &whole[..cut]), ErrorKind::Corrupt, &["a.parquet"]);
            // The end is there, but not what it points to.
            let gap = [&whole[..cut / 2], &whole[whole.len() - (whole.len() - cut).max(200)..]].concat();
            if gap.len() < whole.len()
                && let Err(error) = read(&dir, &gap)
            {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            }
        }
    }

    #[test]
    fn a_page_may_not_be_larger_than_its_limit() {
        let dir = Dir::new();
        let path = dir.write("a.parquet", whole(&dir));
        let small = Parquet::at(path).with_max_page_bytes(16);
        assert_error(runtime().block_on(small.read()), ErrorKind::Corrupt, &["with_max_page_bytes"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn flipped_bytes_of_the_footer_are_rows_or_an_error(places in proptest::collection::vec((0usize..400, any::<u8>()), 1..5)) {
            let dir = Dir::new();
            let mut bytes = whole(&dir);
            let length = bytes.len();
            for (place, value) in places {
                bytes[length - 9 - place] = value;
            }
            if let Err(error) = read(&dir, &bytes) {
                prop_assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Schema | ErrorKind::Unsupported), "{:?}", error);
            }
        }
    }
}

mod ipc {
    use super::*;

    fn whole(dir: &Dir, format: IpcFormat) -> Vec<u8> {
        let path = dir.path("whole.arrow");
        let batch = flights(1000);
        let table = Table::new(batch.schema(), vec![batch.slice(0, 400), batch.slice(400, 600)]).unwrap();
        let sink = ArrowIpcSink::at(&path).with_format(format).with_overwrite(true);
        runtime().block_on(sink.write_table(&table)).unwrap();
        fs::read(path).unwrap()
    }

    fn read(dir: &Dir, bytes: &[u8]) -> Result<Table, Error> {
        runtime().block_on(ArrowIpc::at(dir.write("a.arrow", bytes)).read())
    }

    #[test]
    fn the_formats_are_told_apart_and_cuts_are_errors() {
        let dir = Dir::new();
        for format in [IpcFormat::File, IpcFormat::Stream] {
            let whole = whole(&dir, format);
            assert_eq!(read(&dir, &whole).unwrap().num_rows(), 1000);
            let mut cuts = 0;
            for cut in (0..whole.len() - 8).step_by(whole.len() / 40) {
                match read(&dir, &whole[..cut]) {
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{format:?} {cut}: {error}"),
                    // A stream may end after any of its batches.
                    Ok(table) => assert!(format == IpcFormat::Stream && [0, 400].contains(&table.num_rows())),
                }
                cuts += 1;
            }
            assert!(cuts >= 40);
        }
    }

    #[test]
    fn batches_beyond_the_limit_are_refused() {
        let dir = Dir::new();
        let path = dir.write("a.arrow", whole(&dir, IpcFormat::Stream));
        let small = ArrowIpc::at(path).with_max_batch_bytes(1000);
        assert_error(
            runtime().block_on(small.read()),
            ErrorKind::Data,
            &["a.arrow", "1000 bytes", "with_max_batch_bytes"],
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn flipped_bytes_are_rows_or_an_error(
            places in proptest::collection::vec((0.0..1.0, any::<u8>()), 1..5),
            format in proptest::sample::select(vec![IpcFormat::File, IpcFormat::Stream]),
        ) {
            let dir = Dir::new();
            let mut bytes = whole(&dir, format);
            for (place, value) in places {
                let place = (place * bytes.len() as f64) as usize;
                bytes[place] = value;
            }
            if let Err(error) = read(&dir, &bytes) {
                prop_assert_ne!(error.kind(), ErrorKind::Internal, "{:?}", error);
            }
        }
    }
}

/// A scan of a large file takes little memory, and none once it is dropped.
#[tokio::test]
async fn a_stream_that_is_dropped_reads_no_further() {
    let dir = Dir::new();
    let text = "{\"a\": 1}\n".repeat(300_000);
    let json = JsonLines::at(dir.write("a.jsonl", &text)).with_type("a", DataType::Int64);
    let mut parts = json.scan(Scan::all().with_batch_size(10)).await.unwrap();
    assert_eq!(parts.next().await.unwrap().unwrap().num_rows(), 10);
    drop(parts);
    let path = dir.path("a.arrow");
    let batches: Vec<RecordBatch> = (0..200).map(|_| flights(1000)).collect();
    ArrowIpcSink::at(&path).write_table(&Table::new(flights(0).schema(), batches).unwrap()).await.unwrap();
    let mut parts = ArrowIpc::at(&path).scan(Scan::all().with_batch_size(10)).await.unwrap();
    assert_eq!(parts.next().await.unwrap().unwrap().num_rows(), 10);
    drop(parts);
    for _ in 0..200 {
        if !is_open(&dir) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("a file is still open two seconds after its stream was dropped");
}

/// Whether this process holds a file of the directory open; where that can't be told, what the test wants.
fn is_open(dir: &Dir) -> bool {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return false };
    entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(dir.0.path())))
}
