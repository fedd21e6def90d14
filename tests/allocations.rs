//! The one-row path of a whole pipeline asks the system for no memory.
#![expect(unsafe_code, reason = "an allocator that counts has to implement the unsafe trait `GlobalAlloc`")]

#[expect(dead_code, reason = "each test takes what it needs")]
mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use common::{preparation, trips};
use mlops::core::{CellReader, Scratch, Trainer, score_row};
use mlops::data::transform::{Clip, Derive, OrdinalEncoder, SimpleImputer, TargetEncoder};
use mlops::prelude::*;
use mlops::train::{LinearRegression, LogisticRegression, RandomForest, Ridge, Voting};

struct Counting;

thread_local! {
    /// The allocations of this thread; others, such as the test harness, have counts of their own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed to `System`, which keeps the contract of `GlobalAlloc`, with the
// arguments that came in. The counter is a plain number: it needs no memory and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller promises what `System` asks for, and all memory comes from there.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Scores every trip after one of them has grown the scratch; `late` is the target.
fn scoring(recipe: &dyn Trainer, trips: &Table) -> u64 {
    let model: Arc<dyn Model> = recipe.fit(trips, &Run::default()).unwrap();
    let rows = model.signature().check(&trips.to_batch().unwrap()).unwrap();
    let reader = CellReader::new(&rows).unwrap();
    let rows: Vec<Vec<_>> = (0..reader.num_rows()).map(|row| reader.row(row).collect()).collect();
    let mut scratch = Scratch::default();
    let mut scores = vec![0.0; model.signature().num_scores()];
    let mut score = |row: &[_]| score_row(model.as_ref(), row, &mut scratch, &mut scores).unwrap().unwrap();
    score(&rows[0]);
    allocations(|| rows.iter().for_each(|row| score(row)))
}

fn as_number(trips: &Table) -> Table {
    let hours = trips.clone().with_role("late", Role::Ignored).unwrap();
    hours.with_target("delay", &col("hour").mul(lit(1.5))).unwrap()
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 1);
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1_u8; 3]))), 1);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn impute_scale_and_one_hot_before_every_classifier() {
    let forest = || RandomForest::new().with_n_trees(10).with_max_depth(6);
    let voting = Voting::new().with(LogisticRegression::new()).with(forest());
    let recipes: [(&str, Box<dyn Trainer>); 3] = [
        ("logistic", Box::new(preparation().train(LogisticRegression::new()))),
        ("forest", Box::new(preparation().train(forest()))),
        ("voting", Box::new(preparation().train(voting))),
    ];
    for (name, recipe) in recipes {
        assert_eq!(scoring(recipe.as_ref(), &trips()), 0, "{name}");
    }
}

#[test]
fn impute_scale_and_one_hot_before_every_regressor() {
    let trips = as_number(&trips());
    let recipes: [(&str, Box<dyn Trainer>); 3] = [
        ("linear", Box::new(preparation().train(LinearRegression::new()))),
        ("ridge", Box::new(preparation().train(Ridge::new(0.5)))),
        ("forest", Box::new(preparation().train(RandomForest::new().with_n_trees(10)))),
    ];
    for (name, recipe) in recipes {
        assert_eq!(scoring(recipe.as_ref(), &trips), 0, "{name}");
    }
}

#[test]
fn the_other_preparation_steps() {
    let recipe = Pipeline::new()
        .then(Derive::column("load", col("distance").div(col("hour"))))
        .then(SimpleImputer::mean(["distance", "load"]).with_indicator())
        .then(Clip::quantiles(["distance"], 0.05, 0.95))
        .then(TargetEncoder::on(["carrier"]))
        .then(OrdinalEncoder::on(["hour"]))
        .train(LogisticRegression::new());
    assert_eq!(scoring(&recipe, &trips()), 0);
}
