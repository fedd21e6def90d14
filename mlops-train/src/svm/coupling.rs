//! From the probabilities of pairs to those of classes.

use crate::members::room;

/// The probabilities of classes that fit those of pairs best (Wu, Lin and Weng, "Probability estimates for
/// multi-class classification by pairwise coupling", 2004, second method). `pairs` has the probability of
/// the first of each pair: 0 and 1, 0 and 2, … 1 and 2, … Allocates nothing up to 10 classes.
pub(super) fn couple(pairs: &[f64], shares: &mut [f64]) {
    /// Shares beyond make sure that there is an optimum, as in libsvm.
    const LEAST: f64 = 1e-7;
    let k = shares.len();
    if pairs.iter().any(|p| p.is_nan()) {
        shares.fill(f64::NAN);
        return;
    }
    if let ([first, second], [pair]) = (&mut *shares, pairs) {
        (*first, *second) = (*pair, 1.0 - *pair);
        return;
    }
    let (mut few, mut many) = ([0.0; 100], Vec::new());
    let matrix = room(&mut few, &mut many, k * k);
    matrix.fill(0.0);
    let mut pairs = pairs.iter();
    for i in 0..k {
        for j in i + 1..k {
            let p = pairs.next().map_or(0.5, |p| p.clamp(LEAST, 1.0 - LEAST));
            matrix[i * k + i] += (1.0 - p) * (1.0 - p);
            matrix[j * k + j] += p * p;
            matrix[i * k + j] = -p * (1.0 - p);
            matrix[j * k + i] = -p * (1.0 - p);
        }
    }
    settle(matrix, shares);
}

/// Minimises `½ pᵀ Q p` over shares that add up to 1, one share at a time.
fn settle(matrix: &[f64], shares: &mut [f64]) {
    let k = shares.len();
    let enough = 0.005 / k as f64;
    shares.fill(1.0 / k as f64);
    let product = |shares: &[f64], i: usize| -> f64 { (0..k).map(|j| matrix[i * k + j] * shares[j]).sum() };
    for _ in 0..k.max(100) {
        let quadratic: f64 = (0..k).map(|i| shares[i] * product(shares, i)).sum();
        let error = (0..k).map(|i| (product(shares, i) - quadratic).abs()).fold(0.0, f64::max);
        if error < enough * 1e-3 {
            break;
        }
        for i in 0..k {
            let quadratic: f64 = (0..k).map(|i| shares[i] * product(shares, i)).sum();
            let step = (quadratic - product(shares, i)) / matrix[i * k + i];
            shares[i] += step;
            shares.iter_mut().for_each(|share| *share /= 1.0 + step);
        }
    }
    crate::members::normalise(shares);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consistent_pairs_give_their_shares() {
        let shares = [0.5, 0.3, 0.15, 0.05];
        let mut pairs = Vec::new();
        for i in 0..4 {
            (i + 1..4).for_each(|j| pairs.push(shares[i] / (shares[i] + shares[j])));
        }
        let mut found = [0.0; 4];
        couple(&pairs, &mut found);
        assert!(found.iter().zip(shares).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}");
        let mut two = [0.0; 2];
        couple(&[0.8], &mut two);
        assert!((two[1] - 0.2).abs() < 1e-15);
    }
}
