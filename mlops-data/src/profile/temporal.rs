use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::array_value_to_string;
use mlops_core::Result;
use mlops_core::sketch::{HyperLogLog, Kll, Moments};
use serde::{Deserialize, Serialize};

use super::few::few;
use super::number::present;
use super::{Bins, ProfileOptions, bins};

/// What is in a column of dates, times, timestamps or durations, as integers of the column's unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemporalProfile {
    range: Option<(i64, i64)>,
    /// Unknown if a part was profiled by version 1.
    #[serde(default)]
    moments: Option<Moments>,
    quantiles: Kll,
    pub(super) distinct: HyperLogLog,
}

impl TemporalProfile {
    pub(super) fn empty(options: &ProfileOptions) -> Result<Self> {
        Ok(Self {
            range: None,
            moments: Some(Moments::default()),
            quantiles: options.quantiles()?,
            distinct: HyperLogLog::default(),
        })
    }

    /// The earliest, exactly.
    pub fn min(&self) -> Option<i64> {
        self.range.map(|(min, _)| min)
    }

    /// The latest, exactly.
    pub fn max(&self) -> Option<i64> {
        self.range.map(|(_, max)| max)
    }

    /// The mean, rounded as a float is.
    pub fn mean(&self) -> Option<i64> {
        self.moments.as_ref()?.mean().map(|x| x.round() as i64)
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
        if let (Some(min), Some(max)) = (min(ticks), max(ticks)) {
            self.widen(min, max);
        }
        let ticks = present(ticks);
        if self.quantiles.is_exact()
            && let Some(counts) = few(ticks.iter().map(|tick| *tick as u64))
        {
            let floats: Vec<(f64, u64)> = counts.iter().map(|(bits, times)| (*bits as i64 as f64, *times)).collect();
            if self.quantiles.tally(&floats) {
                self.distinct.extend_i64(counts.into_iter().map(|(bits, _)| bits as i64));
                let moments = self.moments.iter_mut();
                moments.for_each(|moments| floats.iter().for_each(|(x, times)| moments.add(*x, *times)));
                return Ok(());
            }
        }
        let floats: Vec<f64> = ticks.iter().map(|tick| *tick as f64).collect();
        self.distinct.extend_i64(ticks.iter().copied());
        self.moments.iter_mut().for_each(|moments| moments.update_slice(&floats));
        self.quantiles.update_slice(&floats);
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if let Some((min, max)) = other.range {
            self.widen(min, max);
        }
        self.moments = self.moments.take().zip(other.moments.as_ref()).map(|(mut mine, theirs)| {
            mine.merge(theirs);
            mine
        });
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
