//! What all fitted linear models are made of.

use mlops_core::{Error, Result, Run, Signature};
use serde::{Deserialize, Serialize};

use super::cholesky::dot;
use super::design::Design;

/// The coefficients of the features as they are given, for one output or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Linear {
    /// For each output one number a feature.
    pub(crate) coef: Vec<Vec<f64>>,
    /// One number an output.
    pub(crate) intercept: Vec<f64>,
}

impl Linear {
    /// Folds the scaling of the design into the coefficients.
    pub(crate) fn unscaled(design: &Design, coefficients: &[f64], width: usize) -> Result<Self> {
        let mut linear = Self { coef: Vec::new(), intercept: Vec::new() };
        for of_output in coefficients.chunks_exact(design.size()) {
            let mut coef = vec![0.0; width];
            let mut intercept = of_output[0];
            for (value, column) in of_output[1..].iter().zip(&design.columns) {
                coef[column.feature] = value / column.scale;
                intercept -= value / column.scale * column.centre;
            }
            linear.coef.push(coef);
            linear.intercept.push(intercept);
        }
        if !linear.coef.iter().flatten().chain(&linear.intercept).all(|x| x.is_finite()) {
            return Err(Error::data(
                "the coefficients went beyond the range of f64: bring features and target to a common scale first \
                 (StandardScaler)",
            ));
        }
        Ok(linear)
    }

    /// Refuses what does not fit the signature.
    pub(crate) fn check(&self, signature: &Signature, outputs: usize) -> Result<()> {
        let width = signature.inputs.len();
        let fits = width > 0
            && self.coef.len() == outputs
            && self.intercept.len() == outputs
            && self.coef.iter().all(|coef| coef.len() == width);
        if fits {
            return Ok(());
        }
        Err(Error::corrupt(format!("the coefficients do not fit {width} inputs and {outputs} outputs")))
    }

    /// The intercept plus the row times the coefficients of one output.
    pub(crate) fn score(&self, row: &[f64], output: usize) -> f64 {
        dot(row, &self.coef[output]) + self.intercept[output]
    }
}

/// Runs a fit on the threads of `run`.
pub(crate) fn on_threads<T: Send>(run: &Run, fit: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    run.check()?;
    run.install(fit)?
}
