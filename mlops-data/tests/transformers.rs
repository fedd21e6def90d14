//! What the transformers learn does not depend on how the rows arrive, what they wrote once they
//! read for ever, and what they refuse they explain.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampSecondArray, record_batch,
};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};
use mlops_core::random::SplitMix64;
use mlops_core::{
    Artifact, CellReader, Codecs, ErrorKind, Expr, Literal, Pipeline, Result, Role, Run, Table, Transformer, Value,
    col, lit,
};
use mlops_data::transform::{
    BinStrategy, Binarizer, Clip, Cyclical, DateParts, Derive, DropCategory, Encode, Extrapolation, FeatureHasher,
    Frequency, HandleUnknown, KBinsDiscretizer, Knots, LabelEncoder, Lag, MaxAbsScaler, MinMaxScaler, MissingIndicator,
    Norm, Normalizer, OneHotEncoder, OrdinalEncoder, OutputDistribution, Part, Pca, PolynomialFeatures,
    PowerTransformer, QuantileTransformer, RobustScaler, Rolling, Select, SimpleImputer, Smooth, SplineTransformer,
    StandardScaler, TargetEncoder, TruncatedSvd, Window,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// Every recipe that learns from the rows of [`rows`].
fn learners() -> Vec<Box<dyn Transformer>> {
    let clipped = Pipeline::new().then(Clip::quantiles(["x"], 0.05, 0.9)).then(StandardScaler::on(["x", "n"]));
    vec![
        Box::new(SimpleImputer::mean(["x", "n"])),
        Box::new(SimpleImputer::median(["x", "n"])),
        Box::new(SimpleImputer::most_frequent(["x", "n", "s"])),
        Box::new(StandardScaler::on(["x", "n"])),
        Box::new(Clip::quantiles(["x", "n"], 0.05, 0.9)),
        Box::new(MinMaxScaler::on(["x", "n"])),
        Box::new(MaxAbsScaler::on(["x", "n"])),
        Box::new(RobustScaler::on(["x", "n"])),
        Box::new(PowerTransformer::yeo_johnson(["x", "n"])),
        Box::new(QuantileTransformer::on(["x", "n"]).with_n_quantiles(20)),
        Box::new(KBinsDiscretizer::on(["x", "n"])),
        Box::new(KBinsDiscretizer::on(["x", "n"]).with_strategy(BinStrategy::KMeans)),
        Box::new(SplineTransformer::on(["x", "n"]).with_knots(Knots::Quantile)),
        Box::new(MissingIndicator::on(["x", "n", "s"])),
        Box::new(Pipeline::new().then(SimpleImputer::mean(["x", "n"])).then(Pca::on(["x", "n"]))),
        Box::new(Pipeline::new().then(SimpleImputer::mean(["x", "n"])).then(TruncatedSvd::on(["x", "n"]))),
        Box::new(OneHotEncoder::on(["s", "n"]).with_max_categories(NonZeroUsize::MIN.saturating_add(2))),
        Box::new(OrdinalEncoder::on(["s", "n"])),
        Box::new(TargetEncoder::on(["s", "n"])),
        Box::new(TargetEncoder::on(["s"]).with_smooth(Smooth::Weight(2.5))),
        Box::new(clipped),
    ]
}

type Row = (Option<f64>, Option<i64>, Option<&'static str>, f64);

fn rows(rows: &[Row]) -> Table {
    let columns: [(&str, ArrayRef); 4] = [
        ("x", Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>())),
        ("n", Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>())),
        ("s", Arc::new(rows.iter().map(|row| row.2).collect::<StringArray>())),
        ("y", Arc::new(rows.iter().map(|row| Some(row.3)).collect::<Float64Array>())),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
    Table::from_batch(batch).with_role("y", Role::Target).unwrap()
}

fn generated(count: usize, seed: u64) -> Vec<Row> {
    let mut rng = SplitMix64::new(seed);
    let row = |_| {
        let x = match rng.below(10) {
            0 => None,
            1 => Some(f64::NAN),
            _ => Some((rng.uniform() - 0.5) * 10f64.powi(rng.below(12) as i32 - 4)),
        };
        let n = (rng.below(9) > 0).then(|| rng.below(12) as i64 - 6);
        let s = [None, Some("a"), Some("b"), Some("c"), Some("")][rng.below(5) as usize];
        (x, n, s, rng.uniform() * 1e6)
    };
    (0..count).map(row).collect()
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// What was learned, or the message of the refusal.
fn learned(recipe: &dyn Transformer, data: &Table) -> Result<Artifact, String> {
    recipe.learn(data, &Run::default()).and_then(|fitted| fitted.save()).map_err(|error| error.to_string())
}

#[test]
fn batches_of_1_000_or_100_000_threads_and_merge_order_do_not_matter() {
    let whole = rows(&generated(12_000, 1));
    for recipe in learners() {
        let expected = learned(recipe.as_ref(), &whole.rebatch(100_000).unwrap()).unwrap();
        for threads in [1, 2] {
            let batched = whole.rebatch(1_000).unwrap();
            assert_eq!(on_threads(threads, || learned(recipe.as_ref(), &batched)).unwrap(), expected);
            let mut batches = batched.batches().to_vec();
            SplitMix64::new(7).shuffle(&mut batches);
            let merged = Table::new(Arc::clone(whole.schema()), batches).unwrap().with_roles(whole.roles());
            assert_eq!(on_threads(threads, || learned(recipe.as_ref(), &merged)).unwrap(), expected, "{recipe:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_learned_is_a_function_of_the_multiset_of_rows(
        seed: u64, count in 1usize..120, size in 1usize..150, threads in 1usize..3,
    ) {
        let data = generated(count, seed);
        let mut order: Vec<usize> = (0..count).collect();
        SplitMix64::new(seed ^ 1).shuffle(&mut order);
        let whole = rows(&data);
        let other = whole.take(&order).unwrap().rebatch(size).unwrap();
        for recipe in learners() {
            let actual = on_threads(threads, || learned(recipe.as_ref(), &other));
            prop_assert_eq!(actual, learned(recipe.as_ref(), &whole));
        }
    }

    #[test]
    fn no_row_is_encoded_with_its_own_answer(seed: u64, count in 5usize..60, row in 0usize..5) {
        let mut data = generated(count, seed);
        let recipe = TargetEncoder::on(["s", "n"]);
        let encode = |data: &[Row]| {
            let (_, table) = recipe.fit_transform(&rows(data), &Run::default()).unwrap();
            let column = |name| table.column(name).unwrap().as_primitive::<Float64Type>().value(row).to_bits();
            (column("s"), column("n"))
        };
        let before = encode(&data);
        data[row].3 += 1e3;
        prop_assert_eq!(encode(&data), before);
    }

    #[test]
    fn an_expression_over_a_row_is_the_one_over_its_batch(seed: u64) {
        let mut rng = SplitMix64::new(seed);
        let batch = cells_of_every_type(&mut rng, 12);
        let expression = expression(&mut rng);
        let recipe = Derive::column("derived", expression.clone());
        let derived = match recipe.fit(&Table::from_batch(batch.clone()), &Run::default()) {
            // What is computed from literals alone may fail at once.
            Err(error) if error.kind() == ErrorKind::Data => None,
            derived => Some(derived.unwrap()),
        };
        if let Some(derived) = derived {
            let rows = derived.rows(batch.schema_ref()).unwrap().unwrap();
            let reader = CellReader::new(&batch).unwrap();
            for row in 0..batch.num_rows() {
                let cells: Vec<Value<'_>> = reader.row(row).collect();
                let mut output = Vec::new();
                let alone = rows.apply_row(&cells, &mut output).map_err(|error| error.kind());
                let batched = derived.apply(batch.slice(row, 1)).map_err(|error| error.kind());
                prop_assert_eq!(alone.err(), batched.as_ref().err().copied(), "{} at {:?}", &expression, &cells);
                if let Ok(batched) = batched {
                    let expected = CellReader::new(&batched).unwrap();
                    let expected = expected.row(0).last().unwrap();
                    let same = same_bits(*output.last().unwrap(), expected);
                    prop_assert!(same, "{} at {:?}: {:?}, not {:?}", &expression, &cells, output.last(), expected);
                }
            }
        }
    }
}

fn same_bits(a: Value<'_>, b: Value<'_>) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        _ => a == b,
    }
}

fn cells_of_every_type(rng: &mut SplitMix64, rows: usize) -> RecordBatch {
    use DataType as D;
    let types = [D::Int8, D::UInt16, D::Int32, D::UInt32, D::Int64, D::Float32, D::Float64];
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for data_type in types {
        let limits =
            [0.0, -0.0, 1.0, -1.0, 7.0, 100.0, 127.0, -128.0, 65_535.0, 2_147_483_647.0, 1e15, 0.1, f64::INFINITY];
        let mut cell = |_| (rng.below(6) > 0).then(|| limits[rng.below(limits.len() as u64) as usize]);
        let numbers: ArrayRef = Arc::new((0..rows).map(&mut cell).collect::<Float64Array>());
        columns.push((data_type.to_string().to_lowercase(), arrow::compute::cast(&numbers, &data_type).unwrap()));
    }
    let mut bit = |_| (rng.below(5) > 0).then(|| rng.below(2) == 1);
    columns.push(("bool".into(), Arc::new((0..rows).map(&mut bit).collect::<BooleanArray>())));
    let mut text = |_| (rng.below(5) > 0).then(|| ["", "a", "b", "Öl"][rng.below(4) as usize]);
    columns.push(("utf8".into(), Arc::new((0..rows).map(&mut text).collect::<StringArray>())));
    let mut day = |_| (rng.below(5) > 0).then(|| 15_700 + rng.below(400) as i32);
    columns.push(("date32".into(), Arc::new((0..rows).map(&mut day).collect::<Date32Array>())));
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// An expression whose types fit.
fn expression(rng: &mut SplitMix64) -> Expr {
    match rng.below(5) {
        0 | 1 => number(rng, 4),
        2 => text(rng, 2),
        _ => condition(rng, 4),
    }
}

fn one<T: Clone>(rng: &mut SplitMix64, of: &[T]) -> T {
    of[rng.below(of.len() as u64) as usize].clone()
}

fn number(rng: &mut SplitMix64, depth: u32) -> Expr {
    if depth == 0 || rng.below(5) == 0 {
        let names = ["int8", "uint16", "int32", "uint32", "int64", "float32", "float64"];
        return match rng.below(9) {
            0 => lit(rng.below(200) as i64 - 100),
            1 => lit(one(rng, &[0.5, -0.0, f64::NAN, 3.0, 1e300])),
            2 => Expr::Literal(Literal::Null).or_else(col(one(rng, &names))),
            _ => col(one(rng, &names)),
        };
    }
    let types = [DataType::Int8, DataType::UInt16, DataType::Int64, DataType::Float32, DataType::Float64];
    let left = number(rng, depth - 1);
    match rng.below(8) {
        0 => left.cast(one(rng, &types)),
        1 => condition(rng, depth - 1).cast(one(rng, &types)),
        op => {
            let operators = [Expr::add, Expr::sub, Expr::mul, Expr::div, Expr::rem, Expr::or_else];
            operators[op as usize - 2](left, number(rng, depth - 1))
        }
    }
}

fn text(rng: &mut SplitMix64, depth: u32) -> Expr {
    match rng.below(3) {
        0 => lit(one(rng, &["a", "", "Öl"])),
        1 if depth > 0 => text(rng, depth - 1).or_else(text(rng, depth - 1)),
        _ => col("utf8"),
    }
}

fn date(rng: &mut SplitMix64) -> Expr {
    if rng.below(2) == 0 { col("date32") } else { col("date32").or_else(lit("2013-06-01")) }
}

fn condition(rng: &mut SplitMix64, depth: u32) -> Expr {
    if depth == 0 {
        return if rng.below(6) == 0 { lit(rng.below(2) == 1) } else { col("bool") };
    }
    let compare = one(rng, &[Expr::eq, Expr::not_eq, Expr::lt, Expr::lt_eq, Expr::gt, Expr::gt_eq]);
    match rng.below(11) {
        0 => compare(text(rng, 1), text(rng, 1)),
        1 => compare(date(rng), lit(one(rng, &["2013-03-01", "2013-10-07"]))),
        2 => compare(condition(rng, depth - 1), condition(rng, depth - 1)),
        3 => condition(rng, depth - 1).and(condition(rng, depth - 1)),
        4 => condition(rng, depth - 1).or(condition(rng, depth - 1)),
        5 => condition(rng, depth - 1).not(),
        6 => number(rng, depth - 1).is_null(),
        7 => number(rng, depth - 1).one_of([rng.below(9) as i64, 100]),
        8 => text(rng, 1).one_of(["a", ""]),
        _ => compare(number(rng, depth - 1), number(rng, depth - 1)),
    }
}

/// A recipe of each kind, on rows that every one of them reads.
fn written_kinds() -> Vec<Box<dyn Transformer>> {
    let infrequent = OneHotEncoder::on(["city", "class", "alone"])
        .with_min_frequency(Frequency::Count(2))
        .with_handle_unknown(HandleUnknown::InfrequentIfExist)
        .with_drop(DropCategory::IfBinary);
    vec![
        Box::new(Clip::quantiles(["fare"], 0.25, 1.0)),
        Box::new(DateParts::of("departs").with_cyclical()),
        Box::new(Derive::column("rich", col("fare").gt(lit(20.5)).and(col("city").eq(lit("oslo")).not()))),
        Box::new(SimpleImputer::most_frequent(["fare", "city"]).with_indicator()),
        Box::new(FeatureHasher::on(["city", "fare"]).with_features(NonZeroU32::MIN.saturating_add(4))),
        Box::new(infrequent),
        Box::new(LabelEncoder::new()),
        Box::new(Lag::of("fare", "city", "departs")),
        Box::new(Rolling::of("fare", "alone", "departs", Window::Seconds(1_000_000_000))),
        Box::new(OrdinalEncoder::on(["city", "class"]).with_unknown_value(-2.0)),
        Box::new(Select::columns(["class", "fare"])),
        Box::new(StandardScaler::on(["fare", "class"])),
        Box::new(TargetEncoder::on(["city", "class"])),
        Box::new(Binarizer::on(["fare"], 10.0)),
        Box::new(Cyclical::on(["class"], 7.0).with_columns_kept()),
        Box::new(KBinsDiscretizer::on(["fare", "class"]).with_n_bins(3).with_encode(Encode::OneHot)),
        Box::new(MaxAbsScaler::on(["fare"]).with_clip()),
        Box::new(MinMaxScaler::on(["fare", "class"]).with_feature_range(-1.0, 1.0).with_clip()),
        Box::new(MissingIndicator::on(["fare", "city", "class"]).with_columns_kept()),
        Box::new(Normalizer::on(["fare", "class"]).with_norm(Norm::L1)),
        Box::new(Pca::on(["class", "alone"]).with_whiten()),
        Box::new(PolynomialFeatures::on(["fare", "class"]).with_degree(3).with_min_degree(2)),
        Box::new(PowerTransformer::yeo_johnson(["fare", "class"])),
        Box::new(QuantileTransformer::on(["fare"]).with_output_distribution(OutputDistribution::Normal)),
        Box::new(RobustScaler::on(["fare"]).with_unit_variance()),
        Box::new(SplineTransformer::on(["class"]).with_n_knots(4).with_extrapolation(Extrapolation::Periodic)),
        Box::new(TruncatedSvd::on(["class", "alone"])),
    ]
}

fn written_rows() -> Table {
    let batch = record_batch!(
        ("city", Utf8, [Some("oslo"), Some("bern"), None, Some("oslo"), Some("bern"), Some("pisa")]),
        ("class", Int64, [3, 1, 3, 3, 2, 1]),
        ("alone", Boolean, [true, false, false, true, true, false]),
        ("fare", Float64, [Some(10.5), Some(21.0), None, Some(7.25), Some(7.25), Some(80.0)]),
        ("late", Boolean, [true, false, true, true, false, false])
    )
    .unwrap();
    let departs =
        TimestampSecondArray::from(vec![Some(1_370_044_800), None, Some(-1), Some(0), Some(951_825_600), Some(1)]);
    let mut columns: Vec<(String, ArrayRef, bool)> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        columns.push((field.name().clone(), Arc::clone(column), true));
    }
    columns.push(("departs".into(), Arc::new(departs), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    Table::from_batch(batch).with_role("late", Role::Target).unwrap()
}

fn written_path(kind: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", &format!("{kind}.v1.json")].iter().collect()
}

/// The cells of a batch, by column.
fn columns_of(batch: &RecordBatch) -> Json {
    let reader = CellReader::new(batch).unwrap();
    let rows: Vec<Vec<Value<'_>>> = (0..reader.num_rows()).map(|row| reader.row(row).collect()).collect();
    let cell = |value: Value<'_>| match value {
        Value::Bool(x) => json!(x),
        Value::Float(x) => json!(x),
        Value::Int(x) => json!(x),
        Value::Null => Json::Null,
        Value::Text(x) => json!(x),
    };
    let column = |i: usize| rows.iter().map(|row| cell(row[i])).collect::<Json>();
    let fields = batch.schema();
    fields
        .fields()
        .iter()
        .enumerate()
        .map(|(i, field)| (field.name().clone(), column(i)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Writes the artifacts that [`what_was_written_once_is_read_for_ever`] reads; never over an old one.
#[test]
#[ignore = "writes the files of a new format version"]
fn write_artifacts() {
    for recipe in written_kinds() {
        let path = written_path(recipe.kind());
        if path.exists() {
            continue;
        }
        let fitted = recipe.learn(&written_rows(), &Run::default()).unwrap();
        let output = fitted.apply(written_rows().to_batch().unwrap()).unwrap();
        let written = json!({ "artifact": fitted.save().unwrap(), "expected": columns_of(&output) });
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, serde_json::to_string_pretty(&written).unwrap() + "\n").unwrap();
    }
}

#[test]
fn what_was_written_once_is_read_for_ever() {
    let codecs = Codecs::default().with(mlops_data::codecs());
    for recipe in written_kinds() {
        let text = std::fs::read_to_string(written_path(recipe.kind())).unwrap();
        let written: Json = serde_json::from_str(&text).unwrap();
        let artifact: Artifact = serde_json::from_value(written["artifact"].clone()).unwrap();
        let fitted = codecs.transform(&artifact).unwrap();
        let output = fitted.apply(written_rows().to_batch().unwrap()).unwrap();
        assert_eq!(columns_of(&output), written["expected"], "{}", recipe.kind());
        // The last digit of what is learned now is the same, too.
        assert_eq!(recipe.learn(&written_rows(), &Run::default()).unwrap().save().unwrap(), artifact);
    }
}

#[track_caller]
fn refused(recipe: &impl Transformer, data: &Table, kind: ErrorKind, message: &str) {
    let error = recipe.fit(data, &Run::default()).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn recipes_that_make_no_sense_are_refused() {
    use ErrorKind as E;
    let data = written_rows();
    refused(&SimpleImputer::mean(["fair"]), &data, E::Schema, "no column 'fair'; did you mean 'fare'?");
    refused(&SimpleImputer::mean(["city"]), &data, E::Schema, "SimpleImputer::most_frequent");
    refused(&SimpleImputer::mean(["departs"]), &data, E::Schema, "column 'departs' is Timestamp");
    refused(&SimpleImputer::constant(["fare"], "none"), &data, E::Config, "column 'fare' is Float64");
    refused(&SimpleImputer::constant(["fare"], f64::NAN), &data, E::Config, "a finite number");
    refused(&SimpleImputer::median(["fare", "fare"]), &data, E::Config, "'fare' is named twice");
    refused(&StandardScaler::on(["city"]), &data, E::Schema, "encode it first");
    refused(&StandardScaler::on(["late"]), &data, E::Leak, "'late' has the role target");
    refused(&Clip::on(["fare"], 2.0, 1.0), &data, E::Config, "no limits");
    refused(&Clip::quantiles(["fare"], -0.1, 1.0), &data, E::Config, "0 <= lower <= upper <= 1");
    refused(&MinMaxScaler::on(["fare"]).with_feature_range(1.0, 1.0), &data, E::Config, "no range to scale to");
    refused(&RobustScaler::on(["fare"]).with_quantile_range(75.0, 25.0), &data, E::Config, "no range");
    let ends = RobustScaler::on(["fare"]).with_quantile_range(0.0, 100.0).with_unit_variance();
    refused(&ends, &data, E::Config, "0 < lower < upper < 100");
    refused(&Binarizer::on(["fare"], f64::NAN), &data, E::Config, "no threshold");
    refused(&Cyclical::on(["fare"], 0.0), &data, E::Config, "a positive number");
    refused(&KBinsDiscretizer::on(["fare"]).with_n_bins(1), &data, E::Config, "1 bins");
    let clusters = KBinsDiscretizer::on(["fare"]).with_n_bins(6).with_strategy(BinStrategy::KMeans);
    refused(&clusters, &data, E::Data, "column 'fare' has 5 values, too few for 6 clusters");
    refused(&PolynomialFeatures::on(["fare"]).with_degree(0).with_bias(false), &data, E::Config, "no products");
    refused(&PolynomialFeatures::on(["fare"]).with_degree(101), &data, E::Config, "at most 100");
    refused(&PolynomialFeatures::on(["fare"]).with_min_degree(3), &data, E::Config, "from degree 3 to 2");
    refused(&PowerTransformer::box_cox(["alone"]), &data, E::Data, "Box-Cox takes positive numbers, and not 0");
    refused(&QuantileTransformer::on(["fare"]).with_n_quantiles(0), &data, E::Config, "0 quantiles");
    refused(&SplineTransformer::on(["fare"]).with_n_knots(1), &data, E::Config, "two knots or more");
    refused(&SplineTransformer::on(["fare"]).with_knots(Knots::At(vec![1.0, 1.0])), &data, E::Config, "ascend");
    let round = SplineTransformer::on(["fare"]).with_n_knots(3).with_extrapolation(Extrapolation::Periodic);
    refused(&round, &data, E::Config, "3 knots are no base for periodic splines of degree 3");
    refused(&Pca::on(["fare", "class"]), &data, E::Data, "column 'fare' misses 1 values: impute it first");
    refused(&Pca::on(["class"]).with_n_components(2), &data, E::Config, "give 1 to 1");
    refused(&Pca::on(["class"]).with_variance(1.0), &data, E::Config, "0 < share < 1");
    refused(&TruncatedSvd::on(["class"]), &data, E::Config, "1 columns do not have 2 components");
    refused(&OneHotEncoder::on(["fare"]), &data, E::Schema, "column 'fare' is Float64");
    refused(&OneHotEncoder::on(["city"]).with_min_frequency(Frequency::Fraction(7.0)), &data, E::Config, "0..=1");
    refused(&OrdinalEncoder::on(["city"]).with_unknown_value(1.0), &data, E::Config, "the number of category 'oslo'");
    refused(&OrdinalEncoder::on(["city"]).with_categories("class", ["a"]), &data, E::Config, "'class'");
    refused(&OrdinalEncoder::on(["class"]).with_categories("class", ["a"]), &data, E::Schema, "'class' is Int64");
    refused(&TargetEncoder::on(["city"]).with_smooth(Smooth::Weight(-1.0)), &data, E::Config, "smoothing weight");
    refused(&DateParts::of("city"), &data, E::Schema, "column 'city' is Utf8");
    refused(&DateParts::of("departs").with_parts([Part::Day, Part::Day]), &data, E::Config, "day is named twice");
    refused(&Derive::column("late", col("fare")), &data, E::Leak, "'late'");
    refused(&Derive::column("x", col("late").not()), &data, E::Leak, "'late'");
    refused(&Derive::column("x", col("departs")), &data, E::Schema, "DateParts");
    refused(&Select::columns(["late"]), &data, E::Leak, "'late'");
    refused(&Select::drop(["lat"]), &data, E::Schema, "did you mean 'late'?");
    let nobody = data.rebatch(1).unwrap().filter(&BooleanArray::from(vec![false; 6])).unwrap();
    refused(&OneHotEncoder::on(["city"]), &nobody, E::Data, "no rows");
    let untold = data.select(["city"]).unwrap();
    refused(&TargetEncoder::on(["city"]), &untold, E::Schema, "no target column");
    let few = TargetEncoder::on(["city"]).with_cv(7).fit_transform(&data, &Run::default()).unwrap_err();
    assert_eq!(few.kind(), E::Data, "{few}");
}

#[test]
fn infinities_are_not_learned_from() {
    let data = Table::from_batch(record_batch!(("x", Float64, [1.0, f64::INFINITY, 3.0])).unwrap());
    refused(&StandardScaler::on(["x"]), &data, ErrorKind::Data, "column 'x' has an infinity");
    refused(&SimpleImputer::mean(["x"]), &data, ErrorKind::Data, "column 'x' has infinities");
    let finite = Pipeline::new().then(Clip::on(["x"], None, 5.0)).then(StandardScaler::on(["x"]));
    assert!(finite.fit(&data, &Run::default()).is_ok());
}

#[test]
fn outputs_of_one_name_are_refused() {
    let data = Table::from_batch(record_batch!(("a", Utf8, ["b", "c"]), ("a_b", Int64, [1, 2])).unwrap());
    refused(&OneHotEncoder::on(["a"]), &data, ErrorKind::Schema, "two columns would be called 'a_b'");
    let nan = Table::from_batch(record_batch!(("a", Utf8, [Some("nan"), None])).unwrap());
    refused(&OneHotEncoder::on(["a"]), &nan, ErrorKind::Schema, "two columns would be called 'a_nan'");
}

#[test]
fn an_unknown_category_is_named_where_it_is_an_error() {
    let data = written_rows();
    let fitted =
        OneHotEncoder::on(["city"]).with_handle_unknown(HandleUnknown::Error).fit(&data, &Run::default()).unwrap();
    let error = fitted.apply(record_batch!(("city", Utf8, ["rome"])).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("\"rome\"") && error.to_string().contains("column: city"), "{error}");
}

#[test]
fn infrequent_categories_share_a_column_as_with_scikit_learn() {
    let animals = [("dog", 5), ("cat", 20), ("rabbit", 10), ("snake", 3)];
    let animals: StringArray = animals.into_iter().flat_map(|(name, n)| vec![Some(name); n]).collect();
    let data = Table::from_batch(RecordBatch::try_from_iter([("x", Arc::new(animals) as ArrayRef)]).unwrap());
    let names = |recipe: OneHotEncoder| {
        let (fitted, _) = recipe.fit_transform(&data, &Run::default()).unwrap();
        let output = fitted.output_schema(data.schema()).unwrap();
        let names: Vec<String> = output.fields().iter().map(|field| field.name().clone()).collect();
        (names.join(" "), fitted)
    };
    let on = OneHotEncoder::on(["x"]);
    let most = |n| NonZeroUsize::new(n).unwrap();
    let (shared, fitted) = names(on.clone().with_min_frequency(Frequency::Count(6)));
    assert_eq!(shared, "x_cat x_rabbit x_infrequent");
    let output = fitted.apply(record_batch!(("x", Utf8, ["snake", "emu"])).unwrap()).unwrap();
    assert_eq!(output.column(2).as_primitive::<Float64Type>().values(), &[1.0, 0.0]);
    assert_eq!(names(on.clone().with_max_categories(most(2))).0, "x_cat x_infrequent");
    assert_eq!(names(on.clone().with_max_categories(most(1))).0, "x_infrequent");
    assert_eq!(names(on.clone().with_max_categories(most(5))).0, "x_cat x_dog x_rabbit x_snake");
    assert_eq!(
        names(on.with_min_frequency(Frequency::Fraction(0.2)).with_drop(DropCategory::First)).0,
        "x_rabbit x_infrequent"
    );
}

#[test]
fn several_classes_are_encoded_one_against_the_rest() {
    let rows = [("a", 1), ("a", 2), ("b", 3), ("a", 1), ("c", 2), ("b", 1), ("b", 3), ("a", 2)];
    let encoded = |target: Vec<i64>| {
        let columns: [(&str, ArrayRef); 2] = [
            ("s", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)))),
            ("y", Arc::new(Int64Array::from(target))),
        ];
        let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
        let table = table.with_role("y", Role::Target).unwrap();
        TargetEncoder::on(["s"]).fit(&table, &Run::default()).unwrap().apply(table.to_batch().unwrap()).unwrap()
    };
    let all = encoded(rows.iter().map(|row| row.1).collect());
    for class in 1..=3 {
        let one = encoded(rows.iter().map(|row| i64::from(row.1 == class)).collect());
        assert_eq!(all.column_by_name(&format!("s_{class}")), one.column_by_name("s"));
    }
}

#[test]
fn a_buffer_that_nobody_else_holds_is_reused() {
    let data = Table::from_batch(record_batch!(("x", Float64, [1.0, 2.0, 4.0])).unwrap());
    let fitted = StandardScaler::on(["x"]).fit(&data, &Run::default()).unwrap();
    let batch = record_batch!(("x", Float64, [1.0, 2.0, 4.0])).unwrap();
    let buffer = batch.column(0).as_primitive::<Float64Type>().values().as_ptr();
    let scaled = fitted.apply(batch).unwrap();
    assert_eq!(scaled.column(0).as_primitive::<Float64Type>().values().as_ptr(), buffer);
}

#[test]
fn a_constant_column_is_not_blown_up() {
    let noisy: Vec<f64> = (0..1_000).map(|row| 0.1 + f64::from(row % 2) * 1e-17).collect();
    let wide: Vec<f64> = (0..1_000).map(|row| 1e9 + f64::from(row % 2) * 1e-3).collect();
    let columns: [(&str, ArrayRef); 2] =
        [("noisy", Arc::new(Float64Array::from(noisy))), ("wide", Arc::new(Float64Array::from(wide)))];
    let data = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
    let state = StandardScaler::on(["noisy", "wide"]).fit(&data, &Run::default()).unwrap().save().unwrap().state;
    assert_eq!(state["columns"][0]["learned"]["scale"], 1.0);
    let scale = state["columns"][1]["learned"]["scale"].as_f64().unwrap();
    assert!((scale - 5e-4).abs() < 1e-7, "{scale}");
}

#[test]
fn a_time_zone_with_a_name_is_refused_with_a_remedy() {
    let zone = DataType::Timestamp(TimeUnit::Second, Some("America/New_York".into()));
    let column = arrow::array::new_null_array(&zone, 2);
    let data = Table::from_batch(RecordBatch::try_from_iter([("t", column)]).unwrap());
    refused(&DateParts::of("t"), &data, ErrorKind::Unsupported, "column 't' is in time zone 'America/New_York'");
}
