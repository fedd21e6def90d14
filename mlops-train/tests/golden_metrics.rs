//! The metrics agree with scikit-learn's; see tests/golden/sklearn/README.md.

use mlops_core::{Classes, ErrorKind, Metric, Predictions, Task};
use mlops_train::{Accuracy, AveragePrecision, Brier, F1, LogLoss, Mae, Mse, Precision, R2, Recall, Rmse, RocAuc};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    name: String,
    task: String,
    labels: Option<Vec<Value>>,
    y_true: Vec<Value>,
    y_score: Option<Vec<f64>>,
    y_proba: Option<Vec<Vec<f64>>>,
    y_pred: Vec<Value>,
    sample_weight: Option<Vec<f64>>,
    expected: serde_json::Map<String, Value>,
}

impl Case {
    fn predictions(&self, task: Task, target: Vec<f64>, scores: Vec<f64>) -> Predictions {
        let predictions = Predictions::new(task, target, scores).unwrap();
        match &self.sample_weight {
            Some(weights) => predictions.with_weights(weights.clone()).unwrap(),
            None => predictions,
        }
    }

    fn index(&self, label: &Value) -> usize {
        match &self.labels {
            Some(labels) => labels.iter().position(|l| l == label).unwrap(),
            None => label.as_u64().unwrap() as usize,
        }
    }

    fn classes(&self) -> usize {
        self.labels.as_ref().map_or(2, Vec::len)
    }

    fn task(&self) -> Task {
        let classes = match &self.labels {
            None => Classes::Bool,
            Some(labels) if labels[0].is_string() => {
                Classes::Text(labels.iter().map(|l| l.as_str().unwrap().to_owned()).collect())
            }
            Some(labels) => Classes::Int(labels.iter().map(|l| l.as_i64().unwrap()).collect()),
        };
        Task::Classification { classes }
    }

    fn target(&self) -> Vec<f64> {
        self.y_true.iter().map(|y| self.index(y) as f64).collect()
    }

    /// All probability on the class that scikit-learn was told is predicted.
    fn of_labels(&self) -> Predictions {
        let mut scores = vec![0.0; self.y_true.len() * self.classes()];
        for (row, label) in self.y_pred.iter().enumerate() {
            scores[row * self.classes() + self.index(label)] = 1.0;
        }
        self.predictions(self.task(), self.target(), scores)
    }

    fn of_probabilities(&self) -> Predictions {
        let scores = match (&self.y_score, &self.y_proba) {
            (Some(scores), _) => scores.iter().flat_map(|p| [1.0 - p, *p]).collect(),
            (_, Some(rows)) => rows.concat(),
            _ => panic!("{} has no scores", self.name),
        };
        self.predictions(self.task(), self.target(), scores)
    }

    fn of_numbers(&self) -> Predictions {
        let numbers = |values: &[Value]| values.iter().map(|v| v.as_f64().unwrap()).collect();
        self.predictions(Task::Regression, numbers(&self.y_true), numbers(&self.y_pred))
    }

    fn check(&self, metric: &dyn Metric, predictions: &Predictions, expected: &str) {
        let name = format!("{}: {}", self.name, metric.name());
        let expected = self.expected.get(expected).unwrap_or_else(|| panic!("{name}: no {expected}"));
        match (metric.score(predictions), expected.as_f64()) {
            (Ok(value), Some(expected)) => {
                assert!((value - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{name}: {value}, not {expected}");
            }
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Data, "{name}: {error}"),
            (result, expected) => panic!("{name}: {result:?}, not {expected:?}"),
        }
    }
}

fn cases(task: &str) -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sklearn/metrics.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.task == task).collect();
    assert!(cases.len() > 5, "too few cases of {task}");
    cases
}

#[test]
fn two_classes() {
    for case in cases("binary") {
        let (labels, probabilities) = (case.of_labels(), case.of_probabilities());
        case.check(&Accuracy, &labels, "accuracy");
        case.check(&Precision::binary(), &labels, "precision");
        case.check(&Recall::binary(), &labels, "recall");
        case.check(&F1::binary(), &labels, "f1");
        // Predictions know their classes, as scikit-learn does where it is given the labels.
        case.check(&LogLoss, &probabilities, "log_loss_labels_given");
        case.check(&Brier, &probabilities, "brier_labels_given");
        case.check(&RocAuc, &probabilities, "roc_auc");
        case.check(&AveragePrecision, &probabilities, "average_precision");
    }
}

#[test]
fn several_classes() {
    for case in cases("multiclass") {
        let (labels, probabilities) = (case.of_labels(), case.of_probabilities());
        case.check(&Accuracy, &labels, "accuracy");
        case.check(&Precision::macro_average(), &labels, "precision_macro");
        case.check(&Precision::weighted(), &labels, "precision_weighted");
        case.check(&Recall::macro_average(), &labels, "recall_macro");
        case.check(&Recall::weighted(), &labels, "recall_weighted");
        case.check(&F1::macro_average(), &labels, "f1_macro");
        case.check(&F1::weighted(), &labels, "f1_weighted");
        case.check(&LogLoss, &probabilities, "log_loss");
        // Of several classes the first of the most probable ones is predicted, as scikit-learn does.
        case.check(&Accuracy, &probabilities, "accuracy");
        for metric in [&RocAuc as &dyn Metric, &AveragePrecision, &F1::binary()] {
            assert_eq!(metric.score(&probabilities).unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }
}

#[test]
fn numbers() {
    for case in cases("regression") {
        let predictions = case.of_numbers();
        case.check(&Mse, &predictions, "mse");
        case.check(&Rmse, &predictions, "rmse");
        case.check(&Mae, &predictions, "mae");
        case.check(&R2, &predictions, "r2");
        assert_eq!(Accuracy.score(&predictions).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

#[test]
fn what_is_not_a_number_is_refused() {
    let mut predictions = Predictions::new(Task::Regression, vec![1.0, 2.0], vec![1.0, 2.0]).unwrap();
    predictions.scores[1] = f64::NAN;
    let error = Rmse.score(&predictions).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains("row 1"), "{error}");
    let weighted = predictions.with_weights(vec![1.0, 0.0]).unwrap();
    assert_eq!(Rmse.score(&weighted).unwrap(), 0.0, "a row of weight 0 does not matter");
}
