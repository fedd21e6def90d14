//! How fast the transformers learn and prepare: 100,000 rows in batches of 8,192, and one row alone.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampSecondArray};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mlops_core::random::SplitMix64;
use mlops_core::{CellReader, Pipeline, Role, Run, Table, Transformer, Value, col};
use mlops_data::transform::{
    Binarizer, Clip, Cyclical, DateParts, Derive, Encode, KBinsDiscretizer, MaxAbsScaler, MinMaxScaler, Normalizer,
    OneHotEncoder, OrdinalEncoder, Part, Pca, PolynomialFeatures, PowerTransformer, QuantileTransformer, RobustScaler,
    Select, SimpleImputer, SplineTransformer, StandardScaler, TargetEncoder,
};

const ROWS: usize = 100_000;

fn table() -> Table {
    let mut rng = SplitMix64::new(1);
    let number: Float64Array = (0..ROWS).map(|row| (row % 50 > 0).then(|| rng.uniform())).collect();
    let count: Int64Array = (0..ROWS).map(|_| Some(rng.below(20) as i64)).collect();
    let text: StringArray = (0..ROWS).map(|_| Some(format!("category {}", rng.below(500)))).collect();
    let time: TimestampSecondArray = (0..ROWS).map(|_| Some(rng.below(1 << 31) as i64)).collect();
    let target: Float64Array = (0..ROWS).map(|_| Some(rng.uniform())).collect();
    let columns: [(&str, ArrayRef); 5] = [
        ("number", Arc::new(number)),
        ("count", Arc::new(count)),
        ("text", Arc::new(text)),
        ("time", Arc::new(time)),
        ("target", Arc::new(target)),
    ];
    let batch = RecordBatch::try_from_iter(columns).and_then(|batch| batch.project(&[0, 1, 2, 3, 4]));
    let table = batch.map_err(mlops_core::Error::from).map(Table::from_batch);
    let table = table.and_then(|table| table.rebatch(8_192)?.with_role("target", Role::Target));
    table.unwrap_or_else(|error| panic!("the rows of the benchmark are no table: {error:?}"))
}

fn recipes() -> Vec<(&'static str, Box<dyn Transformer>)> {
    let pipeline = Pipeline::new()
        .then(Derive::column("ratio", col("number").div(col("count"))))
        .then(Clip::on(["ratio"], None, 1e3))
        .then(DateParts::of("time"))
        .then(SimpleImputer::mean(["number", "ratio"]))
        .then(StandardScaler::on(["number", "count"]))
        .then(TargetEncoder::on(["text"]));
    vec![
        ("impute_mean", Box::new(SimpleImputer::mean(["number"]))),
        ("impute_median", Box::new(SimpleImputer::median(["number"]))),
        ("standard_scaler", Box::new(StandardScaler::on(["number", "count"]))),
        ("robust_scaler", Box::new(RobustScaler::on(["number", "count"]))),
        ("power_transformer", Box::new(PowerTransformer::yeo_johnson(["number"]))),
        ("quantile_transformer", Box::new(QuantileTransformer::on(["number"]))),
        ("k_bins_quantile", Box::new(KBinsDiscretizer::on(["number"]))),
        ("spline", Box::new(SplineTransformer::on(["number"]))),
        ("one_hot_20", Box::new(OneHotEncoder::on(["count"]))),
        ("ordinal_500", Box::new(OrdinalEncoder::on(["text"]))),
        ("target_500", Box::new(TargetEncoder::on(["text"]))),
        ("date_parts", Box::new(DateParts::of("time"))),
        ("derive", Box::new(Derive::column("ratio", col("number").div(col("count"))))),
        ("pipeline", Box::new(pipeline)),
    ]
}

/// A customer as ten columns of numbers, categories and a date, and the target.
fn customers() -> Table {
    let mut rng = SplitMix64::new(2);
    let mut numbers = |scale: f64| -> ArrayRef {
        Arc::new((0..ROWS).map(|row| (row % 50 > 0).then(|| rng.uniform() * scale)).collect::<Float64Array>())
    };
    let mut columns: Vec<(&str, ArrayRef)> =
        [("a", 1.0), ("b", 10.0), ("c", 1e3), ("d", 1e6), ("e", 5.0), ("hour", 24.0)]
            .map(|(name, scale)| (name, numbers(scale)))
            .into();
    let city: StringArray = (0..ROWS).map(|_| Some(format!("city {}", rng.below(500)))).collect();
    let class: StringArray = (0..ROWS).map(|_| Some(["first", "second", "third"][rng.below(3) as usize])).collect();
    let plan: StringArray = (0..ROWS).map(|_| Some(["basic", "plus"][rng.below(2) as usize])).collect();
    let time: TimestampSecondArray = (0..ROWS).map(|_| Some(rng.below(1 << 31) as i64)).collect();
    columns.extend([
        ("city", Arc::new(city) as ArrayRef),
        ("class", Arc::new(class)),
        ("plan", Arc::new(plan)),
        ("time", Arc::new(time)),
        ("target", Arc::new((0..ROWS).map(|_| Some(rng.uniform())).collect::<Float64Array>())),
    ]);
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
    let table = batch.map_err(mlops_core::Error::from).map(Table::from_batch);
    let table = table.and_then(|table| table.rebatch(8_192)?.with_role("target", Role::Target));
    table.unwrap_or_else(|error| panic!("the customers are no table: {error:?}"))
}

/// Twenty steps as a team would chain them: the row that comes out has 38 cells.
fn twenty() -> Pipeline {
    Pipeline::new()
        .then(Select::columns(["a", "b", "c", "d", "e", "hour", "city", "class", "plan", "time"]))
        .then(SimpleImputer::median(["a", "b", "c", "d", "e", "hour"]))
        .then(Derive::column("ratio", col("a").div(col("b"))))
        .then(Clip::quantiles(["ratio"], 0.01, 0.99))
        .then(PolynomialFeatures::on(["a", "b"]).with_bias(false))
        .then(PowerTransformer::yeo_johnson(["c"]))
        .then(QuantileTransformer::on(["d"]))
        .then(KBinsDiscretizer::on(["e"]).with_encode(Encode::Ordinal))
        .then(SplineTransformer::on(["ratio"]).with_n_knots(4))
        .then(Cyclical::on(["hour"], 24.0))
        .then(DateParts::of("time").with_parts([Part::Month, Part::Weekday, Part::Hour]))
        .then(StandardScaler::on(["a", "b", "c"]))
        .then(MinMaxScaler::on(["d", "e"]))
        .then(RobustScaler::on(["a^2", "a b", "b^2"]))
        .then(MaxAbsScaler::on(["time_month", "time_weekday", "time_hour"]))
        .then(TargetEncoder::on(["city"]))
        .then(OneHotEncoder::on(["class"]))
        .then(OrdinalEncoder::on(["plan"]))
        .then(Binarizer::on(["plan"], 0.5))
        .then(Normalizer::on(["a", "b", "c"]))
}

/// One row through twenty fitted transforms.
fn one_row(c: &mut Criterion) {
    let table = customers();
    let mut group = c.benchmark_group("row_through_20");
    let scalers = ["a", "b", "c", "d", "e"].iter().cycle().take(20);
    let scalers = scalers.fold(Pipeline::new(), |chain, name| chain.then(StandardScaler::on([*name])));
    for (name, recipe) in [("mixed", twenty()), ("scalers", scalers)] {
        let fitted = recipe.fit(&table, &Run::default()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let rows = fitted.rows(table.schema()).ok().flatten();
        if let (Some(rows), Ok(reader)) = (rows, CellReader::new(&table.batches()[0])) {
            let cells: Vec<Value<'_>> = reader.row(1).collect();
            let mut output = Vec::new();
            group.bench_function(name, |b| {
                b.iter(|| {
                    output.clear();
                    rows.apply_row(black_box(&cells), &mut output)
                });
            });
        }
    }
    group.finish();
}

/// Covariances of twenty columns, and their eigenvectors.
fn decompose(c: &mut Criterion) {
    let mut rng = SplitMix64::new(3);
    let names: Vec<String> = (0..20).map(|i| format!("x{i}")).collect();
    let columns = names.iter().map(|name| {
        let numbers: Float64Array = (0..8_192).map(|_| Some(rng.uniform())).collect();
        (name.as_str(), Arc::new(numbers) as ArrayRef)
    });
    let batch = RecordBatch::try_from_iter(columns).unwrap_or_else(|error| panic!("no batch: {error:?}"));
    let table = Table::from_batch(batch);
    let mut group = c.benchmark_group("pca_20");
    group.sample_size(20).throughput(Throughput::Elements(8_192));
    group.bench_function("fit", |b| b.iter(|| Pca::on(&names).fit(black_box(&table), &Run::default())));
    group.finish();
}

fn transformers(c: &mut Criterion) {
    let table = table();
    for (name, recipe) in recipes() {
        let fitted = recipe.fit(&table, &Run::default()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let mut group = c.benchmark_group(name);
        group.sample_size(20).throughput(Throughput::Elements(ROWS as u64));
        group.bench_function("fit", |b| b.iter(|| recipe.fit(black_box(&table), &Run::default())));
        group.throughput(Throughput::Elements(8_192));
        group.bench_function("batch", |b| {
            b.iter_batched(|| table.batches()[0].clone(), |batch| fitted.apply(batch), BatchSize::SmallInput);
        });
        group.throughput(Throughput::Elements(1));
        let rows = fitted.rows(table.schema()).ok().flatten();
        if let (Some(rows), Ok(reader)) = (rows, CellReader::new(&table.batches()[0])) {
            let cells: Vec<Value<'_>> = reader.row(1).collect();
            let mut output = Vec::new();
            group.bench_function("row", |b| {
                b.iter(|| {
                    output.clear();
                    rows.apply_row(black_box(&cells), &mut output)
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, one_row, decompose, transformers);
criterion_main!(benches);
