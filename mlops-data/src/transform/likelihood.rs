//! The power transforms of Box and Cox and of Yeo and Johnson, and the power of the greatest
//! likelihood.

use mlops_core::sketch::Moments;
use mlops_core::{Error, Result};

use super::bin_edges::sum;
use super::power::PowerMethod;

/// What becomes of `x`.
pub(super) fn powered(method: PowerMethod, lambda: f64, x: f64) -> f64 {
    match method {
        PowerMethod::BoxCox => bent(x.ln(), lambda),
        // Exact where nothing is bent, so that a constant column stays what it is.
        PowerMethod::YeoJohnson if lambda == 1.0 => x,
        PowerMethod::YeoJohnson if x < 0.0 => -bent((-x).ln_1p(), 2.0 - lambda),
        PowerMethod::YeoJohnson => bent(x.ln_1p(), lambda),
    }
}

/// `(e^(λl) - 1) / λ`, which is `l` at λ = 0.
fn bent(l: f64, lambda: f64) -> f64 {
    if lambda.abs() < f64::EPSILON { l } else { (lambda * l).exp_m1() / lambda }
}

/// [`bent`] and its derivative in λ, `l² (e^u - (e^u - 1) / u) / u` with `u = λl`.
fn bent_with_slope(l: f64, lambda: f64) -> (f64, f64) {
    let u = lambda * l;
    if u.abs() > 0.1 {
        let less_one = u.exp_m1();
        let bent = less_one / lambda;
        return (bent, (l * (less_one + 1.0) - bent) / lambda);
    }
    // Σ k u^(k-1) / (k+1)!, where the other form cancels.
    let (mut term, mut series) = (0.5, 0.5);
    for k in 1..12 {
        let k = f64::from(k);
        term *= u / (k + 2.0);
        series += (k + 1.0) * term;
    }
    (bent(l, lambda), l * l * series)
}

/// The λ for which the likelihood of the values, given in ascending order, is greatest, if what they
/// become is taken for normally distributed.
pub(super) fn best_lambda(method: PowerMethod, sorted: &[f64]) -> Result<f64> {
    if is_constant(sorted) {
        return match method {
            PowerMethod::BoxCox => {
                Err(Error::data("all values are equal, so Box-Cox has nothing to go by: leave it out"))
            }
            PowerMethod::YeoJohnson => Ok(1.0),
        };
    }
    let (first, last) = (sorted[0], sorted[sorted.len() - 1]);
    let logs = |log: fn(f64) -> f64| sorted.iter().map(|x| log(*x)).collect::<Vec<f64>>();
    let lambda = match method {
        PowerMethod::BoxCox => {
            let reach = first.ln().abs().max(last.ln().abs()) + HEADROOM.ln();
            greatest(-REACH / reach, REACH / reach, one_sided(&logs(f64::ln)))
        }
        PowerMethod::YeoJohnson => {
            // scipy's bounds: values twenty times as large as those of training are still finite.
            let reach = REACH / (HEADROOM * first.abs().max(last.abs())).ln_1p();
            match (first >= 0.0, last < 0.0) {
                (true, _) => greatest(-reach, reach, one_sided(&logs(f64::ln_1p))),
                (_, true) => {
                    let mirrored = one_sided(&logs(|x| (-x).ln_1p()));
                    greatest(2.0 - reach, 2.0 + reach, |lambda| -mirrored(2.0 - lambda))
                }
                _ => greatest((2.0 - reach).max(-reach), (2.0 + reach).min(reach), two_sided(sorted)),
            }
        }
    };
    lambda.ok_or_else(|| Error::data("its values are too wide for any power of them: scale it, or clip it, first"))
}

/// Half of the range of a float's exponent, as a logarithm: the squares of what is within can be added.
const REACH: f64 = 336.0;
const HEADROOM: f64 = 20.0;

/// Whether the values differ by rounding alone (scikit-learn's rule).
fn is_constant(sorted: &[f64]) -> bool {
    let mut moments = Moments::default();
    moments.update_slice(sorted);
    let (Some(mean), Some(variance)) = (moments.mean(), moments.variance(0)) else { return true };
    let n = sorted.len() as f64;
    variance <= n * f64::EPSILON * variance + (n * mean * f64::EPSILON).powi(2)
}

/// The slope of the likelihood, divided by the number of values, for values whose logarithms are given.
///
/// The mean of the logarithms is taken off first. That changes what the values become by a factor and a
/// summand only, which cancel the other term of the likelihood, and nothing over- or underflows.
fn one_sided(logs: &[f64]) -> impl Fn(f64) -> f64 + use<> {
    let mean = sum(logs.iter().copied()) / logs.len() as f64;
    let centred: Vec<f64> = logs.iter().map(|l| l - mean).collect();
    move |lambda| -relative_slope(centred.iter().map(|l| bent_with_slope(*l, lambda)))
}

/// The same for values of both signs.
fn two_sided(sorted: &[f64]) -> impl Fn(f64) -> f64 + use<> {
    let logs: Vec<f64> = sorted.iter().map(|x| x.abs().ln_1p().copysign(*x)).collect();
    let mean = sum(logs.iter().copied()) / logs.len() as f64;
    move |lambda| {
        let bends = logs.iter().map(|l| match *l {
            l if l < 0.0 => {
                let (bent, slope) = bent_with_slope(-l, 2.0 - lambda);
                // Of 2 - λ the slope has the other sign, and so has what is mirrored.
                (-bent, slope)
            }
            l => bent_with_slope(l, lambda),
        });
        mean - relative_slope(bends)
    }
}

/// The covariance of numbers and slopes divided by the variance of the numbers: half of the slope of the
/// logarithm of that variance.
fn relative_slope(bends: impl Iterator<Item = (f64, f64)>) -> f64 {
    let bends: Vec<(f64, f64)> = bends.collect();
    let mean = sum(bends.iter().map(|(y, _)| *y)) / bends.len() as f64;
    let covariance = sum(bends.iter().map(|(y, slope)| (y - mean) * slope));
    covariance / sum(bends.iter().map(|(y, _)| (y - mean) * (y - mean)))
}

/// Where a function falls through zero, or the end that is nearer to it if it does not between `low` and
/// `high`; `None` where it is not a number.
///
/// Chandrupatla, "A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear
/// function", Advances in Engineering Software 28 (1997).
fn greatest(low: f64, high: f64, slope: impl Fn(f64) -> f64) -> Option<f64> {
    let (mut a, mut b) = (low, high);
    let (mut fa, mut fb) = (slope(a), slope(b));
    if fa.is_nan() || fb.is_nan() {
        return None;
    }
    if fa <= 0.0 || fb >= 0.0 {
        return Some(if fa <= 0.0 { low } else { high });
    }
    let mut t = 0.5;
    for _ in 0..200 {
        let x = a + t * (b - a);
        let fx = slope(x);
        if fx.is_nan() {
            return None;
        }
        let (c, fc);
        if (fx > 0.0) == (fa > 0.0) {
            (c, fc) = (a, fa);
        } else {
            (c, fc) = (b, fb);
            (b, fb) = (a, fa);
        }
        (a, fa) = (x, fx);
        let nearest = if fa.abs() < fb.abs() { a } else { b };
        let tolerance = 2.0 * f64::EPSILON * nearest.abs() + f64::EPSILON * 1e-2;
        let least = tolerance / (b - c).abs();
        if fa == 0.0 || (b - a).abs() <= 2.0 * tolerance {
            return Some(nearest);
        }
        let (xi, phi) = ((a - b) / (c - b), (fa - fb) / (fc - fb));
        let quadratic = phi * phi < xi && (1.0 - phi).powi(2) < 1.0 - xi;
        t = if quadratic {
            fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        } else {
            0.5
        };
        t = t.clamp(least.min(0.5), (1.0 - least).max(0.5));
    }
    Some(a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_finite_differences() {
        for l in [-3.0, -0.2, 1e-3, 0.5, 4.0] {
            for lambda in [-2.0, -0.1, 1e-9, 0.02, 0.3, 1.7] {
                let ((y, h), step) = (bent_with_slope(l, lambda), 1e-5);
                assert!((y - bent(l, lambda)).abs() <= 1e-15 * y.abs());
                let difference = (bent(l, lambda + step) - bent(l, lambda - step)) / (2.0 * step);
                assert!((h - difference).abs() < 1e-6 * h.abs().max(1.0), "l {l}, λ {lambda}: {h}, {difference}");
            }
        }
    }

    #[test]
    fn a_falling_function_is_solved_to_the_last_digits() {
        let root = greatest(-10.0, 10.0, |x| 2.0 - x.exp()).unwrap();
        assert!((root - std::f64::consts::LN_2).abs() < 4e-16);
        assert_eq!(greatest(-1.0, 1.0, |x| x - 5.0), Some(-1.0));
        assert_eq!(greatest(-1.0, 1.0, |x| 5.0 - x), Some(1.0));
        assert_eq!(greatest(-1.0, 1.0, |_| f64::NAN), None);
    }
}
