//! What the numeric transformers promise beyond agreeing with scikit-learn on its cases: properties that
//! hold for any numbers, and hard ones.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::Float64Type;
use mlops_core::{ErrorKind, Run, Table, Transform, Transformer};
use mlops_data::transform::{
    BinStrategy, Cyclical, Extrapolation, KBinsDiscretizer, Knots, MinMaxScaler, Norm, Normalizer, OutputDistribution,
    Pca, PolynomialFeatures, PowerTransformer, QuantileMethod, QuantileTransformer, RobustScaler, SplineTransformer,
    TruncatedSvd,
};
use proptest::prelude::*;

fn table<const N: usize>(columns: [(&str, Vec<f64>); N]) -> Table {
    let columns = columns.map(|(name, numbers)| (name, Arc::new(Float64Array::from(numbers)) as ArrayRef));
    Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
}

fn prepared(recipe: &dyn Transformer, data: &Table) -> (Arc<dyn Transform>, Vec<Vec<f64>>) {
    let (fitted, output) = recipe.fit_transform(data, &Run::default()).unwrap();
    (fitted, numbers(&output.to_batch().unwrap()))
}

fn numbers(batch: &RecordBatch) -> Vec<Vec<f64>> {
    batch.columns().iter().map(|column| column.as_primitive::<Float64Type>().values().to_vec()).collect()
}

fn names(table: &Table, fitted: &dyn Transform) -> Vec<String> {
    fitted.output_schema(table.schema()).unwrap().fields().iter().map(|field| field.name().clone()).collect()
}

/// Numbers of every size, some of them equal.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        -1e3f64..1e3,
        (-3i32..4).prop_map(f64::from),
        (-1.0f64..1.0, -12i32..12).prop_map(|(x, exponent)| x * 10f64.powi(exponent)),
    ];
    prop::collection::vec(value, 2..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn ranks_ascend_with_the_values_and_reach_the_ends(mut x in values(), count in 1usize..40) {
        x.sort_by(f64::total_cmp);
        let recipe = QuantileTransformer::on(["x"]).with_n_quantiles(count);
        let normal = recipe.clone().with_output_distribution(OutputDistribution::Normal);
        let data = table([("x", x.clone())]);
        let (_, ranks) = prepared(&recipe, &data);
        prop_assert!(ranks[0].is_sorted_by(|a, b| *b >= *a - 1e-12), "{:?}", ranks[0]);
        prop_assert!(ranks[0].iter().all(|rank| (0.0..=1.0).contains(rank)));
        prop_assert_eq!(ranks[0][0], 0.0);
        let (_, deviations) = prepared(&normal, &data);
        prop_assert!(deviations[0].iter().all(|x| x.abs() < 5.2));
    }

    #[test]
    fn every_number_is_in_one_bin_that_holds_it(x in values(), bins in 2usize..9, kind in 0usize..11) {
        use QuantileMethod as Q;
        let methods = [
            Q::AveragedInvertedCdf, Q::ClosestObservation, Q::Hazen, Q::InterpolatedInvertedCdf, Q::InvertedCdf,
            Q::Linear, Q::MedianUnbiased, Q::NormalUnbiased, Q::Weibull,
        ];
        let recipe = KBinsDiscretizer::on(["x"]).with_n_bins(bins.min(x.len()));
        let recipe = match kind {
            9 => recipe.with_strategy(BinStrategy::KMeans),
            10 => recipe.with_strategy(BinStrategy::Uniform),
            method => recipe.with_quantile_method(methods[method]),
        };
        prop_assume!(x.len() >= 2);
        let (fitted, columns) = prepared(&recipe, &table([("x", x.clone())]));
        let state = fitted.save().unwrap().state;
        let edges = state["columns"][0]["learned"]["edges"].as_array().unwrap();
        let edges: Vec<f64> = edges.iter().map(|edge| edge.as_f64().unwrap()).collect();
        prop_assert!(columns.len() <= bins.max(1));
        for (row, x) in x.iter().enumerate() {
            let hot: Vec<usize> = (0..columns.len()).filter(|bin| columns[*bin][row] == 1.0).collect();
            prop_assert_eq!(hot.len(), 1);
            if let [_, inner @ .., _] = edges.as_slice() {
                prop_assert_eq!(inner.iter().filter(|edge| *edge <= x).count(), hot[0]);
            }
        }
    }

    #[test]
    fn splines_sum_to_one_inside_of_their_knots(
        x in values(), knots in 2usize..9, degree in 0usize..6, how in 0usize..3,
    ) {
        let recipe = SplineTransformer::on(["x"]).with_n_knots(knots).with_degree(degree);
        let recipe = match how {
            0 => recipe.with_extrapolation(Extrapolation::Linear),
            1 => recipe.with_extrapolation(Extrapolation::Periodic).with_n_knots(knots.max(degree + 1)),
            _ => recipe,
        };
        let widest = x.iter().fold(f64::NEG_INFINITY, |most, x| most.max(*x)) - x.iter().fold(f64::INFINITY, |least, x| least.min(*x));
        // Where the knots are nearer to each other than floats there, nothing can be between them.
        prop_assume!(widest > 1e-6 * x.iter().fold(0.0, |most: f64, x| most.max(x.abs())));
        let (_, columns) = prepared(&recipe, &table([("x", x.clone())]));
        for row in 0..x.len() {
            let sum: f64 = columns.iter().map(|column| column[row]).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9, "{sum} at {}", x[row]);
            prop_assert!(columns.iter().all(|column| column[row] >= -1e-12));
        }
    }

    #[test]
    fn principal_components_keep_the_distances(
        rows in prop::collection::vec((-1e3f64..1e3, -1.0f64..1.0, -1e-2f64..1e-2), 4..40), offset in -1e8f64..1e8,
    ) {
        let column = |f: fn(&(f64, f64, f64)) -> f64| rows.iter().map(f).collect::<Vec<f64>>();
        let mut columns = [column(|row| row.0 + row.1), column(|row| row.1), column(|row| row.2 - row.0)];
        columns[1].iter_mut().for_each(|x| *x += offset);
        let [a, b, c] = columns.clone();
        let data = table([("a", a), ("b", b), ("c", c)]);
        prop_assume!(columns.iter().any(|column| column.iter().any(|x| *x != column[0])));
        let (_, rotated) = prepared(&Pca::on(["a", "b", "c"]), &data);
        let distance = |columns: &[Vec<f64>], i: usize, j: usize| {
            columns.iter().map(|column| (column[i] - column[j]).powi(2)).sum::<f64>().sqrt()
        };
        for i in 1..rows.len() {
            let (before, after) = (distance(&columns, 0, i), distance(&rotated, 0, i));
            prop_assert!((before - after).abs() <= 1e-12 * before.max(1e3), "{before} became {after}");
        }
        let variance = |column: &Vec<f64>| {
            let mean = column.iter().sum::<f64>() / column.len() as f64;
            (mean, column.iter().map(|x| (x - mean).powi(2)).sum::<f64>())
        };
        let spread: Vec<(f64, f64)> = rotated.iter().map(variance).collect();
        // No float is the mean of floats this large.
        let rounding = 1e-9 + f64::EPSILON * offset.abs();
        prop_assert!(spread.iter().all(|(mean, _)| mean.abs() < rounding), "{spread:?}");
        prop_assert!(spread.is_sorted_by(|(_, a), (_, b)| *a >= *b - 1e-9 * spread[0].1));
    }

    #[test]
    fn a_standardised_power_has_mean_0_and_variance_1(x in prop::collection::vec(-50.0f64..400.0, 5..60)) {
        let (fitted, columns) = prepared(&PowerTransformer::yeo_johnson(["x"]), &table([("x", x.clone())]));
        let n = x.len() as f64;
        let mean = columns[0].iter().sum::<f64>() / n;
        let variance = columns[0].iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n;
        prop_assert!(mean.abs() < 1e-9 && (variance - 1.0).abs() < 1e-9, "{mean}, {variance}");
        // The order is kept, whatever the power.
        let mut order: Vec<usize> = (0..x.len()).collect();
        order.sort_by(|a, b| x[*a].total_cmp(&x[*b]));
        prop_assert!(order.windows(2).all(|pair| columns[0][pair[0]] <= columns[0][pair[1]]), "{:?}", fitted.save());
    }

    #[test]
    fn rows_have_length_one(x in values(), seed in -5.0f64..5.0) {
        let y: Vec<f64> = x.iter().map(|x| (x * seed).sin()).collect();
        let data = table([("x", x), ("y", y)]);
        for norm in [Norm::L1, Norm::L2, Norm::Max] {
            let (_, columns) = prepared(&Normalizer::on(["x", "y"]).with_norm(norm), &data);
            for (x, y) in columns[0].iter().zip(&columns[1]) {
                let length = match norm {
                    Norm::L1 => x.abs() + y.abs(),
                    Norm::L2 => x.hypot(*y),
                    _ => x.abs().max(y.abs()),
                };
                prop_assert!((length - 1.0).abs() < 1e-12 || (length < 1e-10), "{length}");
            }
        }
    }
}

#[test]
fn products_are_named_as_in_scikit_learn() {
    let data = table([("a", vec![2.0]), ("b", vec![3.0]), ("c", vec![5.0])]);
    let recipe = PolynomialFeatures::on(["c", "a"]).with_degree(3);
    let (fitted, columns) = prepared(&recipe, &data);
    // They stand where `c` was, and `a` is among them.
    let expected = ["b", "1", "c", "a", "c^2", "c a", "a^2", "c^3", "c^2 a", "c a^2", "a^3"];
    assert_eq!(names(&data, fitted.as_ref()), expected);
    let expected = [3.0, 1.0, 5.0, 2.0, 25.0, 10.0, 4.0, 125.0, 50.0, 20.0, 8.0];
    assert_eq!(columns.concat(), expected);
    let many = PolynomialFeatures::on(["a", "b", "c"]).with_degree(100);
    let error = many.fit(&data, &Run::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("more than 100000 products"), "{error}");
}

#[test]
fn a_huge_offset_does_no_harm() {
    let small: Vec<f64> = (0..50).map(|i| f64::from(i * 37 % 50) / 64.0).collect();
    let large: Vec<f64> = small.iter().map(|x| x + 2f64.powi(40)).collect();
    let other: Vec<f64> = (0..50).map(|i| f64::from(i * i % 31) / 64.0).collect();
    let rotated = |x: &Vec<f64>| prepared(&Pca::on(["x", "y"]), &table([("x", x.clone()), ("y", other.clone())])).1;
    for (near, far) in rotated(&small).concat().into_iter().zip(rotated(&large).concat()) {
        assert!((near - far).abs() < 1e-12, "{near}, {far}");
    }
    let robust = |x: &Vec<f64>| prepared(&RobustScaler::on(["x"]), &table([("x", x.clone())])).1;
    assert_eq!(robust(&small), robust(&large));
}

#[test]
fn what_has_no_answer_is_refused() {
    let refused = |recipe: &dyn Transformer, x: Vec<f64>, message: &str| {
        let y = x.iter().map(|x| x * 0.5).collect();
        let error = recipe.fit(&table([("x", x), ("y", y)]), &Run::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    };
    refused(&MinMaxScaler::on(["x"]), vec![f64::MIN, f64::MAX], "too wide to scale");
    refused(&KBinsDiscretizer::on(["x"]), vec![f64::MIN, f64::MAX], "too wide to cut");
    refused(&PowerTransformer::box_cox(["x"]), vec![2.0, 2.0], "all values are equal");
    refused(&PowerTransformer::yeo_johnson(["x"]), vec![f64::INFINITY, 2.0], "column 'x' has an infinity");
    refused(&Pca::on(["x", "y"]), vec![1.0], "one row has no variance");
    refused(&Pca::on(["x", "y"]), vec![3.0, 3.0], "leave them out if they are constant");
    refused(&Pca::on(["x", "y"]), vec![f64::NAN, 3.0], "column 'x' misses 1 values");
    refused(&Pca::on(["x", "y"]), vec![1e200, -1e200], "column 'x' has numbers whose squares are infinite");
    refused(&TruncatedSvd::on(["x", "y"]), vec![0.0, 0.0], "all zero");
    refused(&TruncatedSvd::on(["x", "y"]), vec![1.0], "1 rows do not have 2 components");
    let knots = SplineTransformer::on(["x"]).with_knots(Knots::At(vec![0.0, 10.0]));
    let strict = knots.with_extrapolation(Extrapolation::Error);
    let fitted = strict.fit(&table([("x", vec![1.0, 2.0])]), &Run::default()).unwrap();
    let error = fitted.apply(table([("x", vec![11.0])]).to_batch().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("11 is beyond the knots, which run from 0 to 10"), "{error}");
    assert!(error.to_string().contains("column: x"), "{error}");
}

#[test]
fn large_angles_lose_no_digits() {
    let turns = [0.0, 1.0, 1e6, -1e6, 2f64.powi(40)];
    let x = turns.map(|turns| turns * 360.0 + 90.0).to_vec();
    let (_, columns) = prepared(&Cyclical::on(["x"], 360.0), &table([("x", x)]));
    assert!(columns[0].iter().all(|sine| *sine == 1.0), "{columns:?}");
}
