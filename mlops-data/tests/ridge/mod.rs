//! A trainer to select features with: least squares with a penalty, by the normal equations.

use std::sync::Arc;

use mlops_core::columns::to_matrix;
use mlops_core::conformance::LinearModel;
use mlops_core::{Codecs, Model, Named, Result, Run, Table, Trainer};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ridge {
    pub(crate) alpha: f64,
}

impl Named for Ridge {
    const KIND: &'static str = "ridge_of_tests";
}

pub(crate) fn codecs() -> Codecs {
    Codecs::default().with(mlops_data::codecs()).with_trainer::<Ridge>()
}

impl Trainer for Ridge {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        let names: Vec<String> = data.features().iter().map(|field| field.name().clone()).collect();
        data.check_inputs(&names)?;
        let (batch, target, width) = (data.to_batch()?, data.target()?.name().clone(), names.len());
        let (x, y) = (to_matrix(&batch, &names)?, to_matrix(&batch, &[target])?);
        if y.is_empty() || x.iter().chain(&y).any(|x| !x.is_finite()) {
            let wrong =
                names.iter().enumerate().find(|(i, _)| x.iter().skip(*i).step_by(width).any(|x| !x.is_finite()));
            return Err(mlops_core::Error::data(format!("a value of {wrong:?} is missing or not finite")));
        }
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / y.len() as f64;
        let centres: Vec<f64> = (0..width).map(|i| mean(&mut x.iter().skip(i).step_by(width).copied())).collect();
        let centre = mean(&mut y.iter().copied());
        let mut system = vec![vec![0.0; width + 1]; width];
        for (row, y) in x.chunks_exact(width).zip(&y) {
            for i in 0..width {
                for j in 0..width {
                    system[i][j] += (row[i] - centres[i]) * (row[j] - centres[j]);
                }
                system[i][width] += (row[i] - centres[i]) * (y - centre);
            }
        }
        (0..width).for_each(|i| system[i][i] += self.alpha);
        let weights = solve(system);
        let intercept = centre - weights.iter().zip(&centres).map(|(w, c)| w * c).sum::<f64>();
        Ok(Arc::new(LinearModel::regression(names.into_iter().zip(weights), intercept)?))
    }
}

/// Gauss and Jordan, without pivots: the system is positive definite.
fn solve(mut system: Vec<Vec<f64>>) -> Vec<f64> {
    for i in 0..system.len() {
        let pivot = system[i].clone();
        for (_, row) in system.iter_mut().enumerate().filter(|(j, _)| *j != i) {
            let factor = row[i] / pivot[i];
            row.iter_mut().zip(&pivot).skip(i).for_each(|(x, p)| *x -= factor * p);
        }
    }
    system.iter().enumerate().map(|(i, row)| row[row.len() - 1] / row[i]).collect()
}
