//! Rows that matter, and what they count.

use mlops_core::{Error, Result};
use rayon::prelude::*;

use super::kernel::Kernel;
use crate::tensors::{self, Tensor};

pub(super) const VECTORS: &str = "vectors.safetensors";

/// The rows of a training set as a kernel sees them.
pub(super) struct Likeness<'a> {
    pub(super) kernel: Kernel,
    pub(super) matrix: &'a [f64],
    pub(super) width: usize,
}

impl Likeness<'_> {
    fn row(&self, row: u32) -> &[f64] {
        &self.matrix[row as usize * self.width..][..self.width]
    }

    /// A row's likeness to every row, on all cores.
    pub(super) fn of(&self, row: u32) -> Vec<f64> {
        const ROWS: usize = 256;
        let of = self.row(row);
        let mut likeness = vec![0.0; self.matrix.len() / self.width];
        let tasks = likeness.par_chunks_mut(ROWS).zip(self.matrix.par_chunks(ROWS * self.width));
        tasks.for_each(|(likeness, rows)| {
            let rows = rows.chunks_exact(self.width);
            likeness.iter_mut().zip(rows).for_each(|(likeness, row)| *likeness = self.kernel.of(of, row));
        });
        likeness
    }

    pub(super) fn diagonal(&self) -> Vec<f64> {
        self.matrix.chunks_exact(self.width).map(|row| self.kernel.of(row, row)).collect()
    }
}

/// Support vectors, and for each of them one coefficient for each decision.
#[derive(Clone, Debug)]
pub(super) struct Vectors {
    pub(super) kernel: Kernel,
    width: usize,
    decisions: usize,
    /// Row-major.
    points: Vec<f64>,
    /// Row-major: for each vector one number a decision.
    coefficients: Vec<f64>,
}

impl Vectors {
    /// Keeps the rows that count in any decision.
    pub(super) fn of(likeness: &Likeness<'_>, decisions: &[Vec<f64>]) -> Self {
        let rows = likeness.matrix.len() / likeness.width;
        let kept: Vec<usize> = (0..rows).filter(|row| decisions.iter().any(|d| d[*row] != 0.0)).collect();
        Self {
            kernel: likeness.kernel,
            width: likeness.width,
            decisions: decisions.len(),
            points: kept.iter().flat_map(|row| likeness.row(*row as u32)).copied().collect(),
            coefficients: kept.iter().flat_map(|row| decisions.iter().map(|d| d[*row])).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.points.len() / self.width
    }

    /// Adds what all vectors say of a row to the decisions.
    pub(super) fn add_to(&self, row: &[f64], decisions: &mut [f64]) {
        let vectors = self.points.chunks_exact(self.width).zip(self.coefficients.chunks_exact(self.decisions));
        for (point, coefficients) in vectors {
            let likeness = self.kernel.of(row, point);
            decisions.iter_mut().zip(coefficients).for_each(|(sum, c)| *sum += c * likeness);
        }
    }

    pub(super) fn write(&self) -> Result<Vec<u8>> {
        tensors::write(&[
            ("points", Tensor::F64(self.points.clone())),
            ("coefficients", Tensor::F64(self.coefficients.clone())),
        ])
    }

    pub(super) fn read(bytes: &[u8], kernel: Kernel, width: usize, decisions: usize) -> Result<Self> {
        let mut parts = tensors::read(bytes)?;
        let mut take = |name| {
            let tensor = parts.remove(name).ok_or_else(|| Error::corrupt(format!("support vectors without {name}")))?;
            tensor.into_f64()
        };
        let (points, coefficients) = (take("points")?, take("coefficients")?);
        let fits = width > 0
            && kernel.is_sound()
            && points.len() % width == 0
            && (points.len() / width).checked_mul(decisions) == Some(coefficients.len())
            && points.iter().chain(&coefficients).all(|x| x.is_finite());
        if !fits {
            return Err(Error::corrupt("the support vectors do not fit their signature"));
        }
        Ok(Self { kernel, width, decisions, points, coefficients })
    }
}

/// Refuses settings that no machine can have.
pub(super) fn check(c: f64, tol: f64, kernel: Kernel) -> Result<()> {
    let positive = |x: f64| x.is_finite() && x > 0.0;
    if positive(c) && positive(tol) && kernel.is_sound() {
        return Ok(());
    }
    Err(Error::config(format!(
        "support vectors with c = {c}, tol = {tol} and the kernel {kernel:?}: numbers must be above 0 (coef0 any) and \
         finite"
    )))
}
