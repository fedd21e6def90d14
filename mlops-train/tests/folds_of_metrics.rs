//! Metrics that are folds: pieces of any size, in any order, merged in any way, give the same value to
//! the last bit, and their state survives JSON.

use mlops_core::random::SplitMix64;
use mlops_core::{Classes, ErrorKind, Metric, Predictions, Task};
use mlops_train::metrics::{Fold, FoldMetric, MetricState, named};
use mlops_train::*;
use proptest::prelude::*;

fn classes(rows: usize, width: usize, seed: u64, weighted: bool) -> Predictions {
    let mut rng = SplitMix64::new(seed);
    let task = Task::Classification { classes: Classes::Int((0..width as i64).collect()) };
    let target = (0..rows).map(|_| rng.below(width as u64) as f64).collect();
    let scores = (0..rows).flat_map(|_| {
        let scores: Vec<f64> = (0..width).map(|_| (rng.uniform() * 8.0).round() + 0.1).collect();
        let sum: f64 = scores.iter().sum();
        scores.into_iter().map(move |score| score / sum).collect::<Vec<_>>()
    });
    let predictions = Predictions::new(task, target, scores.collect()).unwrap();
    if weighted { weigh(predictions, seed) } else { predictions }
}

fn numbers(rows: usize, seed: u64, weighted: bool) -> Predictions {
    let mut rng = SplitMix64::new(seed);
    let mut draw = |rows: usize| (0..rows).map(|_| 1e-3 + 1e6 * rng.uniform().powi(6)).collect::<Vec<f64>>();
    let predictions = Predictions::new(Task::Regression, draw(rows), draw(rows)).unwrap();
    if weighted { weigh(predictions, seed) } else { predictions }
}

fn weigh(predictions: Predictions, seed: u64) -> Predictions {
    let mut rng = SplitMix64::stream(seed, 1);
    let weights = (0..predictions.num_rows()).map(|i| if i % 5 == 3 { 0.0 } else { rng.uniform() * 3.0 }).collect();
    predictions.with_weights(weights).unwrap()
}

/// The value of all rows, and of shuffled pieces that are merged from both ends.
fn check<M: FoldMetric + Clone>(metric: &M, predictions: &Predictions, seed: u64) {
    let mut rng = SplitMix64::new(seed);
    let mut rows: Vec<usize> = (0..predictions.num_rows()).collect();
    rng.shuffle(&mut rows);
    let piece = 1 + rng.below(rows.len() as u64) as usize;
    let mut left = Fold::new(metric.clone(), &predictions.task).unwrap();
    let mut right = left.clone();
    left.update(&predictions.take(&[])).unwrap();
    for (i, rows) in rows.chunks(piece).enumerate() {
        let side = if i % 2 == 0 { &mut left } else { &mut right };
        side.update(&predictions.take(rows)).unwrap();
    }
    right.merge(&left).unwrap();
    let name = metric.name();
    match (metric.score(predictions), right.finish()) {
        (Ok(whole), Ok(pieces)) => assert_eq!(whole.to_bits(), pieces.to_bits(), "{name}: {whole} and {pieces}"),
        (Err(whole), Err(pieces)) => assert_eq!(whole.kind(), pieces.kind(), "{name}"),
        (whole, pieces) => panic!("{name}: {whole:?} and {pieces:?}"),
    }
    let stored = serde_json::to_string(right.state()).unwrap();
    let read: M::State = serde_json::from_str(&stored).unwrap();
    assert_eq!(&read, right.state(), "{name}");
    let mut twice = read.clone();
    twice.merge(&read).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pieces_and_order_change_nothing(rows in 1usize..80, width in 2usize..5, seed: u64, weighted: bool) {
        let p = classes(rows, width, seed, weighted);
        check(&Accuracy, &p, seed);
        check(&BalancedAccuracy::default(), &p, seed);
        check(&MatthewsCorrcoef, &p, seed);
        check(&CohenKappa::weighted(KappaWeights::Quadratic), &p, seed);
        check(&Precision::macro_average(), &p, seed);
        check(&Recall::weighted(), &p, seed);
        check(&F1::micro(), &p, seed);
        check(&FBeta::macro_average().with_beta(2.0), &p, seed);
        check(&Jaccard::weighted(), &p, seed);
        check(&LogLoss, &p, seed);
        check(&Brier, &p, seed);
        check(&D2LogLoss, &p, seed);
        check(&D2Brier, &p, seed);
        check(&TopKAccuracy::new(2), &p, seed);

        let p = numbers(rows, seed, weighted);
        check(&Mae, &p, seed);
        check(&Mse, &p, seed);
        check(&Rmse, &p, seed);
        check(&Mape, &p, seed);
        check(&Msle, &p, seed);
        check(&R2, &p, seed);
        check(&ExplainedVariance, &p, seed);
        check(&MaxError, &p, seed);
        check(&PinballLoss::new(0.9), &p, seed);
        check(&TweedieDeviance::new(1.5), &p, seed);
        check(&D2Tweedie::gamma(), &p, seed);
    }

    /// Those that need all rows do not depend on their order either.
    #[test]
    fn order_changes_no_ranking(rows in 2usize..80, seed: u64, weighted: bool) {
        let mut order: Vec<usize> = (0..rows).collect();
        SplitMix64::new(!seed).shuffle(&mut order);
        let same = |metric: &dyn Metric, p: &Predictions| match (metric.score(p), metric.score(&p.take(&order))) {
            (Ok(a), Ok(b)) => assert_eq!(a.to_bits(), b.to_bits(), "{}", metric.name()),
            (a, b) => assert_eq!(a.is_ok(), b.is_ok(), "{}", metric.name()),
        };
        let two = classes(rows, 2, seed, weighted);
        for name in ["roc_auc", "average_precision", "pr_auc", "partial_roc_auc"] {
            same(named(name).unwrap().as_ref(), &two);
        }
        let three = classes(rows, 3, seed, weighted);
        for name in ["roc_auc_ovr", "roc_auc_ovr_micro", "roc_auc_ovr_weighted", "average_precision_weighted"] {
            same(named(name).unwrap().as_ref(), &three);
        }
        let numbers = numbers(rows, seed, weighted);
        for name in ["median_absolute_error", "d2_absolute_error"] {
            same(named(name).unwrap().as_ref(), &numbers);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut fold = Fold::new(Accuracy, &classes(3, 2, 1, false).task).unwrap();
    assert_eq!(fold.finish().unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(fold.update(&classes(3, 3, 1, false)).unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(Fold::new(Accuracy, &Task::Regression).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(Fold::new(F1::binary(), &classes(3, 3, 1, false).task).unwrap_err().kind(), ErrorKind::Unsupported);
    for metric in [&PinballLoss::new(1.5) as &dyn Metric, &TweedieDeviance::new(0.5), &D2Pinball::new(f64::NAN)] {
        assert_eq!(metric.score(&numbers(3, 1, false)).unwrap_err().kind(), ErrorKind::Config, "{}", metric.name());
    }
    for metric in [&FBeta::binary().with_beta(-1.0) as &dyn Metric, &PartialRocAuc::new(0.0), &TopKAccuracy::new(0)] {
        assert_eq!(metric.score(&classes(9, 2, 1, false)).unwrap_err().kind(), ErrorKind::Config, "{}", metric.name());
    }
    assert_eq!(Cost::new([vec![0.0, 1.0]]).unwrap_err().kind(), ErrorKind::Config);
    let nothing = classes(3, 2, 1, false).with_weights(vec![0.0; 3]).unwrap();
    for name in ["accuracy", "roc_auc", "average_precision", "log_loss", "expected_calibration_error"] {
        let error = named(name).unwrap().score(&nothing).unwrap_err();
        assert!(error.kind() == ErrorKind::Data && error.message().contains(name), "{error}");
    }
}
