use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use mlops_core::Result;
use mlops_core::columns::numbers;
use mlops_core::sketch::{HyperLogLog, Kll, Moments};
use serde::{Deserialize, Serialize};

use super::{Bins, ProfileOptions, bins};

/// What is in a column of numbers.
///
/// NaN and infinities are counted; mean, deviation, extremes, quantiles and histogram are those of
/// the finite numbers. Integers beyond ±2⁵³ and decimals are rounded to the nearest float there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberProfile {
    moments: Moments,
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

    /// Count, mean and variance as they are folded.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The distribution as it is folded.
    pub fn sketch(&self) -> &Kll {
        &self.quantiles
    }

    pub(super) fn update(&mut self, column: &ArrayRef, name: &str) -> Result<()> {
        let floats = numbers(column, name)?;
        let mut finite = Vec::with_capacity(floats.len());
        for x in floats.iter().flatten() {
            if x.is_finite() {
                finite.push(x);
                self.zeros += u64::from(x == 0.0);
                self.negatives += u64::from(x < 0.0);
                self.fractions += u64::from(x.trunc() != x);
            } else {
                self.nan += u64::from(x.is_nan());
                self.positive_infinities += u64::from(x == f64::INFINITY);
                self.negative_infinities += u64::from(x == f64::NEG_INFINITY);
            }
        }
        self.moments.update_slice(&finite);
        self.quantiles.update_slice(&finite);
        match column.data_type() {
            DataType::UInt64 => {
                // Another name for the same 64 bits: distinct stays distinct.
                column.as_primitive::<UInt64Type>().iter().flatten().for_each(|x| self.distinct.insert_i64(x as i64));
            }
            integer if integer.is_integer() => {
                let whole = cast(column, &DataType::Int64)?;
                whole.as_primitive::<Int64Type>().iter().flatten().for_each(|x| self.distinct.insert_i64(x));
            }
            _ => floats.iter().flatten().filter(|x| !x.is_nan()).for_each(|x| self.distinct.insert_f64(x)),
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
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
