//! How the groups of a mixture spread.

use serde::{Deserialize, Serialize};

/// What the spread of the groups of a [`GaussianMixture`](crate::GaussianMixture) may look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Covariance {
    /// Along the axes.
    Diag,
    /// In any direction.
    #[default]
    Full,
    /// The same in all directions.
    Spherical,
    /// In any direction, the same for all groups.
    Tied,
}

/// The spread of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Spread {
    /// One variance a feature.
    Diag(Vec<f64>),
    /// The lower triangle, row by row and square.
    Full(Vec<f64>),
}

impl Covariance {
    /// Whether products of different features do not matter.
    pub(super) fn is_diagonal(self) -> bool {
        matches!(self, Self::Diag | Self::Spherical)
    }

    /// The spreads of groups, from the sums of products around their means: for each group a square matrix of
    /// which the lower triangle is used.
    pub(super) fn spreads(self, sums: &[f64], counts: &[f64], width: usize, raise: f64) -> Vec<Spread> {
        let groups = sums.chunks_exact(width * width).zip(counts);
        let full = |sums: &[f64], count: f64| {
            let mut matrix: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
            (0..width).for_each(|i| matrix[i * width + i] += raise);
            Spread::Full(matrix)
        };
        let variances = |(sums, count): (&[f64], &f64)| -> Vec<f64> {
            (0..width).map(|i| sums[i * width + i] / count + raise).collect()
        };
        match self {
            Self::Diag => groups.map(|group| Spread::Diag(variances(group))).collect(),
            Self::Full => groups.map(|(sums, count)| full(sums, *count)).collect(),
            Self::Spherical => {
                let mean = |variances: Vec<f64>| variances.iter().sum::<f64>() / width as f64;
                groups.map(|group| Spread::Diag(vec![mean(variances(group)); width])).collect()
            }
            Self::Tied => {
                let mut all = vec![0.0; width * width];
                groups.for_each(|(sums, _)| all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum));
                vec![full(&all, counts.iter().sum()); counts.len()]
            }
        }
    }
}

impl Spread {
    pub(super) fn fits(&self, width: usize) -> bool {
        match self {
            Self::Diag(variances) => variances.len() == width && variances.iter().all(|v| v.is_finite()),
            Self::Full(matrix) => matrix.len() == width * width && matrix.iter().all(|v| v.is_finite()),
        }
    }

    /// The whole covariance, row-major.
    pub(super) fn matrix(&self, width: usize) -> Vec<f64> {
        let entry = |i: usize, j: usize| match self {
            Self::Diag(variances) => {
                if i == j {
                    variances[i]
                } else {
                    0.0
                }
            }
            Self::Full(matrix) => matrix[i.max(j) * width + i.min(j)],
        };
        (0..width * width).map(|at| entry(at / width, at % width)).collect()
    }

    /// `None` if it is flat in some direction.
    pub(super) fn factor(&self) -> Option<Factor> {
        match self {
            Self::Diag(variances) => {
                let positive = variances.iter().all(|v| *v > 0.0);
                positive.then(|| Factor::Diag(variances.clone()))
            }
            Self::Full(matrix) => cholesky(matrix).map(Factor::Triangle),
        }
    }
}

/// A spread, ready to measure with.
#[derive(Clone, Debug)]
pub(super) enum Factor {
    Diag(Vec<f64>),
    /// `W` with `W · covariance · Wᵀ = 1`: lower triangular, row by row.
    Triangle(Vec<Vec<f64>>),
}

impl Factor {
    pub(super) fn log_determinant(&self) -> f64 {
        match self {
            Self::Diag(variances) => variances.iter().map(|v| v.ln()).sum(),
            Self::Triangle(rows) => rows.iter().enumerate().map(|(i, row)| -2.0 * row[i].ln()).sum(),
        }
    }

    /// The squared distance of a row from a mean, in units of the spread (Mahalanobis).
    pub(super) fn squared_distance(&self, row: &[f64], mean: &[f64]) -> f64 {
        match self {
            Self::Diag(variances) => {
                row.iter().zip(mean).zip(variances).map(|((x, mean), v)| (x - mean) * (x - mean) / v).sum()
            }
            Self::Triangle(rows) => {
                let along = |factors: &Vec<f64>| -> f64 {
                    factors.iter().zip(row.iter().zip(mean)).map(|(f, (x, mean))| f * (x - mean)).sum()
                };
                rows.iter().map(along).map(|z| z * z).sum()
            }
        }
    }
}

/// The inverse of the Cholesky factor of a matrix, whose lower triangle is given.
fn cholesky(matrix: &[f64]) -> Option<Vec<Vec<f64>>> {
    let width = matrix.len().isqrt();
    let mut factor: Vec<Vec<f64>> = Vec::with_capacity(width);
    for i in 0..width {
        let mut row = vec![0.0; i + 1];
        for j in 0..=i {
            let before: f64 = (0..j).map(|k| row[k] * if i == j { row[k] } else { factor[j][k] }).sum();
            let rest = matrix[i * width + j] - before;
            row[j] = match i == j {
                true if rest > 0.0 => rest.sqrt(),
                true => return None,
                false => rest / factor[j][j],
            };
        }
        factor.push(row);
    }
    let mut inverse: Vec<Vec<f64>> = Vec::with_capacity(width);
    for (i, of_factor) in factor.iter().enumerate() {
        let mut row = vec![0.0; i + 1];
        for (j, value) in row.iter_mut().enumerate() {
            let unit = f64::from(u8::from(i == j));
            let before: f64 = (j..i).map(|k| of_factor[k] * inverse[k][j]).sum();
            *value = (unit - before) / of_factor[i];
        }
        inverse.push(row);
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_spread_measures_like_its_inverse() {
        let spread = Spread::Full(vec![4.0, 0.0, 2.0, 3.0]);
        let factor = spread.factor().unwrap();
        // The inverse of [[4, 2], [2, 3]] is [[3, -2], [-2, 4]] / 8.
        assert!((factor.squared_distance(&[2.0, 1.0], &[1.0, -1.0]) - (3.0 - 8.0 + 16.0) / 8.0).abs() < 1e-14);
        assert!((factor.log_determinant() - 8f64.ln()).abs() < 1e-14);
        assert!(Spread::Full(vec![1.0, 0.0, 1.0, 1.0]).factor().is_none());
    }
}
