//! Where to begin: k-means++.

use mlops_core::random::SplitMix64;
use mlops_core::{Result, Run};
use rayon::prelude::*;

use super::lloyd::squared_distance;
use crate::training::Unlabelled;

/// Rows a task works on; sums over them are added up in their order.
pub(super) const ROWS: usize = 1024;

/// `k` rows as first centres: each is drawn with a probability proportional to its weight and to its squared
/// distance from those before it, as the best of a few trials (Arthur and Vassilvitskii 2007, greedy as in
/// scikit-learn). Row-major.
pub(super) fn k_means_plus_plus(set: &Unlabelled, k: usize, seed: u64, run: &Run) -> Result<Vec<f64>> {
    let mut rng = SplitMix64::new(seed);
    let trials = 2 + (k as f64).ln() as usize;
    let mut centres = Vec::with_capacity(k * set.width());
    let first = draw(&mut rng, (0..set.rows).map(|row| set.weight(row)));
    centres.extend_from_slice(set.row(first));
    let mut nearest = distances_to(set, set.row(first), &vec![f64::INFINITY; set.rows]);
    for _ in 1..k {
        run.check()?;
        let weighed = |row: usize| set.weight(row) * nearest[row];
        // The distances of the best trial so far, and their weighted sum.
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for _ in 0..trials {
            let row = draw(&mut rng, (0..set.rows).map(weighed));
            let distances = distances_to(set, set.row(row), &nearest);
            let sum: f64 = distances.iter().enumerate().map(|(row, d)| set.weight(row) * d).sum();
            if best.as_ref().is_none_or(|best| sum < best.0) {
                best = Some((sum, row, distances));
            }
        }
        // At least two trials were made.
        let Some((_, row, distances)) = best else { break };
        centres.extend_from_slice(set.row(row));
        nearest = distances;
    }
    Ok(centres)
}

/// A row, drawn in proportion; the last one with a chance if rounding runs past the end.
fn draw(rng: &mut SplitMix64, chances: impl Iterator<Item = f64> + Clone) -> usize {
    let mut left = rng.uniform() * chances.clone().sum::<f64>();
    let mut last = 0;
    for (row, chance) in chances.enumerate().filter(|(_, chance)| *chance > 0.0) {
        last = row;
        left -= chance;
        if left < 0.0 {
            break;
        }
    }
    last
}

/// The squared distance of every row from a point, or what it was before if that is less.
fn distances_to(set: &Unlabelled, point: &[f64], before: &[f64]) -> Vec<f64> {
    let width = set.width();
    let mut distances = before.to_vec();
    distances.par_chunks_mut(ROWS).zip(set.matrix.par_chunks(ROWS * width)).for_each(|(distances, rows)| {
        for (distance, row) in distances.iter_mut().zip(rows.chunks_exact(width)) {
            *distance = distance.min(squared_distance(row, point));
        }
    });
    distances
}
