//! Tasks: what scores mean, and how they become answers and come back from them.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use mlops_core::{Classes, Decision, ErrorKind, InputColumn, Predictions, Rule, Signature, Task};

const TWO: Task = Task::Classification { classes: Classes::Bool };

fn signature(task: Task) -> Signature {
    Signature::new(vec![InputColumn::new("x", DataType::Float64, false)], task)
}

fn tasks() -> Vec<(Signature, Vec<f64>)> {
    let sets = Decision::default().with_set_from(0.5);
    vec![
        (signature(TWO), vec![0.25, 0.75, 0.5, 0.5]),
        (signature(TWO).with_decision(sets).unwrap(), vec![0.25, 0.75, 0.5, 0.5]),
        (signature(Task::Clustering { clusters: 3 }), vec![-3.0, -1.0, -2.0, f64::NAN, f64::NAN, f64::NAN]),
        (signature(Task::Interval { coverage: 0.9 }), vec![2.0, 1.0, 4.0, 5.0, 5.0, 5.0]),
        (signature(Task::Regression), vec![1.5, f64::NAN]),
    ]
}

#[test]
fn scores_come_back_from_answers() {
    for (signature, scores) in tasks() {
        let answer = signature.answer(scores.clone()).unwrap();
        assert_eq!(answer.schema(), signature.output_schema());
        assert_eq!(answer.num_rows(), scores.len() / signature.num_scores());
        let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
        let rows = answer.slice(1, 1);
        assert_eq!(bits(&Predictions::scores_of(&signature, &answer).unwrap()), bits(&scores), "{:?}", signature.task);
        let second = &scores[signature.num_scores()..];
        assert_eq!(bits(&Predictions::scores_of(&signature, &rows).unwrap()), bits(second), "{:?}", signature.task);
    }
}

#[test]
fn an_answer_of_another_task_is_told_apart() {
    let all = tasks();
    let answer = all[4].0.answer(all[4].1.clone()).unwrap();
    let error = Predictions::scores_of(&all[2].0, &answer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    assert!(error.to_string().contains("score"), "{error}");
}

#[test]
fn every_task_is_plain_data() {
    for (signature, _) in tasks() {
        let json = serde_json::to_string(&signature).unwrap();
        assert_eq!(serde_json::from_str::<Signature>(&json).unwrap(), signature, "{json}");
    }
}

#[test]
fn what_was_written_before_there_were_decisions_is_read() {
    let json = r#"{"inputs":[],"task":{"classification":{"classes":"bool"}}}"#;
    assert_eq!(serde_json::from_str::<Signature>(json).unwrap().decision, Decision::default());
    assert!(!serde_json::to_string(&signature(TWO)).unwrap().contains("decision"));
}

fn chosen(answer: &RecordBatch) -> Vec<Option<i64>> {
    answer.column(0).as_primitive::<Int64Type>().iter().collect()
}

#[test]
fn a_row_belongs_to_the_nearest_group_or_to_none() {
    let (signature, scores) = &tasks()[2];
    let answer = signature.answer(scores.clone()).unwrap();
    assert_eq!(chosen(&answer), [Some(1), Some(-1)]);
    assert_eq!(mlops_core::group(&[1.0, f64::NAN, 1.0]), 0);
    assert_eq!(mlops_core::group(&[f64::NAN, -7.0]), 1);
}

#[test]
fn an_interval_lies_around_its_number() {
    let (signature, scores) = &tasks()[3];
    let answer = signature.answer(scores.clone()).unwrap();
    let bounds = answer.column_by_name("predict_interval").unwrap().as_fixed_size_list();
    assert_eq!(bounds.values().as_primitive::<Float64Type>().values(), &[1.0, 4.0, 5.0, 5.0]);
}

#[test]
fn costs_and_thresholds_choose() {
    let threshold = |t| Decision::by(Rule::Threshold(t));
    assert_eq!(threshold(0.5).choose(&[0.5, 0.5]), 1, "at least so probable, as scikit-learn has it");
    assert_eq!(threshold(0.6).choose(&[0.45, 0.55]), 0);
    let costs = Decision::by(Rule::Costs(vec![vec![0.0, 1.0], vec![1.0, 0.0]]));
    assert_eq!(costs.choose(&[0.5, 0.5]), 0, "the first of equals");
    let predictions = Predictions::new(TWO, vec![1.0], vec![0.8, 0.2]).unwrap();
    assert_eq!(predictions.chosen(0), 0);
    assert_eq!(predictions.with_decision(threshold(0.2)).chosen(0), 1);
}

#[test]
fn decisions_that_do_not_fit_are_refused() {
    let three = Task::Classification { classes: Classes::Int(vec![1, 2, 3]) };
    let cases = [
        (Task::Regression, Decision::by(Rule::Threshold(0.5)), "only a classification"),
        (three.clone(), Decision::by(Rule::Threshold(0.5)), "use costs"),
        (three, Decision::by(Rule::Costs(vec![vec![0.0; 2]; 3])), "3 rows of 3"),
        (TWO, Decision::by(Rule::Costs(vec![vec![0.0, f64::NAN]; 2])), "finite"),
        (TWO, Decision::by(Rule::Threshold(1.5)), "from 0 to 1"),
        (TWO, Decision::default().with_set_from(f64::NAN), "from 0 to 1"),
    ];
    for (task, decision, message) in cases {
        let error = signature(task).with_decision(decision).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(message), "{error}");
    }
    for json in [
        r#"{"inputs":[],"task":{"clustering":{"clusters":0}}}"#,
        r#"{"inputs":[],"task":{"interval":{"coverage":1.0}}}"#,
        r#"{"inputs":[],"task":"regression","decision":{"set_from":0.5}}"#,
    ] {
        assert!(serde_json::from_str::<Signature>(json).is_err(), "{json}");
    }
}
