//! Splits into sets of categories.
//!
//! In the order of their gradient by Hessian, the best of all sets is one of the first categories
//! (Fisher 1958), for every loss to second order; what has few rows is shrunk towards the others
//! and does not lead (scikit-learn's and LightGBM's way).

use super::binned::MISSING;
use super::fixed::{Cell, add};
use super::split::{Candidate, Cut, Judge};

/// Rows that a category needs to be in a set; also what its Hessian is increased by.
const SUPPORT: f64 = 10.0;

/// The best set of bins; that of the missing is a category like others.
pub(super) fn best(judge: &Judge<'_>, cells: impl Iterator<Item = (usize, Cell)>, missing: Cell) -> Option<Candidate> {
    let supported = |cell: &Cell| judge.fixed.count(*cell) as f64 >= SUPPORT;
    let mut order: Vec<(f64, usize, Cell)> = cells
        .chain([(MISSING, missing)])
        .filter(|(_, cell)| supported(cell))
        .map(|(bin, cell)| {
            let sums = judge.fixed.sums(cell);
            (sums.gradient / (sums.hessian + SUPPORT), bin, cell)
        })
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    if order.len() < 2 {
        return None;
    }
    let from_first = first(judge, order.iter());
    let from_last = first(judge, order.iter().rev());
    Candidate::better(from_first, from_last)
}

/// The best of the sets of up to half of the categories that come first.
fn first<'a>(judge: &Judge<'_>, order: impl ExactSizeIterator<Item = &'a (f64, usize, Cell)>) -> Option<Candidate> {
    let half = order.len().div_ceil(2);
    let mut left = [0; 2];
    let mut bins = Vec::new();
    let mut best = None;
    for (_, bin, cell) in order.take(half) {
        add(&mut left, *cell);
        bins.push(*bin);
        let found = judge.judged(Cut::OneOf(Vec::new()), left, bins.contains(&MISSING));
        if let Some(found) = found.filter(|found| best.as_ref().is_none_or(|best: &Candidate| found.gain > best.gain)) {
            best = Some(Candidate { cut: Cut::OneOf(bins.clone()), ..found });
        }
    }
    best
}
