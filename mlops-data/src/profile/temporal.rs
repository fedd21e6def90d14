use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::array_value_to_string;
use mlops_core::Result;
use mlops_core::sketch::{HyperLogLog, Kll};
use serde::{Deserialize, Serialize};

use super::{Bins, ProfileOptions, bins};

/// What is in a column of dates, times, timestamps or durations, as integers of the column's unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemporalProfile {
    range: Option<(i64, i64)>,
    quantiles: Kll,
    pub(super) distinct: HyperLogLog,
}

impl TemporalProfile {
    pub(super) fn empty(options: &ProfileOptions) -> Result<Self> {
        Ok(Self { range: None, quantiles: options.quantiles()?, distinct: HyperLogLog::default() })
    }

    /// The earliest, exactly.
    pub fn min(&self) -> Option<i64> {
        self.range.map(|(min, _)| min)
    }

    /// The latest, exactly.
    pub fn max(&self) -> Option<i64> {
        self.range.map(|(_, max)| max)
    }

    /// The moment before which lies the share `q` of all; off by the
    /// [`rank_error`](Self::rank_error), and rounded as a float is.
    pub fn quantile(&self, q: f64) -> Option<i64> {
        self.quantiles.quantile(q).map(|x| x as i64)
    }

    /// By how much the rank of a quantile may be off, as a share of the count (99 % confidence); 0
    /// if exact.
    pub fn rank_error(&self) -> f64 {
        self.quantiles.rank_error()
    }

    /// The moments counted in at most `bins` bins of equal width; none if there are none.
    pub fn histogram(&self, bins: usize) -> Option<Bins> {
        bins::of(&self.quantiles, bins, false)
    }

    pub(super) fn update(&mut self, column: &ArrayRef) -> Result<()> {
        let ticks = cast(column, &DataType::Int64)?;
        let ticks = ticks.as_primitive::<Int64Type>();
        let mut floats = Vec::with_capacity(ticks.len());
        for tick in ticks.iter().flatten() {
            self.widen(tick, tick);
            self.distinct.insert_i64(tick);
            floats.push(tick as f64);
        }
        self.quantiles.update_slice(&floats);
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if let Some((min, max)) = other.range {
            self.widen(min, max);
        }
        self.quantiles.merge(&other.quantiles);
        self.distinct.merge(&other.distinct);
    }

    fn widen(&mut self, min: i64, max: i64) {
        self.range = Some(self.range.map_or((min, max), |(least, greatest)| (least.min(min), greatest.max(max))));
    }

    /// How many moments were taken in.
    pub(super) fn count(&self) -> u64 {
        self.quantiles.count()
    }
}

/// A moment as text; timestamps with a time zone in UTC, since zone names can't be looked up here.
pub(crate) fn show(tick: i64, data_type: &DataType) -> String {
    let data_type = match super::column::plain(data_type) {
        DataType::Timestamp(unit, Some(_)) => &DataType::Timestamp(*unit, Some("+00:00".into())),
        other => other,
    };
    let ticks: ArrayRef = Arc::new(Int64Array::from(vec![tick]));
    // Dates count days in 32 bits, which Arrow converts from 32-bit integers only.
    let narrow = matches!(data_type, DataType::Date32 | DataType::Time32(_));
    let ticks = if narrow { cast(&ticks, &DataType::Int32) } else { Ok(ticks) };
    let shown = ticks.and_then(|ticks| cast(&ticks, data_type)).and_then(|moment| array_value_to_string(&moment, 0));
    // Moments outside the years that a calendar can show are shown as they are stored.
    shown.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| tick.to_string())
}
