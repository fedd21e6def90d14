//! The functions behind p-values and information estimates: the logarithm of the gamma function, its
//! derivative, the regularised incomplete gamma and beta functions, and the tails of the chi-square
//! and F distributions; the normal distribution and its quantiles.
//!
//! Factors that would cancel are formed by the saddle-point expansion of Loader ("Fast and Accurate
//! Computation of Binomial Probabilities", 2000), so that the relative error is about 10⁻¹³, also
//! far out in the tails; that of [`f_sf`] grows with the degrees of freedom, to 10⁻¹⁰ at a million.
//!
//! ```
//! use mlops_core::special::{chi_square_sf, f_sf};
//!
//! assert!((chi_square_sf(3.84, 1.0) - 0.050_043_521_248_705).abs() < 1e-14);
//! assert!((f_sf(4.0, 2.0, 30.0) - 0.028_844_623_295_697).abs() < 1e-14);
//! ```

use std::f64::consts::PI;

mod normal;

pub use normal::{normal_cdf, normal_quantile};

/// The chance that a chi-square variable with `dof` degrees of freedom exceeds `x`; NaN for `dof` not
/// above 0.
///
/// ```
/// # use mlops_core::special::chi_square_sf;
/// assert_eq!(chi_square_sf(0.0, 3.0), 1.0);
/// assert!((chi_square_sf(2.0, 2.0) - (-1.0_f64).exp()).abs() < 1e-15);
/// ```
pub fn chi_square_sf(x: f64, dof: f64) -> f64 {
    let x = if x < 0.0 { 0.0 } else { x };
    gamma_q(dof / 2.0, x / 2.0)
}

/// The chance that an F variable with `d1` and `d2` degrees of freedom exceeds `f`; NaN for degrees
/// not above 0.
///
/// ```
/// # use mlops_core::special::f_sf;
/// assert!((f_sf(1.0, 5.0, 5.0) - 0.5).abs() < 1e-15);
/// assert_eq!(f_sf(f64::INFINITY, 5.0, 5.0), 0.0);
/// ```
pub fn f_sf(f: f64, d1: f64, d2: f64) -> f64 {
    if f.is_nan() || !(d1 > 0.0 && d2 > 0.0) {
        return f64::NAN;
    }
    if f <= 0.0 {
        return 1.0;
    }
    if f.is_infinite() {
        return 0.0;
    }
    // Neither share is formed as 1 minus the other.
    let ratio = d1 * f / d2;
    beta_of(d2 / 2.0, d1 / 2.0, 1.0 / (1.0 + ratio), 1.0 / (1.0 + 1.0 / ratio))
}

/// The regularised incomplete beta function Iₓ(a, b): the chance that a beta variable is below `x`.
/// NaN for `a` or `b` not above 0.
///
/// ```
/// # use mlops_core::special::beta_inc;
/// assert!((beta_inc(1.0, 3.0, 0.5) - 0.875).abs() < 1e-15);
/// ```
pub fn beta_inc(a: f64, b: f64, x: f64) -> f64 {
    if x.is_nan() || !(a > 0.0 && b > 0.0) {
        return f64::NAN;
    }
    beta_of(a, b, x.clamp(0.0, 1.0), (1.0 - x).clamp(0.0, 1.0))
}

/// The regularised upper incomplete gamma function Q(a, x): the chance that a gamma variable of shape
/// `a` exceeds `x`. NaN for `a` not above 0 or `x` below 0.
///
/// ```
/// # use mlops_core::special::gamma_q;
/// assert!((gamma_q(1.0, 2.0) - (-2.0_f64).exp()).abs() < 1e-16);
/// ```
pub fn gamma_q(a: f64, x: f64) -> f64 {
    if x.is_nan() || !(a > 0.0 && x >= 0.0) {
        return f64::NAN;
    }
    if x == 0.0 || x.is_infinite() {
        return if x == 0.0 { 1.0 } else { 0.0 };
    }
    let front = poisson(a, x);
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0, 1.0, a);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return (1.0 - sum * front).max(0.0);
    }
    front * a * lentz(x + 1.0 - a, |i| (-i * (i - a), x + 2.0 * i + 1.0 - a))
}

/// ln Γ(x) for x > 0, by Lanczos' series (g = 7, 9 terms, Godfrey's coefficients).
///
/// ```
/// # use mlops_core::special::ln_gamma;
/// assert!((ln_gamma(5.0) - 24.0_f64.ln()).abs() < 1e-14);
/// ```
pub fn ln_gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const C: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        return (PI / (PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let sum = (1..9).fold(C[0], |sum, i| sum + C[i] / (x + i as f64));
    let t = x + G + 0.5;
    0.5 * (2.0 * PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// ψ(x) = d/dx ln Γ(x) for x > 0: by its recurrence up to 10, and the asymptotic series from there.
///
/// ```
/// # use mlops_core::special::digamma;
/// assert!((digamma(1.0) + 0.577_215_664_901_532_9).abs() < 1e-15);
/// ```
pub fn digamma(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return f64::NAN;
    }
    let (mut x, mut below) = (x, 0.0);
    while x < 10.0 {
        below += 1.0 / x;
        x += 1.0;
    }
    // Bernoulli numbers over 2n, from the last.
    const SERIES: [f64; 7] =
        [1.0 / 12.0, -691.0 / 32_760.0, 1.0 / 132.0, -1.0 / 240.0, 1.0 / 252.0, -1.0 / 120.0, 1.0 / 12.0];
    let square = 1.0 / (x * x);
    let tail = SERIES.iter().fold(0.0, |sum, c| sum * square + c) * square;
    x.ln() - 0.5 / x - tail - below
}

/// Iₓ(a, b) with `y` = 1 − x.
fn beta_of(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 || y <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // The fraction converges fast on this side of the mean; the other is its mirror image.
    if x > (a + 1.0) / (a + b + 2.0) { 1.0 - beta_fraction(b, a, y, x) } else { beta_fraction(a, b, x, y) }
}

fn beta_fraction(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let coefficient = |i: f64| {
        let m = (i / 2.0).floor();
        let numerator = if i % 2.0 == 0.0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        (numerator, 1.0)
    };
    binomial(a, b, x, y) * b / (a + b) * lentz(1.0, coefficient)
}

/// e⁻ˣ xᵃ / Γ(a + 1).
fn poisson(a: f64, x: f64) -> f64 {
    (-stirling_error(a) - deviance(a, x)).exp() / (2.0 * PI * a).sqrt()
}

/// Γ(a + b + 1) / (Γ(a + 1) Γ(b + 1)) xᵃ yᵇ.
fn binomial(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let n = a + b;
    let exponent = stirling_error(n) - stirling_error(a) - stirling_error(b) - deviance(a, n * x) - deviance(b, n * y);
    exponent.exp() * (n / (2.0 * PI * a) / b).sqrt()
}

/// ln Γ(n + 1) minus Stirling's formula for it.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return ln_gamma(n + 1.0) - (n + 0.5) * n.ln() + n - 0.5 * (2.0 * PI).ln();
    }
    let square = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1_260.0 - (1.0 / 1_680.0 - 1.0 / 1_188.0 / square) / square) / square) / square)
        / n
}

/// x ln(x / m) + m − x, without cancellation where both are near.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    let v = (x - m) / (x + m);
    let (mut sum, mut term) = ((x - m) * v, 2.0 * x * v);
    for i in 1..1_000 {
        term *= v * v;
        let next = sum + term / f64::from(2 * i + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// 1 / (b₀ + a₁ / (b₁ + a₂ / (b₂ + …))) by Lentz's method as Thompson and Barnett modified it.
fn lentz(b0: f64, coefficient: impl Fn(f64) -> (f64, f64)) -> f64 {
    const TINY: f64 = 1e-300;
    const MOST: usize = 100_000;
    let away_from_zero = |x: f64| if x.abs() < TINY { TINY } else { x };
    let mut d = 1.0 / away_from_zero(b0);
    let (mut c, mut value) = (1.0 / TINY, d);
    for i in 1..MOST {
        let (a, b) = coefficient(i as f64);
        d = 1.0 / away_from_zero(b + a * d);
        c = away_from_zero(b + a / c);
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        args: Vec<Vec<f64>>,
        values: Vec<f64>,
    }

    /// Relative agreement with SciPy where its value is a normal number.
    #[test]
    fn values_are_those_of_scipy() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/golden/sklearn/special.json")).unwrap();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let f = |args: &[f64]| match (case.name.as_str(), args) {
                ("chi_square_sf", [x, dof]) => chi_square_sf(*x, *dof),
                ("f_sf", [f, d1, d2]) => f_sf(*f, *d1, *d2),
                ("beta_inc", [a, b, x]) => beta_inc(*a, *b, *x),
                ("gamma_q", [a, x]) => gamma_q(*a, *x),
                ("ln_gamma", [x]) => ln_gamma(*x),
                ("digamma", [x]) => digamma(*x),
                other => panic!("{other:?}"),
            };
            for (args, expected) in case.args.iter().zip(&case.values) {
                let far = (f(args) - expected).abs() / expected.abs().max(1e-280);
                let near_zero = expected.abs() < 1.0 && ["ln_gamma", "digamma"].contains(&case.name.as_str());
                assert!(
                    far < 1e-10 || (near_zero && (f(args) - expected).abs() < 1e-14),
                    "{} {args:?}: {} instead of {expected}",
                    case.name,
                    f(args)
                );
            }
        }
    }

    #[test]
    fn what_is_not_defined_is_nan() {
        for value in [
            chi_square_sf(1.0, 0.0),
            chi_square_sf(f64::NAN, 1.0),
            f_sf(1.0, 0.0, 1.0),
            f_sf(f64::NAN, 1.0, 1.0),
            beta_inc(0.0, 1.0, 0.5),
            gamma_q(1.0, -1.0),
            digamma(0.0),
        ] {
            assert!(value.is_nan());
        }
        assert_eq!((beta_inc(2.0, 3.0, -1.0), beta_inc(2.0, 3.0, 2.0)), (0.0, 1.0));
        assert_eq!((chi_square_sf(-1.0, 2.0), chi_square_sf(f64::INFINITY, 2.0)), (1.0, 0.0));
    }
}
