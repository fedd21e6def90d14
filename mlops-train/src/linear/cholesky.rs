//! Symmetric positive definite systems.

/// A symmetric matrix of which the lower triangle is kept, row-major and square.
#[derive(Clone, Debug)]
pub(crate) struct Symmetric {
    pub(crate) size: usize,
    pub(crate) values: Vec<f64>,
}

/// `L` with `L Lᵀ = A`.
#[derive(Debug)]
pub(crate) struct Cholesky(Symmetric);

impl Symmetric {
    pub(crate) fn zeros(size: usize) -> Self {
        Self { size, values: vec![0.0; size * size] }
    }

    /// Adds to the diagonal.
    pub(crate) fn add_diagonal(&mut self, i: usize, value: f64) {
        self.values[i * self.size + i] += value;
    }

    fn diagonal(&self, i: usize) -> f64 {
        self.values[i * self.size + i]
    }

    /// Its factor, unless a pivot falls to `least` of its diagonal element or below: then the
    /// columns it came from are dependent to that degree. n³/3 operations.
    pub(crate) fn cholesky(&self, least: f64) -> Option<Cholesky> {
        let n = self.size;
        let mut factor = self.clone();
        for i in 0..n {
            let (above, rest) = factor.values.split_at_mut(i * n);
            let row = &mut rest[..n];
            for j in 0..i {
                let other = &above[j * n..j * n + j + 1];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let pivot = row[i] - dot(&row[..i], &row[..i]);
            if pivot.is_nan() || pivot <= least * self.diagonal(i) {
                return None;
            }
            row[i] = pivot.sqrt();
        }
        Some(Cholesky(factor))
    }

    /// The factor of the matrix, or of the matrix with as much added to its diagonal as it takes
    /// to be positive definite (Levenberg's way out).
    pub(crate) fn damped_cholesky(&self) -> Cholesky {
        const LEAST_PIVOT: f64 = 1e-13;
        let greatest = (0..self.size).map(|i| self.diagonal(i)).fold(f64::MIN_POSITIVE, f64::max);
        let mut damping = 1e-12 * greatest;
        let mut matrix = self.clone();
        loop {
            if let Some(factor) = matrix.cholesky(LEAST_PIVOT) {
                return factor;
            }
            // Ends at the latest where the diagonal outweighs every row; beyond the range of f64
            // (a Hessian of infinities) the identity is as good a direction as any.
            if !damping.is_finite() {
                let mut identity = Self::zeros(self.size);
                (0..self.size).for_each(|i| identity.add_diagonal(i, 1.0));
                return Cholesky(identity);
            }
            matrix.clone_from(self);
            (0..self.size).for_each(|i| matrix.add_diagonal(i, damping));
            damping *= 100.0;
        }
    }
}

impl Cholesky {
    /// Solves `A x = b` in place.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        let Symmetric { size: n, values } = &self.0;
        for i in 0..*n {
            let row = &values[i * n..i * n + i + 1];
            b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
        }
        for i in (0..*n).rev() {
            let row = &values[i * n..i * n + i + 1];
            b[i] /= row[i];
            let x = b[i];
            b[..i].iter_mut().zip(row).for_each(|(b, l)| *b -= x * l);
        }
    }
}

/// The scalar product, in four sums so that it runs at the speed of the processor's vectors.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a4.remainder().iter().zip(b4.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a4.zip(b4) {
        for i in 0..4 {
            sums[i] += x[i] * y[i];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(values: [[f64; 3]; 3]) -> Symmetric {
        Symmetric { size: 3, values: values.concat() }
    }

    #[test]
    fn solves_what_it_multiplied() {
        let a = matrix([[4.0, 0.0, 0.0], [2.0, 5.0, 0.0], [1.0, 3.0, 6.0]]);
        let mut b = [4.0 + 4.0 + 3.0, 2.0 + 10.0 + 9.0, 1.0 + 6.0 + 18.0];
        a.cholesky(0.0).unwrap().solve(&mut b);
        assert!(b.iter().zip([1.0, 2.0, 3.0]).all(|(x, y)| (x - y).abs() < 1e-14), "{b:?}");
    }

    #[test]
    fn dependent_columns_are_noticed_and_damped() {
        let a = matrix([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        assert!(a.cholesky(1e-12).is_none());
        let mut b = [2.0, 2.0, 1.0];
        a.damped_cholesky().solve(&mut b);
        assert!((b[0] + b[1] - 2.0).abs() < 1e-6, "{b:?}");
    }

    #[test]
    fn infinities_end() {
        let a = matrix([[f64::INFINITY, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        a.damped_cholesky().solve(&mut [1.0, 1.0, 1.0]);
    }
}
