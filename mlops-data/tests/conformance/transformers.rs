//! The transformers, and a pipeline of several.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, RecordBatch,
    StringArray, TimestampMillisecondArray,
};
use mlops_core::conformance::{TransformerSubject, Trial, transformer};
use mlops_core::random::SplitMix64;
use mlops_core::{Codecs, Pipeline, Role, Table, Transformer, col, lit};
use mlops_data::transform::{
    Clip, ColumnTransformer, DateParts, Deduplicate, Derive, DropCategory, EmptyColumns, FeatureHasher, FeatureUnion,
    Frequency, FunctionTransformer, HandleUnknown, Keep, LabelEncoder, Lag, OneHotEncoder, OrdinalEncoder, Part,
    RandomOverSampler, RandomUnderSampler, Remainder, Rolling, SamplingStrategy, Select, SimpleImputer, Smooth, Smote,
    StandardScaler, Statistic, TargetEncoder, Window,
};

const ROWS: usize = 60;

/// Passengers, as rows of every type that a transformer reads.
fn passengers() -> Table {
    let mut rng = SplitMix64::new(20_261_122);
    let mut pick = |n: u64| (0..ROWS).map(|_| rng.below(n)).collect::<Vec<_>>();
    let (a, b, c, d, e) = (pick(90), pick(1_000), pick(7), pick(4), pick(2));
    let missing = |row: usize, every: usize| row % every == every - 1;
    let age = |row: usize| (!missing(row, 9)).then(|| a[row] as i32);
    let fare = |row: usize| match row % 8 {
        5 => None,
        6 => Some(f64::NAN),
        _ => Some(b[row] as f64 / 8.0 - 20.0),
    };
    let city =
        |row: usize| (!missing(row, 11)).then(|| ["oslo", "bern", "", "Öl", "riga", "pisa", "lyon"][c[row] as usize]);
    let deck = |row: usize| ["a", "b", "c", "d"][d[row] as usize];
    let columns: [(&str, ArrayRef); 12] = [
        ("id", Arc::new((0..ROWS as i64).collect::<Int64Array>())),
        ("age", Arc::new((0..ROWS).map(age).collect::<Int32Array>())),
        ("fare", Arc::new((0..ROWS).map(fare).collect::<Float64Array>())),
        ("distance", Arc::new(b.iter().map(|x| Some(*x as f64)).collect::<Float64Array>())),
        ("city", Arc::new((0..ROWS).map(city).collect::<StringArray>())),
        ("deck", Arc::new((0..ROWS).map(|row| Some(deck(row))).collect::<LargeStringArray>())),
        ("class", Arc::new(d.iter().map(|x| Some(*x as i64 * 5 - 3)).collect::<Int64Array>())),
        ("alone", Arc::new(e.iter().map(|x| Some(*x == 1)).collect::<BooleanArray>())),
        ("born", Arc::new((0..ROWS).map(|row| age(row).map(|age| 12_000 - 365 * age)).collect::<Date32Array>())),
        ("departs", Arc::new(departures(&b))),
        ("delay", Arc::new(a.iter().map(|x| Some(*x as f64)).collect::<Float64Array>())),
        ("late", Arc::new(a.iter().map(|x| Some(*x > 60)).collect::<BooleanArray>())),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
    let table = Table::from_batch(batch).rebatch(23).unwrap();
    let table = table.with_role("late", Role::Target).unwrap().with_role("delay", Role::Outcome).unwrap();
    table.with_role("id", Role::Id).unwrap()
}

fn departures(numbers: &[u64]) -> TimestampMillisecondArray {
    let time = |(row, x): (usize, &u64)| (row % 10 != 3).then(|| 1_357_000_000_000 + *x as i64 * 31_536_123);
    numbers.iter().enumerate().map(time).collect::<TimestampMillisecondArray>().with_timezone("+01:00")
}

pub(crate) fn trials() -> Vec<Trial> {
    let subjects = [
        impute(),
        scale_and_clip(),
        one_hot(),
        ordinal(),
        target_encoder(),
        date_parts(),
        select(),
        derive(),
        pipeline(),
        compose(),
        more_encoders(),
        events(),
        other_rows(),
    ];
    subjects.into_iter().flatten().flat_map(transformer).collect()
}

pub(crate) fn subject(name: &str, recipe: impl Transformer) -> TransformerSubject {
    TransformerSubject::new(name, recipe, passengers(), codecs())
}

fn on_target(name: &str, recipe: impl Transformer, target: &str) -> TransformerSubject {
    let table = passengers().with_role("late", Role::Outcome).unwrap().with_role(target, Role::Target).unwrap();
    TransformerSubject::new(name, recipe, table, codecs())
}

fn codecs() -> Codecs {
    Codecs::default().with(mlops_data::codecs())
}

fn impute() -> Vec<TransformerSubject> {
    vec![
        subject("impute_mean", SimpleImputer::mean(["age", "fare", "alone"])),
        subject("impute_median", SimpleImputer::median(["age", "fare"]).with_indicator()),
        subject("impute_most_frequent", SimpleImputer::most_frequent(["age", "fare", "city", "deck"]).with_indicator()),
        subject("impute_left_out", SimpleImputer::mean(["age", "fare"]).with_empty_columns(EmptyColumns::LeaveOut)),
        subject("impute_number", SimpleImputer::constant(["age", "fare"], -1.5).with_empty_columns(EmptyColumns::Fill)),
        subject("impute_text", SimpleImputer::constant(["city", "deck"], "missing")),
    ]
}

fn scale_and_clip() -> Vec<TransformerSubject> {
    vec![
        subject("standard_scaler", StandardScaler::on(["age", "fare", "distance", "alone"])),
        subject("standard_scaler_mean_only", StandardScaler::on(["fare"]).with_std(false)),
        subject("clip", Clip::on(["age", "fare"], 10.0, None)),
        subject("clip_quantiles", Clip::quantiles(["age", "fare"], 0.1, 0.9)),
    ]
}

fn one_hot() -> Vec<TransformerSubject> {
    let infrequent = OneHotEncoder::on(["city", "class"])
        .with_max_categories(NonZeroUsize::new(3).unwrap())
        .with_min_frequency(Frequency::Fraction(0.1))
        .with_handle_unknown(HandleUnknown::InfrequentIfExist)
        .with_drop(DropCategory::First);
    vec![
        subject("one_hot", OneHotEncoder::on(["city", "class", "alone", "deck"])),
        subject("one_hot_drop", OneHotEncoder::on(["city", "alone"]).with_drop(DropCategory::IfBinary)),
        subject("one_hot_error", OneHotEncoder::on(["city", "class"]).with_handle_unknown(HandleUnknown::Error)),
        subject("one_hot_infrequent", infrequent),
    ]
}

fn ordinal() -> Vec<TransformerSubject> {
    vec![
        subject("ordinal", OrdinalEncoder::on(["city", "class", "alone", "deck"])),
        subject("ordinal_in_order", OrdinalEncoder::on(["deck"]).with_categories("deck", ["d", "a", "c"])),
        subject("ordinal_error", OrdinalEncoder::on(["city", "deck"]).with_unknown_value(None)),
    ]
}

fn target_encoder() -> Vec<TransformerSubject> {
    vec![
        subject("target_encoder_binary", TargetEncoder::on(["city", "class", "alone", "deck"])),
        on_target(
            "target_encoder_number",
            TargetEncoder::on(["city", "class"]).with_smooth(Smooth::Weight(3.0)),
            "delay",
        ),
        on_target("target_encoder_classes", TargetEncoder::on(["city", "deck"]).with_cv(3), "class"),
    ]
}

fn date_parts() -> Vec<TransformerSubject> {
    vec![
        subject("date_parts_of_timestamp", DateParts::of("departs").with_cyclical().with_column_kept()),
        subject("date_parts_of_date", DateParts::of("born").with_parts([Part::Year, Part::IsWeekend])),
    ]
}

fn select() -> Vec<TransformerSubject> {
    vec![
        subject("select_columns", Select::columns(["fare", "city"])),
        subject("select_drop", Select::drop(["delay", "born", "departs"])),
    ]
}

fn derive() -> Vec<TransformerSubject> {
    let ratio = col("fare").div(col("distance")).mul(lit(100)).or_else(col("age"));
    let rich = col("fare").gt(lit(60)).and(col("city").not_eq(lit("oslo")).or(col("departs").lt(lit("2013-06-01"))));
    let longer = col("departs").sub(col("departs")).is_null();
    vec![
        subject("derive_number", Derive::column("ratio", ratio)),
        subject("derive_condition", Derive::column("rich", rich)),
        subject("derive_text", Derive::column("city", col("city").or_else(col("deck")))),
        subject("derive_batches", Derive::column("x", longer)).with_batches_only(),
    ]
}

fn pipeline() -> Vec<TransformerSubject> {
    let recipe = Pipeline::new()
        .then(Derive::column("speed", col("distance").div(col("fare"))))
        .then(Clip::on(["speed"], -10.0, 10.0))
        .then(DateParts::of("departs").with_parts([Part::Hour, Part::Weekday]))
        .then(SimpleImputer::median(["age", "fare", "speed", "departs_hour", "departs_weekday"]).with_indicator())
        .then(StandardScaler::on(["age", "fare", "distance"]))
        .then(TargetEncoder::on(["city"]))
        .then(OneHotEncoder::on(["deck", "class"]))
        .then(OrdinalEncoder::on(["alone"]))
        .then(Select::drop(["born"]));
    // The training rows are encoded fold by fold, which the later steps may see.
    vec![subject("pipeline", recipe)]
}

fn compose() -> Vec<TransformerSubject> {
    let numbers = Pipeline::new().then(SimpleImputer::mean(["fare"])).then(StandardScaler::on(["fare"]));
    let parts = ColumnTransformer::new()
        .with("numbers", ["fare"], numbers)
        .with("more", ["distance", "age"], SimpleImputer::median(["age", "distance"]).with_indicator())
        .with("categories", ["deck", "class"], OneHotEncoder::on(["deck", "class"]));
    // The rows of training are encoded fold by fold.
    let of_the_target = ColumnTransformer::new()
        .with("city", ["city"], TargetEncoder::on(["city"]))
        .with("distance", ["distance"], StandardScaler::on(["distance"]))
        .with_remainder(Remainder::PassThrough)
        .with_prefix();
    let union = FeatureUnion::on(["fare", "age"])
        .with("scaled", StandardScaler::on(["fare", "age"]))
        .with("filled", SimpleImputer::median(["fare", "age"]));
    vec![
        subject("column_transformer", parts),
        subject("column_transformer_of_the_target", of_the_target),
        subject("feature_union", union),
    ]
}

fn more_encoders() -> Vec<TransformerSubject> {
    let functions = FunctionTransformer::new()
        .with("pace", col("distance").div(col("fare")))
        .with("distance", col("distance").mul(lit(2)))
        .with("fast", col("pace").gt(col("distance")));
    let hasher = FeatureHasher::on(["city", "deck", "fare", "alone"]);
    let narrow = FeatureHasher::on(["deck"]).with_features(NonZeroU32::MIN).without_alternate_sign().with_prefix("h");
    vec![
        subject("function_transformer", functions),
        subject("feature_hasher", hasher),
        subject("feature_hasher_narrow", narrow),
        subject("label_encoder", LabelEncoder::new()),
        on_target("label_encoder_texts", LabelEncoder::new(), "deck"),
        on_target("target_encoder_texts", TargetEncoder::on(["city", "alone"]), "deck"),
    ]
}

fn events() -> Vec<TransformerSubject> {
    let three = NonZeroUsize::new(3).unwrap();
    let lag = Lag::of("fare", "city", "departs").with_lags([NonZeroUsize::MIN, three]);
    let statistics =
        [Statistic::Count, Statistic::Max, Statistic::Mean, Statistic::Min, Statistic::Std, Statistic::Sum];
    let rows = Rolling::of("fare", "deck", "class", Window::Rows(three)).with_statistics(statistics);
    let span = Rolling::of("distance", "alone", "born", Window::Seconds(5_000 * 86_400)).with_statistics(statistics);
    vec![subject("lag", lag), subject("rolling_rows", rows), subject("rolling_span", span)]
}

fn other_rows() -> Vec<TransformerSubject> {
    let rows = |name: &str, recipe: Box<dyn Transformer>| subject(name, recipe).with_row_changes();
    let ratio = SamplingStrategy::Ratio(0.75);
    let prepared = Pipeline::new()
        .then(Deduplicate::by(["city", "deck"]))
        .then(RandomOverSampler::new())
        .then(StandardScaler::on(["distance"]));
    let made = Pipeline::new()
        .then(Deduplicate::by(["id"]))
        .then(Select::drop(["city", "deck", "alone", "born", "departs"]))
        .then(SimpleImputer::median(["age", "fare"]))
        .then(Smote::new());
    vec![
        rows("deduplicate", Box::new(Deduplicate::by(["city", "fare"]))),
        rows("deduplicate_last", Box::new(Deduplicate::by(["alone"]).with_keep(Keep::Last))),
        rows("random_over_sampler", Box::new(RandomOverSampler::new().with_sampling_strategy(ratio))),
        rows("random_under_sampler", Box::new(RandomUnderSampler::new())),
        rows("smote", Box::new(made)).with_row_order(),
        rows("pipeline_of_other_rows", Box::new(prepared)).with_row_order(),
    ]
}
