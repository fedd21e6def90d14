//! Least squares by Householder's reflections, for columns that are nearly or wholly dependent: the
//! condition is not squared, and the rank is found.

use super::cholesky::dot;

/// A matrix by columns. The last one is a right-hand side.
pub(crate) type Columns = Vec<Vec<f64>>;

/// The triangle that rows were reduced to: as much as least squares need to know of them.
#[derive(Debug)]
pub(crate) struct Triangle {
    columns: Columns,
}

/// The solution of a least-squares problem.
#[derive(Debug)]
pub(crate) struct Least {
    pub(crate) solution: Vec<f64>,
    pub(crate) rank: usize,
}

impl Triangle {
    /// Without rows; `columns` counts the right-hand side.
    pub(crate) fn new(columns: usize) -> Self {
        Self { columns: vec![Vec::new(); columns] }
    }

    /// Takes in rows, given by columns.
    pub(crate) fn absorb(&mut self, rows: &[Vec<f64>]) {
        self.columns.iter_mut().zip(rows).for_each(|(to, from)| to.extend_from_slice(from));
        let steps = self.columns.len().min(self.columns[0].len());
        for k in 0..steps {
            reflect(&mut self.columns, k, k);
        }
        self.columns.iter_mut().for_each(|column| column.truncate(steps));
    }

    /// Takes in the rows of another triangle.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.absorb(&other.columns);
    }

    /// Minimises the sum of the squared residuals. The first column (an intercept) is free; among
    /// solutions that are equally good it takes the one with the smallest Σ (x / `scales`)² over
    /// the other columns.
    ///
    /// A column counts as dependent if what it adds to the others is below `blur` of the greatest
    /// column.
    pub(crate) fn solve(self, scales: &[f64], blur: f64) -> Least {
        let size = self.columns.len() - 1;
        let length = self.columns.len();
        let padded = self.columns.into_iter().map(|mut column| {
            column.resize(length, 0.0);
            column
        });
        let padded: Columns = padded.collect();
        let mut rest: Columns = padded[1..].iter().map(|column| column[1..].to_vec()).collect();
        let least = solve_pivoted(&mut rest, scales, blur);
        let known: f64 = least.solution.iter().zip(&padded[1..]).map(|(x, column)| x * column[0]).sum();
        let intercept = (padded[size][0] - known) / padded[0][0];
        let solution = std::iter::once(intercept).chain(least.solution).collect();
        Least { solution, rank: least.rank + 1 }
    }
}

/// Turns column `k` to zero below row `top` by a reflection of all columns from `k` on.
fn reflect(columns: &mut Columns, k: usize, top: usize) {
    let (head, tail) = columns.split_at_mut(k + 1);
    let column = &mut head[k];
    let norm = dot(&column[top..], &column[top..]).sqrt();
    if norm == 0.0 {
        return;
    }
    let corner = if column[top] > 0.0 { -norm } else { norm };
    let mut mirror = column[top..].to_vec();
    mirror[0] -= corner;
    let length = dot(&mirror, &mirror);
    for other in tail {
        let factor = 2.0 * dot(&mirror, &other[top..]) / length;
        other[top..].iter_mut().zip(&mirror).for_each(|(x, m)| *x -= factor * m);
    }
    column[top] = corner;
    column[top + 1..].fill(0.0);
}

/// Least squares with column pivoting; the last of `columns` is the right-hand side.
fn solve_pivoted(columns: &mut Columns, scales: &[f64], blur: f64) -> Least {
    let size = columns.len() - 1;
    let rows = columns[0].len();
    let mut order: Vec<usize> = (0..size).collect();
    let mut rank = 0;
    let mut first = 0.0;
    while rank < size.min(rows) {
        let norm = |column: &Vec<f64>| dot(&column[rank..], &column[rank..]).sqrt();
        let norms: Vec<f64> = columns[rank..size].iter().map(norm).collect();
        let mut best = 0;
        for (i, norm) in norms.iter().enumerate() {
            if *norm > norms[best] {
                best = i;
            }
        }
        if rank == 0 {
            first = norms[best];
        }
        if norms[best] <= blur * first || norms[best] == 0.0 {
            break;
        }
        columns.swap(rank, rank + best);
        order.swap(rank, rank + best);
        reflect(columns, rank, rank);
        rank += 1;
    }
    let permuted = if rank == size {
        back_substitute(&columns[..size], &columns[size][..rank])
    } else {
        let scales: Vec<f64> = order.iter().map(|i| scales[*i]).collect();
        smallest(columns, &scales, rank)
    };
    let mut solution = vec![0.0; size];
    order.into_iter().zip(permuted).for_each(|(to, x)| solution[to] = x);
    Least { solution, rank }
}

/// Solves `R x = b` for an upper triangle.
fn back_substitute(triangle: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let mut x = b.to_vec();
    for i in (0..x.len()).rev() {
        x[i] /= triangle[i][i];
        let value = x[i];
        x[..i].iter_mut().zip(&triangle[i]).for_each(|(b, r)| *b -= value * r);
    }
    x
}

/// Of all solutions of the first `rank` rows, the one for which `x / scales` is smallest: with
/// `Tᵀ = Q R` of the scaled rows it is `Q R⁻ᵀ b`.
fn smallest(columns: &Columns, scales: &[f64], rank: usize) -> Vec<f64> {
    let size = scales.len();
    let b = &columns[size][..rank];
    let transposed = |row: usize| (0..size).map(|c| if c < row { 0.0 } else { columns[c][row] * scales[c] }).collect();
    let original: Columns = (0..rank).map(transposed).collect();
    let mut factored = original.clone();
    for k in 0..rank {
        reflect(&mut factored, k, k);
    }
    // Tᵀ R⁻¹ R⁻ᵀ b is Q R⁻ᵀ b without the need to keep Q.
    let mut u = b.to_vec();
    for i in 0..rank {
        let known: f64 = (0..i).map(|j| factored[i][j] * u[j]).sum();
        u[i] = (u[i] - known) / factored[i][i];
    }
    let u = back_substitute(&factored, &u);
    let value = |c: usize| scales[c] * original.iter().zip(&u).map(|(row, u)| row[c] * u).sum::<f64>();
    (0..size).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solve(columns: &Columns) -> Least {
        let scales = vec![1.0; columns.len() - 2];
        let mut triangle = Triangle::new(columns.len());
        for start in (0..columns[0].len()).step_by(2) {
            let rows: Columns = columns.iter().map(|c| c[start..c.len().min(start + 2)].to_vec()).collect();
            triangle.absorb(&rows);
        }
        triangle.solve(&scales, 1e-12)
    }

    #[test]
    fn a_plane_is_found() {
        let (a, b) = (vec![1.0, 2.0, 3.0, 4.0, 7.0], vec![2.0, -1.0, 0.0, 5.0, 1.0]);
        let y = a.iter().zip(&b).map(|(a, b)| 3.0 + 2.0 * a - b).collect();
        let least = solve(&vec![vec![1.0; 5], a, b, y]);
        assert_eq!(least.rank, 3);
        assert!(least.solution.iter().zip([3.0, 2.0, -1.0]).all(|(x, e)| (x - e).abs() < 1e-13), "{least:?}");
    }

    #[test]
    fn equal_columns_share_evenly() {
        let a = vec![1.0, 2.0, 3.0, 5.0];
        let y = a.iter().map(|a| 1.0 + 4.0 * a).collect();
        let least = solve(&vec![vec![1.0; 4], a.clone(), a, y]);
        assert_eq!(least.rank, 2);
        assert!(least.solution.iter().zip([1.0, 2.0, 2.0]).all(|(x, e)| (x - e).abs() < 1e-13), "{least:?}");
    }

    #[test]
    fn fewer_rows_than_columns_are_met_exactly() {
        let least = solve(&vec![vec![1.0; 2], vec![1.0, 3.0], vec![0.0, 2.0], vec![5.0, 9.0]]);
        assert_eq!(least.rank, 2);
        let [i, a, b] = least.solution[..] else { panic!("{least:?}") };
        assert!((i + a - 5.0).abs() < 1e-12 && (i + 3.0 * a + 2.0 * b - 9.0).abs() < 1e-12, "{least:?}");
        assert!((a - b).abs() < 1e-12, "the smallest solution is even");
    }
}
