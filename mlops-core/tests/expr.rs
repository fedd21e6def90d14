//! Expressions: what they compute, what they refuse, and how they are written down.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Date64Array, DurationSecondArray, Int8Array, RecordBatch,
    StringArray, Time32SecondArray, Time64MicrosecondArray, TimestampMillisecondArray, TimestampSecondArray,
    UInt64Array, record_batch,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema, TimeUnit};
use mlops_core::{ErrorKind, Expr, Literal, col, lit};

fn batch() -> RecordBatch {
    record_batch!(("n", Int32, [Some(1), None, Some(3)]), ("x", Float64, [0.5, 2.5, 0.0]), ("s", Utf8, ["a", "b", "c"]))
        .unwrap()
}

fn times() -> RecordBatch {
    let columns: [(&str, ArrayRef); 11] = [
        ("day", Arc::new(Date32Array::from(vec![0]))),
        ("day64", Arc::new(Date64Array::from(vec![43_200_000]))),
        ("far", Arc::new(Date32Array::from(vec![i32::MAX]))),
        ("noon", Arc::new(TimestampSecondArray::from(vec![43_200]))),
        ("after", Arc::new(TimestampMillisecondArray::from(vec![43_200_001]))),
        ("utc", Arc::new(TimestampSecondArray::from(vec![43_200]).with_timezone("+00:00"))),
        ("cet", Arc::new(TimestampMillisecondArray::from(vec![43_200_001]).with_timezone("+01:00"))),
        ("clock", Arc::new(Time32SecondArray::from(vec![5]))),
        ("fine", Arc::new(Time64MicrosecondArray::from(vec![5_000_001]))),
        ("span", Arc::new(DurationSecondArray::from(vec![5]))),
        ("text", Arc::new(StringArray::from(vec!["nonsense"]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn mask(expr: &Expr, batch: &RecordBatch) -> Vec<bool> {
    expr.evaluate_mask(batch).unwrap().values().iter().collect()
}

fn kind(expr: &Expr, batch: &RecordBatch) -> Option<ErrorKind> {
    expr.evaluate(batch).err().map(|error| error.kind())
}

#[test]
fn nulls_follow_kleene() {
    let batch = batch();
    let unknown_or_true = col("n").gt(lit(0)).or(col("x").gt(lit(1)));
    assert_eq!(mask(&unknown_or_true, &batch), [true, true, true]);
    assert_eq!(mask(&col("n").gt(lit(0)), &batch), [true, false, true]);
    let filled = col("n").or_else(lit(9)).evaluate(&batch).unwrap();
    assert_eq!(filled.as_primitive::<Int64Type>().values(), &[1, 9, 3]);
    assert_eq!(mask(&Expr::All(vec![]), &batch), [true; 3]);
    assert_eq!(mask(&Expr::Any(vec![]), &batch), [false; 3]);
}

#[test]
fn one_of_a_list() {
    let batch = batch();
    let found = |expr: Expr| expr.evaluate(&batch).unwrap().as_boolean().iter().collect::<Vec<_>>();
    assert_eq!(found(col("s").one_of(["a", "c"])), [Some(true), Some(false), Some(true)]);
    assert_eq!(found(col("n").one_of([3, 4])), [Some(false), None, Some(true)]);
    assert_eq!(found(col("n").one_of([Literal::Int(3), Literal::Null])), [None, None, Some(true)]);
    assert_eq!(found(col("x").one_of([0])), [Some(false), Some(false), Some(true)]);
    assert_eq!(found(col("s").one_of::<&str>([])), [Some(false); 3]);
    assert_eq!(kind(&col("s").one_of([1]), &batch), Some(ErrorKind::Schema));
}

#[test]
fn types_that_do_not_fit_are_named() {
    let error = col("s").add(lit(1)).evaluate(&batch()).unwrap_err();
    assert!(error.to_string().starts_with("(s + 1) mixes Utf8 and Int64: convert one of them"), "{error}");
    let error = col("n").evaluate_mask(&batch()).unwrap_err();
    assert_eq!(error.to_string(), "n is Int32, but a condition (Boolean) is needed here");
    let error = col("ss").evaluate(&batch()).unwrap_err();
    assert!(error.to_string().starts_with("no column 'ss'; did you mean 's'?"), "{error}");
}

#[test]
fn floats_compare_as_ieee_754_has_it() {
    let batch = record_batch!(("x", Float64, [f64::NAN, -0.0, 20.0]), ("f", Float32, [f32::NAN, -0.0, 20.0])).unwrap();
    for x in ["x", "f"] {
        for compared in [col(x).gt_eq(lit(15)), col(x).gt(lit(15)), lit(15).lt(col(x)), lit(15).lt_eq(col(x))] {
            assert_eq!(mask(&compared, &batch), [false, false, true], "{compared}");
        }
        assert_eq!(mask(&col(x).eq(lit(0.0)), &batch), [false, true, false]);
        assert_eq!(mask(&col(x).eq(col(x)), &batch), [false, true, true]);
        assert_eq!(mask(&col(x).not_eq(col(x)), &batch), [true, false, false]);
        assert_eq!(mask(&col(x).one_of([f64::NAN, 0.0]), &batch), [false, true, false]);
    }
}

#[test]
fn times_are_compared_in_the_finer_unit_on_either_side() {
    let pairs =
        [("day", "noon"), ("day", "day64"), ("noon", "after"), ("day64", "after"), ("utc", "cet"), ("clock", "fine")];
    for (less, more) in pairs {
        let (less, more) = (col(less), col(more));
        for holds in [less.clone().lt(more.clone()), more.clone().gt(less.clone()), less.clone().not_eq(more.clone())] {
            assert_eq!(mask(&holds, &times()), [true], "{holds}");
        }
        for fails in [more.clone().lt_eq(less.clone()), less.clone().gt_eq(more.clone()), more.eq(less)] {
            assert_eq!(mask(&fails, &times()), [false], "{fails}");
        }
    }
    for (a, b) in [("noon", "utc"), ("day", "utc"), ("day", "clock"), ("noon", "span"), ("clock", "noon")] {
        assert_eq!(kind(&col(a).lt(col(b)), &times()), Some(ErrorKind::Schema), "{a} {b}");
        assert_eq!(kind(&col(b).lt(col(a)), &times()), Some(ErrorKind::Schema), "{b} {a}");
    }
    let nanos = col("noon").cast(DataType::Timestamp(TimeUnit::Nanosecond, None));
    assert_eq!(kind(&col("far").lt(nanos), &times()), Some(ErrorKind::Data));
}

#[test]
fn a_text_beside_a_time_is_one() {
    assert_eq!(mask(&col("noon").gt(lit("1970-01-01T11:00:00")), &times()), [true]);
    assert_eq!(mask(&lit("1970-01-02").gt(col("day")), &times()), [true]);
    for nonsense in [lit("nonsense"), col("text")] {
        let error = col("noon").gt(nonsense.clone()).evaluate(&times()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.message().contains("'nonsense'"), "{error}");
    }
    let error = col("noon").gt(lit("nonsense")).data_type(&times().schema()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "known before any row flows");
}

#[test]
fn times_have_differences() {
    let of = |expr: Expr| expr.data_type(&times().schema()).map_err(|error| error.kind());
    assert_eq!(of(col("noon").sub(col("span"))), Ok(DataType::Timestamp(TimeUnit::Second, None)));
    assert_eq!(of(col("span").add(col("noon"))), Ok(DataType::Timestamp(TimeUnit::Second, None)));
    assert_eq!(of(col("noon").sub(col("noon"))), Ok(DataType::Duration(TimeUnit::Second)));
    assert_eq!(of(col("noon").sub(col("after"))), Ok(DataType::Duration(TimeUnit::Millisecond)));
    assert_eq!(of(col("noon").add(col("noon"))), Err(ErrorKind::Schema));
    assert_eq!(of(col("noon").div(col("noon"))), Err(ErrorKind::Schema));
    assert_eq!(of(col("noon").mul(lit(2))), Err(ErrorKind::Schema));
    let minutes = col("noon").sub(col("day")).cast(DataType::Int64).div(lit(60)).evaluate(&times()).unwrap();
    assert_eq!(minutes.as_primitive::<Float64Type>().values(), &[720.0]);
}

#[test]
fn whole_numbers_have_room_and_lose_nothing() {
    let columns: [(&str, ArrayRef); 3] = [
        ("i8", Arc::new(Int8Array::from(vec![100]))),
        ("u", Arc::new(UInt64Array::from(vec![(1 << 53) + 1]))),
        ("max", Arc::new(UInt64Array::from(vec![u64::MAX]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let sum = col("i8").add(col("i8")).mul(col("i8")).evaluate(&batch).unwrap();
    assert_eq!(sum.as_primitive::<Int64Type>().values(), &[20_000]);
    assert_eq!(mask(&col("u").eq(lit(1i64 << 53)), &batch), [false]);
    assert_eq!(mask(&col("u").eq(lit((1i64 << 53) + 1)), &batch), [true]);
    assert_eq!(mask(&col("max").gt(col("i8")), &batch), [true]);
    assert_eq!(mask(&lit(-1).lt(col("max")), &batch), [true]);
    assert_eq!(*col("u").add(col("u")).evaluate(&batch).unwrap().data_type(), DataType::UInt64);
    assert_eq!(*col("u").add(col("i8")).evaluate(&batch).unwrap().data_type(), DataType::Float64);
    assert_eq!(kind(&lit(i64::MAX).add(lit(1)), &batch), Some(ErrorKind::Data));
}

#[test]
fn a_cast_converts_or_refuses() {
    let batch = batch();
    let whole = col("x").cast(DataType::Int64).evaluate(&batch).unwrap();
    assert_eq!(whole.as_primitive::<Int64Type>().values(), &[0, 2, 0]);
    let float = col("n").cast(DataType::Float64).evaluate(&batch).unwrap();
    assert_eq!(float.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [Some(1.0), None, Some(3.0)]);
    assert_eq!(kind(&col("s").cast(DataType::Int64), &batch), Some(ErrorKind::Data));
    assert_eq!(kind(&lit(300).cast(DataType::Int8), &batch), Some(ErrorKind::Data));
    assert_eq!(kind(&lit(true).cast(DataType::Date32), &batch), Some(ErrorKind::Schema));
}

#[test]
fn a_cast_to_a_type_of_no_column_is_refused() {
    let run_ends = r#"[{"name":"r","data_type":"Utf8","nullable":true,"dict_id":0,"dict_is_ordered":false,"metadata":{}},
        {"name":"v","data_type":"Int64","nullable":true,"dict_id":0,"dict_is_ordered":false,"metadata":{}}]"#;
    let run_ends = format!(r#"{{"RunEndEncoded":{run_ends}}}"#);
    for to in [r#"{"FixedSizeBinary":2147483647}"#, r#"{"FixedSizeBinary":-5}"#, r#"{"Time64":"Second"}"#, &run_ends] {
        let json = format!(r#"{{"is_null":{{"cast":{{"value":{{"literal":"null"}},"to":{to}}}}}}}"#);
        assert!(serde_json::from_str::<Expr>(&json).is_err(), "{json}");
    }
    let huge = lit(Literal::Null).cast(DataType::FixedSizeBinary(i32::MAX));
    assert_eq!(kind(&huge, &batch()), Some(ErrorKind::Schema));
}

#[test]
fn is_plain_data() {
    let expr = col("n").div(lit(2)).lt(col("x")).and(col("s").eq(lit("a")).not());
    let expr = expr.or(col("s").one_of(["b"])).or(col("x").cast(DataType::Int64).is_null());
    let json = serde_json::to_string(&expr).unwrap();
    assert_eq!(serde_json::from_str::<Expr>(&json).unwrap(), expr);
    assert_eq!(expr.columns(), ["n", "x", "s"]);
    let shown = r#"((((n / 2) < x) and not (s == "a")) or (s in ["b"]) or cast(x as Int64) is null)"#;
    assert_eq!(expr.to_string(), shown);
    let chain = col("a").and(col("b")).and(col("c").and(col("d")));
    assert_eq!(chain.to_string(), "(a and b and c and d)");
    let infinite = serde_json::to_string(&lit(f64::INFINITY)).unwrap();
    assert_eq!(serde_json::from_str::<Expr>(&infinite).unwrap(), lit(f64::INFINITY));
    assert!(serde_json::from_str::<Expr>(r#"{"binary": {"op": "eq", "left": {"column": "a"}}}"#).is_err());
}

#[test]
fn long_chains_are_flat_and_deep_nests_are_refused() {
    let days = (1..500).fold(col("n").eq(lit(0)), |any, n| any.or(col("n").eq(lit(n))));
    let json = serde_json::to_string(&days).unwrap();
    assert_eq!(serde_json::from_str::<Expr>(&json).unwrap(), days);
    assert_eq!(mask(&days, &batch()), [true, false, true]);

    let sum = |terms: usize| (1..terms).fold(col("n"), |sum, _| sum.add(col("n")));
    let deepest = sum(Expr::MAX_DEPTH);
    let json = serde_json::to_string(&deepest).unwrap();
    assert_eq!(serde_json::from_str::<Expr>(&json).unwrap(), deepest);
    assert_eq!(deepest.evaluate(&batch()).unwrap().len(), 3);
    let deeper = sum(Expr::MAX_DEPTH + 1);
    let json = serde_json::to_string(&deeper).unwrap();
    let error = serde_json::from_str::<Expr>(&json).unwrap_err();
    assert!(error.to_string().contains("more than 50 levels"), "{error}");
    for expr in [deeper, sum(5_000)] {
        assert_eq!(kind(&expr, &batch()), Some(ErrorKind::Config));
        assert_eq!(expr.evaluate_mask(&batch()).unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(expr.data_type(&batch().schema()).unwrap_err().kind(), ErrorKind::Config);
    }
}

#[test]
fn the_type_is_known_without_rows() {
    let schema = batch().schema();
    assert_eq!(col("n").gt(col("x")).data_type(&schema).unwrap(), DataType::Boolean);
    assert_eq!(col("n").add(lit(1)).data_type(&schema).unwrap(), DataType::Int64);
    assert_eq!(lit(1.5).data_type(&Schema::empty()).unwrap(), DataType::Float64);
    let empty: BooleanArray = col("n").gt(col("x")).evaluate_mask(&batch().slice(0, 0)).unwrap();
    assert!(empty.is_empty());
}
