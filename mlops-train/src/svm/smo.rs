//! Sequential minimal optimisation.

use std::collections::HashMap;

use mlops_core::{Error, Result, Run};

/// `½ αᵀ Q α + pᵀ α` under `0 ≤ αᵢ ≤ cᵢ` and a constant `Σ yᵢ αᵢ`, where `Qᵢⱼ = yᵢ yⱼ K(xᵢ, xⱼ)`.
pub(super) struct Problem<'a> {
    /// Which row variable `i` is about.
    pub(super) rows: Vec<u32>,
    /// 1 or -1.
    pub(super) signs: Vec<f64>,
    pub(super) linear: Vec<f64>,
    pub(super) limits: Vec<f64>,
    /// The likeness of a row to all rows that variables are about.
    pub(super) kernel: &'a (dyn Fn(u32) -> Vec<f64> + Sync),
    /// The likeness of each row to itself.
    pub(super) diagonal: Vec<f64>,
}

/// The α, and the constant of the decision.
pub(super) struct Solution {
    pub(super) alpha: Vec<f64>,
    pub(super) rho: f64,
}

/// Rows of the kernel that were used last, as many as fit.
struct Cache<'a> {
    kernel: &'a (dyn Fn(u32) -> Vec<f64> + Sync),
    rows: HashMap<u32, (u64, Vec<f64>)>,
    most: usize,
    clock: u64,
}

impl Cache<'_> {
    /// 200 MB, as in libsvm.
    const BYTES: usize = 200 << 20;

    fn row(&mut self, row: u32) -> &[f64] {
        self.clock += 1;
        let clock = self.clock;
        if !self.rows.contains_key(&row) && self.rows.len() >= self.most {
            let oldest = self.rows.iter().min_by_key(|(row, (used, _))| (*used, **row)).map(|(row, _)| *row);
            oldest.map(|oldest| self.rows.remove(&oldest));
        }
        let kernel = self.kernel;
        let entry = self.rows.entry(row).or_insert_with(|| (0, kernel(row)));
        entry.0 = clock;
        &entry.1
    }
}

impl Problem<'_> {
    /// Moves two variables at a time, chosen by second-order information (Fan, Chen and Lin 2005), until no
    /// pair violates the optimum by more than `tol`: libsvm's method.
    pub(super) fn solve(&self, tol: f64, max_iter: Option<usize>, run: &Run) -> Result<Solution> {
        /// What stands for a curvature that is not above 0.
        const TAU: f64 = 1e-12;
        let n = self.rows.len();
        let columns = self.diagonal.len();
        let most = (Cache::BYTES / (8 * columns.max(1))).max(2);
        let mut cache = Cache { kernel: self.kernel, rows: HashMap::new(), most, clock: 0 };
        let mut alpha = vec![0.0; n];
        let mut gradient = self.linear.clone();
        let limit = max_iter.unwrap_or_else(|| n.saturating_mul(100).max(10_000_000));
        for iteration in 0.. {
            run.check()?;
            if iteration == limit {
                tracing::warn!(iteration, "the support vectors did not converge: scale the features, or lower c");
                break;
            }
            let Some((i, greatest)) = self.first(&alpha, &gradient) else { break };
            let of_i = cache.row(self.rows[i]).to_vec();
            let Some(j) = self.second(&alpha, &gradient, i, greatest, tol, &of_i) else { break };
            let (row_i, row_j) = (self.rows[i] as usize, self.rows[j] as usize);
            let likeness = of_i[row_j];
            let curvature = self.diagonal[row_i] + self.diagonal[row_j] - 2.0 * likeness;
            let curvature = if curvature > 0.0 { curvature } else { TAU };
            let before = (alpha[i], alpha[j]);
            self.move_pair(&mut alpha, (i, j), &gradient, curvature);
            let (step_i, step_j) = (self.signs[i] * (alpha[i] - before.0), self.signs[j] * (alpha[j] - before.1));
            if !(step_i.is_finite() && step_j.is_finite()) {
                return Err(Error::data("the kernel of two rows is not finite: scale the features first"));
            }
            let of_j = cache.row(self.rows[j]);
            for (k, gradient) in gradient.iter_mut().enumerate() {
                let row = self.rows[k] as usize;
                *gradient += self.signs[k] * (step_i * of_i[row] + step_j * of_j[row]);
            }
        }
        let rho = self.rho(&alpha, &gradient);
        Ok(Solution { alpha, rho })
    }

    fn may_rise(&self, alpha: &[f64], i: usize) -> bool {
        if self.signs[i] > 0.0 { alpha[i] < self.limits[i] } else { alpha[i] > 0.0 }
    }

    fn may_fall(&self, alpha: &[f64], i: usize) -> bool {
        if self.signs[i] > 0.0 { alpha[i] > 0.0 } else { alpha[i] < self.limits[i] }
    }

    /// The steepest way up.
    fn first(&self, alpha: &[f64], gradient: &[f64]) -> Option<(usize, f64)> {
        let steep = (0..alpha.len()).filter(|i| self.may_rise(alpha, *i)).map(|i| (i, -self.signs[i] * gradient[i]));
        steep.reduce(|best, other| if other.1 >= best.1 { other } else { best })
    }

    /// The partner that gains most; `None` if no pair violates the optimum by more than `tol`.
    fn second(&self, alpha: &[f64], gradient: &[f64], i: usize, up: f64, tol: f64, of_i: &[f64]) -> Option<usize> {
        const TAU: f64 = 1e-12;
        let (mut best, mut lowest) = (None, f64::INFINITY);
        let mut best_gain = f64::INFINITY;
        let own = self.diagonal[self.rows[i] as usize];
        for j in (0..alpha.len()).filter(|j| self.may_fall(alpha, *j)) {
            let down = -self.signs[j] * gradient[j];
            lowest = lowest.min(down);
            let apart = up - down;
            if apart > 0.0 {
                let row = self.rows[j] as usize;
                let curvature = own + self.diagonal[row] - 2.0 * of_i[row];
                let gain = -apart * apart / if curvature > 0.0 { curvature } else { TAU };
                if gain <= best_gain {
                    (best, best_gain) = (Some(j), gain);
                }
            }
        }
        if up - lowest < tol { None } else { best }
    }

    /// The best values of two variables within their limits; the sum that must stay stays.
    fn move_pair(&self, alpha: &mut [f64], (i, j): (usize, usize), gradient: &[f64], curvature: f64) {
        let (a, b) = (alpha[i], alpha[j]);
        let (limit_i, limit_j) = (self.limits[i], self.limits[j]);
        if self.signs[i] != self.signs[j] {
            let difference = a - b;
            let step = (-gradient[i] - gradient[j]) / curvature;
            let least = difference.max(0.0);
            let most = limit_i.min(limit_j + difference);
            alpha[i] = (a + step).clamp(least, most.max(least));
            alpha[j] = within(alpha[i] - difference, limit_j);
        } else {
            let sum = a + b;
            let step = (gradient[i] - gradient[j]) / curvature;
            let least = (sum - limit_j).max(0.0);
            let most = limit_i.min(sum);
            alpha[i] = (a - step).clamp(least, most.max(least));
            alpha[j] = within(sum - alpha[i], limit_j);
        }
    }

    /// The mean of what the free variables say, or the middle of what the others leave open.
    fn rho(&self, alpha: &[f64], gradient: &[f64]) -> f64 {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        let (mut sum, mut free) = (0.0, 0);
        for i in 0..alpha.len() {
            let slope = self.signs[i] * gradient[i];
            if alpha[i] > 0.0 && alpha[i] < self.limits[i] {
                sum += slope;
                free += 1;
            } else if (alpha[i] <= 0.0) == (self.signs[i] > 0.0) {
                high = high.min(slope);
            } else {
                low = low.max(slope);
            }
        }
        match (free, low.is_finite(), high.is_finite()) {
            (1.., ..) => sum / f64::from(free),
            (_, true, true) => 0.5 * (low + high),
            (_, true, false) => low,
            (_, false, true) => high,
            _ => 0.0,
        }
    }
}

/// A limit that was missed by rounding is met, so that a variable at it is known to be.
fn within(x: f64, limit: f64) -> f64 {
    let hair = 1e-15 * limit.max(1.0);
    if x <= hair {
        0.0
    } else if x >= limit - hair {
        limit
    } else {
        x
    }
}
