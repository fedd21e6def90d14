use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The values that a search may give one setting.
///
/// # Example
/// ```
/// use mlops_train::search::Values;
///
/// let rate = Values::log_uniform(0.01, 0.3);
/// let leaves = Values::log_int(7, 255);
/// let strategy = Values::choice(["mean", "median"]);
/// # for values in [rate, leaves, strategy] { assert!(!values.grid(3).is_empty()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Values {
    /// One of these.
    Choice(Vec<Json>),
    /// A number from `low` to `high`.
    Float {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
        /// Whether equal ratios are equally likely, rather than equal differences.
        log: bool,
    },
    /// A whole number from `low` to `high`, both included.
    Int {
        /// The least.
        low: i64,
        /// The greatest.
        high: i64,
        /// Whether equal ratios are equally likely, rather than equal differences.
        log: bool,
    },
}

impl Values {
    /// One of these.
    pub fn choice<T: Into<Json>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::Choice(values.into_iter().map(Into::into).collect())
    }

    /// A number, equal differences equally likely.
    pub fn uniform(low: f64, high: f64) -> Self {
        Self::Float { low, high, log: false }
    }

    /// A number above 0, equal ratios equally likely.
    pub fn log_uniform(low: f64, high: f64) -> Self {
        Self::Float { low, high, log: true }
    }

    /// A whole number, both ends included.
    pub fn int(low: i64, high: i64) -> Self {
        Self::Int { low, high, log: false }
    }

    /// A whole number above 0, equal ratios equally likely.
    pub fn log_int(low: i64, high: i64) -> Self {
        Self::Int { low, high, log: true }
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::config(what));
        match self {
            Self::Choice(values) if values.is_empty() => wrong("a choice of nothing: give at least one value".into()),
            Self::Float { low, high, .. } if !(low.is_finite() && high.is_finite() && low <= high) => {
                wrong(format!("from {low} to {high}: two finite numbers are needed, the least first"))
            }
            Self::Float { low, log: true, .. } if *low <= 0.0 => {
                wrong(format!("ratios from {low}: the least must be above 0"))
            }
            Self::Int { low, high, .. } if low > high || low.unsigned_abs().max(high.unsigned_abs()) > 1 << 52 => {
                wrong(format!("from {low} to {high}: the least comes first, and neither is beyond 2^52"))
            }
            Self::Int { low: ..1, log: true, .. } => wrong("ratios of whole numbers: the least must be above 0".into()),
            _ => Ok(()),
        }
    }

    /// The value at a share of the range, from 0 to below 1.
    pub(super) fn at(&self, share: f64) -> Json {
        match self {
            Self::Choice(values) => {
                let i = (share * values.len() as f64) as usize;
                values[i.min(values.len() - 1)].clone()
            }
            _ => {
                let (low, high) = self.bounds();
                self.unwarp(low + share * (high - low))
            }
        }
    }

    /// Every value of a choice or of few whole numbers; of a range `points` values, the ends among
    /// them.
    pub fn grid(&self, points: usize) -> Vec<Json> {
        let (low, high) = match self {
            Self::Choice(values) => return values.clone(),
            Self::Int { low, high, .. } if high - low < points as i64 => {
                return (*low..=*high).map(Json::from).collect();
            }
            Self::Int { low, high, .. } => (self.warp(*low as f64), self.warp(*high as f64)),
            Self::Float { .. } => self.bounds(),
        };
        let points = points.max(1);
        let at = |i: usize| self.unwarp(low + (high - low) * i as f64 / (points - 1).max(1) as f64);
        let mut values: Vec<Json> = (0..points).map(at).collect();
        values.dedup();
        values
    }

    /// The ends of the range on the scale where values are equally likely; a whole number has half a
    /// step around it.
    pub(super) fn bounds(&self) -> (f64, f64) {
        match self {
            Self::Choice(values) => (0.0, values.len() as f64),
            Self::Float { low, high, .. } => (self.warp(*low), self.warp(*high)),
            Self::Int { low, high, .. } => (self.warp(*low as f64 - 0.5), self.warp(*high as f64 + 0.5)),
        }
    }

    fn warp(&self, x: f64) -> f64 {
        match self {
            Self::Float { log: true, .. } | Self::Int { log: true, .. } => x.ln(),
            _ => x,
        }
    }

    /// The value on the scale where values are equally likely; the index of a choice.
    pub(super) fn place(&self, value: &Json) -> f64 {
        match self {
            Self::Choice(values) => values.iter().position(|known| known == value).unwrap_or(0) as f64,
            _ => self.warp(value.as_f64().unwrap_or(f64::NAN)),
        }
    }

    /// The value at a place on that scale.
    pub(super) fn unwarp(&self, x: f64) -> Json {
        let x = match self {
            Self::Float { log: true, .. } | Self::Int { log: true, .. } => x.exp(),
            _ => x,
        };
        match self {
            Self::Choice(values) => values[(x as usize).min(values.len() - 1)].clone(),
            Self::Float { low, high, .. } => Json::from(x.clamp(*low, *high)),
            Self::Int { low, high, .. } => Json::from((x.round() as i64).clamp(*low, *high)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_the_range_evenly() {
        let counts = |values: &Values| {
            let mut counts = std::collections::BTreeMap::new();
            (0..9_000)
                .for_each(|i| *counts.entry(values.at(f64::from(i) / 9_000.0).as_i64().unwrap()).or_insert(0) += 1);
            counts.into_values().collect::<Vec<i32>>()
        };
        assert!(counts(&Values::int(-1, 1)).into_iter().all(|n| (n - 3_000).abs() <= 1));
        let doubling = counts(&Values::log_int(1, 3));
        assert!(doubling[0] > doubling[1] && doubling[1] > doubling[2], "{doubling:?}");
        assert_eq!(Values::log_uniform(0.01, 1.0).at(0.5).as_f64().map(|x| (x * 1e6).round()), Some(100_000.0));
    }

    #[test]
    fn places_come_back_as_values() {
        let all =
            [Values::int(3, 9), Values::log_int(1, 100), Values::log_uniform(1e-3, 10.0), Values::choice(["a", "b"])];
        for values in all {
            for value in values.grid(5) {
                let back = values.unwarp(values.place(&value));
                let same = back == value || (back.as_f64().unwrap() / value.as_f64().unwrap() - 1.0).abs() < 1e-12;
                assert!(same, "{values:?}: {value} became {back}");
            }
        }
    }

    #[test]
    fn grids_hold_the_ends() {
        assert_eq!(Values::int(1, 3).grid(10), [1, 2, 3].map(Json::from));
        assert_eq!(Values::log_int(1, 100).grid(3), [1, 10, 100].map(Json::from));
        assert_eq!(Values::uniform(0.0, 1.0).grid(3), [0.0, 0.5, 1.0].map(Json::from));
        assert_eq!(Values::uniform(2.0, 2.0).grid(3), [Json::from(2.0)]);
    }

    #[test]
    fn ranges_that_are_none_are_refused() {
        let wrong = [
            Values::choice(Vec::<f64>::new()),
            Values::uniform(1.0, 0.0),
            Values::uniform(f64::NAN, 0.0),
            Values::log_uniform(0.0, 1.0),
            Values::log_int(0, 3),
            Values::int(2, 1),
            Values::int(i64::MIN, 0),
        ];
        for values in wrong {
            assert!(values.check().is_err(), "{values:?}");
        }
    }
}
