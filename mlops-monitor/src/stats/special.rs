use std::f64::consts::PI;

/// The chance that a chi-square variable with `dof` degrees of freedom exceeds `x`.
///
/// Relative error about 10⁻¹², also far out in the tail. By series below the mode and Lentz's
/// continued fraction above it.
///
/// ```
/// use mlops_monitor::stats::chi_square_sf;
/// assert!((chi_square_sf(3.84, 1.0) - 0.050_043_521_248_705).abs() < 1e-12);
/// ```
pub fn chi_square_sf(x: f64, dof: f64) -> f64 {
    if x.is_nan() || dof.is_nan() || dof <= 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    gamma_q(dof / 2.0, x / 2.0)
}

/// The regularised incomplete beta function: the chance that a beta variable is below `x`.
///
/// ```
/// use mlops_monitor::stats::incomplete_beta;
/// assert!((incomplete_beta(1.0, 3.0, 0.5) - 0.875).abs() < 1e-14);
/// ```
pub fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 || x.is_nan() {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast on this side of the mean; the other is its mirror image.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_fraction(b, a, 1.0 - x);
    }
    beta_fraction(a, b, x)
}

/// The chance that a standard normal variable is below `x`.
///
/// ```
/// use mlops_monitor::stats::normal_cdf;
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
/// use mlops_monitor::stats::normal_quantile;
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

/// ln Γ(x) for x > 0, by Lanczos' series (g = 7, 9 terms, Godfrey's coefficients).
pub(super) fn ln_gamma(x: f64) -> f64 {
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

fn gamma_q(a: f64, x: f64) -> f64 {
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return (1.0 - sum * front).max(0.0);
    }
    let coefficient = |i: f64| (-i * (i - a), x + 2.0 * i + 1.0 - a);
    front * lentz(x + 1.0 - a, coefficient)
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    let coefficient = |i: f64| {
        let m = (i / 2.0).floor();
        let numerator = if i % 2.0 == 0.0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        (numerator, 1.0)
    };
    front.exp() * lentz(1.0, coefficient) / a
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
