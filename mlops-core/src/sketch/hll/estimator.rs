//! From registers to a number.

use super::{M, Q};

/// The improved raw estimator (Ertl 2017, algorithm 6) with `α∞ = 1 / (2 ln 2)`.
pub(super) fn estimate(registers: &[u8]) -> f64 {
    let mut histogram = [0u32; Q + 2];
    registers.iter().for_each(|&register| histogram[usize::from(register)] += 1);
    let m = M as f64;
    let saturated = m * tau(1.0 - f64::from(histogram[Q + 1]) / m);
    let z = histogram[1..=Q].iter().rfold(saturated, |z, &count| 0.5 * (z + f64::from(count)));
    let z = z + m * sigma(f64::from(histogram[0]) / m);
    m * m / (2.0 * std::f64::consts::LN_2 * z)
}

/// `σ(x) = x + Σ x^(2^k) 2^(k-1)` for k ≥ 1 (Ertl 2017), for registers that no hash
/// has met.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// `τ(x) = (1 - x - Σ (1 - x^(2^-k))² 2^-k) / 3` for k ≥ 1 (Ertl 2017), for registers
/// that can't grow.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
