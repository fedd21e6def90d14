use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use mlops_core::Result;
use mlops_core::columns::numbers;
use mlops_core::sketch::{Hit, HyperLogLog, Kll, Moments, Shape};
use serde::{Deserialize, Serialize};

use super::few::few;
use super::{Bins, ProfileOptions, bins};

/// What is in a column of numbers.
///
/// NaN and infinities are counted; mean, deviation, extremes, quantiles and histogram are those of
/// the finite numbers. Integers beyond ±2⁵³ and decimals are rounded to the nearest float there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberProfile {
    moments: Moments,
    /// Unknown if a part was profiled by version 1.
    #[serde(default)]
    shape: Option<Shape>,
    quantiles: Kll,
    pub(super) distinct: HyperLogLog,
    zeros: u64,
    negatives: u64,
    fractions: u64,
    nan: u64,
    positive_infinities: u64,
    negative_infinities: u64,
}

impl NumberProfile {
    pub(super) fn empty(options: &ProfileOptions) -> Result<Self> {
        Ok(Self {
            moments: Moments::default(),
            shape: Some(Shape::default()),
            quantiles: options.quantiles()?,
            distinct: HyperLogLog::default(),
            zeros: 0,
            negatives: 0,
            fractions: 0,
            nan: 0,
            positive_infinities: 0,
            negative_infinities: 0,
        })
    }

    /// How many numbers are finite.
    pub fn finite(&self) -> u64 {
        self.moments.count()
    }

    /// How many are NaN.
    pub fn nan(&self) -> u64 {
        self.nan
    }

    /// How many are infinite, of either sign.
    pub fn infinities(&self) -> u64 {
        self.positive_infinities.saturating_add(self.negative_infinities)
    }

    /// How many are 0.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// How many are finite and below 0.
    pub fn negatives(&self) -> u64 {
        self.negatives
    }

    /// How many are finite but not whole.
    pub fn fractions(&self) -> u64 {
        self.fractions
    }

    /// The mean, correctly rounded.
    pub fn mean(&self) -> Option<f64> {
        self.moments.mean()
    }

    /// The standard deviation, correctly rounded; `ddof` is 0 for that of a population, 1 for the
    /// estimate from a sample.
    pub fn std(&self, ddof: u64) -> Option<f64> {
        self.moments.std(ddof)
    }

    /// The skewness, as pandas' `skew` gives it ([`Shape::skewness`]).
    pub fn skew(&self) -> Option<f64> {
        self.shape.as_ref()?.skewness(&self.moments)
    }

    /// The excess kurtosis, as pandas' `kurt` gives it ([`Shape::kurtosis`]).
    pub fn kurtosis(&self) -> Option<f64> {
        self.shape.as_ref()?.kurtosis(&self.moments)
    }

    /// The least number.
    pub fn min(&self) -> Option<f64> {
        self.moments.min()
    }

    /// The greatest number.
    pub fn max(&self) -> Option<f64> {
        self.moments.max()
    }

    /// The quantile, interpolated between neighbours as numpy does; off by
    /// [`rank_error`](Self::rank_error).
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.quantiles.interpolated(q)
    }

    /// By how much the rank of a quantile may be off, as a share of the count (99 % confidence); 0
    /// if exact.
    pub fn rank_error(&self) -> f64 {
        self.quantiles.rank_error()
    }

    /// The numbers counted in at most `bins` bins of equal width; none if there are none.
    pub fn histogram(&self, bins: usize) -> Option<Bins> {
        bins::of(&self.quantiles, bins, self.fractions == 0)
    }

    /// The numbers counted between at most `bins + 1` quantiles, so that each bin holds about as
    /// many; fewer where numbers repeat. None if there are no numbers.
    pub fn quantile_histogram(&self, bins: usize) -> Option<Bins> {
        bins::of_quantiles(&self.quantiles, bins)
    }

    /// The `k` most frequent numbers, by descending count: exact up to so many different numbers as
    /// the quantiles are, else those that are surely repeated, by the rank error.
    pub fn top(&self, k: usize) -> Vec<Hit> {
        let error = (2.0 * self.quantiles.rank_error() * self.quantiles.count() as f64).ceil() as u64;
        let mut values = self.quantiles.weighted_values();
        values.retain(|(_, count)| *count > error);
        values.sort_by(|(x, a), (y, b)| b.cmp(a).then(x.total_cmp(y)));
        // Each count may be off by the error in both directions; a hit counts from above.
        let most = |count: u64| count.saturating_add(error).min(self.quantiles.count());
        let hit = |(x, count): (f64, u64)| Hit { value: x.to_string(), count: most(count), error: 2 * error };
        let bounded = |hit: Hit| Hit { error: hit.error.min(hit.count), ..hit };
        values.into_iter().take(k).map(hit).map(bounded).collect()
    }

    /// Count, mean and variance as they are folded.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The distribution as it is folded.
    pub fn sketch(&self) -> &Kll {
        &self.quantiles
    }

    pub(super) fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        let floats = present(&numbers(column, name)?);
        if !column.data_type().is_integer() {
            self.take_floats(&floats);
            return Ok(());
        }
        if *column.data_type() == DataType::UInt64 {
            // Another name for the same 64 bits: distinct stays distinct.
            let whole: Vec<i64> = column.as_primitive::<UInt64Type>().iter().flatten().map(|x| x as i64).collect();
            self.take_integers(&floats, &whole, |bits| bits as f64);
        } else {
            let whole = present(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>());
            self.take_integers(&floats, &whole, |bits| bits as i64 as f64);
        }
        Ok(())
    }

    fn take_floats(&mut self, values: &[f64]) {
        if self.quantiles.is_exact()
            && let Some(counts) = few(values.iter().map(|x| (x + 0.0).to_bits()))
        {
            let counts: Vec<(f64, u64)> = counts.into_iter().map(|(bits, n)| (f64::from_bits(bits), n)).collect();
            if self.take_counts(&counts) {
                return self.distinct.extend_f64(counts.into_iter().map(|(x, _)| x).filter(|x| !x.is_nan()));
            }
        }
        self.take_slice(values);
        self.distinct.extend_f64(values.iter().copied().filter(|x| !x.is_nan()));
    }

    /// Takes in integers, of which `float` gives the float by the bits.
    fn take_integers(&mut self, floats: &[f64], whole: &[i64], float: fn(u64) -> f64) {
        if self.quantiles.is_exact()
            && let Some(counts) = few(whole.iter().map(|x| *x as u64))
        {
            let floats: Vec<(f64, u64)> = counts.iter().map(|(bits, times)| (float(*bits), *times)).collect();
            if self.take_counts(&floats) {
                return self.distinct.extend_i64(counts.into_iter().map(|(bits, _)| bits as i64));
            }
        }
        self.take_slice(floats);
        self.distinct.extend_i64(whole.iter().copied());
    }

    /// Takes in values with their counts if the quantiles stay exact; all or nothing.
    fn take_counts(&mut self, counts: &[(f64, u64)]) -> bool {
        let finite: Vec<(f64, u64)> = counts.iter().copied().filter(|(x, _)| x.is_finite()).collect();
        if !self.quantiles.tally(&finite) {
            return false;
        }
        for (x, times) in finite {
            self.moments.add(x, times);
            self.shape.iter_mut().for_each(|shape| shape.add(x, times));
            self.zeros += if x == 0.0 { times } else { 0 };
            self.negatives += if x < 0.0 { times } else { 0 };
            self.fractions += if x.trunc() == x { 0 } else { times };
        }
        counts.iter().filter(|(x, _)| !x.is_finite()).for_each(|(x, times)| self.count_special(*x, *times));
        true
    }

    fn take_slice(&mut self, values: &[f64]) {
        // Without a way out of the loop many are looked at at once.
        let odd = values.iter().fold(false, |odd, x| odd | !x.is_finite());
        let kept: Cow<'_, [f64]> = if !odd {
            Cow::Borrowed(values)
        } else {
            values.iter().filter(|x| !x.is_finite()).for_each(|x| self.count_special(*x, 1));
            Cow::Owned(values.iter().copied().filter(|x| x.is_finite()).collect())
        };
        self.zeros += count(&kept, |x| x == 0.0);
        self.negatives += count(&kept, |x| x < 0.0);
        self.fractions += count(&kept, |x| !is_whole(x));
        self.moments.update_slice(&kept);
        self.shape.iter_mut().for_each(|shape| shape.update_slice(&kept));
        self.quantiles.update_slice(&kept);
    }

    fn count_special(&mut self, x: f64, times: u64) {
        match x {
            x if x.is_nan() => self.nan += times,
            x if x > 0.0 => self.positive_infinities += times,
            _ => self.negative_infinities += times,
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.shape = self.shape.take().zip(other.shape.as_ref()).map(|(mut mine, theirs)| {
            mine.merge(theirs);
            mine
        });
        self.quantiles.merge(&other.quantiles);
        self.distinct.merge(&other.distinct);
        let add = |mine: &mut u64, theirs: u64| *mine = mine.saturating_add(theirs);
        add(&mut self.zeros, other.zeros);
        add(&mut self.negatives, other.negatives);
        add(&mut self.fractions, other.fractions);
        add(&mut self.nan, other.nan);
        add(&mut self.positive_infinities, other.positive_infinities);
        add(&mut self.negative_infinities, other.negative_infinities);
    }

    /// How many numbers were taken in.
    pub(super) fn count(&self) -> u64 {
        self.finite().saturating_add(self.nan).saturating_add(self.infinities())
    }
}

/// The values that are not null; not copied if all are.
pub(super) fn present<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>) -> ScalarBuffer<T::Native> {
    if column.null_count() == 0 {
        return column.values().clone();
    }
    column.iter().flatten().collect::<Vec<_>>().into()
}

#[inline]
fn count(values: &[f64], is: impl Fn(f64) -> bool) -> u64 {
    values.iter().map(|x| u64::from(is(*x))).sum()
}

/// Whether a finite number has no fraction.
#[inline]
fn is_whole(x: f64) -> bool {
    const FAR: f64 = 6_755_399_441_055_744.0; // 1.5 · 2^52: adding it rounds to whole numbers.
    const NEAR: f64 = 2_251_799_813_685_248.0; // 2^51
    if x.abs() < NEAR { (x + FAR) - FAR == x } else { x.trunc() == x }
}
