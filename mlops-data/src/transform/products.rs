//! The exact sums of numeric columns and of their products.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use mlops_core::columns::{find_column, numbers};
use mlops_core::sketch::ExactSum;
use mlops_core::{Accumulator, Error, Learner, Result, Roles, Transform};

use super::learn::{check_columns, check_numeric, infinities};

/// A fold over the rows of `columns` that `finish` makes into a transform.
pub(super) fn learner(
    schema: &Schema,
    roles: &Roles,
    columns: &[String],
    finish: impl Fn(&[String], &Moments) -> Result<Arc<dyn Transform>> + Send + Sync + 'static,
) -> Result<Option<Learner>> {
    check_columns(schema, roles, columns)?;
    for name in columns {
        check_numeric(schema.field(find_column(schema, name)?))?;
    }
    let (names, finish): (Arc<[String]>, Arc<Finish>) = (columns.into(), Arc::new(finish));
    let sums = Sums::of(columns.len());
    let start = move || Products { columns: Arc::clone(&names), sums: sums.clone(), finish: Arc::clone(&finish) };
    Ok(Some(Learner::new(columns, start)))
}

type Finish = dyn Fn(&[String], &Moments) -> Result<Arc<dyn Transform>> + Send + Sync;

struct Products {
    columns: Arc<[String]>,
    sums: Sums,
    finish: Arc<Finish>,
}

#[derive(Clone, Debug)]
struct Sums {
    rows: u64,
    /// How many values each column misses.
    missing: Vec<u64>,
    sums: Vec<ExactSum>,
    /// Of column i with column j ≤ i, row by row.
    products: Vec<ExactSum>,
}

impl Sums {
    fn of(columns: usize) -> Self {
        Self {
            rows: 0,
            missing: vec![0; columns],
            sums: vec![ExactSum::default(); columns],
            products: vec![ExactSum::default(); columns * (columns + 1) / 2],
        }
    }
}

impl Accumulator for Products {
    type Output = Arc<dyn Transform>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let read = |name: &String| numbers(batch.column(find_column(batch.schema_ref(), name)?), name);
        let columns = self.columns.iter().map(read).collect::<Result<Vec<_>>>()?;
        self.sums.rows += batch.num_rows() as u64;
        let mut products = self.sums.products.iter_mut();
        for (i, column) in columns.iter().enumerate() {
            let nan = column.iter().flatten().filter(|x| x.is_nan()).count();
            self.sums.missing[i] += (column.null_count() + nan) as u64;
            self.sums.sums[i].add_slice(column.values());
            for (other, product) in columns[..=i].iter().zip(&mut products) {
                column.values().iter().zip(other.values()).for_each(|(x, y)| product.add_product(*x, *y));
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.sums.rows += other.sums.rows;
        self.sums.missing.iter_mut().zip(other.sums.missing).for_each(|(mine, theirs)| *mine += theirs);
        self.sums.sums.iter_mut().zip(&other.sums.sums).for_each(|(mine, theirs)| mine.merge(theirs));
        self.sums.products.iter_mut().zip(&other.sums.products).for_each(|(mine, theirs)| mine.merge(theirs));
        Ok(())
    }

    fn finish(self) -> Result<Arc<dyn Transform>> {
        let Sums { rows, missing, sums, products } = self.sums;
        if rows == 0 {
            return Err(Error::data(format!(
                "there are no rows to learn about {:?} from: look at the source and its filter",
                self.columns
            )));
        }
        for ((name, missing), sum) in self.columns.iter().zip(missing).zip(&sums) {
            if missing > 0 {
                return Err(Error::data(format!("column '{name}' misses {missing} values: impute it first")));
            }
            if !sum.sum().is_finite() {
                return Err(infinities(name));
            }
        }
        let moments = Moments { rows, sums, products };
        if let Some(name) = (0..self.columns.len()).find(|i| !moments.product(*i, *i).is_finite()) {
            let name = &self.columns[name];
            return Err(Error::data(format!("column '{name}' has numbers whose squares are infinite: scale it first")));
        }
        (self.finish)(&self.columns, &moments)
    }
}

/// The exact sums of complete, finite columns and of their products.
pub(super) struct Moments {
    pub(super) rows: u64,
    sums: Vec<ExactSum>,
    products: Vec<ExactSum>,
}

impl Moments {
    pub(super) fn means(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum.sum() / self.rows as f64).collect()
    }

    fn products_of(&self, i: usize, j: usize) -> &ExactSum {
        let (i, j) = (i.max(j), i.min(j));
        &self.products[i * (i + 1) / 2 + j]
    }

    /// The sum of the products of two columns.
    fn product(&self, i: usize, j: usize) -> f64 {
        self.products_of(i, j).sum()
    }

    /// The same of the columns less their means.
    fn comoment(&self, i: usize, j: usize) -> f64 {
        self.products_of(i, j).comoment(&self.sums[i], &self.sums[j], self.rows)
    }

    /// The sums of products, divided by `divisor`.
    pub(super) fn gram(&self, divisor: f64) -> Vec<Vec<f64>> {
        self.matrix(|i, j| self.product(i, j) / divisor)
    }

    /// The covariances, with `divisor` in the place of n.
    pub(super) fn covariances(&self, divisor: f64) -> Vec<Vec<f64>> {
        self.matrix(|i, j| self.comoment(i, j) / divisor)
    }

    fn matrix(&self, element: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
        let n = self.sums.len();
        let lower: Vec<Vec<f64>> = (0..n).map(|i| (0..=i).map(|j| element(i, j)).collect()).collect();
        (0..n).map(|i| (0..n).map(|j| lower[i.max(j)][i.min(j)]).collect()).collect()
    }
}
