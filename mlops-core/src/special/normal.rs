use std::f64::consts::PI;

use super::chi_square_sf;

/// The chance that a standard normal variable is below `x`.
///
/// ```
/// use mlops_core::special::normal_cdf;
/// assert!((normal_cdf(1.96) - 0.975_002_104_851_780).abs() < 1e-14);
/// ```
pub fn normal_cdf(x: f64) -> f64 {
    let tail = 0.5 * chi_square_sf(x * x, 1.0);
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// The value that a standard normal variable is below with chance `p`; infinite at 0 and 1.
///
/// A rational start by Acklam and two of Halley's steps on [`normal_cdf`].
///
/// ```
/// use mlops_core::special::normal_quantile;
/// assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-13);
/// ```
pub fn normal_quantile(p: f64) -> f64 {
    if !(p > 0.0 && p < 1.0) {
        return if p == 0.0 {
            f64::NEG_INFINITY
        } else if p == 1.0 {
            f64::INFINITY
        } else {
            f64::NAN
        };
    }
    let mut x = rough_normal_quantile(p);
    for _ in 0..2 {
        let density = (-x * x / 2.0).exp() / (2.0 * PI).sqrt();
        if density == 0.0 {
            break;
        }
        let step = (normal_cdf(x) - p) / density;
        x -= step / (1.0 + x * step / 2.0);
    }
    x
}

fn rough_normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [-39.696_830, 220.946_10, -275.928_51, 138.357_75, -30.664_799, 2.506_628_3];
    const B: [f64; 6] = [-54.476_099, 161.585_84, -155.698_98, 66.801_312, -13.280_682, 1.0];
    const C: [f64; 6] = [-0.007_784_894, -0.322_396_46, -2.400_758_3, -2.549_732_5, 4.374_664_1, 2.938_163_98];
    const D: [f64; 5] = [0.007_784_696, 0.322_467_13, 2.445_134_1, 3.754_408_7, 1.0];
    let polynomial = |c: &[f64], x: f64| c.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    };
    if p < 0.024_25 {
        tail(p)
    } else if p > 1.0 - 0.024_25 {
        -tail(1.0 - p)
    } else {
        let (q, r) = (p - 0.5, (p - 0.5) * (p - 0.5));
        q * polynomial(&A, r) / polynomial(&B, r)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::ln_gamma;

    #[test]
    fn ln_gamma_meets_factorials() {
        let mut factorial = 1.0f64;
        for n in 1..100 {
            assert!((ln_gamma(f64::from(n)) - factorial.ln()).abs() <= 1e-13 * factorial.ln().max(1.0), "{n}");
            factorial *= f64::from(n);
        }
        assert!((ln_gamma(0.25) - 1.288_022_524_698_077_4).abs() < 1e-13);
    }

    #[test]
    fn quantiles_invert_the_distribution() {
        for p in [1e-300, 1e-20, 1e-6, 0.01, 0.3, 0.5, 0.7, 0.999] {
            assert!((normal_cdf(normal_quantile(p)) / p - 1.0).abs() < 1e-10, "{p}");
        }
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert!(normal_quantile(1.5).is_nan());
    }
}
