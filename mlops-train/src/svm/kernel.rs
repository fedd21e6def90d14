//! How alike two rows are.

use serde::{Deserialize, Serialize};

/// How alike two rows are: what a support vector machine knows of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kernel {
    /// The scalar product.
    Linear,
    /// `(gamma · product + coef0)^degree`.
    Poly {
        /// The power; at least 1.
        degree: u32,
        /// The factor; above 0.
        gamma: f64,
        /// What is added.
        coef0: f64,
    },
    /// `exp(-gamma · squared distance)`.
    Rbf {
        /// How fast likeness falls with distance; above 0.
        gamma: f64,
    },
    /// The same, with gamma one over the number of features and the variance of all their values:
    /// scikit-learn's `gamma="scale"`.
    RbfScale,
    /// `tanh(gamma · product + coef0)`.
    Sigmoid {
        /// The factor; above 0.
        gamma: f64,
        /// What is added.
        coef0: f64,
    },
}

impl Kernel {
    pub(super) fn is_sound(self) -> bool {
        let positive = |gamma: f64| gamma.is_finite() && gamma > 0.0;
        match self {
            Self::Linear | Self::RbfScale => true,
            Self::Poly { degree, gamma, coef0 } => degree > 0 && positive(gamma) && coef0.is_finite(),
            Self::Rbf { gamma } => positive(gamma),
            Self::Sigmoid { gamma, coef0 } => positive(gamma) && coef0.is_finite(),
        }
    }

    /// With gamma known, of rows in a row-major matrix.
    pub(super) fn fixed(self, matrix: &[f64], width: usize) -> Self {
        if self != Self::RbfScale {
            return self;
        }
        let n = matrix.len() as f64;
        let mean = matrix.iter().sum::<f64>() / n;
        let variance = matrix.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
        Self::Rbf { gamma: if variance > 0.0 { 1.0 / (width as f64 * variance) } else { 1.0 } }
    }

    pub(super) fn of(self, a: &[f64], b: &[f64]) -> f64 {
        match self {
            Self::Linear => product(a, b),
            Self::Poly { degree, gamma, coef0 } => {
                let base = gamma * product(a, b) + coef0;
                i32::try_from(degree).map_or_else(|_| base.powf(f64::from(degree)), |degree| base.powi(degree))
            }
            Self::Rbf { gamma } => (-gamma * a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>()).exp(),
            // Learning replaces it; a model without rows would have variance 1.
            Self::RbfScale => Self::Rbf { gamma: 1.0 / a.len().max(1) as f64 }.of(a, b),
            Self::Sigmoid { gamma, coef0 } => (gamma * product(a, b) + coef0).tanh(),
        }
    }
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
