//! What estimators promise beyond scikit-learn's numbers.
#![cfg(feature = "linear")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch};
use mlops_core::random::SplitMix64;
use mlops_core::{Cancel, ErrorKind, Incremental, Model, Predictions, Role, Run, Table, Trainer};
use mlops_train::{
    AdaBoost, BernoulliNb, CalibratedClassifier, CalibrationMethod, CategoricalNb, ClassWeighted, Conformal, Dbscan,
    ElasticNet, FixedThreshold, GammaRegressor, GaussianMixture, GaussianNb, KMeans, KNeighbors, Kernel, Lasso,
    LinearRegression, LogisticRegression, MultinomialNb, NeighborWeights, OneVsRest, PoissonRegressor, Ridge, Stacking,
    Svc, Svr, TargetMap, ThresholdScore, TransformedTarget, TunedThreshold, TweedieRegressor,
};
use proptest::prelude::*;

fn column(values: Vec<f64>) -> ArrayRef {
    Arc::new(Float64Array::from(values))
}

fn table(columns: impl IntoIterator<Item = (&'static str, ArrayRef)>) -> Table {
    let table = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap());
    let has = |name: &str| table.schema().index_of(name).is_ok();
    let (target, weight) = (has("y"), has("w"));
    let table = if target { table.with_role("y", Role::Target).unwrap() } else { table };
    if weight { table.with_role("w", Role::Weight).unwrap() } else { table }
}

/// Two features, and noise on a line.
fn line(rows: usize, seed: u64) -> Table {
    let mut rng = SplitMix64::new(seed);
    let mut draw = || (0..rows).map(|_| rng.uniform()).collect::<Vec<f64>>();
    let (a, b, e) = (draw(), draw(), draw());
    let y = (0..rows).map(|i| 3.0 * a[i] - b[i] + (1.0 + a[i]) * (e[i] - 0.5)).collect();
    table([("a", column(a)), ("b", column(b)), ("y", column(y))])
}

/// Three overlapping classes.
fn classes(rows: usize, seed: u64) -> Table {
    let mut rng = SplitMix64::new(seed);
    let y: Vec<i64> = (0..rows).map(|_| rng.below(3) as i64).collect();
    let mut feature = |shift: f64| column(y.iter().map(|y| *y as f64 * shift + 2.0 * rng.uniform()).collect());
    table([("a", feature(1.0)), ("b", feature(0.5)), ("y", Arc::new(Int64Array::from(y.clone())) as ArrayRef)])
}

fn scores(model: &dyn Model, data: &Table) -> Vec<f64> {
    Predictions::scores_of(model.signature(), &model.predict(&data.to_batch().unwrap()).unwrap()).unwrap()
}

#[track_caller]
fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{a}, not {b}");
    }
}

#[test]
fn intervals_hold_the_truth_as_often_as_promised() {
    let run = Run::default();
    for coverage in [0.5, 0.8, 0.95] {
        let (mut held, mut all) = (0, 0);
        for seed in 0..20 {
            let recipe = Conformal::new(Ridge::new(0.1), coverage).with_calibration(0.5);
            let quantiles = Conformal::new(Ridge::new(0.1), coverage)
                .with_quantiles(TransformedTarget::new(Ridge::new(0.1), TargetMap::Standard), LinearRegression::new());
            let fresh = line(400, 1000 + seed);
            for recipe in [recipe, quantiles] {
                let model = recipe.fit(&line(400, seed), &run.clone().with_seed(seed)).unwrap();
                let predictions = Predictions::of(model.as_ref(), &fresh).unwrap();
                let inside = |row: usize| {
                    let [_, low, high] = predictions.row(row) else { panic!("an interval has three scores") };
                    (*low..=*high).contains(&predictions.target[row])
                };
                held += (0..400).filter(|row| inside(*row)).count();
                all += 400;
            }
        }
        let share = f64::from(held as u32) / f64::from(all as u32);
        assert!((share - coverage).abs() < 0.025, "{share} of the rows, {coverage} was promised");
    }
}

#[test]
fn sets_contain_the_truth_as_often_as_promised() {
    let (mut held, mut all) = (0, 0);
    for seed in 0..20 {
        let recipe = Conformal::new(LogisticRegression::new(), 0.85).with_calibration(0.5);
        let model = recipe.fit(&classes(400, seed), &Run::default().with_seed(seed)).unwrap();
        let fresh = classes(400, 1000 + seed);
        let answer = model.predict(&fresh.to_batch().unwrap()).unwrap();
        let sets = answer.column_by_name("predict_set").unwrap().as_fixed_size_list().values();
        let truth = fresh.column("y").unwrap();
        let truth = truth.as_primitive::<arrow::datatypes::Int64Type>();
        held += (0..400).filter(|row| sets.as_boolean().value(3 * row + truth.value(*row) as usize)).count();
        all += 400;
    }
    let share = f64::from(held as u32) / f64::from(all);
    assert!((share - 0.85).abs() < 0.025, "{share} of the rows, 0.85 was promised");
}

#[test]
fn a_promise_takes_enough_rows() {
    let error = Conformal::new(Ridge::new(1.0), 0.99).fit(&line(100, 1), &Run::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains("99"), "{error}");
}

#[test]
fn learning_on_is_learning_all_at_once() {
    let whole = classes(300, 5);
    let run = Run::default();
    let part = |rows: std::ops::Range<usize>| whole.take(&rows.collect::<Vec<_>>()).unwrap();
    let mut gaussian = GaussianNb::new().learn(&part(0..40), &run).unwrap();
    let mut bernoulli = BernoulliNb::new().with_binarize(1.5).learn(&part(0..40), &run).unwrap();
    for rows in [40..41, 41..120, 120..300] {
        gaussian.partial_fit(&part(rows.clone()), &run).unwrap();
        bernoulli.partial_fit(&part(rows), &run).unwrap();
    }
    let at_once = GaussianNb::new().learn(&whole, &run).unwrap();
    assert_close(&scores(&gaussian, &whole), &scores(&at_once, &whole), 1e-10);
    let at_once = BernoulliNb::new().with_binarize(1.5).learn(&whole, &run).unwrap();
    assert_close(&scores(&bernoulli, &whole), &scores(&at_once, &whole), 1e-12);

    let before = gaussian.save().unwrap();
    let other = table([
        ("a", column(vec![1.0])),
        ("b", column(vec![1.0])),
        ("y", Arc::new(Int64Array::from(vec![9])) as ArrayRef),
    ]);
    assert_eq!(gaussian.partial_fit(&other, &run).unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(gaussian.save().unwrap().state, before.state);
}

/// The rows of `data` as often as `times` says, and once with that as their weight.
fn repeated_and_weighted(data: &Table, times: &[usize]) -> (Table, Table) {
    let rows: Vec<usize> = times.iter().enumerate().flat_map(|(row, n)| std::iter::repeat_n(row, *n)).collect();
    let batch = data.to_batch().unwrap();
    let weights = column(times.iter().map(|n| *n as f64).collect());
    let columns = ["a", "b", "y"].map(|name| (name, Arc::clone(batch.column_by_name(name).unwrap())));
    (data.take(&rows).unwrap(), table(columns.into_iter().chain([("w", weights)])))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_weight_is_a_number_of_rows(seed: u64) {
        let mut rng = SplitMix64::new(seed);
        let times: Vec<usize> = (0..90).map(|_| rng.below(4) as usize).collect();
        let run = Run::default();
        let of_classes: Vec<Box<dyn Trainer>> = vec![
            Box::new(GaussianNb::new()),
            Box::new(MultinomialNb::new()),
            Box::new(AdaBoost::new(GaussianNb::new()).with_n_estimators(3)),
            Box::new(OneVsRest::new(LogisticRegression::new().with_tol(1e-10))),
            Box::new(ClassWeighted::new(LogisticRegression::new().with_tol(1e-10), Default::default())),
        ];
        let of_numbers: Vec<Box<dyn Trainer>> = vec![
            Box::new(ElasticNet::new(0.01).with_tol(1e-13)),
            Box::new(Lasso::new(0.01).with_tol(1e-13)),
            Box::new(Svr::new().with_c(3.0).with_tol(1e-9).with_kernel(Kernel::Rbf { gamma: 1.0 })),
        ];
        let data = classes(90, seed);
        let (repeated, weighted) = repeated_and_weighted(&data, &times);
        for recipe in &of_classes {
            let (a, b) = (recipe.fit(&repeated, &run).unwrap(), recipe.fit(&weighted, &run).unwrap());
            assert_close(&scores(a.as_ref(), &data), &scores(b.as_ref(), &data), 1e-6);
        }
        let data = line(90, seed);
        let (repeated, weighted) = repeated_and_weighted(&data, &times);
        for recipe in &of_numbers {
            let (a, b) = (recipe.fit(&repeated, &run).unwrap(), recipe.fit(&weighted, &run).unwrap());
            assert_close(&scores(a.as_ref(), &data), &scores(b.as_ref(), &data), 1e-5);
        }
    }

    /// No other monotone curve through the means of any two neighbours is closer.
    #[test]
    fn isotonic_regression_rises_and_keeps_the_mean(seed: u64, rows in 1usize..80) {
        let mut rng = SplitMix64::new(seed);
        let x: Vec<f64> = (0..rows).map(|_| rng.below(20) as f64).collect();
        let y: Vec<f64> = x.iter().map(|x| x + 30.0 * rng.uniform()).collect();
        let data = table([("a", column(x.clone())), ("y", column(y.clone()))]);
        let model = mlops_train::IsotonicRegression::new().learn(&data, &Run::default()).unwrap();
        let fitted: Vec<f64> = x.iter().map(|x| model.at(*x)).collect();
        prop_assert!((fitted.iter().sum::<f64>() - y.iter().sum::<f64>()).abs() < 1e-9 * rows as f64);
        prop_assert!((0..30).all(|x| model.at(f64::from(x)) <= model.at(f64::from(x + 1))));
        // Residuals are orthogonal to what was fitted.
        let product: f64 = fitted.iter().zip(&y).map(|(f, y)| f * (y - f)).sum();
        prop_assert!(product.abs() < 1e-7 * rows as f64, "{}", product);
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let logistic = LogisticRegression::new;
    let numbers: Vec<Box<dyn Trainer>> = vec![
        Box::new(ElasticNet::new(-1.0)),
        Box::new(ElasticNet::new(1.0).with_l1_ratio(1.5)),
        Box::new(Lasso::new(f64::NAN)),
        Box::new(TweedieRegressor::new(0.5)),
        Box::new(TweedieRegressor::new(1.0).with_link(mlops_train::Link::Identity)),
        Box::new(PoissonRegressor::new(-0.1)),
        Box::new(KNeighbors::new(0)),
        Box::new(KNeighbors::new(3).with_p(0.5)),
        Box::new(Svr::new().with_c(0.0)),
        Box::new(Svr::new().with_epsilon(-1.0)),
        Box::new(Conformal::new(Ridge::new(1.0), 1.0)),
        Box::new(Conformal::new(Ridge::new(1.0), 0.5).with_calibration(0.0)),
        Box::new(Stacking::new(Ridge::new(1.0))),
        Box::new(TransformedTarget::new(Ridge::new(1.0), TargetMap::Affine { offset: 0.0, scale: 0.0 })),
        Box::new(TransformedTarget::new(Ridge::new(1.0), TargetMap::Quantile { normal: false, n_quantiles: 1 })),
        Box::new(AdaBoost::new(Ridge::new(1.0)).with_learning_rate(0.0)),
        Box::new(mlops_train::Bagging::new(Ridge::new(1.0)).with_max_samples(0.0)),
    ];
    for recipe in numbers {
        let error = recipe.fit(&line(40, 1), &Run::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{recipe:?}: {error}");
    }
    let of_classes: Vec<Box<dyn Trainer>> = vec![
        Box::new(GaussianNb::new().with_var_smoothing(-1.0)),
        Box::new(GaussianNb::new().with_priors([0.5, 0.5])),
        Box::new(MultinomialNb::new().with_alpha(0.0)),
        Box::new(Svc::new().with_cv(1)),
        Box::new(FixedThreshold::by_costs(logistic(), vec![vec![0.0; 2]; 2])),
        Box::new(ClassWeighted::by(logistic(), [("7", 2.0)])),
        Box::new(ClassWeighted::by(logistic(), [("1", -2.0)])),
        Box::new(CalibratedClassifier::new(logistic(), CalibrationMethod::Sigmoid).with_cv(1)),
    ];
    for recipe in of_classes {
        let error = recipe.fit(&classes(60, 1), &Run::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{recipe:?}: {error}");
    }
    let groups: Vec<Box<dyn Trainer>> = vec![
        Box::new(KMeans::new(0)),
        Box::new(KMeans::new(2).with_tol(f64::NAN)),
        Box::new(KMeans::default().with_init(vec![vec![0.0]; 2])),
        Box::new(GaussianMixture::new(0)),
        Box::new(GaussianMixture::new(2).with_reg_covar(-1.0)),
        Box::new(Dbscan::new(0.0)),
    ];
    for recipe in groups {
        let error = recipe.fit(&line(40, 1), &Run::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{recipe:?}: {error}");
    }
}

#[test]
fn rows_that_can_not_be_learned_are_refused_with_a_remedy() {
    let refused = |recipe: &dyn Trainer, data: &Table, word: &str| {
        let error = recipe.fit(data, &Run::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{recipe:?}: {error}");
        assert!(error.to_string().contains(word), "{recipe:?}: {error}");
    };
    let few = line(3, 1);
    refused(&KNeighbors::new(5), &few, "5 neighbours");
    refused(&KMeans::new(4), &few, "3 rows");
    refused(&GaussianMixture::new(4), &few, "3 rows");
    refused(&Dbscan::new(1e-9), &few, "raise eps");
    refused(&CategoricalNb::new(), &classes(30, 1), "OrdinalEncoder");
    refused(&GammaRegressor::new(1.0), &line(50, 1), "above 0");
    refused(&TransformedTarget::new(Ridge::new(1.0), TargetMap::BoxCox { lambda: None }), &line(50, 1), "row");
    let negative = table([
        ("a", column(vec![1.0, -2.0, 3.0, 4.0])),
        ("y", Arc::new(BooleanArray::from(vec![true, false, true, false])) as ArrayRef),
    ]);
    refused(&MultinomialNb::new(), &negative, "'a' is -2");
    let infinite = table([("a", column(vec![1.0, f64::INFINITY, 2.0])), ("y", column(vec![1.0, 2.0, 3.0]))]);
    for recipe in [&KNeighbors::new(1) as &dyn Trainer, &KMeans::new(1), &Svr::new(), &ElasticNet::new(1.0)] {
        refused(recipe, &infinite, "'a' has an infinite value");
    }
    let same = table([
        ("a", column(vec![1.0; 40])),
        ("y", Arc::new((0..40).map(|i| Some(i % 2 == 0)).collect::<BooleanArray>())),
    ]);
    refused(&GaussianNb::new(), &same, "var_smoothing");
    refused(&TunedThreshold::new(LogisticRegression::new(), ThresholdScore::F1), &same, "threshold");
    refused(&GaussianMixture::new(1).with_reg_covar(0.0), &same.select(["a"]).unwrap(), "reg_covar");
}

#[test]
fn equal_rows_and_separable_classes_are_no_obstacle() {
    let same = table([("a", column(vec![2.0; 30])), ("b", column(vec![1.0; 30]))]);
    let model = KMeans::new(3).fit(&same, &Run::default()).unwrap();
    assert!(scores(model.as_ref(), &same).iter().all(|s| *s == 0.0));
    let apart = table([
        ("a", column((0..30).map(|i| f64::from(i + 1000 * (i / 15))).collect())),
        ("y", Arc::new((0..30).map(|i| Some(i >= 15)).collect::<BooleanArray>()) as ArrayRef),
    ]);
    for recipe in [&Svc::new().with_c(1e9) as &dyn Trainer, &GaussianNb::new(), &KNeighbors::new(1)] {
        let model = recipe.fit(&apart, &Run::default()).unwrap();
        let answer = model.predict(&apart.to_batch().unwrap()).unwrap();
        assert_eq!(answer.column(0).as_boolean(), apart.column("y").unwrap().as_boolean(), "{recipe:?}");
    }
}

#[test]
fn neighbours_at_no_distance_decide_alone() {
    let data = table([("a", column(vec![0.0, 1.0, 2.0])), ("y", column(vec![5.0, 7.0, 9.0]))]);
    let model = KNeighbors::new(3).with_weights(NeighborWeights::Distance).fit(&data, &Run::default()).unwrap();
    assert_eq!(scores(model.as_ref(), &data), [5.0, 7.0, 9.0]);
}

#[test]
fn long_fits_stop_within_a_fifth_of_a_second() {
    let (numbers, of_classes) = (line(20_000, 1), classes(20_000, 1));
    let long: Vec<(Box<dyn Trainer>, &Table)> = vec![
        (Box::new(KMeans::new(200).with_n_init(100).with_tol(0.0)), &numbers),
        (Box::new(GaussianMixture::new(30).with_tol(0.0).with_max_iter(10_000)), &numbers),
        (Box::new(Dbscan::new(0.3)), &numbers),
        (Box::new(Svr::new().with_c(1e3)), &numbers),
        (Box::new(Svc::new()), &of_classes),
        (Box::new(mlops_train::Bagging::new(Ridge::new(1.0)).with_n_estimators(100_000)), &numbers),
    ];
    for (recipe, data) in long {
        let cancel = Cancel::default();
        let run = Run::default().with_cancel(cancel.clone());
        let elapsed = std::thread::scope(|scope| {
            let work = scope.spawn(|| recipe.fit(data, &run).map(|_| ()));
            std::thread::sleep(Duration::from_millis(100));
            let start = Instant::now();
            cancel.cancel();
            // A fast machine may be done.
            if let Err(error) = work.join().unwrap() {
                assert_eq!(error.kind(), ErrorKind::Cancelled, "{recipe:?}");
            }
            start.elapsed()
        });
        // Far more than what was promised: a busy machine decides no test.
        assert!(elapsed < Duration::from_secs(5), "{recipe:?} took {elapsed:?} to stop");
    }
}
