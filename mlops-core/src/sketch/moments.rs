//! Count, mean and variance.

use serde::{Deserialize, Serialize};

use super::fixed::Fixed;
use super::number::Number;
use super::{ExactSum, SketchError, ensure};

/// Count, mean, variance and extremes of a column of numbers, exact until read and correctly rounded when read.
///
/// The textbook formula `(Σx² - (Σx)²/n) / n` is the only one that merges without loss, and in floats the worst one: with mean
/// 1e8 and standard deviation 1e-3 it has no correct digit, and Welford's update depends on the order of the rows. Here both sums
/// are [`ExactSum`]s and `n·Σx² - (Σx)²` is formed in integers, so [`mean`](Self::mean) and [`variance`](Self::variance) are
/// the floats nearest to the true values for any data, and bit-identical for any order, batching and merging.
///
/// Infinities and NaN are values like others: they make the mean and the variance what IEEE 754 arithmetic would. A caller to whom NaN means "missing"
/// leaves it out. [`min`](Self::min) and [`max`](Self::max) pass over NaN.
///
/// # Cost
///
/// About 6 ns a value, at most 2.3 KiB (some 100 bytes for data of like size), and a few microseconds to read a variance.
///
/// ```
/// use mlops_core::sketch::Moments;
///
/// let mut moments = Moments::default();
/// moments.update_slice(&[1e8 + 0.25, 1e8 + 0.5, 1e8 + 0.75]);
/// assert_eq!(moments.mean(), Some(1e8 + 0.5));
/// assert_eq!(moments.variance(1), Some(0.0625));
/// assert_eq!((moments.count(), moments.min()), (3, Some(1e8 + 0.25)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Moments {
    count: u64,
    sum: ExactSum,
    squares: ExactSum,
    range: Option<(f64, f64)>,
}

impl Moments {
    /// Takes one value in.
    ///
    /// ```
    /// # use mlops_core::sketch::Moments;
    /// let mut moments = Moments::default();
    /// moments.update(2.0);
    /// assert_eq!(moments.mean(), Some(2.0));
    /// ```
    #[inline]
    pub fn update(&mut self, x: f64) {
        self.count = self.count.saturating_add(1);
        self.sum.add(x);
        self.squares.add_product(x, x);
        if !x.is_nan() {
            self.widen(x, x);
        }
    }

    /// Takes every value of a slice in.
    ///
    /// ```
    /// # use mlops_core::sketch::Moments;
    /// let mut moments = Moments::default();
    /// moments.update_slice(&[1.0, 2.0, 3.0]);
    /// assert_eq!(moments.std(1), Some(1.0));
    /// ```
    pub fn update_slice(&mut self, values: &[f64]) {
        values.iter().for_each(|&x| self.update(x));
    }

    /// Takes in all that another has seen; the result is equal to one fold over both inputs.
    ///
    /// ```
    /// # use mlops_core::sketch::Moments;
    /// let (mut left, mut right) = (Moments::default(), Moments::default());
    /// left.update(1.0);
    /// right.update(3.0);
    /// left.merge(&right);
    /// assert_eq!(left.variance(0), Some(1.0));
    /// ```
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        if let Some((min, max)) = other.range {
            self.widen(min, max);
        }
    }

    /// The number of values.
    ///
    /// ```
    /// # use mlops_core::sketch::Moments;
    /// assert_eq!(Moments::default().count(), 0);
    /// ```
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum, correctly rounded; 0 if there are no values.
    ///
    /// ```
    /// # use mlops_core::sketch::Moments;
    /// let mut moments = Moments::default();
    /// moments.update_slice(&[1e16, 1.0, -1e16]);
    /// assert_eq!(moments.sum(), 1.0);
    /// ```
    pub fn sum(&self) -> f64 {
        self.sum.sum()
    }

    /// The mean, correctly rounded, or `None` if there are no values. It is finite even where the sum is too large for a float.
    ///
    /// ```
    /// # use mlops_core::sketch::Moments;
    /// let mut moments = Moments::default();
    /// assert_eq!(moments.mean(), None);
    /// moments.update_slice(&[f64::MAX, f64::MAX]);
    /// assert_eq!(moments.mean(), Some(f64::MAX));
    /// ```
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum.special().unwrap_or_else(|| self.sum.fixed().divided_by(&[self.count])))
    }

    /// The variance `Σ(x - mean)² / (n - ddof)`, correctly rounded, or `None` if there are not more than `ddof` values.
    ///
    /// `ddof` is 0 for the variance of a population (numpy's default, scikit-learn's `StandardScaler`), 1 for the unbiased estimate
    /// from a sample (pandas' default). With an infinity or NaN among the values it is NaN.
    ///
    /// ```
    /// # use mlops_core::sketch::Moments;
    /// let mut moments = Moments::default();
    /// moments.update(5.0);
    /// assert_eq!(moments.variance(0), Some(0.0));
    /// assert_eq!(moments.variance(1), None);
    /// ```
    pub fn variance(&self, ddof: u64) -> Option<f64> {
        let freedom = self.count.checked_sub(ddof).filter(|freedom| *freedom > 0)?;
        if self.sum.special().is_some() {
            return Some(f64::NAN);
        }
        Some(self.spread().divided_by(&[self.count, freedom]))
    }

    /// The standard deviation: the square root of [`variance`](Self::variance), within one unit in the last place.
    ///
    /// ```
    /// # use mlops_core::sketch::Moments;
    /// let mut moments = Moments::default();
    /// moments.update_slice(&[1e200, -1e200]);
    /// assert_eq!(moments.std(0), Some(1e200));
    /// ```
    pub fn std(&self, ddof: u64) -> Option<f64> {
        let variance = self.variance(ddof)?;
        let ordinary = f64::MIN_POSITIVE..=f64::MAX;
        if variance == 0.0 && self.spread().is_zero() || variance.is_nan() || ordinary.contains(&variance) {
            return Some(variance.sqrt());
        }
        let scale = if variance < 1.0 { 2f64.powi(600) } else { 2f64.powi(-600) };
        let squared = Fixed::from_f64(scale).times(&Fixed::from_f64(scale));
        let scaled = self.spread().times(&squared).divided_by(&[self.count, self.count - ddof]);
        Some(scaled.sqrt() / scale)
    }

    /// The least value that isn't NaN, if there is one. Zero has no sign here.
    ///
    /// ```
    /// # use mlops_core::sketch::Moments;
    /// let mut moments = Moments::default();
    /// moments.update_slice(&[3.0, f64::NAN, -1.0]);
    /// assert_eq!(moments.min(), Some(-1.0));
    /// ```
    pub fn min(&self) -> Option<f64> {
        self.range.map(|(min, _)| min)
    }

    /// The greatest value that isn't NaN, if there is one. Zero has no sign here.
    ///
    /// ```
    /// # use mlops_core::sketch::Moments;
    /// let mut moments = Moments::default();
    /// assert_eq!(moments.max(), None);
    /// moments.update_slice(&[3.0, f64::NAN, -1.0]);
    /// assert_eq!(moments.max(), Some(3.0));
    /// ```
    pub fn max(&self) -> Option<f64> {
        self.range.map(|(_, max)| max)
    }

    /// `n·Σx² - (Σx)² = n·Σ(x - mean)²` over finite values, exactly; it can't be negative (Cauchy and Schwarz).
    fn spread(&self) -> Fixed {
        let sum = self.sum.fixed();
        self.squares.fixed().times_count(self.count).minus(&sum.times(&sum))
    }

    #[inline]
    fn widen(&mut self, min: f64, max: f64) {
        // Adding 0 turns -0 into 0, so that the sign doesn't depend on the order of equal zeros.
        let (min, max) = (min + 0.0, max + 0.0);
        self.range = Some(self.range.map_or((min, max), |(least, greatest)| (least.min(min), greatest.max(max))));
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Moments", deny_unknown_fields)]
struct Stored {
    count: u64,
    sum: ExactSum,
    squares: ExactSum,
    range: Option<(Number, Number)>,
}

impl From<Moments> for Stored {
    fn from(moments: Moments) -> Self {
        let Moments { count, sum, squares, range } = moments;
        Self { count, sum, squares, range: range.map(|(min, max)| (Number(min), Number(max))) }
    }
}

impl TryFrom<Stored> for Moments {
    type Error = SketchError;

    fn try_from(stored: Stored) -> Result<Self, SketchError> {
        let Stored { count, sum, squares, range } = stored;
        let range = range.map(|(Number(min), Number(max))| (min, max));
        let specials = sum.specials();
        let empty = sum.is_zero() && squares.is_zero() && range.is_none();
        let moments = Self { count, sum, squares, range };
        let check = |holds, problem| ensure(holds, "Moments", problem);
        check(count > 0 || empty, "there are sums of no values")?;
        check(specials <= count && specials == moments.squares.specials(), "its infinities and NaN don't add up")?;
        check(range.is_none_or(|(min, max)| min <= max), "its minimum is above its maximum")?;
        check(range.is_some() || moments.sum.fixed().is_zero(), "there is a sum but no range")?;
        check(!moments.spread().negative, "its variance is negative")?;
        Ok(moments)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::Stream;
    use super::*;

    fn moments_of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        moments.update_slice(values);
        moments
    }

    fn any_float() -> impl Strategy<Value = f64> {
        prop_oneof![6 => -1e6..1e6f64, 2 => any::<u64>().prop_map(f64::from_bits), 1 => Just(-0.0), 1 => Just(f64::MAX)]
    }

    proptest! {
        #[test]
        fn order_batches_and_merges_leave_no_trace(
            values in prop::collection::vec(any_float(), 0..80), seed: u64, parts in 1usize..6,
        ) {
            let whole = moments_of(&values);
            let mut stream = Stream(seed);
            let mut shuffled = values.clone();
            stream.shuffle(&mut shuffled);
            let mut pieces = vec![Moments::default(); parts];
            for x in shuffled {
                pieces[(stream.bits() % parts as u64) as usize].update(x);
            }
            stream.shuffle(&mut pieces);
            let merged = pieces.into_iter().reduce(|mut a, b| { a.merge(&b); a }).unwrap();
            prop_assert_eq!(&merged, &whole);

            let text = serde_json::to_string(&whole).unwrap();
            prop_assert_eq!(&serde_json::to_string(&merged).unwrap(), &text);
            let back: Moments = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&back, &whole);
            prop_assert_eq!(back.variance(1).map(f64::to_bits), whole.variance(1).map(f64::to_bits));
        }

        #[test]
        fn integers_have_exactly_rounded_variance(values in prop::collection::vec(-1i64 << 40..1 << 40, 2..50)) {
            let floats: Vec<f64> = values.iter().map(|&x| x as f64).collect();
            let n = values.len() as i128;
            let sum: i128 = values.iter().map(|&x| i128::from(x)).sum();
            let squares: i128 = values.iter().map(|&x| i128::from(x).pow(2)).sum();
            let exact = (n * squares - sum * sum) as f64 / (n * (n - 1)) as f64;
            let got = moments_of(&floats).variance(1).unwrap();
            prop_assert!((got - exact).abs() <= exact * 2.3e-16, "{got} {exact}");
        }
    }

    #[test]
    fn golden_values_of_exact_rational_arithmetic() {
        // Python 3 with fractions.Fraction: float() of the exact mean and of the exact variance with ddof 1.
        let cases: [(&[f64], f64, f64); 5] = [
            (
                &[
                    99999999.998821, 99999999.998852, 100000000.000669, 99999999.997706, 99999999.999857, 99999999.997744,
                    100000000.001101,
                ],
                99999999.99925,
                1.8004435417894898e-06,
            ),
            (&[1e200, -1e200, 3e200], 1e200, f64::INFINITY),
            (&[5e-324, 1e-323, 2e-323, 5e-324], 1e-323, 0.0),
            (&[1e308, 1.1e308, -1.7e308], 1.3333333333333335e307, f64::INFINITY),
            (&[0.1, 0.2, 0.3, 0.4], 0.25, 0.016666666666666666),
        ];
        for (values, mean, variance) in cases {
            let moments = moments_of(values);
            assert_eq!((moments.mean(), moments.variance(1)), (Some(mean), Some(variance)), "{values:?}");
        }
    }

    #[test]
    fn a_large_mean_costs_no_digit() {
        let mut stream = Stream(11);
        let offsets: Vec<f64> = (0..10_000).map(|_| (stream.normal() * 65_536.0).round() / 67_108_864.0).collect();
        let near = moments_of(&offsets);
        let far = moments_of(&offsets.iter().map(|x| x + 1e8).collect::<Vec<_>>());
        // The offsets are multiples of 2^-26, so adding 1e8 is exact and the variances are equal.
        assert_eq!(far.variance(1), near.variance(1));
        assert_eq!(far.std(0), near.std(0));
    }

    #[test]
    fn deviations_survive_where_their_squares_do_not() {
        assert_eq!(moments_of(&[1e-200, -1e-200]).std(0), Some(1e-200));
        assert_eq!(moments_of(&[5e-324, -5e-324]).std(0), Some(5e-324));
        assert_eq!(moments_of(&[f64::MAX, -f64::MAX]).std(0), Some(f64::MAX));
        assert_eq!(moments_of(&[f64::MAX, -f64::MAX]).variance(0), Some(f64::INFINITY));
        assert_eq!(moments_of(&[0.1; 1000]).std(1), Some(0.0));
    }

    #[test]
    fn infinities_and_nan_follow_ieee() {
        let moments = moments_of(&[1.0, f64::INFINITY]);
        assert_eq!((moments.mean(), moments.max()), (Some(f64::INFINITY), Some(f64::INFINITY)));
        assert!(moments.variance(0).unwrap().is_nan() && moments.std(0).unwrap().is_nan());
        let moments = moments_of(&[f64::NAN]);
        assert!(moments.mean().unwrap().is_nan());
        assert_eq!((moments.count(), moments.min(), moments.max()), (1, None, None));
    }

    #[test]
    fn impossible_state_is_refused() {
        let good = serde_json::to_value(moments_of(&[1.0, 2.0, f64::INFINITY])).unwrap();
        assert!(serde_json::from_value::<Moments>(good.clone()).is_ok());
        let changes = [
            ("/count", serde_json::json!(0)),
            ("/range", serde_json::json!([2.0, 1.0])),
            ("/range", serde_json::json!(["nan", "nan"])),
            ("/range", serde_json::json!(null)),
            ("/squares/negative", serde_json::json!(true)),
            ("/squares/positive_infinities", serde_json::json!(0)),
            ("/sum/limbs", serde_json::json!([0])),
            ("/sum/limbs", serde_json::json!([1 << 30])),
            ("/sum/base", serde_json::json!(1_000_000_000)),
        ];
        for (path, value) in changes {
            let mut bad = good.clone();
            *bad.pointer_mut(path).unwrap() = value;
            assert!(serde_json::from_value::<Moments>(bad.clone()).is_err(), "{bad}");
        }
    }
}
