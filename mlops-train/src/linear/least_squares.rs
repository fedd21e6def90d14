//! Least squares, with or without a penalty on the squared coefficients.

use mlops_core::{Result, Run};

use super::design::Design;
use super::objective::{Loss, Objective};
use super::qr::Triangle;

/// Half the squared residual.
#[derive(Debug)]
pub(crate) struct Squared<'a> {
    pub(crate) target: &'a [f64],
}

impl Loss for Squared<'_> {
    fn outputs(&self) -> usize {
        1
    }

    fn row(&self, row: usize, scores: &mut [f64], slopes: &mut [f64]) -> f64 {
        let residual = scores[0] - self.target[row];
        slopes[0] = residual;
        0.5 * residual * residual
    }

    fn curvature(&self, _: &[f64], _: usize, _: usize) -> f64 {
        1.0
    }
}

/// The coefficients of the design's columns, and how many columns are independent (with the
/// intercept).
#[derive(Debug)]
pub(crate) struct Fit {
    pub(crate) coefficients: Vec<f64>,
    pub(crate) rank: usize,
}

/// Minimises the objective.
///
/// Well-conditioned columns: the normal equations by Cholesky's factor, refined with residuals taken
/// from the rows (Björck's corrected semi-normal equations), which is as accurate as a QR
/// decomposition at a small part of its cost. Others: the QR decomposition.
pub(crate) fn solve(objective: &Objective<'_, Squared<'_>>, run: &Run) -> Result<Fit> {
    /// What a scaled column must add to those before it; less, and the squared condition costs
    /// more digits than the refinement brings back.
    const LEAST_PIVOT: f64 = 1e-8;
    const REFINEMENTS: usize = 3;
    let mut coefficients = vec![0.0; objective.size()];
    let mut at = objective.evaluate(&coefficients);
    run.check()?;
    let Some(factor) = objective.hessian(&at).cholesky(LEAST_PIVOT) else {
        return solve_dependent(objective, run);
    };
    for _ in 0..=REFINEMENTS {
        run.check()?;
        let mut step = at.gradient;
        factor.solve(&mut step);
        coefficients.iter_mut().zip(&step).for_each(|(x, s)| *x -= s);
        at = objective.evaluate(&coefficients);
    }
    let rank = coefficients.len();
    Ok(Fit { coefficients, rank })
}

/// By QR: rows in blocks, a triangle for each part, merged in order.
fn solve_dependent(objective: &Objective<'_, Squared<'_>>, run: &Run) -> Result<Fit> {
    let design = objective.design;
    let width = design.size() + 1;
    let block = (4 * width).max(64);
    let parts = design.map_parts(|rows| {
        let mut triangle = Triangle::new(width);
        for start in rows.clone().step_by(block) {
            if run.check().is_err() {
                break;
            }
            triangle.absorb(&weighted_rows(design, objective.loss.target, start..rows.end.min(start + block)));
        }
        triangle
    });
    run.check()?;
    let mut parts = parts.into_iter();
    let mut whole = parts.next().unwrap_or_else(|| Triangle::new(width));
    parts.for_each(|part| whole.merge(&part));
    whole.absorb(&penalty_rows(&objective.penalty));
    let scales: Vec<f64> = design.columns.iter().map(|column| column.scale).collect();
    let blur = f64::EPSILON * design.rows.max(width) as f64;
    let least = whole.solve(&scales, blur);
    Ok(Fit { coefficients: least.solution, rank: least.rank })
}

/// Rows by columns, the target last, each row times the root of its weight.
fn weighted_rows(design: &Design, target: &[f64], rows: std::ops::Range<usize>) -> Vec<Vec<f64>> {
    let mut columns = vec![vec![0.0; rows.len()]; design.size() + 1];
    let mut row_values = vec![0.0; design.size()];
    for (i, row) in rows.enumerate() {
        let root = design.weights[row].sqrt();
        row_values.fill(0.0);
        design.add(row, root, &mut row_values);
        columns.iter_mut().zip(&row_values).for_each(|(column, x)| column[i] = *x);
        columns[design.size()][i] = root * target[row];
    }
    columns
}

/// A penalty is a row whose residual is the coefficient times the root of the penalty.
fn penalty_rows(penalty: &[f64]) -> Vec<Vec<f64>> {
    let penalised: Vec<usize> = (0..penalty.len()).filter(|i| penalty[*i] > 0.0).collect();
    let column = |c: usize| penalised.iter().map(|i| if *i == c { penalty[c].sqrt() } else { 0.0 }).collect();
    (0..=penalty.len()).map(column).collect()
}
