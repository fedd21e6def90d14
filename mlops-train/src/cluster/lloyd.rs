//! Lloyd's algorithm, where bounds spare most of the distances (Hamerly 2010).

use mlops_core::{Result, Run};
use rayon::prelude::*;

use super::seeding::ROWS;
use crate::training::Unlabelled;

/// Where Lloyd's algorithm ended.
#[derive(Clone, Debug)]
pub(super) struct Clustering {
    /// Row-major.
    pub(super) centres: Vec<f64>,
    /// The weighted sum of squared distances.
    pub(super) inertia: f64,
    pub(super) iterations: usize,
}

/// What is known of a row: its centre, at most how far that is, and at least how far the second is.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    centre: u32,
    upper: f64,
    lower: f64,
}

pub(super) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (mut a, mut b) = (a.chunks_exact(4), b.chunks_exact(4));
    for (a, b) in a.by_ref().zip(b.by_ref()) {
        for i in 0..4 {
            sums[i] += (a[i] - b[i]) * (a[i] - b[i]);
        }
    }
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| (a - b) * (a - b)).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// The nearest centre, the first of equals, and the squared distances of it and of the second.
fn two_nearest(row: &[f64], centres: &[f64]) -> (u32, f64, f64) {
    let mut found = (0, f64::INFINITY, f64::INFINITY);
    for (centre, point) in centres.chunks_exact(row.len()).enumerate() {
        let distance = squared_distance(row, point);
        if distance < found.1 {
            found = (centre as u32, distance, found.1);
        } else if distance < found.2 {
            found.2 = distance;
        }
    }
    found
}

/// Moves every centre to the mean of the rows that it is nearest to, until no row changes its centre, or
/// the centres together move by less than the root of `tol`; then once more finds the nearest ones.
pub(super) fn lloyd(set: &Unlabelled, centres: Vec<f64>, max_iter: usize, tol: f64, run: &Run) -> Result<Clustering> {
    let (width, k) = (set.width(), centres.len() / set.width());
    let mut centres = centres;
    let unknown = Bounds { centre: u32::MAX, upper: f64::INFINITY, lower: 0.0 };
    let mut bounds = vec![unknown; set.rows];
    let mut iterations = 0;
    while iterations < max_iter {
        run.check()?;
        let changed = assign(set, &centres, &mut bounds);
        iterations += 1;
        if changed == 0 {
            break;
        }
        let next = means(set, &bounds, &centres, k);
        let moves: Vec<f64> = centres
            .chunks_exact(width)
            .zip(next.chunks_exact(width))
            .map(|(from, to)| squared_distance(from, to))
            .collect();
        centres = next;
        loosen(&mut bounds, &moves);
        if moves.iter().sum::<f64>() <= tol {
            break;
        }
    }
    run.check()?;
    let inertia = inertia(set, &centres);
    Ok(Clustering { centres, inertia, iterations })
}

/// Gives every row its nearest centre; how many rows have another one than before.
fn assign(set: &Unlabelled, centres: &[f64], bounds: &mut [Bounds]) -> usize {
    let width = set.width();
    let half_apart = half_of_nearest(centres, width);
    let tasks = bounds.par_chunks_mut(ROWS).zip(set.matrix.par_chunks(ROWS * width));
    let changes = tasks.map(|(bounds, rows)| {
        let mut changed = 0;
        for (bound, row) in bounds.iter_mut().zip(rows.chunks_exact(width)) {
            if bound.centre != u32::MAX {
                let enough = half_apart[bound.centre as usize].max(bound.lower);
                if bound.upper < enough {
                    continue;
                }
                let own = &centres[bound.centre as usize * width..][..width];
                bound.upper = squared_distance(row, own).sqrt();
                if bound.upper < enough {
                    continue;
                }
            }
            let (centre, nearest, second) = two_nearest(row, centres);
            changed += usize::from(centre != bound.centre);
            *bound = Bounds { centre, upper: nearest.sqrt(), lower: second.sqrt() };
        }
        changed
    });
    changes.sum()
}

/// For every centre half the distance of the nearest other one: a row that is nearer has no nearer centre.
fn half_of_nearest(centres: &[f64], width: usize) -> Vec<f64> {
    let points: Vec<&[f64]> = centres.chunks_exact(width).collect();
    let of_point = |(i, a): (usize, &&[f64])| {
        let others = points.iter().enumerate().filter(|(j, _)| *j != i);
        0.5 * others.map(|(_, b)| squared_distance(a, b)).fold(f64::INFINITY, f64::min).sqrt()
    };
    points.iter().enumerate().map(of_point).collect()
}

/// What the bounds are worth after the centres have moved.
fn loosen(bounds: &mut [Bounds], moves: &[f64]) {
    // A hair more than they moved, so that rounding loosens a bound and never tightens it.
    let moves: Vec<f64> = moves.iter().map(|squared| squared.sqrt() * (1.0 + 1e-12)).collect();
    let farthest = moves.iter().copied().fold(0.0, f64::max);
    bounds.par_chunks_mut(ROWS).for_each(|bounds| {
        for bound in bounds {
            bound.upper = (bound.upper + moves[bound.centre as usize]) * (1.0 + 1e-15);
            bound.lower = (bound.lower - farthest).max(0.0) * (1.0 - 1e-15);
        }
    });
}

/// The weighted mean of the rows of every centre. A centre without rows moves to the row that is farthest
/// from its own, as in scikit-learn.
fn means(set: &Unlabelled, bounds: &[Bounds], centres: &[f64], k: usize) -> Vec<f64> {
    let width = set.width();
    let parts: Vec<(Vec<f64>, Vec<f64>)> = bounds
        .par_chunks(ROWS * 8)
        .enumerate()
        .map(|(part, bounds)| {
            let (mut sums, mut weights) = (vec![0.0; k * width], vec![0.0; k]);
            for (i, bound) in bounds.iter().enumerate() {
                let (row, centre) = (part * ROWS * 8 + i, bound.centre as usize);
                let weight = set.weight(row);
                weights[centre] += weight;
                let sums = &mut sums[centre * width..][..width];
                sums.iter_mut().zip(set.row(row)).for_each(|(sum, x)| *sum += weight * x);
            }
            (sums, weights)
        })
        .collect();
    let (mut sums, mut weights) = (vec![0.0; k * width], vec![0.0; k]);
    for (part, of_part) in &parts {
        sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
        weights.iter_mut().zip(of_part).for_each(|(sum, w)| *sum += w);
    }
    fill_empty(set, bounds, centres, &mut sums, &mut weights);
    for (sums, weight) in sums.chunks_exact_mut(width).zip(&weights) {
        sums.iter_mut().for_each(|sum| *sum /= weight);
    }
    sums
}

fn fill_empty(set: &Unlabelled, bounds: &[Bounds], centres: &[f64], sums: &mut [f64], weights: &mut [f64]) {
    let width = set.width();
    let empty: Vec<usize> = (0..weights.len()).filter(|centre| weights[*centre] <= 0.0).collect();
    if empty.is_empty() {
        return;
    }
    let own = |row: usize| bounds[row].centre as usize;
    let distance = |row: usize| squared_distance(set.row(row), &centres[own(row) * width..][..width]);
    let mut rows: Vec<(f64, usize)> = (0..set.rows).map(|row| (distance(row), row)).collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut rows = rows.into_iter();
    for centre in empty {
        // Not the last row of another centre, which would then be empty.
        let Some((_, row)) = rows.find(|(_, row)| weights[own(*row)] > set.weight(*row) * 1.5) else {
            sums[centre * width..][..width].copy_from_slice(&centres[centre * width..][..width]);
            weights[centre] = 1.0;
            continue;
        };
        let weight = set.weight(row);
        for (i, x) in set.row(row).iter().enumerate() {
            sums[own(row) * width + i] -= weight * x;
            sums[centre * width + i] = weight * x;
        }
        weights[own(row)] -= weight;
        weights[centre] = weight;
    }
}

/// The weighted sum of squared distances of all rows from their nearest centres.
fn inertia(set: &Unlabelled, centres: &[f64]) -> f64 {
    let width = set.width();
    let parts: Vec<f64> = set
        .matrix
        .par_chunks(ROWS * width)
        .enumerate()
        .map(|(part, rows)| {
            let of_row = |(i, row): (usize, &[f64])| set.weight(part * ROWS + i) * two_nearest(row, centres).1;
            rows.chunks_exact(width).enumerate().map(of_row).sum()
        })
        .collect();
    parts.iter().sum()
}
