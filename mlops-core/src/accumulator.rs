use arrow::array::RecordBatch;

use crate::Result;

/// The one fold behind statistics, fitting and drift: data in pieces, in any order, on any number
/// of threads or machines.
///
/// Implementations promise that `update` on the pieces of a batch equals `update` on the whole, and
/// that `merge` is associative and commutative: exactly for counts, extremes and sums (see
/// [`sketch`](crate::sketch)), within the stated bound for quantiles and distinct counts.
///
/// # Example
/// ```
/// use mlops_core::{Accumulator, Result, Table};
/// use arrow::array::RecordBatch;
///
/// struct Rows(usize);
///
/// impl Accumulator for Rows {
///     type Output = usize;
///     fn update(&mut self, batch: &RecordBatch) -> Result<()> {
///         self.0 += batch.num_rows();
///         Ok(())
///     }
///     fn merge(&mut self, other: Self) -> Result<()> {
///         self.0 += other.0;
///         Ok(())
///     }
///     fn finish(self) -> Result<usize> {
///         Ok(self.0)
///     }
/// }
///
/// let batch = arrow::array::record_batch!(("n", Int64, [1, 2, 3]))?;
/// let table = Table::new(batch.schema(), [batch.clone(), batch])?;
/// assert_eq!(table.fold(|| Rows(0))?.finish()?, 6);
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub trait Accumulator: Send + Sized {
    /// What the fold comes to.
    type Output;

    /// Takes in the rows of `batch`.
    ///
    /// # Errors
    /// If the columns it reads are missing or of another type.
    fn update(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Takes in what `other` has seen.
    ///
    /// # Errors
    /// If `other` was set up differently.
    fn merge(&mut self, other: Self) -> Result<()>;

    /// The result.
    ///
    /// # Errors
    /// If what was seen does not determine one.
    fn finish(self) -> Result<Self::Output>;
}
