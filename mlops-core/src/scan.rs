use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use futures::StreamExt;
use futures::stream::{BoxStream, try_unfold};

use crate::columns::find_column;
use crate::{Expr, Result};

/// Record batches as they come; dropping it cancels the work behind it.
pub type BatchStream = BoxStream<'static, Result<RecordBatch>>;

/// What to read of a [`DataSource`](crate::DataSource).
///
/// # Example
/// ```
/// use mlops_core::{Scan, col, lit};
///
/// let scan = Scan::all()
///     .with_columns(["carrier", "distance"])
///     .with_filter(col("month").lt_eq(lit(4)))
///     .with_limit(1_000);
/// assert_eq!(scan.limit, Some(1_000));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scan {
    /// The columns, in this order; all if `None`.
    pub columns: Option<Vec<String>>,
    /// Only rows for which this is true (null is not); it may read columns that are not selected.
    pub filter: Option<Expr>,
    /// At most so many rows, counted after the filter.
    pub limit: Option<usize>,
    /// At most so many rows in a batch.
    pub batch_size: usize,
    /// Whether texts may come as dictionaries, in all batches or in some.
    pub dictionaries: bool,
}

impl Default for Scan {
    fn default() -> Self {
        Self { columns: None, filter: None, limit: None, batch_size: 8192, dictionaries: false }
    }
}

impl Scan {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only these columns, in this order.
    #[must_use]
    pub fn with_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Only rows for which `filter` is true.
    #[must_use]
    pub fn with_filter(mut self, filter: Expr) -> Self {
        self.filter = Some(filter);
        self
    }

    /// At most `limit` rows.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// At most `batch_size` rows in a batch; 0 counts as 1.
    #[must_use]
    pub fn with_batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size.max(1);
        self
    }

    /// A column of `Utf8` may come as `Dictionary(Int32, Utf8)` where the source holds it as such: for who
    /// looks at each different text once, and takes both. Whether it does is up to the source and may change
    /// from batch to batch; columns that the filter reads stay as they are.
    ///
    /// ```
    /// assert!(mlops_core::Scan::all().with_dictionaries().dictionaries);
    /// ```
    #[must_use]
    pub fn with_dictionaries(mut self) -> Self {
        self.dictionaries = true;
        self
    }

    /// The schema of what the scan gives of a source with `schema`, apart from
    /// [dictionaries](Self::with_dictionaries).
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if a selected column does not exist.
    pub fn schema(&self, schema: &Schema) -> Result<SchemaRef> {
        Ok(Arc::new(schema.project(&self.projection(schema)?)?))
    }

    /// Does all of the scan to batches that hold everything: what a source that pushes nothing down
    /// returns, and what one that does must equal.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if a selected column does not exist.
    pub fn apply(&self, schema: &Schema, batches: BatchStream) -> Result<BatchStream> {
        let projection = self.projection(schema)?;
        let state = Applied {
            filter: self.filter.clone(),
            left: self.limit.unwrap_or(usize::MAX),
            batch_size: self.batch_size.max(1),
            projection,
            batches,
            rest: None,
        };
        Ok(try_unfold(state, |mut state| async move { Ok(state.next().await?.map(|batch| (batch, state))) }).boxed())
    }

    fn projection(&self, schema: &Schema) -> Result<Vec<usize>> {
        match &self.columns {
            Some(columns) => columns.iter().map(|name| find_column(schema, name)).collect(),
            None => Ok((0..schema.fields().len()).collect()),
        }
    }
}

struct Applied {
    filter: Option<Expr>,
    left: usize,
    batch_size: usize,
    projection: Vec<usize>,
    batches: BatchStream,
    rest: Option<RecordBatch>,
}

impl Applied {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.left == 0 {
                return Ok(None);
            }
            if let Some(rest) = self.rest.take() {
                let rows = rest.num_rows().min(self.batch_size).min(self.left);
                if rows < rest.num_rows() {
                    self.rest = Some(rest.slice(rows, rest.num_rows() - rows));
                }
                self.left -= rows;
                return Ok(Some(rest.slice(0, rows)));
            }
            let Some(batch) = self.batches.next().await.transpose()? else { return Ok(None) };
            let kept = match &self.filter {
                Some(filter) => filter_record_batch(&batch, &filter.evaluate_mask(&batch)?)?,
                None => batch,
            };
            if kept.num_rows() > 0 {
                self.rest = Some(kept.project(&self.projection)?);
            }
        }
    }
}
