//! Eigenvectors of symmetric matrices.

/// The eigenvalues of the symmetric matrix, in descending order, and their eigenvectors, of length 1 and
/// with their largest component positive (scikit-learn's `svd_flip`).
///
/// Cyclic Jacobi rotations (Golub and Van Loan, "Matrix computations", section 8.5), until every element
/// beside the diagonal is below the rounding of the two on it: small eigenvalues of a scaled matrix are
/// then as precise as large ones (Demmel and Veselić, "Jacobi's method is more accurate than QR", SIAM
/// Journal on Matrix Analysis 13, 1992). Some 10 sweeps of 6 n³ operations.
pub(super) fn symmetric(mut matrix: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    const MOST_SWEEPS: usize = 60;
    let n = matrix.len();
    // Row i becomes the eigenvector of the i-th element of the diagonal.
    let mut vectors: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..MOST_SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                if let Some(rotation) = Rotation::of(matrix[p][p], matrix[q][q], matrix[p][q]) {
                    rotated = true;
                    rotation.turn(&mut matrix, p, q);
                    rotation.turn_rows(&mut vectors, p, q);
                }
            }
        }
        if !rotated {
            break;
        }
    }
    let mut pairs: Vec<(f64, Vec<f64>)> = (0..n).map(|i| matrix[i][i]).zip(vectors).collect();
    // Stable: equal eigenvalues stay in the order of the columns.
    pairs.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    pairs.iter_mut().for_each(|(_, vector)| flip(vector));
    pairs.into_iter().unzip()
}

fn flip(vector: &mut [f64]) {
    let largest = vector.iter().copied().reduce(|most, x| if x.abs() > most.abs() { x } else { most });
    if largest.is_some_and(|x| x < 0.0) {
        vector.iter_mut().for_each(|x| *x = -*x);
    }
}

/// A rotation by the angle whose tangent is `t`.
struct Rotation {
    t: f64,
    cosine: f64,
    sine: f64,
}

impl Rotation {
    /// The one that turns the element beside the diagonal to zero, unless it is nothing but rounding.
    fn of(pp: f64, qq: f64, pq: f64) -> Option<Self> {
        if pq == 0.0 || pq.abs() <= f64::EPSILON * 0.5 * (pp.abs().sqrt() * qq.abs().sqrt()) {
            return None;
        }
        let theta = (qq - pp) / (2.0 * pq);
        // Where θ² overflows, t is 1 / 2θ.
        let t = 1.0f64.copysign(theta) / (theta.abs() + theta.hypot(1.0));
        let cosine = 1.0 / t.hypot(1.0);
        Some(Self { t, cosine, sine: t * cosine })
    }

    fn turn(&self, matrix: &mut [Vec<f64>], p: usize, q: usize) {
        let shift = self.t * matrix[p][q];
        matrix[p][p] -= shift;
        matrix[q][q] += shift;
        (matrix[p][q], matrix[q][p]) = (0.0, 0.0);
        for i in (0..matrix.len()).filter(|i| *i != p && *i != q) {
            let (a, b) = (matrix[i][p], matrix[i][q]);
            let (a, b) = (self.cosine * a - self.sine * b, self.sine * a + self.cosine * b);
            (matrix[i][p], matrix[p][i]) = (a, a);
            (matrix[i][q], matrix[q][i]) = (b, b);
        }
    }

    fn turn_rows(&self, rows: &mut [Vec<f64>], p: usize, q: usize) {
        // q is greater than p.
        let (low, high) = rows.split_at_mut(q);
        for (a, b) in low[p].iter_mut().zip(&mut high[0]) {
            (*a, *b) = (self.cosine * *a - self.sine * *b, self.sine * *a + self.cosine * *b);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_matrix_is_the_sum_of_its_eigenvectors(
            n in 1usize..9,
            numbers in prop::collection::vec(-10.0f64..10.0, 81),
            scales in prop::collection::vec(-3i32..4, 9),
        ) {
            // A Gram matrix, whose rows and columns differ in scale.
            let factor = |i: usize, k: usize| numbers[i * 9 + k] * 10f64.powi(scales[i]);
            let element = |i: usize, j: usize| (0..n).map(|k| factor(i, k) * factor(j, k)).sum::<f64>();
            let matrix: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| element(i, j)).collect()).collect();
            let (values, vectors) = symmetric(matrix.clone());
            prop_assert!(values.is_sorted_by(|a, b| a >= b));
            for i in 0..n {
                for j in 0..n {
                    let sum: f64 = (0..n).map(|k| values[k] * vectors[k][i] * vectors[k][j]).sum();
                    let size = (matrix[i][i] * matrix[j][j]).sqrt().max(values[0] * 1e-3);
                    prop_assert!((sum - matrix[i][j]).abs() <= 1e-12 * size, "{sum} instead of {}", matrix[i][j]);
                    let product: f64 = (0..n).map(|k| vectors[i][k] * vectors[j][k]).sum();
                    prop_assert!((product - f64::from(u8::from(i == j))).abs() < 1e-13);
                }
            }
        }
    }

    #[test]
    fn the_largest_component_is_positive_and_the_first_of_equal_ones() {
        let (values, vectors) = symmetric(vec![vec![1.0, -0.5], vec![-0.5, 1.0]]);
        assert_eq!(values, [1.5, 0.5]);
        assert!(vectors[0][0] > 0.0 && vectors[0][1] < 0.0);
        assert_eq!(symmetric(vec![vec![2.0, 0.0], vec![0.0, 3.0]]).1, [[0.0, 1.0], [1.0, 0.0]]);
        assert_eq!(symmetric(Vec::new()).0, [0.0; 0]);
    }
}
