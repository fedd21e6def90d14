//! Newton's step where the Hessian is too large to be written down.

use mlops_core::{Result, Run};

use super::cholesky::dot;
use super::objective::{Evaluation, Loss, Objective};

/// The step by preconditioned conjugate gradients, as exact as it pays (Nocedal and Wright,
/// "Numerical Optimization", algorithm 7.1): far from the minimum a few products of the Hessian, a
/// pass over the rows each, and more the closer it comes.
pub(crate) fn step<L: Loss>(objective: &Objective<'_, L>, here: &Evaluation, run: &Run) -> Result<Vec<f64>> {
    let diagonal = objective.curvatures(here);
    let scaled = |residual: &[f64]| -> Vec<f64> { residual.iter().zip(&diagonal).map(|(r, d)| r / d).collect() };
    let mut step = vec![0.0; here.gradient.len()];
    let mut residual: Vec<f64> = here.gradient.iter().map(|g| -g).collect();
    let mut towards = scaled(&residual);
    let mut size = dot(&residual, &towards);
    let first = size;
    // The error shrinks with the slope, so that the steps converge faster than linearly.
    let enough = here.steepness().sqrt().min(0.5).powi(2) * first;
    for _ in 0..residual.len() {
        run.check()?;
        let product = objective.hessian_times(here, &towards);
        let curvature = dot(&towards, &product);
        if curvature.is_nan() || curvature <= 0.0 {
            break;
        }
        let length = size / curvature;
        add(&mut step, length, &towards);
        add(&mut residual, -length, &product);
        let next = scaled(&residual);
        let next_size = dot(&residual, &next);
        if next_size <= enough {
            break;
        }
        let share = next_size / size;
        towards.iter_mut().zip(next).for_each(|(t, n)| *t = n + share * *t);
        size = next_size;
    }
    if objective.loss.outputs() > 1 {
        centre_intercepts(&mut step, objective.design.size());
    }
    Ok(step)
}

/// The same number added to the intercept of every class changes nothing; nothing is best.
fn centre_intercepts(step: &mut [f64], size: usize) {
    let classes = step.chunks_exact(size).count() as f64;
    let mean = step.iter().step_by(size).sum::<f64>() / classes;
    step.iter_mut().step_by(size).for_each(|intercept| *intercept -= mean);
}

fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
}
