//! Better, worse, or not to be told.

mod common;

use common::{Accuracy, SquaredError, TwoClasses};
use mlops_core::random::SplitMix64;
use mlops_core::{Classes, ErrorKind, Predictions, Task};
use mlops_monitor::{Bootstrap, IntervalMethod, Verdict, compare, score_interval};

/// Predictions of random truth that are off by normal noise of this size.
fn regression(rows: usize, seed: u64, noise: f64) -> Predictions {
    let mut truth = SplitMix64::new(9);
    let mut errors = SplitMix64::new(seed);
    let normal = |rng: &mut SplitMix64| (0..12).map(|_| rng.uniform()).sum::<f64>() - 6.0;
    let target: Vec<f64> = (0..rows).map(|_| normal(&mut truth)).collect();
    let scores = target.iter().map(|y| y + noise * normal(&mut errors)).collect();
    Predictions::new(Task::Regression, target, scores).unwrap()
}

#[test]
fn a_lower_error_is_better_and_swapping_the_models_swaps_the_verdict() {
    let (rough, fine) = (regression(400, 1, 1.0), regression(400, 2, 0.8));
    for method in [IntervalMethod::Bca, IntervalMethod::Percentile] {
        let bootstrap = Bootstrap::default().with_method(method);
        let better = compare(&rough, &fine, &SquaredError, &bootstrap).unwrap();
        assert_eq!(better.verdict, Verdict::Better, "{better}");
        assert!(better.interval.contains(better.difference) && better.difference < 0.0);
        assert_eq!(compare(&fine, &rough, &SquaredError, &bootstrap).unwrap().verdict, Verdict::Worse);
        let same = compare(&rough, &regression(400, 3, 1.0), &SquaredError, &bootstrap).unwrap();
        assert_eq!(same.verdict, Verdict::Undecided, "{same}");
    }
}

#[test]
fn the_same_model_is_never_better() {
    let model = regression(50, 1, 1.0);
    let same = compare(&model, &model, &SquaredError, &Bootstrap::default()).unwrap();
    assert_eq!((same.difference, same.verdict), (0.0, Verdict::Undecided));
}

#[test]
fn intervals_hold_the_true_value_as_often_as_they_say() {
    let bootstrap = Bootstrap::default().with_resamples(300).with_confidence(0.9);
    let holds = (0..200).filter(|seed| {
        let interval = score_interval(&regression(120, 100 + seed, 1.0), &SquaredError, &bootstrap).unwrap();
        interval.contains(1.0)
    });
    let share = holds.count() as f64 / 200.0;
    assert!((0.80..=0.97).contains(&share), "{share}");
}

#[test]
fn two_equal_models_are_rarely_told_apart() {
    let bootstrap = Bootstrap::default().with_resamples(200);
    let told = (0..100).filter(|seed| {
        let (a, b) = (regression(100, 2 * seed + 11, 1.0), regression(100, 2 * seed + 12, 1.0));
        compare(&a, &b, &SquaredError, &bootstrap).unwrap().verdict != Verdict::Undecided
    });
    assert!(told.count() <= 13);
}

#[test]
fn any_number_of_threads_gives_the_same_comparison() {
    let (a, b) = (regression(100, 1, 1.0), regression(100, 2, 0.9));
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| compare(&a, &b, &SquaredError, &Bootstrap::default())).unwrap()
    };
    assert_eq!(on(1), on(4));
    let other_seed = compare(&a, &b, &SquaredError, &Bootstrap::default().with_seed(1)).unwrap();
    assert_ne!(on(1).interval, other_seed.interval);
}

#[test]
fn other_rows_are_refused() {
    let model = regression(50, 1, 1.0);
    let kind = |other: &Predictions| compare(&model, other, &SquaredError, &Bootstrap::default()).unwrap_err().kind();
    assert_eq!(kind(&regression(49, 1, 1.0)), ErrorKind::Data);
    assert_eq!(kind(&model.clone().with_weights(vec![1.0; 50]).unwrap()), ErrorKind::Data);
    let classes = Task::Classification { classes: Classes::Bool };
    let other = Predictions::new(classes, vec![0.0; 50], vec![0.5; 100]).unwrap();
    assert_eq!(kind(&other), ErrorKind::Data);
    assert_eq!(compare(&other, &other, &TwoClasses, &Bootstrap::default()).unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(compare(&other, &other, &Accuracy, &Bootstrap::default()).unwrap().verdict, Verdict::Undecided);
}
