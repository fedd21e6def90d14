use std::cmp::Ordering;
use std::fmt;

use mlops_core::{Error, Predictions, Result};
use serde::{Deserialize, Serialize};

use super::Evaluation;
use super::gates::{GateFailure, Requirement};
use super::slices::Slice;
use crate::metrics::ConfusionMatrix;

/// How differently the groups of a column are treated by a classifier of two classes, of which the
/// second is what people want, or fear.
///
/// A rate that a group has no rows for is left out: of a group without positive rows nothing can be
/// said about its true positive rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Fairness {
    /// The column whose values are the groups.
    pub column: String,
    /// Group by group.
    pub groups: Vec<GroupRates>,
    /// The greatest difference between the selection rates of two groups.
    pub demographic_parity_difference: Option<f64>,
    /// The least selection rate by the greatest; below 0.8 is what US law calls adverse impact.
    pub demographic_parity_ratio: Option<f64>,
    /// The greatest difference between the true positive rates (Hardt, Price and Srebro, "Equality of
    /// opportunity in supervised learning", 2016).
    pub equal_opportunity_difference: Option<f64>,
    /// The greater one of the greatest differences between true and between false positive rates.
    pub equalized_odds_difference: Option<f64>,
}

/// What a classifier does to one group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GroupRates {
    /// The group.
    pub group: String,
    /// How many rows it has.
    pub rows: usize,
    /// The share that is predicted to be of the second class.
    pub selection_rate: Option<f64>,
    /// The share of those of the second class that is.
    pub true_positive_rate: Option<f64>,
    /// The share of those of the first class that is.
    pub false_positive_rate: Option<f64>,
}

impl Fairness {
    pub(super) fn of(column: &str, slices: &[Slice], predictions: &Predictions) -> Result<Self> {
        let of_column = slices.iter().filter(|slice| slice.column == column);
        let mut groups: Vec<GroupRates> =
            of_column.map(|slice| GroupRates::of(slice, predictions)).collect::<Result<_>>()?;
        groups.sort_by(|a, b| in_order(&a.group, &b.group));
        let extremes = |rate: fn(&GroupRates) -> Option<f64>| {
            let rates: Vec<f64> = groups.iter().filter_map(rate).collect();
            let (least, most) = (rates.iter().copied().reduce(f64::min)?, rates.iter().copied().reduce(f64::max)?);
            (rates.len() > 1).then_some((least, most))
        };
        let gap = |(least, most): (f64, f64)| most - least;
        let selected = extremes(|group| group.selection_rate);
        let (found, false_alarms) =
            (extremes(|group| group.true_positive_rate), extremes(|group| group.false_positive_rate));
        Ok(Self {
            column: column.to_owned(),
            demographic_parity_difference: selected.map(gap),
            demographic_parity_ratio: selected.filter(|(_, most)| *most > 0.0).map(|(least, most)| least / most),
            equal_opportunity_difference: found.map(gap),
            equalized_odds_difference: match (found.map(gap), false_alarms.map(gap)) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            },
            groups,
        })
    }

    /// A gap.
    pub fn gap(&self, gap: FairnessGap) -> Option<f64> {
        match gap {
            FairnessGap::DemographicParity => self.demographic_parity_difference,
            FairnessGap::EqualOpportunity => self.equal_opportunity_difference,
            FairnessGap::EqualizedOdds => self.equalized_odds_difference,
        }
    }
}

/// Numbers by their size, all else by name.
fn in_order(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        (a_number, b_number) => b_number.is_ok().cmp(&a_number.is_ok()).then_with(|| a.cmp(b)),
    }
}

impl GroupRates {
    fn of(slice: &Slice, predictions: &Predictions) -> Result<Self> {
        let matrix = ConfusionMatrix::of(&slice.predictions(predictions))?;
        let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let [[tn, fp], [r#fn, tp]] = [0, 1].map(|truth| [0, 1].map(|predicted| matrix.get(truth, predicted)));
        Ok(Self {
            group: slice.value.clone(),
            rows: slice.rows,
            selection_rate: ratio(tp + fp, tn + fp + r#fn + tp),
            true_positive_rate: ratio(tp, tp + r#fn),
            false_positive_rate: ratio(fp, fp + tn),
        })
    }
}

/// A difference between the groups of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FairnessGap {
    /// Between the shares that are selected.
    DemographicParity,
    /// Between the shares of those who qualify that are selected.
    EqualOpportunity,
    /// Between those, or between the shares of those who don't qualify, whichever is greater.
    EqualizedOdds,
}

impl fmt::Display for FairnessGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DemographicParity => "demographic_parity_difference",
            Self::EqualOpportunity => "equal_opportunity_difference",
            Self::EqualizedOdds => "equalized_odds_difference",
        })
    }
}

impl FairnessGap {
    /// Requires that no column that the evaluation is sliced by has a greater gap.
    pub fn at_most(self, bound: f64) -> FairnessGate {
        FairnessGate { gap: self, bound }
    }
}

/// A bound of a [`FairnessGap`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FairnessGate {
    gap: FairnessGap,
    bound: f64,
}

impl Requirement for FairnessGate {
    fn check(&self, evaluation: &Evaluation) -> Result<()> {
        if evaluation.fairness.is_empty() {
            return Err(Error::config(
                "fairness is required, but no groups are known: slice an evaluation of two classes by a column with \
                 Evaluation::with_slices",
            ));
        }
        for fairness in &evaluation.fairness {
            let value = fairness.gap(self.gap);
            if value.is_some_and(|value| value <= self.bound) {
                continue;
            }
            let found = value.map_or_else(|| "not defined".to_owned(), mlops_core::report::number);
            return Err(GateFailure {
                metric: self.gap.to_string(),
                value,
                bound: self.bound,
                slice: Some(fairness.column.clone()),
                reason: format!(
                    "{} between the groups of '{}' is {found}, at most {} is required",
                    self.gap, fairness.column, self.bound
                ),
            }
            .into_error());
        }
        Ok(())
    }
}
