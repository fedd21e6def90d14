//! Searching: the same trials whatever happens on the way, and errors that say where.
#![cfg(feature = "linear")]

use std::num::NonZeroUsize;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use futures::executor::block_on;
use mlops_core::folds::k_fold;
use mlops_core::random::SplitMix64;
use mlops_core::{Cancel, ErrorKind, Role, Run, Table, Trainer};
use mlops_train::search::{Halving, Sampler, Search, Study, Values};
use mlops_train::{CrossValidation, LogLoss, LogisticRegression, R2, Ridge, Rmse, codecs, cross_validate};

/// A line with noise, and columns that are nothing but noise: a penalty helps.
fn noisy(rows: usize, seed: u64) -> Table {
    let mut rng = SplitMix64::new(seed);
    let noise: Vec<Vec<f64>> = (0..9).map(|_| (0..rows).map(|_| rng.uniform() - 0.5).collect()).collect();
    let y: Vec<f64> = noise[0].iter().map(|x| x + 2.0 * (rng.uniform() - 0.5)).collect();
    let column = |values: &[f64]| std::sync::Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
    let columns = noise.iter().enumerate().map(|(i, values)| (format!("x{i}"), column(values)));
    let batch = RecordBatch::try_from_iter(columns.chain([("y".to_owned(), column(&y))])).unwrap();
    Table::from_batch(batch).with_role("y", Role::Target).unwrap()
}

fn search() -> Search {
    Search::over(&Ridge::new(1.0), codecs())
        .unwrap()
        .vary("alpha", Values::log_uniform(1e-3, 1e3))
        .by(Rmse)
        .by(R2)
        .on_folds(CrossValidation::new(3))
        .with_trials(30)
}

/// A study without the time it took.
fn timeless(mut study: Study) -> Study {
    study.trials.iter_mut().flat_map(|trial| &mut trial.rungs).for_each(|rung| rung.fit_seconds = 0.0);
    study
}

fn run(search: &Search, run: &Run) -> Study {
    timeless(block_on(search.run(&noisy(90, 1), run)).unwrap())
}

#[test]
fn threads_change_nothing() {
    let halving = Halving::rows(0.3).with_eta(2);
    for search in [search(), search().with_halving(halving).with_concurrency(3)] {
        let on = |threads: usize| {
            run(&search, &Run::default().with_seed(3).with_threads(NonZeroUsize::new(threads).unwrap()))
        };
        assert_eq!(on(1), on(4));
        assert_ne!(on(1), run(&search, &Run::default().with_seed(4)), "the seed matters");
    }
}

#[test]
fn the_best_is_as_good_as_any_on_a_grid() {
    let estimated = run(&search(), &Run::default());
    let grid = run(&search().with_sampler(Sampler::Grid { points: 25 }), &Run::default());
    assert_eq!(grid.trials.len(), 25);
    let rmse = |study: &Study| study.best().unwrap().last().unwrap().scores.get("rmse").unwrap();
    assert!(rmse(&estimated) <= rmse(&grid) * 1.001, "{estimated}\n{grid}");
    assert!(
        estimated.best().unwrap().settings["alpha"].as_f64().unwrap() > 1.0,
        "noise is to be held down: {estimated}"
    );
}

#[test]
fn halving_gives_all_to_a_few() {
    let study = run(&search().with_halving(Halving::rows(0.12)), &Run::default());
    let on = |rung: usize| study.trials.iter().filter(|trial| trial.rungs.iter().any(|r| r.rung == rung)).count();
    assert_eq!(on(0), 30);
    assert!(on(2) >= 1 && on(2) <= 5, "{} trials were given all rows", on(2));
    assert_eq!(study.best().unwrap().last().unwrap().share, 1.0);
}

#[test]
fn a_setting_can_be_what_there_is_more_of() {
    let data = noisy(60, 2);
    let late: ArrayRef = std::sync::Arc::new(
        data.to_batch()
            .unwrap()
            .column(0)
            .as_any()
            .downcast_ref::<Float64Array>()
            .unwrap()
            .iter()
            .map(|x| Some(x? > 0.1))
            .collect::<arrow::array::BooleanArray>(),
    );
    let mut columns: Vec<(String, ArrayRef)> =
        (0..3).map(|i| (format!("x{i}"), std::sync::Arc::clone(data.to_batch().unwrap().column(i)))).collect();
    columns.push(("late".into(), late));
    let data = Table::from_batch(RecordBatch::try_from_iter(columns).unwrap()).with_role("late", Role::Target).unwrap();
    let search = Search::over(&LogisticRegression::new(), codecs())
        .unwrap()
        .vary("c", Values::log_uniform(0.01, 100.0))
        .by(LogLoss)
        .on_folds(CrossValidation::new(3))
        .with_halving(Halving::setting("max_iter", 3, 100))
        .with_trials(12);
    let study = block_on(search.run(&data, &Run::default())).unwrap();
    assert_eq!(study.best().unwrap().recipe.settings["max_iter"], 100, "the recipe has what the last rung gives");
}

#[test]
fn a_search_in_a_cross_validation_is_a_nested_one() {
    let data = noisy(90, 1);
    let nested =
        cross_validate(&search().with_trials(8), &data, &CrossValidation::new(3), &[&Rmse], &Run::default()).unwrap();
    let plain = cross_validate(&Ridge::new(1e-3), &data, &CrossValidation::new(3), &[&Rmse], &Run::default()).unwrap();
    let (nested, plain) = (nested.mean("rmse").unwrap(), plain.mean("rmse").unwrap());
    assert!(nested < plain * 1.05, "{nested} against {plain}");
    let bytes = |seed| {
        let model = search().with_trials(8).fit(&data, &Run::default().with_seed(seed)).unwrap();
        serde_json::to_string(&model.save().unwrap().state).unwrap()
    };
    assert_eq!(bytes(1), bytes(1), "the same model to the last bit");
}

#[test]
fn rows_that_are_held_back_judge() {
    let study = block_on(search().on_rows(noisy(50, 9)).with_trials(5).run(&noisy(90, 1), &Run::default())).unwrap();
    assert_eq!(study.trials.len(), 5);
    let leak = block_on(search().on_rows(noisy(90, 1)).with_trials(2).run(&noisy(90, 1), &Run::default())).unwrap_err();
    assert!(leak.to_string().contains("held back"), "{leak}");
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_fitted() {
    let data = noisy(30, 1);
    let refused = |search: Search| {
        let error = block_on(search.run(&data, &Run::default())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        format!("{error:#}")
    };
    assert!(refused(search().vary("alhpa", Values::int(1, 2))).contains("alhpa"));
    assert!(refused(search().vary("alpha", Values::int(1, 2))).contains("twice"));
    assert!(refused(search().vary("trainer.alpha", Values::int(1, 2))).contains("'trainer'"));
    assert!(refused(search().vary("alpha", Values::choice(["much"]))).contains("alpha"));
    assert!(refused(search().vary("alpha", Values::log_int(0, 2))).contains("above 0"));
    assert!(refused(search().with_halving(Halving::rows(0.0))).contains("above 0"));
    assert!(refused(search().with_halving(Halving::rows(0.5).with_eta(1))).contains("eta"));
    let bare = Search::over(&Ridge::new(1.0), codecs()).unwrap();
    assert!(refused(bare.clone()).contains("Search::by"));
    assert!(refused(bare.by(Rmse)).contains("Search::on_folds"));
}

#[test]
fn trials_that_fail_are_told_and_the_others_go_on() {
    let search = Search::over(&Ridge::new(1.0), codecs())
        .unwrap()
        .vary("alpha", Values::choice([1.0, -1.0]))
        .by(Rmse)
        .on_folds(CrossValidation::new(3))
        .with_trials(10);
    let study = run(&search, &Run::default());
    let failed = study.trials.iter().filter_map(|trial| trial.error.as_deref()).collect::<Vec<_>>();
    assert!(!failed.is_empty() && failed.iter().all(|error| error.contains("alpha = -1")), "{failed:?}");
    assert_eq!(study.best().unwrap().settings["alpha"], 1.0);
}

#[test]
fn folds_without_rows_fail_every_trial() {
    let folds = k_fold(90, 3, None).unwrap().into_iter().map(|mut fold| {
        fold.train.clear();
        fold
    });
    let search = search().on_folds(folds.collect::<Vec<_>>()).with_trials(3);
    let error = block_on(search.run(&noisy(90, 1), &Run::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("none of 3 trials"), "{error}");
}

#[test]
fn it_stops_when_told_to() {
    let cancel = Cancel::default();
    let run = Run::default().with_cancel(cancel.clone());
    let search = search().with_trials(100_000);
    let work = std::thread::spawn(move || block_on(search.run(&noisy(500, 1), &run)));
    std::thread::sleep(std::time::Duration::from_millis(50));
    cancel.cancel();
    assert_eq!(work.join().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn a_study_is_a_table_json_and_a_page() {
    let study = run(&search().with_trials(12), &Run::default());
    let text = study.to_string();
    assert!(text.starts_with("trial") && text.contains("alpha=") && text.lines().count() == 12, "{text}");
    let json = serde_json::to_value(&study).unwrap();
    assert_eq!(json["trials"].as_array().unwrap().len(), 12);
    let page = study.report().to_html();
    assert!(page.contains("<svg") && page.contains("the best so far"), "{page}");
}
