use std::f64::consts::PI;

/// The p-value of a two-sample Kolmogorov-Smirnov statistic of `distance`/(n·m), two-sided and
/// exact: the share of all orders of n and m values whose distribution functions lie at least so
/// far apart somewhere. With ties it is an upper bound, as in scipy.
///
/// The walk of a random order over the n × m lattice touches the border with a chance that is a
/// sum of positive terms only, so that also tiny p-values keep their digits. Costs one step for
/// every lattice point inside the border, at most n·m; memory for min(n, m) numbers.
///
/// ```
/// use mlops_monitor::stats::two_sample_exact;
/// // All 3 before all 3: 2 of the 20 orders.
/// assert!((two_sample_exact(3, 3, 9) - 0.1).abs() < 1e-15);
/// ```
pub fn two_sample_exact(n: u64, m: u64, distance: u64) -> f64 {
    if distance == 0 || n == 0 || m == 0 {
        return 1.0;
    }
    let (n, m) = (i128::from(n.max(m)), i128::from(n.min(m)));
    let distance = i128::from(distance);
    // touched[j]: the chance that a random walk to (i, j) has been outside; 1 is where it is.
    let mut touched = vec![1.0; m as usize + 1];
    for i in 0..=n {
        let first = ((i * m - distance).div_euclid(n) + 1).max(0);
        let last = (i * m + distance - 1).div_euclid(n).min(m);
        if first > 0 {
            touched[(first - 1).min(m) as usize] = 1.0;
        }
        for j in first..=last {
            let (along, across) = (i as f64, j as f64);
            let from_below = if i > 0 { touched[j as usize] * along } else { 0.0 };
            let from_left = if j > 0 { touched[j as usize - 1] * across } else { 0.0 };
            touched[j as usize] = (from_below + from_left) / (along + across).max(1.0);
        }
    }
    f64::min(touched[m as usize], 1.0)
}

/// The p-value of a two-sample Kolmogorov-Smirnov distance, two-sided, for samples too large for
/// [`two_sample_exact`]: that of one sample of n·m/(n+m) values, as in scipy.
///
/// ```
/// use mlops_monitor::stats::two_sample_asymptotic;
/// assert!((two_sample_asymptotic(500, 300, 0.059_333_333_333) - 0.503_438_65).abs() < 1e-7);
/// ```
pub fn two_sample_asymptotic(n: u64, m: u64, distance: f64) -> f64 {
    if n == 0 || m == 0 {
        return 1.0;
    }
    let (n, m) = (n as f64, m as f64);
    kolmogorov_sf((n * m / (n + m)).round_ties_even().max(1.0) as u64, distance)
}

/// The chance that the empirical distribution of `n` values lies at least `x` from the true one
/// somewhere.
///
/// After Simard and L'Ecuyer, "Computing the two-sided Kolmogorov-Smirnov distribution" (J. Stat.
/// Software 39, 2011): the matrix of Marsaglia, Tsang and Wang for small n, the expansion of Pelz
/// and Good in the middle, twice the one-sided tail where both sides can't meet. Relative error
/// about 10⁻⁷ or better; at most `min(n, 50_000)` terms.
///
/// ```
/// use mlops_monitor::stats::kolmogorov_sf;
/// assert!((kolmogorov_sf(100, 0.05) - 0.953_215_971_063_572_5).abs() < 1e-9);
/// ```
pub fn kolmogorov_sf(n: u64, x: f64) -> f64 {
    const SMALL: u64 = 140;
    const MANY: u64 = 50_000;
    let size = n as f64;
    let spread = size * x * x;
    if x.is_nan() {
        return f64::NAN;
    }
    // Below, the chance of less is under 1e-15, or there is no such distribution.
    if x <= 0.0 || size * x <= 0.5 || (n > SMALL && spread < 0.033) {
        return 1.0;
    }
    if x >= 1.0 {
        return 0.0;
    }
    let far = if n <= SMALL { 4.0 } else { 2.2 };
    let tail = if x >= 0.5 || spread >= far {
        if n <= MANY { 2.0 * one_sided_sf(n, x) } else { limit_sf(size, x) }
    } else if n <= SMALL || (n <= 10_000 && size * x.powf(1.5) <= 1.4) {
        1.0 - matrix_cdf(n, x)
    } else {
        1.0 - pelz_good_cdf(size, x)
    };
    tail.clamp(0.0, 1.0)
}

/// Smirnov's one-sided tail: x Σⱼ C(n,j) (x + j/n)^(j-1) (1 - x - j/n)^(n-j), all terms positive.
fn one_sided_sf(n: u64, x: f64) -> f64 {
    let size = n as f64;
    let (mut ln_choose, mut sum) = (0.0, 0.0);
    for j in 0..=(size * (1.0 - x)).floor() as u64 {
        let k = j as f64;
        let (up, down) = (x + k / size, 1.0 - x - k / size);
        if down > 0.0 {
            sum += (ln_choose + (k - 1.0) * up.ln() + (size - k) * down.ln()).exp();
        } else if j == n {
            sum += up.powf(k - 1.0);
        }
        ln_choose += ((size - k) / (k + 1.0)).ln();
    }
    x * sum
}

/// Kolmogorov's limit with Vrbik's shift for finite n (Pioneer J. Theor. Appl. Stat. 15, 2018).
fn limit_sf(n: f64, x: f64) -> f64 {
    let z = x * n.sqrt();
    let z = z + 1.0 / (6.0 * n.sqrt()) + (z - 1.0) / (4.0 * n);
    let term = |k: f64| (-2.0 * k * k * z * z).exp();
    2.0 * (term(1.0) - term(2.0) + term(3.0) - term(4.0))
}

/// Marsaglia, Tsang and Wang (J. Stat. Software 8, 2003): n!/nⁿ times an entry of the n-th power
/// of a matrix of 2⌈nx⌉ - 1 rows.
fn matrix_cdf(n: u64, x: f64) -> f64 {
    let size = n as f64;
    let k = (size * x).floor() as usize + 1;
    let rows = 2 * k - 1;
    let h = k as f64 - size * x;
    let matrix = hessenberg(rows, h);
    let (power, mut exponent) = power(&matrix, rows, n);
    let mut value = power[(k - 1) * rows + k - 1];
    for i in 1..=n {
        value *= i as f64 / size;
        if value < 1e-140 {
            value *= 1e140;
            exponent -= 140;
        }
    }
    value * 10f64.powi(exponent)
}

fn hessenberg(rows: usize, h: f64) -> Vec<f64> {
    let mut matrix = vec![0.0; rows * rows];
    for i in 0..rows {
        for j in 0..rows.min(i + 2) {
            matrix[i * rows + j] = 1.0;
        }
    }
    for i in 0..rows {
        matrix[i * rows] -= h.powi(i as i32 + 1);
        matrix[(rows - 1) * rows + i] -= h.powi((rows - i) as i32);
    }
    if 2.0 * h > 1.0 {
        matrix[(rows - 1) * rows] += (2.0 * h - 1.0).powi(rows as i32);
    }
    for i in 0..rows {
        for j in 0..=i.min(rows - 1) {
            for g in 1..=(i + 1 - j) {
                matrix[i * rows + j] /= g as f64;
            }
        }
    }
    matrix
}

/// The n-th power of a matrix, with the power of ten that was taken out of it.
fn power(matrix: &[f64], rows: usize, n: u64) -> (Vec<f64>, i32) {
    if n == 1 {
        return (matrix.to_vec(), 0);
    }
    let (half, exponent) = power(matrix, rows, n / 2);
    let mut whole = product(&half, &half, rows);
    let mut exponent = 2 * exponent;
    if n % 2 == 1 {
        whole = product(&whole, matrix, rows);
    }
    if whole[(rows / 2) * rows + rows / 2] > 1e140 {
        whole.iter_mut().for_each(|x| *x *= 1e-140);
        exponent += 140;
    }
    (whole, exponent)
}

fn product(a: &[f64], b: &[f64], rows: usize) -> Vec<f64> {
    let mut c = vec![0.0; rows * rows];
    for (row, out) in a.chunks_exact(rows).zip(c.chunks_exact_mut(rows)) {
        for (x, other) in row.iter().zip(b.chunks_exact(rows)) {
            for (sum, y) in out.iter_mut().zip(other) {
                *sum += x * y;
            }
        }
    }
    c
}

/// Pelz and Good (J. R. Stat. Soc. B 38, 1976): K₀ + K₁/√n + K₂/n + K₃/n^(3/2), each turned into
/// a series that converges fast for small z.
fn pelz_good_cdf(n: f64, x: f64) -> f64 {
    let z = x * n.sqrt();
    let (z2, z4, z6) = (z * z, z.powi(4), z.powi(6));
    let (p2, p4, p6) = (PI.powi(2), PI.powi(4), PI.powi(6));
    let mut k = [0.0; 4];
    let terms = (16.0 * z / PI).ceil() as u32 + 1;
    for m in (1..=terms).map(|i| f64::from(2 * i - 1)) {
        let (m2, m4, m6) = (m.powi(2), m.powi(4), m.powi(6));
        let q = (-p2 * m2 / (8.0 * z2)).exp();
        k[0] += q;
        k[1] += q * (p2 * m2 / 4.0 - z2);
        k[2] += q * (6.0 * z6 + 2.0 * z4 + p2 * m2 * (2.0 * z4 - 5.0 * z2) / 4.0 + p4 * m4 * (1.0 - 2.0 * z2) / 16.0);
        k[3] += q
            * (p6 * m6 * (5.0 - 30.0 * z2) / 64.0
                + p4 * m4 * (212.0 * z4 - 60.0 * z2) / 16.0
                + p2 * m2 * (135.0 * z4 - 96.0 * z6) / 4.0
                - 30.0 * z6
                - 90.0 * z4 * z4);
    }
    let (mut extra2, mut extra3) = (0.0, 0.0);
    for m2 in (1..=terms).map(|i| f64::from(i).powi(2)) {
        let q = (-p2 * m2 / (2.0 * z2)).exp();
        extra2 += q * m2;
        extra3 += q * m2 * (3.0 * z2 - p2 * m2);
    }
    let root = (2.0 * PI).sqrt();
    let k0 = root * k[0] / z;
    let k1 = root * k[1] / (6.0 * z4);
    let k2 = root * (k[2] / (72.0 * z6 * z) - p2 * extra2 / (36.0 * z2 * z));
    let k3 = root * (k[3] / (6480.0 * z6 * z4) + p2 * extra3 / (216.0 * z6));
    k0 + k1 / n.sqrt() + k2 / n + k3 / (n * n.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_p_values_count_orders() {
        // Of the 6 orders of 2 and 2, those that keep the samples apart have distance 1.
        assert!((two_sample_exact(2, 2, 4) - 2.0 / 6.0).abs() < 1e-15);
        assert_eq!(two_sample_exact(2, 2, 2), 1.0);
        assert_eq!(two_sample_exact(5, 7, 0), 1.0);
        assert!((two_sample_exact(5, 7, 22) - two_sample_exact(7, 5, 22)).abs() < 1e-15);
    }

    #[test]
    fn the_branches_meet() {
        for (n, x) in [(140, 0.169), (141, 0.124_9), (5_000, 0.020_976), (49_999, 0.006_633_3)] {
            let (below, above) = (kolmogorov_sf(n, x * 0.999_999), kolmogorov_sf(n, x * 1.000_001));
            assert!(below > above && (below / above - 1.0).abs() < 1e-4, "{n} {x}: {below} {above}");
        }
        let (exact, limit) = (kolmogorov_sf(50_000, 0.008), kolmogorov_sf(50_001, 0.008));
        assert!((exact / limit - 1.0).abs() < 1e-3, "{exact} {limit}");
    }

    #[test]
    fn chances_stay_chances() {
        for n in [1, 2, 3, 10, 139, 150, 10_000, 60_000, 10_000_000] {
            let mut last = 1.0;
            for i in 0..=200 {
                let p = kolmogorov_sf(n, f64::from(i) / 200.0);
                assert!((0.0..=1.0).contains(&p) && p <= last + 1e-9, "{n} {i}: {p} after {last}");
                last = p;
            }
        }
        assert!((kolmogorov_sf(1, 0.75) - 0.5).abs() < 1e-15);
    }
}
