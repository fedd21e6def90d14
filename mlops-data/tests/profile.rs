//! Profiles: equal where exact, within the stated bound where sketched, for any threads, batches and
//! merges; and equal to NumPy on the columns of `tests/golden/sklearn/profile.json`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use mlops_core::random::SplitMix64;
use mlops_core::{Accumulator, Domain, ErrorKind, Role, Table};
use mlops_data::profile::{Meaning, NumberProfile, Profile, ProfileOptions, Stats, Values};
use proptest::prelude::*;
use serde_json::Value;

/// `rows` rows of every kind, with nulls, NaN and infinities; numbers and texts have more distinct
/// values than a sketch holds exactly, if there are rows enough.
fn table(rows: usize, seed: u64) -> Table {
    let mut rng = SplitMix64::new(seed);
    let mut some = |share: f64| (0..rows).map(|_| rng.uniform() < share).collect::<Vec<_>>();
    let (present, odd) = (some(0.9), some(0.02));
    let mut rng = SplitMix64::new(!seed);
    let uniform: Vec<f64> = (0..rows).map(|_| rng.uniform()).collect();
    let keep = |row: usize| present[row];
    let float = |row: usize| match row % 3 {
        _ if !odd[row] => 1e6 + uniform[row] * 3.0 - 1.5,
        0 => f64::NAN,
        1 => f64::INFINITY,
        _ => f64::NEG_INFINITY,
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("float", Arc::new((0..rows).map(|row| keep(row).then(|| float(row))).collect::<Float64Array>())),
        ("few", Arc::new(Int64Array::from_iter_values(uniform.iter().map(|u| (u * 12.0) as i64 - 3)))),
        (
            "text",
            Arc::new(
                (0..rows)
                    .map(|row| keep(row).then(|| format!("t{}", (uniform[row] * uniform[row] * 5000.0) as u32)))
                    .collect::<StringArray>(),
            ),
        ),
        (
            "zone",
            Arc::new(StringArray::from_iter_values(
                uniform.iter().map(|u| ["north", "south", " east"][(u * 3.0) as usize]),
            )),
        ),
        ("flag", Arc::new((0..rows).map(|row| keep(row).then(|| odd[row])).collect::<BooleanArray>())),
        (
            "day",
            Arc::new(
                (0..rows).map(|row| keep(row).then(|| 15_000 + (uniform[row] * 365.0) as i32)).collect::<Date32Array>(),
            ),
        ),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
    Table::from_batch(batch.unwrap())
}

/// A profile with every sketched value taken out: what must be equal whatever was merged how.
fn exact_part(profile: &Profile) -> Value {
    let mut value = serde_json::to_value(profile.summary()).unwrap();
    for column in value["columns"].as_array_mut().unwrap() {
        for stats in column["stats"].as_object_mut().into_iter().flat_map(|stats| stats.values_mut()) {
            for sketched in ["quantiles", "histogram", "quantile_histogram", "top", "lengths"] {
                stats.as_object_mut().unwrap().remove(sketched);
            }
        }
    }
    value
}

fn numbers<'a>(profile: &'a Profile, name: &str) -> &'a NumberProfile {
    match profile.column(name).unwrap().values() {
        Values::Number(numbers) => numbers,
        other => panic!("{name} is {other:?}"),
    }
}

fn finite(table: &Table) -> Vec<f64> {
    let column = table.column("float").unwrap();
    let column = column.as_any().downcast_ref::<Float64Array>().unwrap();
    let mut values: Vec<f64> = column.iter().flatten().filter(|x| x.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Every quantile has the rank it claims, give or take three times the stated 99 % error.
fn check_quantiles(profile: &NumberProfile, sorted: &[f64]) {
    for q in [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] {
        let value = profile.quantile(q).unwrap();
        let n = sorted.len() as f64;
        let below = sorted.partition_point(|x| *x < value) as f64 / n;
        let up_to = sorted.partition_point(|x| *x <= value) as f64 / n;
        let room = 3.0 * profile.rank_error() + 2.0 / n;
        assert!(below - room <= q && q <= up_to + room, "{q}: {below} {up_to} {room}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn threads_and_batches_leave_no_trace(rows in 1usize..4000, batch in 1usize..500, seed: u64) {
        let table = table(rows, seed);
        let whole = Profile::of(&table).unwrap();
        let cut = table.rebatch(batch).unwrap();
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            prop_assert_eq!(&pool.install(|| Profile::of(&cut)).unwrap(), &whole);
        }
        let mut streamed = Profile::empty(table.schema(), &ProfileOptions::default()).unwrap();
        cut.batches().iter().for_each(|batch| streamed.update(batch).unwrap());
        prop_assert_eq!(&streamed, &whole);
    }

    #[test]
    fn any_order_of_merging_is_exact_or_within_the_bound(rows in 30usize..4000, parts in 2usize..12, seed: u64) {
        let table = table(rows, seed);
        let whole = Profile::of(&table).unwrap();
        let mut pieces: Vec<Profile> = table
            .rebatch(rows.div_ceil(parts))
            .unwrap()
            .batches()
            .iter()
            .map(|batch| Profile::of(&Table::from_batch(batch.clone())).unwrap())
            .collect();
        let mut rng = SplitMix64::new(seed);
        while pieces.len() > 1 {
            let one = pieces.swap_remove(rng.below(pieces.len() as u64) as usize);
            let other = rng.below(pieces.len() as u64) as usize;
            pieces[other].merge(one).unwrap();
        }
        let merged = pieces.remove(0);
        prop_assert_eq!(exact_part(&merged), exact_part(&whole));
        // Columns of few distinct values are equal altogether.
        for name in ["few", "zone", "flag", "day"] {
            prop_assert_eq!(merged.column(name), whole.column(name));
        }
        check_quantiles(numbers(&merged, "float"), &finite(&table));
        let (Values::Text(merged), Values::Text(whole)) = (merged.column("text").unwrap().values(), whole.column("text").unwrap().values()) else {
            panic!("text is text");
        };
        for hit in whole.top(20).iter().filter(|hit| hit.error == 0) {
            let here = merged.top(usize::MAX).into_iter().find(|other| other.value == hit.value);
            prop_assert!(here.is_none_or(|here| here.count >= hit.count && here.count - here.error <= hit.count));
        }
    }

    #[test]
    fn storage_loses_nothing(rows in 0usize..1500, seed: u64) {
        let table = table(rows, seed);
        let profile = Profile::of(&table).unwrap();
        let mut back = Profile::from_json(&profile.to_json().unwrap()).unwrap();
        prop_assert_eq!(&back, &profile);
        let mut twice = profile;
        twice.update(&table.to_batch().unwrap()).unwrap();
        back.update(&table.to_batch().unwrap()).unwrap();
        prop_assert_eq!(back, twice);
    }

    #[test]
    fn drafted_expectations_accept_the_data_they_come_from(rows in 1usize..400, seed: u64) {
        let table = table(rows, seed);
        let expectations = Profile::of(&table).unwrap().expectations();
        let validated = expectations.check(&table).unwrap();
        prop_assert_eq!(validated.quarantined.num_rows(), 0);
        prop_assert_eq!(validated.passed.num_rows(), rows);
    }
}

fn column_of(case: &Value) -> Float64Array {
    let text = |key: &str| case[key].as_str().unwrap();
    let mut rng = SplitMix64::new(case["seed"].as_u64().unwrap());
    let mut draw = || match text("generator") {
        "uniform" => rng.uniform(),
        _ => (0..12).map(|_| rng.uniform()).fold(0.0, |sum, u| sum + u) - 6.0,
    };
    let formula: fn(f64) -> f64 = match text("formula") {
        "10.0 + 2.5 * z" => |z| 10.0 + 2.5 * z,
        "z * z" => |z| z * z,
        "u" => |u| u,
        "floor(20.0 * u)" => |u| (20.0 * u).floor(),
        "1000000.0 + 0.001 * z" => |z| 1_000_000.0 + 0.001 * z,
        other => panic!("unknown formula {other}"),
    };
    let values: Vec<f64> = (0..case["rows"].as_u64().unwrap()).map(|_| formula(draw())).collect();
    for (value, expected) in values.iter().zip(case["first_values"].as_array().unwrap()) {
        assert_eq!(*value, expected.as_f64().unwrap(), "the generator of {}", text("name"));
    }
    let is_null = |row: usize| text("null_where") != "none" && row % 7 == 3;
    values.into_iter().enumerate().map(|(row, value)| (!is_null(row)).then_some(value)).collect()
}

#[test]
fn statistics_are_those_of_numpy() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../tests/golden/sklearn/profile.json")).unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let column = column_of(&case);
        let batch = RecordBatch::try_from_iter([("x", Arc::new(column.clone()) as ArrayRef)]).unwrap();
        let table = Table::from_batch(batch).rebatch(617).unwrap();
        let exact = ProfileOptions::default().with_quantile_capacity(10_000);
        let (profile, sketched) = (Profile::of_with(&table, &exact).unwrap(), Profile::of(&table).unwrap());
        let (x, numbers) = (profile.column("x").unwrap(), numbers(&profile, "x"));
        let name = case["name"].as_str().unwrap();
        let close = |actual: Option<f64>, expected: &Value| {
            let (actual, expected) = (actual.unwrap(), expected.as_f64().unwrap());
            assert!((actual - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{name}: {actual} is not {expected}");
        };
        assert_eq!((x.count(), x.nulls()), (case["count"].as_u64().unwrap(), case["null_count"].as_u64().unwrap()));
        close(numbers.mean(), &case["mean"]);
        close(numbers.std(1), &case["std"]);
        close(numbers.std(0), &case["std_population"]);
        assert_eq!((numbers.min(), numbers.max()), (case["min"].as_f64(), case["max"].as_f64()), "{name}");
        let (distinct, is_exact) = x.distinct().unwrap();
        let expected = case["distinct"].as_f64().unwrap();
        let room = if is_exact { 0.0 } else { 4.0 * 0.008_117 * expected };
        assert!((distinct - expected).abs() <= room, "{name}: {distinct} distinct, not {expected}");
        let probabilities = case["probabilities"].as_array().unwrap();
        for (i, q) in probabilities.iter().map(|q| q.as_f64().unwrap()).enumerate() {
            close(numbers.quantile(q), &case["quantiles_linear"][i]);
            close(numbers.sketch().quantile(q), &case["quantiles_inverted_cdf"][i]);
        }
        let mut sorted: Vec<f64> = column.iter().flatten().collect();
        sorted.sort_by(f64::total_cmp);
        check_quantiles(self::numbers(&sketched, "x"), &sorted);
    }
}

#[test]
fn what_is_not_a_finite_number_is_counted_apart() {
    let nan = f64::NAN;
    let values = Float64Array::from(vec![
        Some(1.0),
        Some(nan),
        None,
        Some(f64::INFINITY),
        Some(-0.0),
        Some(f64::NEG_INFINITY),
        Some(-2.5),
    ]);
    let table = Table::from_batch(RecordBatch::try_from_iter([("x", Arc::new(values) as ArrayRef)]).unwrap());
    let profile = Profile::of(&table).unwrap();
    let x = numbers(&profile, "x");
    assert_eq!((profile.columns()[0].count(), profile.columns()[0].nulls()), (6, 1));
    assert_eq!((x.finite(), x.nan(), x.infinities(), x.zeros(), x.negatives(), x.fractions()), (3, 1, 2, 1, 1, 1));
    assert_eq!((x.mean(), x.min(), x.max()), (Some(-0.5), Some(-2.5), Some(1.0)));
    assert_eq!(profile.columns()[0].distinct(), Some((5.0, true)));
}

#[test]
fn an_empty_table_has_a_profile() {
    let table = table(0, 1);
    let profile = Profile::of(&table).unwrap();
    assert_eq!(profile.rows(), 0);
    assert_eq!(numbers(&profile, "float").mean(), None);
    assert!(profile.infer().iter().all(|column| column.meaning == Meaning::Empty));
    assert!(profile.summary().to_string().starts_with("0 rows, 6 columns"));
    assert!(profile.summary().to_html("empty").ends_with("</html>\n"));
    assert!(profile.expectations().check(&table).is_ok());
}

#[test]
fn other_columns_and_damaged_profiles_are_refused() {
    let mut profile = Profile::of(&table(10, 1)).unwrap();
    let other = Table::from_batch(arrow::array::record_batch!(("x", Int32, [1])).unwrap());
    assert_eq!(profile.update(&other.batches()[0]).unwrap_err().kind(), ErrorKind::Schema);
    assert_eq!(profile.clone().merge(Profile::of(&other).unwrap()).unwrap_err().kind(), ErrorKind::Schema);
    let options = ProfileOptions::default().with_quantile_capacity(3);
    assert_eq!(Profile::of_with(&other, &options).unwrap_err().kind(), ErrorKind::Config);

    let good: Value = serde_json::from_str(&profile.to_json().unwrap()).unwrap();
    let changes = [
        ("/rows", Value::from(11)),
        ("/columns/0/count", Value::from(0)),
        ("/columns/0/data_type", Value::from("Utf8")),
        ("/columns/4/values/boolean/trues", Value::from(u64::MAX)),
    ];
    for (path, value) in changes {
        let mut bad = good.clone();
        *bad.pointer_mut(path).unwrap() = value;
        assert_eq!(Profile::from_json(&bad.to_string()).unwrap_err().kind(), ErrorKind::Corrupt, "{path}");
    }
    let newer = good.to_string().replacen("\"version\":3", "\"version\":4,\"news\":0", 1);
    assert_eq!(Profile::from_json(&newer).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(Profile::from_json("{").unwrap_err().kind(), ErrorKind::Corrupt);
}

/// Small enough to have left the exact range of quantiles and frequencies.
fn small() -> ProfileOptions {
    ProfileOptions::default().with_quantile_capacity(8).with_text_capacity(4)
}

#[test]
fn version_1_is_read_for_ever() {
    let profile = Profile::from_json(include_str!("data/profile.v1.json")).unwrap();
    let fresh = Profile::of_with(&table(60, 7), &small()).unwrap();
    let known = |profile: &Profile| {
        let mut value = exact_part(profile);
        for column in value["columns"].as_array_mut().unwrap() {
            for stats in column["stats"].as_object_mut().into_iter().flat_map(|stats| stats.values_mut()) {
                let stats = stats.as_object_mut().unwrap();
                ["skew", "kurtosis"].into_iter().for_each(|later| drop(stats.remove(later)));
                // The mean of moments came later too.
                stats.get("mean").is_some_and(Value::is_string).then(|| stats.remove("mean"));
                stats.get("mean").is_some_and(Value::is_null).then(|| stats.remove("mean"));
            }
        }
        value
    };
    assert_eq!(known(&profile), known(&fresh));
    assert_eq!(numbers(&profile, "float").skew(), None, "version 1 knew no skewness");

    let mut both = profile;
    both.merge(fresh).unwrap();
    assert_eq!((both.rows(), numbers(&both, "float").skew()), (120, None));
    assert_eq!(Profile::from_json(&both.to_json().unwrap()).unwrap(), both);
}

#[test]
fn version_2_is_read_for_ever() {
    let stored = include_str!("data/profile.v2.json");
    let profile = Profile::from_json(stored).unwrap();
    assert_eq!(profile, Profile::of_with(&table(60, 7), &small()).unwrap());
}

#[test]
fn version_3_is_read_for_ever() {
    let stored = include_str!("data/profile.v3.json");
    let profile = Profile::from_json(stored).unwrap();
    assert_eq!(profile, Profile::of_with(&table(60, 7), &small()).unwrap());
    assert_eq!(profile.to_json().unwrap(), stored.trim_end());
}

#[test]
fn roles_and_meanings_are_told() {
    let table = table(2000, 3).with_role("flag", Role::Target).unwrap();
    let profile = Profile::of(&table).unwrap();
    assert_eq!(profile.column("flag").unwrap().role(), Role::Target);
    assert!(profile.summary().to_string().contains("flag (target)"));
    let meanings: Vec<Meaning> = profile.infer().iter().map(|column| column.meaning).collect();
    assert_eq!(
        meanings,
        [Meaning::Quantity, Meaning::Quantity, Meaning::Text, Meaning::Category, Meaning::Boolean, Meaning::Moment]
    );
    let zone = &profile.infer()[3];
    assert_eq!(zone.domain, Domain::Categories(vec![" east".into(), "north".into(), "south".into()]));
}

#[test]
fn better_types_are_found_but_codes_stay_text() {
    use arrow::datatypes::{DataType, TimeUnit};
    let cases: [(&[&str], Option<DataType>); 8] = [
        (&["1", "-20"], Some(DataType::Int64)),
        (&["1", "2.5e3"], Some(DataType::Float64)),
        (&["true", "False"], Some(DataType::Boolean)),
        (&["2013-01-31", "2013-02-01"], Some(DataType::Date32)),
        (&["2013-01-31 10:00:00", "2013-02-01T11:30:00"], Some(DataType::Timestamp(TimeUnit::Microsecond, None))),
        (&["007", "12"], None),
        (&["1", "inf"], None),
        (&["2013-13-31", "2013-02-01"], None),
    ];
    for (texts, better) in cases {
        let column: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let table = Table::from_batch(RecordBatch::try_from_iter([("x", column)]).unwrap());
        assert_eq!(Profile::of(&table).unwrap().infer()[0].better_type, better, "{texts:?}");
    }
}

#[test]
fn pages_and_tables_escape_what_the_data_say() {
    let hostile = "<script>alert('x')</script>\u{1b}[2J";
    let column: ArrayRef = Arc::new(StringArray::from(vec![hostile, "\"&"]));
    let table = Table::from_batch(RecordBatch::try_from_iter([(hostile, column)]).unwrap());
    let summary = Profile::of(&table).unwrap().summary();
    let page = summary.to_html(hostile);
    assert!(!page.contains("<script") && !page.contains('\u{1b}'));
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)") && page.contains("&quot;&amp;"));
    assert!(!summary.to_string().contains('\u{1b}'));
}

#[test]
fn reports_do_not_grow_with_the_rows() {
    let size = |rows: usize| {
        let summary = Profile::of(&table(rows, 5)).unwrap().summary();
        (summary.to_html("t").len(), serde_json::to_string(&summary).unwrap().len(), summary.to_string().len())
    };
    let (small, large) = (size(2_000), size(60_000));
    assert!(
        large.0 < small.0 * 11 / 10 && large.1 < small.1 * 11 / 10 && large.2 < small.2 * 11 / 10,
        "{small:?} {large:?}"
    );
}

#[test]
fn a_summary_survives_json() {
    let summary = Profile::of(&table(3000, 5)).unwrap().summary();
    let back = serde_json::from_str(&serde_json::to_string(&summary).unwrap()).unwrap();
    assert_eq!(summary, back);
    let Stats::Temporal { min, .. } = &summary.columns[5].stats else { panic!("day is temporal") };
    assert_eq!(min.as_deref(), Some("2011-01-26"));
}

#[tokio::test]
async fn a_source_is_profiled_as_it_is_read() {
    use mlops_core::Scan;
    let table = table(3000, 9);
    let source = mlops_data::source::MemorySource::new(table.clone());
    let profile = Profile::of_source(&source, Scan::all().with_batch_size(100)).await.unwrap();
    assert_eq!(profile, Profile::of(&table).unwrap());
}

#[test]
fn texts_of_a_dictionary_are_profiled_as_texts() {
    use arrow::compute::cast;
    use arrow::datatypes::{DataType, Field, Schema};
    let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    for (different, options) in [(3, ProfileOptions::default()), (40, small()), (2_000, ProfileOptions::default())] {
        let text = |row: usize| (row % 7 != 3).then(|| format!("{:width$}", row * row % different, width = row % 5));
        let column: ArrayRef = Arc::new((0..5_000).map(text).collect::<StringArray>());
        let schema = Schema::new(vec![Field::new("text", DataType::Utf8, true)]);
        let (mut plain, mut mixed) =
            (Profile::empty(&schema, &options).unwrap(), Profile::empty(&schema, &options).unwrap());
        for (at, rows) in [(0, 100), (100, 2_900), (3_000, 2_000)] {
            let part = RecordBatch::try_from_iter_with_nullable([("text", column.slice(at, rows), true)]).unwrap();
            let codes = cast(part.column(0), &coded).unwrap();
            let codes = RecordBatch::try_from_iter_with_nullable([("text", codes, true)]).unwrap();
            plain.update(&part).unwrap();
            mixed.update(if at == 100 { &part } else { &codes }).unwrap();
        }
        assert_eq!(mixed, plain, "{different} different texts");
        assert_eq!(mixed.to_json().unwrap(), plain.to_json().unwrap());
    }
}
