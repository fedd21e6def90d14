//! Metrics, curves, rankings, clusterings and paired tests agree with scikit-learn 1.9, statsmodels and
//! pROC to 1e-12, relative where values are large; see tests/golden/sklearn/evaluation.py.

mod golden_evaluation {
    pub(crate) mod agreement;
    pub(crate) mod vectors;
}

use golden_evaluation::agreement::Agreement;
use golden_evaluation::vectors::{Vectors, vectors};
use mlops_core::{Classes, Error, Metric, Predictions, Result, Task};
use mlops_train::metrics::{Clustering, Contingency, InformationAverage, Rankings};
use mlops_train::*;
use serde_json::Value;

fn metric(key: &str, classes: usize) -> Box<dyn Metric> {
    let (name, settings) = key.split_once('@').unwrap_or((key, ""));
    let number = || settings.parse::<f64>().unwrap();
    match name {
        "cost" => Box::new(Cost::new((0..classes).map(|t| (0..classes).map(|p| price(t, p)).collect())).unwrap()),
        "partial_roc_auc" => Box::new(PartialRocAuc::new(number())),
        "pinball_loss" => Box::new(PinballLoss::new(number())),
        "d2_pinball" => Box::new(D2Pinball::new(number())),
        "tweedie_deviance" => Box::new(TweedieDeviance::new(number())),
        "d2_tweedie" => Box::new(D2Tweedie::new(number())),
        _ if settings.is_empty() => metrics::named(name).unwrap(),
        _ => of_labels(name, settings),
    }
}

fn price(truth: usize, predicted: usize) -> f64 {
    truth as f64 * 2.0 + truth.abs_diff(predicted) as f64 * 1.5
}

/// Such as `fbeta_macro@one@2.0`.
fn of_labels(name: &str, settings: &str) -> Box<dyn Metric> {
    let (mut zero, mut beta) = (ZeroDivision::Zero, 1.0);
    for setting in settings.split('@') {
        match setting {
            "one" => zero = ZeroDivision::One,
            "skip" => zero = ZeroDivision::Skip,
            number => beta = number.parse().unwrap(),
        }
    }
    macro_rules! of {
        ($type:ident, $average:expr) => {{
            let metric = match $average {
                Some("macro") => $type::macro_average(),
                Some("micro") => $type::micro(),
                Some("weighted") => $type::weighted(),
                _ => $type::binary(),
            };
            metric.with_zero_division(zero)
        }};
    }
    let (kind, average) = name.split_once('_').map_or((name, None), |(kind, average)| (kind, Some(average)));
    match kind {
        "precision" => Box::new(of!(Precision, average)),
        "recall" => Box::new(of!(Recall, average)),
        "f1" => Box::new(of!(F1, average)),
        "fbeta" => Box::new(of!(FBeta, average).with_beta(beta)),
        "jaccard" => Box::new(of!(Jaccard, average)),
        other => panic!("no metric {other}"),
    }
}

fn predictions(task: Task, target: &[f64], scores: Vec<f64>, weights: Option<&Vec<f64>>) -> Predictions {
    let predictions = Predictions::new(task, target.to_vec(), scores).unwrap();
    match weights {
        Some(weights) => predictions.with_weights(weights.clone()).unwrap(),
        None => predictions,
    }
}

fn classification(classes: usize) -> Task {
    Task::Classification { classes: Classes::Int((0..classes as i64).collect()) }
}

#[test]
fn metrics_of_classes() {
    let mut agreement = Agreement::new("classes");
    for case in &vectors().classification {
        let predictions =
            predictions(classification(case.classes), &case.truth, case.scores.clone(), case.weights.as_ref());
        let matrix = ConfusionMatrix::of(&predictions).unwrap();
        for (cell, expected) in matrix.rows().concat().iter().zip(case.confusion.concat()) {
            agreement.check("confusion matrix", &case.name, Ok(*cell), Some(expected));
        }
        for (key, expected) in &case.expected {
            let metric = metric(key, case.classes);
            agreement.check(key, &case.name, metric.score(&predictions), expected.as_f64());
        }
        // A row of the report is what the metrics of that average are.
        let report = ClassificationReport::of_matrix(&matrix).unwrap();
        for (key, value) in [
            ("precision_macro", report.macro_average.precision),
            ("recall_weighted", report.weighted_average.recall),
            ("f1_macro", report.macro_average.f1),
            ("accuracy", report.accuracy),
        ] {
            agreement.check("classification report", &case.name, Ok(value), case.expected[key].as_f64());
        }
    }
    agreement.finish(3_800);
}

#[test]
fn metrics_of_numbers() {
    let mut agreement = Agreement::new("numbers");
    for case in &vectors().regression {
        let predictions = predictions(Task::Regression, &case.truth, case.answer.clone(), case.weights.as_ref());
        for (key, expected) in &case.expected {
            agreement.check(key, &case.name, metric(key, 0).score(&predictions), expected.as_f64());
        }
    }
    agreement.finish(700);
}

/// Points of a curve; what is infinite is `None`.
fn check_points(agreement: &mut Agreement, key: &str, case: &str, points: &[Vec<f64>], expected: &[Vec<Option<f64>>]) {
    assert_eq!(points.len(), expected.len(), "{case}: {key} has other points: {points:?}, not {expected:?}");
    for (value, expected) in points.concat().into_iter().zip(expected.concat()) {
        if let Some(expected) = expected {
            agreement.check(key, case, Ok(value), Some(expected));
        } else {
            assert_eq!(value, f64::INFINITY, "{case}: {key}");
        }
    }
}

#[test]
fn curves() {
    let mut agreement = Agreement::new("curves");
    for case in &vectors().curves {
        let scores = case.scores.iter().flat_map(|p| [1.0 - p, *p]).collect();
        let predictions = predictions(classification(2), &case.truth, scores, case.weights.as_ref());
        let mut check = |key: &str, points: Vec<Vec<f64>>| {
            if let Some(expected) = case.curves.get(key) {
                check_points(&mut agreement, key, &case.name, &points, expected);
            }
        };
        let roc = RocCurve::of(&predictions).unwrap();
        let roc_points = |curve: &RocCurve| -> Vec<Vec<f64>> {
            curve.points.iter().map(|p| vec![p.false_positive_rate, p.true_positive_rate, p.threshold]).collect()
        };
        check("roc", roc_points(&roc));
        check("roc_simplified", roc_points(&roc.simplified()));
        let curve = PrecisionRecallCurve::of(&predictions).unwrap();
        check("precision_recall", curve.points.iter().map(|p| vec![p.precision, p.recall, p.threshold]).collect());
        let curve = DetCurve::of(&predictions).unwrap();
        let point = |p: &metrics::DetPoint| vec![p.false_positive_rate, p.false_negative_rate, p.threshold];
        check("det", curve.points.iter().map(point).collect());
        let curve = GainCurve::of(&predictions).unwrap();
        check("gain", curve.points.iter().map(|p| vec![p.rows, p.gain]).collect());
        for (name, binning) in [("uniform", Binning::Uniform), ("quantile", Binning::Quantile)] {
            for bins in [5, 10] {
                let curve = CalibrationCurve::of(&predictions, bins, binning).unwrap();
                let points = curve.bins.iter().map(|bin| vec![bin.observed, bin.predicted]).collect();
                check(&format!("calibration_{name}_{bins}"), points);
            }
        }
        assert!((roc.auc() - RocAuc.score(&predictions).unwrap()).abs() < 1e-12);
    }
    agreement.finish(1_000);
}

#[test]
fn rankings() {
    let mut agreement = Agreement::new("rankings");
    for case in &vectors().rankings {
        let mut rankings = Rankings::of_rows(case.width, &case.relevance, &case.scores).unwrap();
        if let Some(weights) = &case.weights {
            rankings = rankings.with_weights(weights).unwrap();
        }
        for (key, expected) in &case.expected {
            let (name, k) = key.split_once('@').map_or((key.as_str(), None), |(n, k)| (n, k.parse().ok()));
            let value = match name {
                "dcg" => rankings.dcg(k),
                "ndcg" => rankings.ndcg(k),
                "mean_average_precision" => rankings.mean_average_precision(),
                "mean_reciprocal_rank" => rankings.mean_reciprocal_rank(),
                "label_ranking_average_precision" => rankings.label_ranking_average_precision(),
                "label_ranking_loss" => rankings.label_ranking_loss(),
                "coverage_error" => rankings.coverage_error(),
                other => panic!("no {other}"),
            };
            // One list alone is no multilabel target for scikit-learn.
            if let Some(expected) = expected.as_f64() {
                agreement.check(key, &case.name, Ok(value), Some(expected));
            }
        }
    }
    agreement.finish(80);
}

#[test]
fn agreement_of_clusterings() {
    let mut agreement = Agreement::new("clusterings beside a truth");
    for case in &vectors().agreements {
        let whole = |labels: &[f64]| labels.iter().map(|label| *label as i64).collect::<Vec<_>>();
        let (truth, groups) = (whole(&case.truth), whole(&case.groups));
        let half = truth.len() / 2;
        let mut table = Contingency::of(&truth[half..], &groups[half..]).unwrap();
        table.merge(&Contingency::of(&truth[..half], &groups[..half]).unwrap());
        for (key, expected) in &case.expected {
            let (name, setting) = key.split_once('@').unwrap_or((key, ""));
            let average = match setting {
                "geometric" => InformationAverage::Geometric,
                "max" => InformationAverage::Max,
                "min" => InformationAverage::Min,
                _ => InformationAverage::Arithmetic,
            };
            let value = match name {
                "rand_index" => table.rand_index(),
                "adjusted_rand_index" => table.adjusted_rand_index(),
                "mutual_information" => table.mutual_information(),
                "homogeneity" => table.homogeneity(),
                "completeness" => table.completeness(),
                "v_measure" => table.v_measure(setting.parse().unwrap_or(1.0)),
                "fowlkes_mallows" => table.fowlkes_mallows(),
                "nmi" => table.normalized_mutual_information(average),
                "ami" => table.adjusted_mutual_information(average),
                other => panic!("no {other}"),
            };
            agreement.check(key, &case.name, Ok(value), expected.as_f64());
        }
    }
    agreement.finish(140);
}

#[test]
fn shape_of_clusterings() {
    let mut agreement = Agreement::new("clusterings alone");
    for case in &vectors().clusterings {
        let labels: Vec<i64> = case.labels.iter().map(|label| *label as i64).collect();
        let clustering = Clustering::new(&case.points, case.width, &labels);
        for (key, expected) in &case.expected {
            let value = clustering.as_ref().map(|clustering| match key.as_str() {
                "silhouette" => clustering.silhouette(),
                "calinski_harabasz" => clustering.calinski_harabasz(),
                "davies_bouldin" => clustering.davies_bouldin(),
                other => panic!("no {other}"),
            });
            let value: Result<f64> = value.map_err(|error| Error::new(error.kind(), error.message()));
            agreement.check(key, &case.name, value, expected.as_f64());
        }
    }
    agreement.finish(20);
}

/// Each key of the vectors is checked by one of the tests here.
#[test]
fn nothing_is_left_out() {
    let Vectors { classification, regression, .. } = vectors();
    let names = |expected: &serde_json::Map<String, Value>| expected.len();
    assert!(classification.iter().map(|case| names(&case.expected)).sum::<usize>() > 3_800);
    assert!(regression.iter().map(|case| names(&case.expected)).sum::<usize>() > 700);
}
