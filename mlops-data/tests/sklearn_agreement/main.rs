//! Every transformer and selector against scikit-learn, in one table:
//! `cargo test -p mlops-data --test sklearn_agreement -- --nocapture`.
//!
//! The cases are those of the files in `tests/golden/sklearn`, whose README says how they were made. A new
//! estimator needs an entry in the registry of [`transformers`] or of [`selectors`], by the name under which
//! it stands in the files; a name without a case fails, and so does a case without a name.

mod encoders;
#[path = "../ridge/mod.rs"]
mod ridge;
mod selectors;
mod transformers;

use std::collections::BTreeMap;

/// How far what is ours is from what is scikit-learn's, by estimator and data.
#[derive(Default)]
struct Agreement(BTreeMap<(String, String), Row>);

#[derive(Default)]
struct Row {
    cases: usize,
    /// Relative to what is above 1.
    error: f64,
    allowed: f64,
}

impl Agreement {
    fn row(&mut self, estimator: &str, data: &str) -> &mut Row {
        self.0.entry((estimator.to_owned(), data.to_owned())).or_default()
    }
}

impl Row {
    fn add(&mut self, error: f64, allowed: f64) {
        *self = Self { cases: self.cases + 1, error: self.error.max(error), allowed: self.allowed.max(allowed) };
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is what the test is run for")]
fn every_transformer_and_selector_agrees_with_scikit_learn() {
    let (mut table, mut failures) = (Agreement::default(), Vec::new());
    transformers::agreement(&mut table, &mut failures);
    encoders::agreement(&mut table);
    selectors::agreement(&mut table);
    println!("{:<26} {:<42} {:>5} {:>10} {:>8}", "estimator", "data", "cases", "max error", "allowed");
    for ((estimator, data), Row { cases, error, allowed }) in &table.0 {
        println!("{estimator:<26} {data:<42} {cases:>5} {error:>10.1e} {allowed:>8.0e}");
    }
    for name in transformers::listed().chain(encoders::LISTED).chain(selectors::LISTED) {
        if !table.0.keys().any(|(estimator, _)| estimator == name) {
            failures.push(format!("{name} has no row in the table"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
