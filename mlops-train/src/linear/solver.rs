//! Minimising an [`Objective`] by Newton's method.

use mlops_core::progress::Progress;
use mlops_core::{Result, Run};

use super::cholesky::dot;
use super::conjugate;
use super::objective::{Evaluation, Loss, Objective};

/// With at most so many coefficients the Hessian (8 MiB) and its factor are cheap beside a pass over
/// the rows; with more, Newton's step is approached by conjugate gradients.
const FACTORED: usize = 1024;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_iter: usize,
    /// The greatest slope that counts as flat.
    pub(crate) tol: f64,
}

/// Where it stopped.
#[derive(Debug)]
pub(crate) struct Solution {
    pub(crate) coefficients: Vec<f64>,
    pub(crate) iterations: usize,
    pub(crate) steepness: f64,
    pub(crate) converged: bool,
}

/// Minimises from zero.
///
/// The columns of a design are scaled, so `tol` means the same for every unit of measure, and the
/// loss is a mean, so it means the same for any number of rows.
pub(crate) fn minimise<L: Loss>(objective: &Objective<'_, L>, limits: Limits, run: &Run) -> Result<Solution> {
    let progress = Progress::start("fit: iterations", None);
    let mut at = vec![0.0; objective.size()];
    let mut here = objective.evaluate(&at);
    let mut iterations = 0;
    while iterations < limits.max_iter && here.steepness() > limits.tol {
        run.check()?;
        let step = match objective.size() <= FACTORED {
            true => factored_step(objective, &here),
            false => conjugate::step(objective, &here, run)?,
        };
        let Some(there) = search(objective, &at, &here, &step) else { break };
        (at, here) = there;
        iterations += 1;
        progress.advance(1);
    }
    let steepness = here.steepness();
    Ok(Solution { coefficients: at, iterations, steepness, converged: steepness <= limits.tol })
}

/// Newton's step by Cholesky's factor of the Hessian.
fn factored_step<L: Loss>(objective: &Objective<'_, L>, here: &Evaluation) -> Vec<f64> {
    let mut hessian = objective.hessian(here);
    let (size, outputs) = (objective.design.size(), objective.loss.outputs());
    if outputs > 1 {
        // The same number added to every intercept changes nothing; tying their sum to 0 makes the
        // matrix definite and leaves the step as it is.
        for k in 0..outputs {
            for l in 0..=k {
                hessian.values[k * size * hessian.size + l * size] += 1.0;
            }
        }
    }
    let mut step: Vec<f64> = here.gradient.iter().map(|g| -g).collect();
    hessian.damped_cholesky().solve(&mut step);
    step
}

/// Goes along `step` as far as it pays (Armijo's rule, halving); `None` if it never does: the
/// objective is as low as rounding lets it be seen.
fn search<L: Loss>(
    objective: &Objective<'_, L>,
    at: &[f64],
    here: &Evaluation,
    step: &[f64],
) -> Option<(Vec<f64>, Evaluation)> {
    const HALVINGS: i32 = 40;
    let slope = dot(&here.gradient, step);
    let blur = 16.0 * f64::EPSILON * here.value.abs();
    for halving in 0..HALVINGS {
        let length = 0.5f64.powi(halving);
        let next: Vec<f64> = at.iter().zip(step).map(|(x, s)| x + length * s).collect();
        let there = objective.evaluate(&next);
        let pays = there.value <= here.value + 1e-4 * length * slope;
        // Close to the minimum values differ by rounding alone; the gradient still tells.
        let flatter = there.value <= here.value + blur && there.steepness() < here.steepness();
        if pays || flatter {
            return Some((next, there));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::design::Design;
    use super::super::logistic_loss::Softmax;
    use super::super::objective::tests::three_classes;
    use super::*;

    #[test]
    fn both_ways_to_a_step_find_the_same_minimum() {
        let set = three_classes(500);
        let design = Design::of(&set);
        let (_, target) = set.classes("test").unwrap();
        let objective = Objective::new(&design, Softmax { target, classes: 3 }, 0.01);
        let newton = minimise(&objective, Limits { max_iter: 100, tol: 1e-10 }, &Run::default()).unwrap();
        assert!(newton.converged && newton.iterations < 12, "{newton:?}");

        let mut at = vec![0.0; objective.size()];
        let mut here = objective.evaluate(&at);
        for _ in 0..20 {
            let step = conjugate::step(&objective, &here, &Run::default()).unwrap();
            let Some(there) = search(&objective, &at, &here, &step) else { break };
            (at, here) = there;
        }
        assert!(here.steepness() < 1e-10, "{}", here.steepness());
        for (a, b) in at.iter().zip(&newton.coefficients) {
            assert!((a - b).abs() < 1e-7, "{a} {b}");
        }
    }
}
