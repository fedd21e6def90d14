use std::sync::Arc;

use arrow::datatypes::DataType;
use mlops_core::columns::find_column;
use mlops_core::{DriftDetector, DriftMonitor, Error, Named, Result, Table};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ColumnMonitor;
use super::column::{Column, Plan, is_category, is_number};
use crate::stats::Correction;

/// Watches numeric columns with the two-sample Kolmogorov-Smirnov test.
///
/// The reference is kept as an ordered grid of at most `max_cells` of its values. While a column
/// has no more different values, statistic and p-value are those of the full samples (scipy's
/// `ks_2samp`); beyond, the distance is at most 1/(`max_cells` - 1) too small, never too great, so
/// false alarms do not become more frequent. Missing values have a test of their own.
///
/// # Example
/// ```
/// use mlops_core::{DriftDetector, DriftMonitor, Table};
/// use mlops_monitor::KsTest;
///
/// let batch = arrow::array::record_batch!(("km", Float64, [1.0, 2.0, 3.0]), ("zone", Utf8, ["a", "b", "a"]))?;
/// let monitor = KsTest::on(["km"]).with_alpha(0.01).with_min_effect(0.1).fit(&Table::from_batch(batch))?;
/// assert_eq!(monitor.report()?.features[0].test, "ks");
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KsTest {
    /// The columns; if empty, every feature that is a number.
    pub columns: Vec<String>,
    /// The chance of a false alarm that is accepted.
    pub alpha: f64,
    /// How the columns share `alpha`.
    pub correction: Correction,
    /// The least distance that counts as drift, whatever its p-value; also the least difference in
    /// the share of missing values.
    pub min_effect: f64,
    /// How many values of the reference are kept, at most.
    pub max_cells: usize,
    /// The p-value is exact while rows of the reference × rows of the window are at most this;
    /// 10,000 × 10,000, scipy's own border, is the most, at a cost that grows with the product.
    pub exact_up_to: u64,
}

impl Default for KsTest {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            alpha: 0.05,
            correction: Correction::default(),
            min_effect: 0.0,
            max_cells: 2048,
            exact_up_to: 1_000_000,
        }
    }
}

/// Watches columns of categories with Pearson's chi-square test of reference against window.
///
/// Texts and booleans; whole numbers where named. Null is a category. With at least five expected
/// rows a category it is scipy's `chi2_contingency`; rarer ones, known or new, share a cell, and if
/// that is too small as well it is tested exactly. The effect is the
/// [`total_variation`](crate::stats::total_variation).
///
/// # Example
/// ```
/// use mlops_core::{DriftDetector, DriftMonitor, Table};
/// use mlops_monitor::ChiSquare;
/// # let batch = arrow::array::record_batch!(("zone", Utf8, ["a", "b", "a"]))?;
/// let mut monitor = ChiSquare::default().fit(&Table::from_batch(batch.clone()))?;
/// monitor.observe(&batch)?;
/// assert!(!monitor.report()?.is_drift());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ChiSquare {
    /// The columns; if empty, every feature that is a text or a boolean.
    pub columns: Vec<String>,
    /// The chance of a false alarm that is accepted.
    pub alpha: f64,
    /// How the columns share `alpha`.
    pub correction: Correction,
    /// The least total variation that counts as drift, whatever its p-value.
    pub min_effect: f64,
    /// How many categories of the reference are told apart, and how many new ones in a window.
    pub max_categories: usize,
}

impl Default for ChiSquare {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            alpha: 0.05,
            correction: Correction::default(),
            min_effect: 0.0,
            max_categories: 1000,
        }
    }
}

/// Watches numeric columns with the
/// [population stability index](crate::stats::population_stability) over bins that the reference
/// fixes at its quantiles: the index of one window can be compared with that of another.
///
/// A feature drifted if the index is at least `threshold` *and* Pearson's test of the same counts
/// is significant: alone, the index of a window of 100 rows in 10 bins is about 0.1 by chance.
/// Missing values are a bin.
///
/// # Example
/// ```
/// use mlops_core::{DriftDetector, DriftMonitor, Table};
/// use mlops_monitor::Psi;
/// # let batch = arrow::array::record_batch!(("km", Float64, [1.0, 2.0, 3.0]))?;
/// let mut monitor = Psi::on(["km"]).with_threshold(0.25).fit(&Table::from_batch(batch.clone()))?;
/// monitor.observe(&batch)?;
/// assert_eq!(monitor.report()?.features[0].statistic, 0.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Psi {
    /// The columns; if empty, every feature that is a number.
    pub columns: Vec<String>,
    /// How many bins; values that fill more than one make fewer.
    pub bins: usize,
    /// The least index that counts as drift.
    pub threshold: f64,
    /// The chance of a false alarm that is accepted.
    pub alpha: f64,
    /// How the columns share `alpha`.
    pub correction: Correction,
}

impl Default for Psi {
    fn default() -> Self {
        Self { columns: Vec::new(), bins: 10, threshold: 0.2, alpha: 0.05, correction: Correction::default() }
    }
}

/// Watches every column by the test for its type, all sharing one `alpha`: what to take if in doubt.
///
/// Numbers by [`KsTest`] or [`Psi`], texts and booleans by [`ChiSquare`]. Columns of other types
/// (times, lists) are not watched; naming one is an error. A change must be significant and move at
/// least a tenth of the distribution (`min_effect`).
///
/// # Example
/// ```
/// use mlops_core::{DriftDetector, DriftMonitor, Table};
/// use mlops_monitor::DriftSuite;
/// # let batch = arrow::array::record_batch!(("km", Float64, [1.0, 2.0, 3.0]), ("zone", Utf8, ["a", "b", "a"]))?;
/// let monitor = DriftSuite::default().fit(&Table::from_batch(batch))?;
/// let tests: Vec<String> = monitor.report()?.features.into_iter().map(|f| f.test).collect();
/// assert_eq!(tests, ["ks", "chi_square"]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DriftSuite {
    /// The columns; if empty, every feature of a type that can be watched.
    pub columns: Vec<String>,
    /// The test for numbers.
    pub numeric: NumericTest,
    /// The chance of a false alarm that is accepted.
    pub alpha: f64,
    /// How all columns share `alpha`.
    pub correction: Correction,
    /// The least Kolmogorov-Smirnov distance or total variation that counts as drift.
    pub min_effect: f64,
    /// As [`ChiSquare::max_categories`].
    pub max_categories: usize,
    /// As [`KsTest::max_cells`].
    pub max_cells: usize,
}

impl Default for DriftSuite {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            numeric: NumericTest::default(),
            alpha: 0.05,
            correction: Correction::default(),
            min_effect: 0.1,
            max_categories: 1000,
            max_cells: 2048,
        }
    }
}

/// How a [`DriftSuite`] tests numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NumericTest {
    /// As [`KsTest`].
    #[default]
    Ks,
    /// As [`Psi`].
    Psi {
        /// How many bins.
        bins: usize,
        /// The least index that counts as drift.
        threshold: f64,
    },
}

/// The options that recipes have in common.
macro_rules! recipe {
    ($recipe:ident, $kind:literal) => {
        impl Named for $recipe {
            const KIND: &'static str = $kind;
        }

        impl $recipe {
            /// Watches these columns.
            pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
                Self { columns: columns.into_iter().map(Into::into).collect(), ..Self::default() }
            }

            /// With this chance of a false alarm.
            #[must_use]
            pub fn with_alpha(mut self, alpha: f64) -> Self {
                self.alpha = alpha;
                self
            }

            /// With another way to share `alpha`.
            #[must_use]
            pub fn with_correction(mut self, correction: Correction) -> Self {
                self.correction = correction;
                self
            }
        }
    };
}

recipe!(KsTest, "ks_test");
recipe!(ChiSquare, "chi_square");
recipe!(Psi, "psi");
recipe!(DriftSuite, "drift_suite");

impl KsTest {
    /// Watches every feature that is a number.
    pub fn per_column() -> Self {
        Self::default()
    }

    /// With the least distance that counts as drift.
    #[must_use]
    pub fn with_min_effect(mut self, min_effect: f64) -> Self {
        self.min_effect = min_effect;
        self
    }

    /// With at most so many values of the reference kept.
    #[must_use]
    pub fn with_max_cells(mut self, max_cells: usize) -> Self {
        self.max_cells = max_cells;
        self
    }

    /// With exact p-values up to another number of rows × rows.
    #[must_use]
    pub fn with_exact_up_to(mut self, rows_times_rows: u64) -> Self {
        self.exact_up_to = rows_times_rows;
        self
    }

    fn plan(&self) -> Result<Plan> {
        check_size("max_cells", self.max_cells, 3)?;
        check_share("min_effect", self.min_effect)?;
        let Self { min_effect, max_cells, exact_up_to, .. } = *self;
        Ok(Plan::Ks { min_effect, max_cells, exact_up_to })
    }
}

impl ChiSquare {
    /// With the least total variation that counts as drift.
    #[must_use]
    pub fn with_min_effect(mut self, min_effect: f64) -> Self {
        self.min_effect = min_effect;
        self
    }

    /// With at most so many categories told apart.
    #[must_use]
    pub fn with_max_categories(mut self, max_categories: usize) -> Self {
        self.max_categories = max_categories;
        self
    }

    fn plan(&self) -> Result<Plan> {
        check_size("max_categories", self.max_categories, 1)?;
        check_share("min_effect", self.min_effect)?;
        Ok(Plan::ChiSquare { min_effect: self.min_effect, max_categories: self.max_categories })
    }
}

impl Psi {
    /// With another number of bins.
    #[must_use]
    pub fn with_bins(mut self, bins: usize) -> Self {
        self.bins = bins;
        self
    }

    /// With the least index that counts as drift.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    fn plan(&self) -> Result<Plan> {
        check_size("bins", self.bins, 2)?;
        if !(self.threshold.is_finite() && self.threshold >= 0.0) {
            return Err(Error::config(format!("threshold is {}: a number of at least 0 is needed", self.threshold)));
        }
        Ok(Plan::Psi { threshold: self.threshold, bins: self.bins })
    }
}

impl DriftSuite {
    /// With another test for numbers.
    #[must_use]
    pub fn with_numeric(mut self, numeric: NumericTest) -> Self {
        self.numeric = numeric;
        self
    }

    /// With the least Kolmogorov-Smirnov distance or total variation that counts as drift.
    #[must_use]
    pub fn with_min_effect(mut self, min_effect: f64) -> Self {
        self.min_effect = min_effect;
        self
    }

    fn plans(&self) -> Result<(Plan, Plan)> {
        let categories = ChiSquare::default().with_min_effect(self.min_effect).with_max_categories(self.max_categories);
        let numbers = match self.numeric {
            NumericTest::Ks => KsTest::default().with_min_effect(self.min_effect).with_max_cells(self.max_cells).plan(),
            NumericTest::Psi { bins, threshold } => Psi::default().with_bins(bins).with_threshold(threshold).plan(),
        };
        Ok((numbers?, categories.plan()?))
    }
}

impl DriftDetector for KsTest {
    fn fit(&self, reference: &Table) -> Result<Box<dyn DriftMonitor>> {
        let plan = self.plan()?;
        fit(reference, &self.columns, self.alpha, self.correction, |t, named| (named || is_number(t)).then_some(plan))
    }
}

impl DriftDetector for ChiSquare {
    fn fit(&self, reference: &Table) -> Result<Box<dyn DriftMonitor>> {
        let plan = self.plan()?;
        fit(reference, &self.columns, self.alpha, self.correction, |t, named| (named || is_category(t)).then_some(plan))
    }
}

impl DriftDetector for Psi {
    fn fit(&self, reference: &Table) -> Result<Box<dyn DriftMonitor>> {
        let plan = self.plan()?;
        fit(reference, &self.columns, self.alpha, self.correction, |t, named| (named || is_number(t)).then_some(plan))
    }
}

impl DriftDetector for DriftSuite {
    fn fit(&self, reference: &Table) -> Result<Box<dyn DriftMonitor>> {
        let (numbers, categories) = self.plans()?;
        fit(reference, &self.columns, self.alpha, self.correction, |t, named| match t {
            t if is_number(t) => Some(numbers),
            t if is_category(t) => Some(categories),
            // Reading the column as a number says what is wrong with it.
            _ => named.then_some(numbers),
        })
    }
}

/// Fits the columns that `plan` takes, by their type and whether they were named.
fn fit(
    reference: &Table,
    named: &[String],
    alpha: f64,
    correction: Correction,
    plan: impl Fn(&DataType, bool) -> Option<Plan>,
) -> Result<Box<dyn DriftMonitor>> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Error::config(format!("alpha is {alpha}: a chance between 0 and 1 is needed, such as 0.05")));
    }
    let features = if named.is_empty() {
        reference.features()
    } else {
        let schema = reference.schema();
        let field = |name: &String| find_column(schema, name).map(|index| Arc::clone(&schema.fields()[index]));
        named.iter().map(field).collect::<Result<_>>()?
    };
    let plans = features.iter().filter_map(|f| Some((f.name(), plan(f.data_type(), !named.is_empty())?)));
    let plans: Vec<(&String, Plan)> = plans.collect();
    if plans.is_empty() {
        return Err(Error::schema(format!(
            "no feature of a type that this test watches; the columns are {}",
            mlops_core::columns::describe_columns(reference.schema())
        )));
    }
    let columns = plans.into_par_iter().map(|(name, plan)| Column::fit(name, reference, plan));
    Ok(Box::new(ColumnMonitor::new(alpha, correction, columns.collect::<Result<_>>()?)))
}

fn check_size(what: &str, given: usize, least: usize) -> Result<()> {
    if given < least {
        return Err(Error::config(format!("{what} is {given}: at least {least} is needed")));
    }
    Ok(())
}

fn check_share(what: &str, given: f64) -> Result<()> {
    if !(0.0..=1.0).contains(&given) {
        return Err(Error::config(format!("{what} is {given}: a share from 0 to 1 is needed")));
    }
    Ok(())
}
