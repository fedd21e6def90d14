use mlops_core::{Result, Run, Table};
use serde::{Deserialize, Serialize};

use super::fitted::FeatureScore;
use super::mutual_info::MutualInfo;
use super::rules::Rule;
use super::univariate::score;

/// How much a feature tells about the target, by itself: scikit-learn's score functions.
///
/// | function | feature | target | p-value |
/// | --- | --- | --- | --- |
/// | `f_classif` | numbers | classes | yes |
/// | `chi2` | counts, at least 0 | classes | yes |
/// | `f_regression` | numbers | numbers | yes |
/// | `mutual_info_classif` | any | classes | no |
/// | `mutual_info_regression` | any | numbers | no |
///
/// The first three are sums, exact ones: where scikit-learn loses digits (a mean far from 0, or a
/// feature that explains nearly everything), these values are the more correct ones.
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table};
/// use mlops_data::select::ScoreFunc;
/// # let batch = arrow::array::record_batch!(
/// #     ("x", Float64, [1.0, 2.0, 3.0, 4.0]),
/// #     ("y", Float64, [1.0, 2.5, 2.5, 4.0])
/// # )?;
/// let data = Table::from_batch(batch).with_role("y", Role::Target)?;
/// let scores = ScoreFunc::FRegression.score(&data, None, &Run::default())?;
/// assert!((scores[0].score.unwrap() - 18.0).abs() < 1e-9);
/// assert!((scores[0].p_value.unwrap() - 0.051_316_701_949_486_2).abs() < 1e-9);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScoreFunc {
    /// Pearson's chi-square of the sums of the feature by class, against what equal shares would be.
    Chi2,
    /// The F of an analysis of variance: how far the means of the classes lie apart.
    #[default]
    FClassif,
    /// The F of the correlation with the target.
    FRegression,
    /// The mutual information with classes, in nats.
    MutualInfoClassif(MutualInfo),
    /// The mutual information with a quantity, in nats.
    MutualInfoRegression(MutualInfo),
}

impl ScoreFunc {
    /// The scores of `columns` (all features if `None`) by themselves; `selected` is true for all.
    ///
    /// # Errors
    /// As fitting a selector, such as [`SelectKBest`](super::SelectKBest), with this function.
    pub fn score(&self, data: &Table, columns: Option<&[String]>, run: &Run) -> Result<Vec<FeatureScore>> {
        score(self, Rule::KBest(usize::MAX), columns, data, run)
    }

    /// Its name in scikit-learn.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Chi2 => "chi2",
            Self::FClassif => "f_classif",
            Self::FRegression => "f_regression",
            Self::MutualInfoClassif(_) => "mutual_info_classif",
            Self::MutualInfoRegression(_) => "mutual_info_regression",
        }
    }

    pub(super) fn has_p_values(&self) -> bool {
        matches!(self, Self::Chi2 | Self::FClassif | Self::FRegression)
    }
}
