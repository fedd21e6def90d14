//! Two columns together.

use serde::{Deserialize, Serialize};

use super::{ExactSum, Moments, SketchError, ensure};

/// The moments of two columns of numbers and of their product, exact until read: covariance and
/// Pearson's correlation, the same for any order, batching and merging.
///
/// `n·Σxy − Σx·Σy` is formed in integers, as [`Moments`] does for a variance, so a large mean does no
/// harm. A pair with a missing half is left out by the caller; an infinity or NaN makes the result
/// NaN.
///
/// # Cost
/// About 30 ns a pair; some 250 bytes for data of like size, at most 5.7 KiB.
///
/// ```
/// use mlops_core::sketch::Covariance;
///
/// let mut both = Covariance::default();
/// for (x, y) in [(1e9, 2.0), (1e9 + 1.0, 4.0), (1e9 + 2.0, 6.0)] {
///     both.update(x, y);
/// }
/// assert_eq!(both.covariance(1), Some(2.0));
/// assert_eq!(both.correlation(), Some(1.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Covariance {
    x: Moments,
    y: Moments,
    products: ExactSum,
}

impl Covariance {
    /// Takes one pair in.
    #[inline]
    pub fn update(&mut self, x: f64, y: f64) {
        self.x.update(x);
        self.y.update(y);
        self.products.add_product(x, y);
    }

    /// Takes in all that another has seen; the result is equal to one fold over both inputs.
    pub fn merge(&mut self, other: &Self) {
        self.x.merge(&other.x);
        self.y.merge(&other.y);
        self.products.merge(&other.products);
    }

    /// The moments of the first column.
    pub fn x(&self) -> &Moments {
        &self.x
    }

    /// The moments of the second column.
    pub fn y(&self) -> &Moments {
        &self.y
    }

    /// The number of pairs.
    pub fn count(&self) -> u64 {
        self.x.count()
    }

    /// `Σ(x − mean)(y − mean) / (n − ddof)`, correctly rounded, or `None` if there are not more than
    /// `ddof` pairs. NaN with an infinity or NaN among the values.
    pub fn covariance(&self, ddof: u64) -> Option<f64> {
        let freedom = self.count().checked_sub(ddof).filter(|freedom| *freedom > 0)?;
        let (Some(x), Some(y)) = (self.x.finite_sum(), self.y.finite_sum()) else { return Some(f64::NAN) };
        let spread = self.products.fixed().times_count(self.count()).minus(&x.times(&y));
        Some(spread.divided_by(&[self.count(), freedom]))
    }

    /// Pearson's correlation, in [−1, 1]; `None` without pairs or where a column is constant, NaN
    /// with an infinity or NaN among the values.
    ///
    /// ```
    /// # use mlops_core::sketch::Covariance;
    /// let mut constant = Covariance::default();
    /// constant.update(1.0, 2.0);
    /// constant.update(1.0, 3.0);
    /// assert_eq!(constant.correlation(), None);
    /// ```
    pub fn correlation(&self) -> Option<f64> {
        let covariance = self.covariance(0)?;
        let (x, y) = (self.x.std(0)?, self.y.std(0)?);
        if x == 0.0 || y == 0.0 {
            return None;
        }
        Some((covariance / x / y).clamp(-1.0, 1.0))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Covariance", deny_unknown_fields)]
struct Stored {
    x: Moments,
    y: Moments,
    products: ExactSum,
}

impl From<Covariance> for Stored {
    fn from(Covariance { x, y, products }: Covariance) -> Self {
        Self { x, y, products }
    }
}

impl TryFrom<Stored> for Covariance {
    type Error = SketchError;

    fn try_from(Stored { x, y, products }: Stored) -> Result<Self, SketchError> {
        ensure(x.count() == y.count(), "Covariance", "its columns differ in length")?;
        ensure(x.count() > 0 || products.is_zero(), "Covariance", "there are products of no pairs")?;
        Ok(Self { x, y, products })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(pairs: &[(f64, f64)]) -> Covariance {
        let mut both = Covariance::default();
        pairs.iter().for_each(|(x, y)| both.update(*x, *y));
        both
    }

    proptest! {
        #[test]
        fn order_and_pieces_make_no_difference(pairs in prop::collection::vec((-1e6..1e6f64, -1e3..1e3f64), 0..40), cut in 0usize..40) {
            let whole = of(&pairs);
            let (left, right) = pairs.split_at(cut.min(pairs.len()));
            let mut merged = of(right);
            merged.merge(&of(left));
            prop_assert_eq!(&merged, &whole);
            let read: Covariance = serde_json::from_str(&serde_json::to_string(&whole).unwrap()).unwrap();
            prop_assert_eq!(&read, &whole);
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
            if pairs.len() > 1 {
                let (mx, my) = (mean(&x), mean(&y));
                let naive = x.iter().zip(&y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / (x.len() - 1) as f64;
                prop_assert!((whole.covariance(1).unwrap() - naive).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn what_has_no_correlation_says_so() {
        assert_eq!(Covariance::default().covariance(0), None);
        assert!(of(&[(1.0, f64::NAN), (2.0, 3.0)]).correlation().unwrap().is_nan());
        assert!(of(&[(f64::INFINITY, 1.0), (2.0, 3.0)]).covariance(0).unwrap().is_nan());
        assert!(serde_json::from_str::<Covariance>("{}").is_err());
    }
}
