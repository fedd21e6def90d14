//! Expectations as files: what is written is read, what is not known is refused with its place, and
//! nothing that anybody writes makes the readers panic.

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use mlops_core::{ErrorKind, Expr, Literal, Op, col, lit};
use mlops_data::expect::{
    Column, Distribution, Drift, Expectations, Extra, Measure, Period, parse_condition, write_condition,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// One of everything.
fn everything() -> Expectations {
    let numbers = Distribution::Numbers { edges: vec![0.0, 10.0], shares: vec![0.0, 0.75, 0.25] };
    let texts = Distribution::Categories { values: vec!["EWR".into(), "JFK".into()], shares: vec![0.5, 0.25, 0.25] };
    Expectations::new([
        Column::integer("flight").never_null().or_fail().within(1.0..=9_999.0).but_for(0.01).distinct(10..).unique(),
        Column::number("delay")
            .finite()
            .within(-60.0..1_500.0)
            .or_warn()
            .mean(0.0..=30.0)
            .std(..90.0)
            .quantile(0.5, -5.0..=5.0)
            .nulls(..=0.05)
            .drift(Drift::new(Measure::Ks, 0.1, numbers))
            .one_of([1.5, -2.0]),
        Column::category("origin").one_of(["EWR", "JFK", "it's \"La\" Guardia\n"]).drift(Drift::new(
            Measure::LInfinity,
            0.2,
            texts,
        )),
        Column::text("tailnum").matches(r"^[A-Z0-9]+\\?$").length(1..=6).optional(),
        Column::timestamp("time_hour")
            .ascending()
            .during(Period::from("2013-01-01").until("2013-12-31T23:59:59Z"))
            .fresh("36h".parse().unwrap()),
        Column::boolean("late").one_of([true]),
        Column::any("note").descending().strictly_ascending().drift(Drift::to_reference(Measure::Psi, 0.25)),
        Column::number("month").one_of([1, 2]),
    ])
    .row("arrives after departing", col("arr time").gt_eq(col("dep")).or(col("dep").is_null()))
    .key(["flight", "time_hour"])
    .or_fail()
    .key(Vec::<String>::new())
    .dependency(["origin", "dest"], "distance")
    .row_count(100..=10_000)
    .with_now("2013-03-01T06:00:00Z")
    .extra_columns(Extra::Warn)
}

#[test]
fn files_are_read_as_they_are_written() {
    let expected = everything();
    let file = expected.to_toml().unwrap();
    assert_eq!(Expectations::from_toml(&file).unwrap(), expected, "{file}");
    assert_eq!(Expectations::from_json(&expected.to_json().unwrap()).unwrap(), expected);
    let directory = tempfile::tempdir().unwrap();
    for name in ["suite.toml", "suite.json"] {
        let path = directory.path().join(name);
        expected.to_file(&path).unwrap();
        expected.to_file(&path).unwrap();
        assert_eq!(Expectations::from_file(&path).unwrap(), expected);
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    let error = Expectations::from_file(directory.path().join("none.toml")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("none.toml"));
}

#[test]
fn version_1_is_read_and_written_for_ever() {
    let stored = include_str!("data/expectations.v1.toml");
    assert_eq!(Expectations::from_toml(stored).unwrap(), everything());
    assert_eq!(everything().to_toml().unwrap(), stored);
}

#[test]
fn what_is_not_known_is_refused_with_its_place() {
    let refused = |file: &str, says: &[&str]| {
        let error = Expectations::from_toml(file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        says.iter().for_each(|text| assert!(error.to_string().contains(text), "'{text}' is not in {error}"));
    };
    refused("row_cuont = 1\n", &["line 1", "row_cuont", "row_count"]);
    refused(
        "[[columns]]\nname = \"a\"\nchecks = [{ check = \"never_nul\" }]\n",
        &["line 3", "never_nul", "never_null"],
    );
    refused("[[columns]]\nname = \"a\"\nchecks = [{ check = { within = { mim = 1 } } }]\n", &["line 3", "mim"]);
    refused("[[columns]]\nkind = \"number\"\n", &["line 1", "name"]);
    refused("[[rows]]\nname = \"r\"\ncondition = \"a >\"\n", &["line 3", "at its end", "expected a column"]);
    refused("[[columns]\n", &["line 1"]);
    let error = Expectations::from_json("{\n  \"columns\": [{\"nam\": \"a\"}]\n}").unwrap_err();
    assert!(error.to_string().contains("line 2") && error.to_string().contains("nam"), "{error}");
    assert_eq!(Expectations::from_toml("version = 2\n").unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn conditions_are_read_as_people_write_them() {
    let reads = |text: &str, expr: Expr| assert_eq!(parse_condition(text).unwrap(), expr, "{text}");
    reads("a = 1", col("a").eq(lit(1)));
    reads("a <> 1 AND NOT b", col("a").not_eq(lit(1)).and(col("b").not()));
    reads("a - -1.5e-3 * b", col("a").sub(lit(-1.5e-3).mul(col("b"))));
    reads("a - b - c", col("a").sub(col("b")).sub(col("c")));
    reads("a or b and c", Expr::Any(vec![col("a"), Expr::All(vec![col("b"), col("c")])]));
    reads(
        "`a b`` c` in ['x', \"y\"\"\", -2, null]",
        col("a b` c").one_of([Literal::Text("x".into()), Literal::Text("y\"".into()), Literal::Int(-2), Literal::Null]),
    );
    reads("a is not null and b not in [1]", col("a").is_null().not().and(col("b").one_of([1]).not()));
    reads("cast(a as Float64) >= coalesce(b, 0)", col("a").cast(DataType::Float64).gt_eq(col("b").or_else(lit(0))));
    reads("-9223372036854775808 < größe", lit(i64::MIN).lt(col("größe")));
}

#[test]
fn a_condition_that_cannot_be_read_says_where_and_why() {
    let says = |text: &str, place: &str, why: &str| {
        let error = parse_condition(text).unwrap_err().to_string();
        assert!(error.contains(place) && error.contains(why), "{error}");
    };
    says("", "at its end", "expected a column");
    says("a > > b", "at character 5", "expected a column, a value or '(', found '>'");
    says("(a > 1", "at its end", "expected ')'");
    says("a b", "at character 3", "expected an operator or the end, found the column b");
    says("a == 'x", "at character 6", "never closed");
    says("a in 1", "at character 6", "expected '['");
    says("a in [b]", "at character 8", "holds values");
    says("a is 1", "at character 6", "expected 'null'");
    says("a > 1x", "at character 5", "1x is no number");
    says("99999999999999999999 > a", "at character 1", "beyond the greatest");
    says("a ? b", "at character 3", "'?' means nothing");
    says("cast(a as Flot64)", "at character 11", "'Flot64' is no type");
    says("ü > coalesce(a)", "at its end", "two values, not 1");
    says(&"(".repeat(100_000), "at character", "levels deep");
    says(&format!("{}a", "not ".repeat(100_000)), "at character", "levels deep");
    says(&format!("{}a", "- ".repeat(100_000)), "at character", "levels deep");
    says(&format!("a{}", " + a".repeat(100_000)), "at character", "operators in a row");
    says(&format!("cast(a as {}", "List(".repeat(100_000)), "at its end", "missing");
    says(&format!("cast(a as {}Int8{})", "List(".repeat(50_000), ")".repeat(50_000)), "at character 11", "is no type");
}

fn literals() -> impl Strategy<Value = Literal> {
    prop_oneof![
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(Literal::Int),
        any::<f64>().prop_filter("NaN equals nothing", |x| !x.is_nan()).prop_map(Literal::Float),
        ".{0,6}".prop_map(Literal::Text),
        Just(Literal::Null),
    ]
}

fn types() -> impl Strategy<Value = DataType> {
    let nested = DataType::Struct(Fields::from(vec![Field::new("it's", DataType::Int8, true)]));
    prop::sample::select(vec![
        DataType::Float64,
        DataType::Utf8,
        DataType::Decimal128(10, 2),
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Zurich".into())),
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        nested,
    ])
}

fn expressions() -> impl Strategy<Value = Expr> {
    let name = prop_oneof!["[a-z_][a-z0-9_]{0,4}", ".{0,5}", Just("and".to_owned()), Just("Null".to_owned())];
    let leaf = prop_oneof![name.prop_map(Expr::Column), literals().prop_map(Expr::Literal)];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let ops = prop::sample::select(vec![
            Op::Add,
            Op::Subtract,
            Op::Multiply,
            Op::Divide,
            Op::Remainder,
            Op::Eq,
            Op::NotEq,
            Op::Lt,
            Op::LtEq,
            Op::Gt,
            Op::GtEq,
        ]);
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Expr::All),
            vec(inner.clone(), 0..4).prop_map(Expr::Any),
            (ops, inner.clone(), inner.clone()).prop_map(|(op, left, right)| Expr::Binary {
                op,
                left: Box::new(left),
                right: Box::new(right)
            }),
            (inner.clone(), types()).prop_map(|(value, to)| value.cast(to)),
            (inner.clone(), vec(literals(), 0..4)).prop_map(|(value, list)| Expr::In { value: Box::new(value), list }),
            inner.clone().prop_map(Expr::is_null),
            inner.clone().prop_map(Expr::not),
            (inner.clone(), inner).prop_map(|(first, second)| first.or_else(second)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_expression_is_read_back_as_it_was(expr in expressions()) {
        let text = write_condition(&expr);
        prop_assert_eq!(parse_condition(&text).map_err(|e| e.to_string()), Ok(expr), "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_of_conditions_panic(text in "\\PC{0,60}", pieces in vec(prop::sample::select(vec![
        "a", "`b", "`", "'", "\"", "1", "-", "1e", ".", "(", ")", "[", "]", ",", " in ", " not ", " is ", " null", " and ", " or ",
        "cast(", " as ", "Int64", "coalesce(", "all(", "==", "<", "ü",
    ]), 0..20)) {
        let _ = parse_condition(&text);
        let _ = parse_condition(&pieces.concat());
    }

    #[test]
    fn no_bytes_make_the_readers_of_files_panic(
        bytes in vec(any::<u8>(), 0..200), at: prop::sample::Index, cut in 0usize..40, put in "\\PC{0,12}",
    ) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = Expectations::from_toml(&text);
        let _ = Expectations::from_json(&text);
        // A good file with a part of it replaced.
        for file in [everything().to_toml().unwrap(), everything().to_json().unwrap()] {
            let start = file.floor_char_boundary(at.index(file.len()));
            let end = file.floor_char_boundary((start + cut).min(file.len()));
            let damaged = format!("{}{put}{}", &file[..start], &file[end.max(start)..]);
            for read in [Expectations::from_toml(&damaged), Expectations::from_json(&damaged)].into_iter().flatten() {
                // What is read can be written, and whatever it says can be checked or is refused.
                let _ = read.to_toml();
                let table = mlops_core::Table::from_batch(arrow::array::record_batch!(("flight", Int64, [1, 2]), ("origin", Utf8, ["a", "b"])).unwrap());
                let _ = read.check(&table);
            }
        }
    }
}
