use std::fmt::Write as _;

use arrow::datatypes::Schema;
use mlops_core::{Error, Learner, Named, Result, Roles, Transformer};
use serde::{Deserialize, Serialize};

use super::columns::owned;
use super::learn::{check_columns, ready};
use super::wide::{Wide, WideMap};

/// All products of the named columns up to a degree: powers and interactions (scikit-learn's
/// `PolynomialFeatures`).
///
/// The products stand where the first of the columns was, in scikit-learn's order and under its names:
/// `1`, `a`, `b`, `a^2`, `a b`, `b^2` for degree 2. Nothing is learned. A row with a null among the
/// columns gets nulls, also for the constant. Outputs are `Float64`.
///
/// # Errors
/// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if there would be no product, more than
/// 100,000, or one of a degree above 100, [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column without numbers.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::PolynomialFeatures;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("a", Float64, [2.0]), ("b", Float64, [3.0]))?);
/// let (_, products) = PolynomialFeatures::on(["a", "b"]).fit_transform(&table, &Run::default())?;
/// let names: Vec<_> = products.schema().fields().iter().map(|field| field.name().as_str()).collect();
/// assert_eq!(names, ["1", "a", "b", "a^2", "a b", "b^2"]);
/// assert_eq!(products.column("a b")?.as_primitive::<Float64Type>().values(), &[6.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PolynomialFeatures {
    /// The columns to multiply.
    pub columns: Vec<String>,
    /// The least degree of the products, apart from the constant.
    pub min_degree: usize,
    /// The greatest degree of the products.
    pub degree: usize,
    /// Whether no column is multiplied by itself.
    pub interaction_only: bool,
    /// Whether there is a constant column, `1`.
    pub include_bias: bool,
}

impl Default for PolynomialFeatures {
    fn default() -> Self {
        Self { columns: Vec::new(), min_degree: 0, degree: 2, interaction_only: false, include_bias: true }
    }
}

impl PolynomialFeatures {
    /// The products of these columns up to degree 2.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Up to another degree.
    #[must_use]
    pub fn with_degree(mut self, degree: usize) -> Self {
        self.degree = degree;
        self
    }

    /// Leaves out products of a lower degree than this, apart from the constant.
    #[must_use]
    pub fn with_min_degree(mut self, min_degree: usize) -> Self {
        self.min_degree = min_degree;
        self
    }

    /// Multiplies no column by itself.
    #[must_use]
    pub fn with_interaction_only(mut self) -> Self {
        self.interaction_only = true;
        self
    }

    /// Whether there is a constant column, `1`; there is unless said otherwise.
    #[must_use]
    pub fn with_bias(mut self, include_bias: bool) -> Self {
        self.include_bias = include_bias;
        self
    }
}

impl Named for PolynomialFeatures {
    const KIND: &'static str = "polynomial_features";
}

impl Transformer for PolynomialFeatures {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        check_columns(schema, roles, &self.columns)?;
        let terms = Terms {
            width: self.columns.len(),
            min_degree: self.min_degree,
            degree: self.degree,
            interaction_only: self.interaction_only,
            include_bias: self.include_bias,
        };
        ready(schema, &self.columns, Wide::new(&self.columns, Products::try_from(terms)?))
    }
}

/// Which products there are, as it is written down.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    width: usize,
    min_degree: usize,
    degree: usize,
    interaction_only: bool,
    include_bias: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Terms", into = "Terms")]
pub(crate) struct Products {
    terms: Terms,
    /// The factors of each product, ascending.
    factors: Vec<Vec<usize>>,
}

const MOST_DEGREE: usize = 100;
const MOST_PRODUCTS: usize = 100_000;

impl TryFrom<Terms> for Products {
    type Error = Error;

    fn try_from(terms: Terms) -> Result<Self> {
        if terms.degree > MOST_DEGREE {
            return Err(Error::config(format!(
                "degree {} is out of reach of a float: give at most {MOST_DEGREE}",
                terms.degree
            )));
        }
        let mut factors = Vec::new();
        if terms.include_bias {
            factors.push(Vec::new());
        }
        // A product of more factors than there are columns repeats one.
        let most = if terms.interaction_only { terms.degree.min(terms.width) } else { terms.degree };
        let mut level = vec![Vec::new()];
        for degree in 1..=most {
            level = extended(&level, &terms);
            if level.is_empty() {
                break;
            }
            if degree >= terms.min_degree {
                factors.extend(level.iter().cloned());
            }
            if factors.len().max(level.len()) > MOST_PRODUCTS {
                return Err(Error::config(format!(
                    "{} columns have more than {MOST_PRODUCTS} products up to degree {}: \
                     lower the degree, name fewer columns, or take interactions only",
                    terms.width, terms.degree
                )));
            }
        }
        if factors.is_empty() || terms.min_degree > terms.degree {
            return Err(Error::config(format!(
                "there are no products of {} columns from degree {} to {}: raise the degree, or include the bias",
                terms.width, terms.min_degree, terms.degree
            )));
        }
        Ok(Self { terms, factors })
    }
}

/// The products with one factor more, in lexicographic order.
fn extended(products: &[Vec<usize>], terms: &Terms) -> Vec<Vec<usize>> {
    let mut longer = Vec::new();
    for product in products {
        let first = product.last().map_or(0, |last| last + usize::from(terms.interaction_only));
        for factor in first..terms.width {
            longer.push(product.iter().copied().chain([factor]).collect());
            if longer.len() > MOST_PRODUCTS {
                return longer;
            }
        }
    }
    longer
}

impl From<Products> for Terms {
    fn from(products: Products) -> Self {
        products.terms
    }
}

impl WideMap for Products {
    const KIND: &'static str = PolynomialFeatures::KIND;

    fn width(&self) -> Option<usize> {
        Some(self.terms.width)
    }

    fn names(&self, inputs: &[String]) -> Vec<String> {
        self.factors.iter().map(|factors| name(factors, inputs)).collect()
    }

    fn map(&self, input: &[f64], output: &mut [f64]) {
        for (factors, output) in self.factors.iter().zip(output) {
            *output = factors.iter().fold(1.0, |product, factor| product * input[*factor]);
        }
    }
}

fn name(factors: &[usize], inputs: &[String]) -> String {
    let mut name = String::new();
    for power in factors.chunk_by(|a, b| a == b) {
        let space = if name.is_empty() { "" } else { " " };
        // Writing into a String can't fail.
        let _ = match power.len() {
            1 => write!(name, "{space}{}", inputs[power[0]]),
            exponent => write!(name, "{space}{}^{exponent}", inputs[power[0]]),
        };
    }
    if name.is_empty() { "1".to_owned() } else { name }
}
