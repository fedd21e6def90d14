//! Profiles of every kind of column: what is counted, what it seems to be, what is said about it.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, TimeUnit};
use mlops_core::random::SplitMix64;
use mlops_core::{Accumulator, Recipe, Role, Run, Table, Transformer};
use mlops_data::profile::{AlertKind, Profile, ProfileOptions, Semantic, Stats, Values};
use proptest::prelude::*;
use serde_json::Value;

fn table_of(columns: Vec<(&str, ArrayRef)>) -> Table {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
}

fn profile_of(column: ArrayRef) -> Profile {
    Profile::of(&table_of(vec![("x", column)])).unwrap()
}

/// A column of every type of which values are looked at.
fn every_type(rows: usize, seed: u64) -> Table {
    let mut rng = SplitMix64::new(seed);
    let whole: Vec<Option<i64>> =
        (0..rows).map(|_| (rng.uniform() > 0.1).then(|| rng.below(5000) as i64 * 3)).collect();
    let ints: ArrayRef = Arc::new(Int64Array::from_iter(whole.iter().copied()));
    let words: Vec<Option<String>> =
        whole.iter().map(|x| x.map(|x| format!("w{}{}", x % 700, if x % 5 == 0 { " é" } else { "" }))).collect();
    let text: ArrayRef = Arc::new(StringArray::from_iter(words.iter().map(Option::as_deref)));
    let few: ArrayRef =
        Arc::new(StringArray::from_iter(whole.iter().map(|x| x.map(|x| ["a", "b", "c"][(x % 3) as usize]))));
    let to = |column: &ArrayRef, data_type: DataType| cast(column, &data_type).unwrap();
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(
        whole.iter().map(|x| x.map(|x| (0..x % 4).map(|i| (i != 2).then_some(i as i32)).collect::<Vec<_>>())),
    );
    let small = |data_type: DataType| {
        let reduced: Int64Array = ints.as_primitive::<Int64Type>().unary(|x| x % 100);
        cast(&(Arc::new(reduced) as ArrayRef), &data_type).unwrap()
    };
    table_of(vec![
        ("i8", small(DataType::Int8)),
        ("i16", to(&ints, DataType::Int16)),
        ("u8", small(DataType::UInt8)),
        ("u32", to(&ints, DataType::UInt32)),
        ("u64", to(&ints, DataType::UInt64)),
        ("f16", small(DataType::Float16)),
        ("f32", to(&ints, DataType::Float32)),
        ("decimal", to(&ints, DataType::Decimal128(20, 2))),
        ("utf8", Arc::clone(&text)),
        ("large_utf8", to(&text, DataType::LargeUtf8)),
        ("utf8_view", to(&text, DataType::Utf8View)),
        ("dictionary", to(&text, dictionary.clone())),
        ("few", to(&few, dictionary)),
        ("binary", to(&text, DataType::Binary)),
        ("large_binary", to(&text, DataType::LargeBinary)),
        ("binary_view", to(&text, DataType::BinaryView)),
        ("date32", to(&to(&ints, DataType::Int32), DataType::Date32)),
        ("date64", to(&to(&to(&ints, DataType::Int32), DataType::Date32), DataType::Date64)),
        ("time32", to(&to(&ints, DataType::Int32), DataType::Time32(TimeUnit::Second))),
        ("time64", to(&ints, DataType::Time64(TimeUnit::Nanosecond))),
        ("timestamp", to(&ints, DataType::Timestamp(TimeUnit::Millisecond, None))),
        ("zoned", to(&ints, DataType::Timestamp(TimeUnit::Microsecond, Some("+02:00".into())))),
        ("duration", to(&ints, DataType::Duration(TimeUnit::Second))),
        ("list", Arc::new(lists)),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn pieces_are_the_whole_for_every_type(rows in 1usize..3000, batch in 1usize..700, seed: u64) {
        let table = every_type(rows, seed);
        let whole = Profile::of(&table).unwrap();
        let cut = table.rebatch(batch).unwrap();
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            prop_assert_eq!(&pool.install(|| Profile::of(&cut)).unwrap(), &whole);
        }
        let stored = whole.to_json().unwrap();
        let back = Profile::from_json(&stored).unwrap();
        prop_assert_eq!(&back, &whole);
        prop_assert_eq!(back.to_json().unwrap(), stored);
    }

    #[test]
    fn what_is_exact_does_not_depend_on_the_order_of_merging(rows in 30usize..1500, parts in 2usize..9, seed: u64) {
        let table = every_type(rows, seed);
        let pieces: Vec<Profile> = table.rebatch(rows.div_ceil(parts)).unwrap().batches().iter()
            .map(|batch| Profile::of(&Table::from_batch(batch.clone())).unwrap()).collect();
        let fold = |pieces: &mut dyn Iterator<Item = &Profile>| {
            pieces.cloned().reduce(|mut all, piece| { all.merge(piece).unwrap(); all }).unwrap()
        };
        let (there, back) = (fold(&mut pieces.iter()), fold(&mut pieces.iter().rev()));
        let whole = Profile::of(&table).unwrap();
        for name in ["i8", "u8", "f16", "few", "binary", "list"] {
            prop_assert_eq!(there.column(name), whole.column(name), "{}", name);
            prop_assert_eq!(back.column(name), whole.column(name), "{}", name);
        }
        for (column, expected) in there.columns().iter().zip(whole.columns()) {
            prop_assert_eq!(column.distinct(), expected.distinct());
            if let (Values::Number(numbers), Values::Number(expected)) = (column.values(), expected.values()) {
                prop_assert_eq!((numbers.skew(), numbers.kurtosis()), (expected.skew(), expected.kurtosis()));
                prop_assert_eq!(numbers.moments(), expected.moments());
            }
        }
    }
}

#[test]
fn the_same_values_in_other_types_have_the_same_statistics() {
    let profile = Profile::of(&every_type(2000, 5)).unwrap();
    let stats = |name: &str| {
        let column = profile.summary().columns.into_iter().find(|column| column.name == name).unwrap();
        (column.distinct, column.stats)
    };
    for name in ["large_utf8", "utf8_view", "dictionary"] {
        assert_eq!(stats(name), stats("utf8"), "{name}");
    }
    for name in ["large_binary", "binary_view"] {
        assert_eq!(stats(name), stats("binary"), "{name}");
    }
    for name in ["u32", "u64", "f32", "decimal"] {
        assert_eq!(stats(name).1, stats("i16").1, "{name}");
    }
    assert!(profile.columns().iter().all(|column| !matches!(column.values(), Values::Counted)));
}

#[test]
fn moments_have_a_range_a_mean_and_quantiles_as_text() {
    let days = Date32Array::from(vec![Some(0), Some(10), None, Some(20)]);
    let document = profile_of(Arc::new(days)).document();
    let day = &document.columns[0];
    assert_eq!((day.min.as_str(), day.max.as_str()), (Some("1970-01-01"), Some("1970-01-21")));
    assert_eq!((day.mean.as_str(), day.quantiles["0.5"].as_str()), (Some("1970-01-11"), Some("1970-01-11")));
    assert_eq!(day.semantic, Semantic::Date);
}

#[test]
fn lists_have_a_valency_and_binary_values_may_be_no_text() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None, Some(3)]),
        None,
        Some(vec![]),
        Some(vec![Some(1)]),
    ]);
    let Stats::List { lengths, null_elements, .. } = profile_of(Arc::new(lists)).summary().columns.remove(0).stats
    else {
        panic!("a list is a list");
    };
    assert_eq!((lengths.min, lengths.max, lengths.empties, null_elements), (Some(0), Some(3), 1, 1));

    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![b"ok".as_ref(), b"\xff\xfe", b"", b"ok"]));
    let profile = profile_of(bytes);
    assert_eq!(profile.columns()[0].distinct(), Some((3.0, true)));
    let Values::Binary(binaries) = profile.columns()[0].values() else { panic!("binary is binary") };
    assert_eq!((binaries.invalid_utf8(), binaries.lengths().empties()), (1, 1));
}

#[test]
fn structures_are_counted_only() {
    let inner: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let column = StructArray::from(vec![(Arc::new(Field::new("a", DataType::Int32, true)), inner)]);
    let profile = profile_of(Arc::new(column));
    assert_eq!((profile.columns()[0].count(), profile.columns()[0].semantic()), (2, Semantic::Unknown));
}

#[test]
fn unsigned_numbers_beyond_the_signed_ones_stay_themselves() {
    let profile = profile_of(Arc::new(UInt64Array::from(vec![u64::MAX, 0, u64::MAX - 1, u64::MAX])));
    let Values::Number(numbers) = profile.columns()[0].values() else { panic!("a number is a number") };
    assert_eq!((numbers.min(), numbers.max(), numbers.negatives()), (Some(0.0), Some(u64::MAX as f64), 0));
    assert_eq!(profile.columns()[0].distinct(), Some((3.0, true)));
}

#[test]
fn skewness_and_kurtosis_are_those_of_scipy() {
    // scipy.stats.skew([1, 2, 3, 4, 10], bias=False), kurtosis(…, bias=False)
    let profile = profile_of(Arc::new(Int32Array::from(vec![1, 2, 3, 4, 10])));
    let Values::Number(numbers) = profile.columns()[0].values() else { panic!("a number is a number") };
    assert!((numbers.skew().unwrap() - 1.6970562748477143).abs() < 1e-14);
    assert!((numbers.kurtosis().unwrap() - 3.152).abs() < 1e-14);
}

#[test]
fn columns_are_told_by_what_they_are_about() {
    let many =
        |text: &dyn Fn(usize) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values((0..400).map(text))) };
    let cases: Vec<(Semantic, ArrayRef)> = vec![
        (Semantic::Email, many(&|i| format!("user{}@example.com", i % 90))),
        (Semantic::Phone, many(&|i| format!("+49 30 {}", 1_000_000 + i * 7))),
        (Semantic::Card, many(&|i| ["4111 1111 1111 1111", "5500000000000004"][i % 2].to_owned())),
        (Semantic::Card, Arc::new(Int64Array::from_iter_values((0..400).map(luhn)))),
        (Semantic::Id, many(&|i| format!("K{i:06}"))),
        (Semantic::Id, Arc::new(Int64Array::from_iter_values(0..400))),
        (Semantic::Category, many(&|i| ["red", "green"][i % 2].to_owned())),
        (Semantic::Category, many(&|i| format!("SKU-{}", i % 150))),
        (Semantic::Category, Arc::new(Int32Array::from_iter_values((0..400).map(|i| i % 2)))),
        (Semantic::Date, many(&|i| format!("2013-01-{:02}", 1 + i % 28))),
        (Semantic::Number, Arc::new(Float64Array::from_iter_values((0..400).map(|i| f64::from(i * i % 83) / 7.0)))),
        (Semantic::Text, many(&|i| format!("the box number {i} came late"))),
        (Semantic::Boolean, Arc::new(BooleanArray::from(vec![true, false]))),
        (Semantic::Empty, Arc::new(Int32Array::from(vec![None, None]))),
    ];
    for (expected, column) in cases {
        let first = format!("{:?}", column.slice(0, 1));
        assert_eq!(profile_of(column).columns()[0].semantic(), expected, "{first}");
    }
}

/// Numbers of 16 digits with a right check digit.
fn luhn(i: i64) -> i64 {
    let body = 411_111_111_100_000 + i * 37;
    (0..10).map(|check| body * 10 + check).find(|number| passes(*number)).unwrap()
}

fn passes(number: i64) -> bool {
    let digits = number.to_string();
    let sum: u32 = digits.bytes().rev().enumerate().fold(0, |sum, (i, byte)| {
        let digit = u32::from(byte - b'0') * (1 + i as u32 % 2);
        sum + digit / 10 + digit % 10
    });
    sum.is_multiple_of(10)
}

fn kinds(table: &Table) -> Vec<(String, AlertKind)> {
    let alerts = Profile::of(table).unwrap().alerts();
    alerts.into_iter().map(|alert| (alert.column, alert.kind)).collect()
}

#[test]
fn alerts_name_the_column_and_the_fix() {
    let n = 1000;
    let float = |f: &dyn Fn(usize) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values((0..n).map(f))) };
    let text = |f: &dyn Fn(usize) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values((0..n).map(f))) };
    let wave = |i: usize| (i as f64 * 0.7).sin();
    let table = table_of(vec![
        ("constant", Arc::new(Int32Array::from(vec![7; n]))),
        ("nothing", Arc::new(Int32Array::from(vec![None; n]))),
        ("hollow", Arc::new(Int32Array::from_iter((0..n).map(|i| (i % 4 == 0).then_some(i as i32 % 100))))),
        ("key", text(&|i| format!("k{i}"))),
        ("shop", text(&|i| format!("shop {}", i % 120))),
        ("skewed", float(&|i| (i as f64 / 100.0).exp())),
        ("spiked", float(&|i| if i % 300 == 0 { 1e3 } else { wave(i) })),
        ("clean", float(&wave)),
        ("again", float(&wave)),
        ("odd", float(&|i| if i == 3 { f64::NAN } else { wave(i + 5) })),
        ("number", text(&|i| format!("{}", i % 70))),
        ("mixed", text(&|i| if i % 70 == 0 { "n/a".to_owned() } else { format!("{}", i % 70) })),
        ("padded", text(&|i| ["a", " b"][i % 2].to_owned())),
        ("mail", text(&|i| format!("user{}@example.com", i % 90))),
        ("rare", Arc::new(BooleanArray::from_iter((0..n).map(|i| Some(i % 50 == 0))))),
    ]);
    let found = kinds(&table);
    let expected = [
        ("constant", AlertKind::Constant),
        ("nothing", AlertKind::Empty),
        ("hollow", AlertKind::MostlyNull),
        ("key", AlertKind::Id),
        ("shop", AlertKind::HighCardinality),
        ("skewed", AlertKind::Skewed),
        ("spiked", AlertKind::Outliers),
        ("again", AlertKind::Duplicate),
        ("odd", AlertKind::NotFinite),
        ("number", AlertKind::NumbersAsText),
        ("mixed", AlertKind::NumbersAsText),
        ("padded", AlertKind::Padded),
        ("mail", AlertKind::Sensitive),
        ("rare", AlertKind::Imbalance),
    ];
    for (column, kind) in expected {
        assert!(found.contains(&(column.to_owned(), kind)), "{column}: {kind:?} is not in {found:?}");
    }
    assert!(!found.iter().any(|(column, _)| column == "clean"), "{found:?}");
    for alert in Profile::of(&table).unwrap().alerts() {
        assert!(!alert.message.is_empty() && alert.remedy.len() > 10, "{alert}");
    }
}

#[test]
fn a_rare_target_class_is_told() {
    let target: ArrayRef = Arc::new(Int32Array::from_iter_values((0..1000).map(|i| i32::from(i % 40 == 0))));
    let table = table_of(vec![("fraud", target)]).with_role("fraud", Role::Target).unwrap();
    assert_eq!(kinds(&table), [("fraud".to_owned(), AlertKind::Imbalance)]);
}

#[test]
fn the_drafted_preparation_fits_and_leaves_numbers_without_gaps() {
    let n = 500;
    let mut rng = SplitMix64::new(8);
    let draws: Vec<f64> = (0..n).map(|_| rng.uniform()).collect();
    let table = table_of(vec![
        ("key", Arc::new(StringArray::from_iter_values((0..n).map(|i| format!("k{i}"))))),
        ("x", Arc::new(Float64Array::from_iter(draws.iter().map(|u| (*u > 0.1).then_some(u * u * 40.0))))),
        (
            "zone",
            Arc::new(StringArray::from_iter(
                draws.iter().map(|u| (*u > 0.05).then(|| ["a", "b", "c"][(u * 3.0) as usize])),
            )),
        ),
        ("shop", Arc::new(StringArray::from_iter_values(draws.iter().map(|u| format!("s{}", (u * 90.0) as u32))))),
        ("day", Arc::new(Date32Array::from_iter_values(draws.iter().map(|u| (u * 900.0) as i32)))),
        ("late", Arc::new(BooleanArray::from_iter(draws.iter().map(|u| Some(u * 7.0 % 1.0 > 0.5))))),
    ]);
    let table = table.with_role("late", Role::Target).unwrap();
    let recipe = Profile::of(&table).unwrap().suggest_transformers();
    let steps: Vec<String> = recipe
        .to_spec()
        .unwrap()
        .settings
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(steps, ["select", "impute", "impute", "one_hot", "target_encoder", "date_parts", "standard_scaler"]);
    let (_, prepared) = recipe.fit_transform(&table, &Run::default()).unwrap();
    assert_eq!(prepared.num_rows(), n);
    for field in prepared.schema().fields().iter().filter(|field| field.name() != "late") {
        assert!(field.data_type().is_numeric(), "{field:?}");
        assert_eq!(prepared.column(field.name()).unwrap().null_count(), 0, "{field:?}");
    }
}

#[test]
fn the_document_has_the_keys_that_others_read() {
    let document = Profile::of(&every_type(300, 1)).unwrap().document().to_json().unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert!(document["rows"] == 300 && document["alerts"].is_array());
    let keys = [
        "name",
        "type",
        "semantic",
        "count",
        "nulls",
        "zeros",
        "min",
        "max",
        "mean",
        "std",
        "quantiles",
        "distinct",
        "top",
        "histogram",
    ];
    for column in document["columns"].as_array().unwrap() {
        for key in keys {
            assert!(column.get(key).is_some(), "{key} of {}", column["name"]);
        }
    }
    let number = &document["columns"][1];
    assert!(number["quantiles"]["0.25"].is_number() && number["histogram"]["counts"].is_array());
    let text = document["columns"].as_array().unwrap().iter().find(|column| column["name"] == "few").unwrap();
    assert!(text["top"][0]["value"].is_string() && text["top"][0]["count"].is_u64());
}

#[test]
fn no_column_needs_more_than_64_kib() {
    let mut rng = SplitMix64::new(4);
    let n = 60_000;
    let wide = |i: u64| format!("{}\"{}\u{1}", "é".repeat((i % 300) as usize), i);
    let table = table_of(vec![
        ("float", Arc::new(Float64Array::from_iter_values((0..n).map(|_| rng.uniform() * -1e-5 / 3.0)))),
        ("text", Arc::new(StringArray::from_iter_values((0..n).map(|i| wide(i as u64))))),
        ("short", Arc::new(StringArray::from_iter_values((0..n).map(|i| (i % 2040).to_string())))),
        ("wide", Arc::new(StringArray::from_iter_values((0..n).map(|i| wide(i as u64 % 2040))))),
        ("moment", Arc::new(TimestampNanosecondArray::from_iter_values((0..n as i64).map(|i| i * 7_919_000_000_001)))),
        ("bytes", Arc::new(BinaryArray::from_iter_values((0..n).map(|i| wide(i as u64))))),
    ]);
    for name in table.schema().fields().iter().map(|field| field.name().clone()) {
        let profile = Profile::of(&table.select([&name]).unwrap()).unwrap();
        let size = profile.to_json().unwrap().len();
        assert!(size <= 64 * 1024, "{name}: {size} bytes");
    }
    let options = ProfileOptions::default().with_text_bytes(100);
    assert!(Profile::of_with(&table.select(["wide"]).unwrap(), &options).unwrap().to_json().unwrap().len() < 40_000);
}
