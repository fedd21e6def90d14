//! The transformers. The cases are all those of the files in `tests/golden/sklearn` that name one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use mlops_core::{
    CellReader, Literal, Role, Run, Table, Transform, Transformer, Value, columns::numbers, transform_table,
};
use mlops_data::transform::{
    BinStrategy, Binarizer, Clip, Cyclical, DropCategory, EmptyColumns, Encode, Extrapolation, KBinsDiscretizer, Knots,
    MaxAbsScaler, MinMaxScaler, MissingIndicator, Norm, Normalizer, OneHotEncoder, OrdinalEncoder, OutputDistribution,
    Pca, PolynomialFeatures, PowerTransformer, QuantileMethod, QuantileTransformer, RobustScaler, SimpleImputer,
    Smooth, SplineTransformer, StandardScaler, Strategy, TargetEncoder, TruncatedSvd,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::{Agreement, encoders};

type Recipe = Box<dyn Transformer>;

/// What makes the recipe of a case, by the name of the estimator.
type Entry = (&'static str, fn(&Case) -> Recipe);

const REGISTRY: &[Entry] = &[
    ("Binarizer", |case| Box::new(Binarizer::on(case.names(), case.number("threshold")))),
    ("Cyclical", |case| Box::new(Cyclical::on(case.names(), case.number("period")))),
    ("KBinsDiscretizer", k_bins_discretizer),
    ("MaxAbsScaler", |case| {
        let recipe = MaxAbsScaler::on(case.names());
        Box::new(if case.flag("clip") { recipe.with_clip() } else { recipe })
    }),
    ("MinMaxScaler", |case| {
        let (least, greatest) = case.parsed("feature_range");
        let recipe = MinMaxScaler::on(case.names()).with_feature_range(least, greatest);
        Box::new(if case.flag("clip") { recipe.with_clip() } else { recipe })
    }),
    ("MissingIndicator", |case| {
        let recipe = MissingIndicator::on(case.names());
        Box::new(if case.text("features") == "all" { recipe.with_all_features() } else { recipe })
    }),
    ("Normalizer", |case| Box::new(Normalizer::on(case.names()).with_norm(case.parsed::<Norm>("norm")))),
    ("OneHotEncoder", |case| {
        Box::new(OneHotEncoder::on(case.names()).with_drop(match case.param("drop").as_str() {
            Some("first") => DropCategory::First,
            Some("if_binary") => DropCategory::IfBinary,
            _ => DropCategory::None,
        }))
    }),
    ("OrdinalEncoder", |case| {
        Box::new(OrdinalEncoder::on(case.names()).with_unknown_value(case.param("unknown_value").as_f64()))
    }),
    ("PCA", |case| {
        let recipe = Pca::on(case.names());
        let recipe = match case.param("n_components").as_u64() {
            Some(count) => recipe.with_n_components(count as usize),
            None => recipe.with_variance(case.number("n_components")),
        };
        Box::new(if case.flag("whiten") { recipe.with_whiten() } else { recipe })
    }),
    ("PolynomialFeatures", polynomial_features),
    ("PowerTransformer", |case| {
        let recipe = match case.text("method") {
            "box-cox" => PowerTransformer::box_cox(case.names()),
            _ => PowerTransformer::yeo_johnson(case.names()),
        };
        Box::new(recipe.with_standardize(case.flag("standardize")))
    }),
    ("QuantileTransformer", |case| {
        let recipe = QuantileTransformer::on(case.names()).with_n_quantiles(case.parsed("n_quantiles"));
        Box::new(recipe.with_output_distribution(case.parsed::<OutputDistribution>("output_distribution")))
    }),
    ("RobustScaler", |case| {
        let (lower, upper) = case.parsed("quantile_range");
        let recipe = RobustScaler::on(case.names()).with_quantile_range(lower, upper);
        let recipe = recipe.with_centering(case.flag("with_centering")).with_scaling(case.flag("with_scaling"));
        Box::new(if case.flag("unit_variance") { recipe.with_unit_variance() } else { recipe })
    }),
    ("SimpleImputer", simple_imputer),
    ("SplineTransformer", spline_transformer),
    ("StandardScaler", |case| {
        let recipe = StandardScaler::on(case.names());
        Box::new(recipe.with_mean(case.flag("with_mean")).with_std(case.flag("with_std")))
    }),
    ("TargetEncoder", |case| {
        let smooth = case.param("smooth").as_f64().map_or(Smooth::Auto, Smooth::Weight);
        Box::new(TargetEncoder::on(case.names()).with_smooth(smooth))
    }),
    ("TruncatedSVD", |case| Box::new(TruncatedSvd::on(case.names()).with_n_components(case.parsed("n_components")))),
    ("Winsorizing", |case| Box::new(Clip::quantiles(case.names(), case.number("lower"), case.number("upper")))),
];

fn k_bins_discretizer(case: &Case) -> Recipe {
    let recipe = KBinsDiscretizer::on(case.names()).with_n_bins(case.parsed("n_bins"));
    let strategy = match case.text("strategy") {
        "kmeans" => BinStrategy::KMeans,
        "uniform" => BinStrategy::Uniform,
        _ => BinStrategy::Quantile,
    };
    let encode = if case.text("encode") == "ordinal" { Encode::Ordinal } else { Encode::OneHot };
    let method = case.parsed::<QuantileMethod>("quantile_method");
    Box::new(recipe.with_strategy(strategy).with_encode(encode).with_quantile_method(method))
}

fn polynomial_features(case: &Case) -> Recipe {
    let recipe = PolynomialFeatures::on(case.names()).with_bias(case.flag("include_bias"));
    let recipe = match case.param("degree").as_u64() {
        Some(degree) => recipe.with_degree(degree as usize),
        None => {
            let (min_degree, degree) = case.parsed("degree");
            recipe.with_min_degree(min_degree).with_degree(degree)
        }
    };
    Box::new(if case.flag("interaction_only") { recipe.with_interaction_only() } else { recipe })
}

fn simple_imputer(case: &Case) -> Recipe {
    let mut recipe = SimpleImputer::mean(case.names());
    recipe.strategy = match case.text("strategy") {
        "mean" => Strategy::Mean,
        "median" => Strategy::Median,
        "most_frequent" => Strategy::MostFrequent,
        _ => Strategy::Constant(match case.param("fill_value") {
            Json::String(text) => Literal::Text(text.clone()),
            number => Literal::Float(number.as_f64().unwrap()),
        }),
    };
    let keep = case.flag("keep_empty_features");
    recipe.empty_columns = if keep { EmptyColumns::Fill } else { EmptyColumns::LeaveOut };
    Box::new(recipe)
}

fn spline_transformer(case: &Case) -> Recipe {
    let knots = match case.param("knots") {
        Json::Array(knots) => Knots::At(knots.iter().map(|knot| knot[0].as_f64().unwrap()).collect()),
        name => serde_json::from_value(name.clone()).unwrap(),
    };
    let recipe = SplineTransformer::on(case.names()).with_knots(knots).with_bias(case.flag("include_bias"));
    let recipe = recipe.with_degree(case.parsed("degree")).with_n_knots(case.parsed("n_knots"));
    let recipe = recipe.with_extrapolation(case.parsed::<Extrapolation>("extrapolation"));
    Box::new(if case.text("handle_missing") == "zeros" { recipe.with_missing_as_zeros() } else { recipe })
}

/// A case of a golden file.
struct Case(Json);

impl Case {
    fn name(&self) -> &str {
        self.0["name"].as_str().unwrap()
    }

    fn estimator(&self) -> Option<&str> {
        self.0["transformer"].as_str()
    }

    /// The columns in the order in which scikit-learn got them, where that is told.
    fn names(&self) -> Vec<String> {
        match self.0["inputs"].as_array() {
            Some(inputs) => inputs.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
            None => self.0["columns"].as_object().unwrap().keys().cloned().collect(),
        }
    }

    fn param(&self, name: &str) -> &Json {
        &self.0["params"][name]
    }

    fn parsed<T: DeserializeOwned>(&self, name: &str) -> T {
        serde_json::from_value(self.param(name).clone()).unwrap_or_else(|e| panic!("{}: {name}: {e}", self.name()))
    }

    fn flag(&self, name: &str) -> bool {
        self.param(name).as_bool().unwrap()
    }

    fn number(&self, name: &str) -> f64 {
        self.param(name).as_f64().unwrap()
    }

    fn text(&self, name: &str) -> &str {
        self.param(name).as_str().unwrap()
    }

    /// The rows of `part`, with the types of the training rows, which JSON does not tell.
    fn rows(&self, part: &str) -> RecordBatch {
        let column = |name: &String| {
            let training = column(&self.0["columns"][name]);
            let given = arrow::compute::cast(&column(&self.0[part][name]), training.data_type()).unwrap();
            (name.clone(), given, true)
        };
        RecordBatch::try_from_iter_with_nullable(self.names().iter().map(column)).unwrap()
    }

    fn training(&self) -> Table {
        let rows = self.rows("columns");
        let target = &self.0["target"];
        if target.is_null() {
            return Table::from_batch(rows);
        }
        let fields = rows.schema();
        let columns = fields.fields().iter().zip(rows.columns()).map(|(f, c)| (f.name().as_str(), Arc::clone(c), true));
        let columns = columns.chain([("target", column(target), true)]);
        let table = Table::from_batch(RecordBatch::try_from_iter_with_nullable(columns).unwrap());
        table.with_role("target", Role::Target).unwrap()
    }
}

fn column(values: &Json) -> ArrayRef {
    let values = values.as_array().unwrap();
    if values.iter().any(Json::is_string) {
        return Arc::new(values.iter().map(Json::as_str).collect::<StringArray>());
    }
    if values.iter().any(Json::is_f64) || values.iter().all(Json::is_null) {
        return Arc::new(values.iter().map(Json::as_f64).collect::<Float64Array>());
    }
    Arc::new(values.iter().map(Json::as_i64).collect::<Int64Array>())
}

/// How far two cells are apart, relatively beyond 1; infinite if only one is missing.
fn distance(actual: Option<f64>, expected: Option<f64>) -> f64 {
    match (actual.filter(|x| !x.is_nan()), expected) {
        (None, None) => 0.0,
        (Some(actual), Some(expected)) => (actual - expected).abs() / expected.abs().max(1.0),
        _ => f64::INFINITY,
    }
}

/// The greatest distance to what scikit-learn makes of the rows `part`, by the batch and row by row.
fn error(case: &Case, fitted: &dyn Transform, part: &str, expected: &Map<String, Json>) -> BTreeMap<String, f64> {
    let input = case.rows(part);
    let output = transform_table(fitted, &Table::from_batch(input.clone())).unwrap().to_batch().unwrap();
    let names: Vec<String> = output.schema().fields().iter().map(|field| field.name().clone()).collect();
    match case.0["outputs"].as_array() {
        Some(outputs) => assert_eq!(Json::from(names.clone()), Json::from(outputs.clone()), "{}", case.name()),
        None => {
            let names: BTreeSet<&String> = names.iter().collect();
            assert!(names.iter().copied().eq(expected.keys()), "{}: {names:?}", case.name());
        }
    }
    let alone = rows_alone(fitted, &input);
    let mut errors = BTreeMap::new();
    for (i, name) in names.iter().enumerate() {
        let expected = expected[name].as_array().unwrap();
        assert_eq!(expected.len(), output.num_rows(), "{}: {name}", case.name());
        let column = output.column(i);
        let error = expected.iter().enumerate().map(|(row, expected)| {
            if *column.data_type() == DataType::Utf8 {
                let same = column.as_string::<i32>().value(row) == expected.as_str().unwrap();
                return if same { 0.0 } else { f64::INFINITY };
            }
            let numbers = numbers(column, name).unwrap();
            let actual = numbers.is_valid(row).then(|| numbers.value(row));
            distance(actual, expected.as_f64()).max(distance(alone[row][i], expected.as_f64()))
        });
        errors.insert(name.clone(), error.fold(0.0, f64::max));
    }
    errors
}

fn rows_alone(fitted: &dyn Transform, input: &RecordBatch) -> Vec<Vec<Option<f64>>> {
    let rows = fitted.rows(input.schema_ref()).unwrap().expect("every transformer prepares rows alone");
    let reader = CellReader::new(input).unwrap();
    let mut output = Vec::new();
    let alone = |row: usize| {
        output.clear();
        let cells: Vec<Value<'_>> = reader.row(row).collect();
        rows.apply_row(&cells, &mut output).unwrap();
        output.iter().map(|cell| cell.as_f64()).collect()
    };
    (0..reader.num_rows()).map(alone).collect()
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/sklearn");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |path| match serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap() {
        Json::Array(cases) => cases,
        _ => Vec::new(),
    };
    files
        .into_iter()
        .flat_map(read)
        .map(Case)
        .filter(|case| case.estimator().is_some_and(|name| !encoders::LISTED.contains(&name)))
        .collect()
}

/// The estimators that must have a row.
pub(crate) fn listed() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|(name, _)| *name)
}

/// What the table calls the data of a case.
fn data_of(case: &Case) -> &str {
    let shared = ["plain", "ugly"].into_iter().find(|table| case.name().ends_with(&format!("_{table}")));
    shared.unwrap_or_else(|| case.name())
}

pub(crate) fn agreement(table: &mut Agreement, failures: &mut Vec<String>) {
    let recipes: BTreeMap<_, _> = REGISTRY.iter().copied().collect();
    for case in cases() {
        let estimator = case.estimator().unwrap();
        let Some(recipe) = recipes.get(estimator) else {
            failures.push(format!("{}: {estimator} is not in the registry of this test", case.name()));
            continue;
        };
        let fitted = recipe(&case).fit(&case.training(), &Run::default());
        let fitted = fitted.unwrap_or_else(|error| panic!("{}: {error:?}", case.name()));
        let (mut worst, mut allowed): (f64, f64) = (0.0, 1e-9);
        for (part, expected) in [("columns", "expected_train"), ("new", "expected_new")] {
            for (name, error) in error(&case, fitted.as_ref(), part, case.0[expected].as_object().unwrap()) {
                let tolerance = case.0["tolerance"][&name].as_f64().unwrap_or(1e-9);
                (worst, allowed) = (worst.max(error), allowed.max(tolerance));
                if error > tolerance {
                    failures.push(format!("{}: {name} in {expected} is {error:.1e} off", case.name()));
                }
            }
        }
        table.row(estimator, data_of(&case)).add(worst, allowed);
    }
}

fn cases_of(estimator: &str) -> impl Iterator<Item = Case> {
    cases().into_iter().filter(move |case| case.estimator() == Some(estimator))
}

fn learned(case: &Case) -> Json {
    let recipe = REGISTRY.iter().find(|(name, _)| Some(*name) == case.estimator()).unwrap().1;
    recipe(case).fit(&case.training(), &Run::default()).unwrap().save().unwrap().state
}

#[test]
fn powers_are_those_of_the_greatest_likelihood() {
    for case in cases_of("PowerTransformer") {
        for column in learned(&case)["columns"].as_array().unwrap() {
            let name = column["name"].as_str().unwrap();
            let lambda = column["learned"]["lambda"].as_f64();
            let off = |expected: &str| distance(lambda, case.0["fitted"][expected][name].as_f64());
            assert!(off("lambda") < 2e-11, "{}: {name}: {:e}", case.name(), off("lambda"));
            // scipy's search can't tell likelihoods apart that are equal to rounding.
            let stopped = off("lambda_where_the_search_stopped");
            assert!(stopped < 2e-7, "{}: {name}: {stopped:e}", case.name());
        }
    }
}

#[test]
fn components_explain_what_they_do_in_scikit_learn() {
    for estimator in ["PCA", "TruncatedSVD"] {
        for case in cases_of(estimator) {
            let mut learned = learned(&case)["learned"].clone();
            if estimator == "PCA" {
                let freedom = case.training().num_rows() as f64 - 1.0;
                let variances = learned["explained_variance"].as_array().unwrap();
                let singular = variances.iter().map(|x| (x.as_f64().unwrap() * freedom).sqrt());
                learned["singular_values"] = singular.collect();
            }
            for part in ["explained_variance", "explained_variance_ratio", "singular_values", "components"] {
                let (actual, expected) = (flat(&learned[part]), flat(&case.0["fitted"][part]));
                assert_eq!(actual.len(), expected.len(), "{}: {part}", case.name());
                for (actual, expected) in actual.into_iter().zip(expected) {
                    let off = distance(Some(actual), Some(expected));
                    assert!(off < 1e-9, "{}: {part}: {actual} instead of {expected}", case.name());
                }
            }
        }
    }
}

/// The numbers in nested lists.
fn flat(list: &Json) -> Vec<f64> {
    match list {
        Json::Array(items) => items.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}
