use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use mlops_core::columns::is_numeric;
use mlops_core::sketch::{CoMoments, ExactSum, Moments};
use mlops_core::{Accumulator, Error, Learner, Named, Result, Roles, Run, Table, Transform, Transformer};
use serde::{Deserialize, Serialize};

use super::classes::SeenClasses;
use super::fitted::{FeatureScore, FeatureSelection};
use super::fold::{ScoreFold, Scored, Sums};
use super::inputs::{considered, target};
use super::mutual_info::mutual_information;
use super::rules::Rule;
use super::score_func::ScoreFunc;
use crate::transform::columns::owned;

/// A selector by score: settings, and what all of them share.
macro_rules! selector {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $field:ident: $type:ty = $default:expr, $(#[$field_doc:meta])* $rule:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $name {
            /// The columns it looks at; all features if `None`.
            pub columns: Option<Vec<String>>,
            /// How features are scored.
            pub score_func: ScoreFunc,
            $(#[$field_doc])*
            pub $field: $type,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { columns: None, score_func: ScoreFunc::default(), $field: $default }
            }
        }

        impl $name {
            /// Scores all features.
            pub fn new(score_func: ScoreFunc, $field: $type) -> Self {
                Self { columns: None, score_func, $field }
            }

            /// Looks at these columns only; all others stay.
            #[must_use]
            pub fn on<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
                self.columns = Some(owned(columns));
                self
            }
        }

        impl Named for $name {
            const KIND: &'static str = $kind;
        }

        impl Transformer for $name {
            fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
                learner(Self::KIND, &self.score_func, $rule(self.$field), self.columns.as_deref(), schema, roles)
            }

            fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
                let features = score(&self.score_func, $rule(self.$field), self.columns.as_deref(), data, run)?;
                Ok(Arc::new(FeatureSelection::new(Self::KIND, features)))
            }
        }
    };
}

selector!(
    /// Keeps the features with the greatest scores (scikit-learn's `SelectKBest`).
    ///
    /// Of equal scores the later column is kept. A feature without a score (a constant) comes last.
    ///
    /// # Errors
    /// Fitting is [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for a column with nulls, NaN or
    /// infinities, and a target with nulls or a single class;
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) without a target, or if its kind is not that
    /// of the score; [`ErrorKind::Leak`](mlops_core::ErrorKind::Leak) for an outcome among the columns.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Role, Run, Table, Transformer};
    /// use mlops_data::select::{ScoreFunc, SelectKBest};
    /// # let batch = arrow::array::record_batch!(
    /// #     ("words", Int32, [5, 6, 1, 0]), ("links", Int32, [1, 2, 1, 2]), ("spam", Boolean, [true, true, false, false])
    /// # )?;
    /// let mails = Table::from_batch(batch).with_role("spam", Role::Target)?;
    /// let (_, kept) = SelectKBest::new(ScoreFunc::Chi2, 1).fit_transform(&mails, &Run::default())?;
    /// assert!(kept.column("words").is_ok() && kept.column("links").is_err());
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    SelectKBest, "select_k_best", k: usize = 10,
    /// How many are kept; all if there are fewer.
    Rule::KBest
);

selector!(
    /// Keeps the features with the greatest scores, such a percentage of them (scikit-learn's
    /// `SelectPercentile`). Of equal scores at the border the earlier columns are kept.
    ///
    /// # Errors
    /// As [`SelectKBest`].
    SelectPercentile, "select_percentile", percentile: f64 = 10.0,
    /// How many of a hundred are kept, from 0 to 100.
    Rule::Percentile
);

selector!(
    /// Keeps the features with a p-value below `alpha` (scikit-learn's `SelectFpr`): of features that
    /// tell nothing, that share is kept by chance.
    ///
    /// # Errors
    /// As [`SelectKBest`]; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for mutual information,
    /// which has no p-values.
    SelectFpr, "select_fpr", alpha: f64 = 0.05,
    /// The least p-value that is not kept, from 0 to 1.
    Rule::Fpr
);

selector!(
    /// Keeps features of which at most the share `alpha` is expected to tell nothing, by Benjamini and
    /// Hochberg's procedure (scikit-learn's `SelectFdr`).
    ///
    /// # Errors
    /// As [`SelectFpr`].
    SelectFdr, "select_fdr", alpha: f64 = 0.05,
    /// The expected share of false discoveries among the kept, from 0 to 1.
    Rule::Fdr
);

selector!(
    /// Keeps features so that the chance that any of them tells nothing is at most `alpha`, by
    /// Bonferroni's correction (scikit-learn's `SelectFwe`).
    ///
    /// # Errors
    /// As [`SelectFpr`].
    SelectFwe, "select_fwe", alpha: f64 = 0.05,
    /// The chance of any false discovery, from 0 to 1.
    Rule::Fwe
);

fn check(func: &ScoreFunc, rule: Rule) -> Result<()> {
    rule.check()?;
    if rule.needs_p_values() && !func.has_p_values() {
        return Err(Error::config(format!(
            "{} has no p-values to select by: use SelectKBest or SelectPercentile, or another score",
            func.name()
        )));
    }
    Ok(())
}

/// The fold of the columns, if the score comes of sums.
fn fold(func: &ScoreFunc, columns: &[String], schema: &Schema, roles: &Roles) -> Result<Option<ScoreFold>> {
    let target = target(schema, roles)?;
    let classes = || SeenClasses::check(target.data_type(), target.name(), func.name());
    let sums = match func {
        ScoreFunc::Chi2 => {
            classes()?;
            Sums::Amounts { classes: SeenClasses::default(), rows: Vec::new(), of_class: Vec::<Vec<ExactSum>>::new() }
        }
        ScoreFunc::FClassif => {
            classes()?;
            Sums::Spreads { classes: SeenClasses::default(), of_class: Vec::<Vec<Moments>>::new() }
        }
        ScoreFunc::FRegression => {
            if !is_numeric(target.data_type()) {
                return Err(Error::schema(format!(
                    "f_regression needs a number to predict, but the target '{}' is {}: score by f_classif",
                    target.name(),
                    target.data_type()
                )));
            }
            Sums::Pairs(vec![CoMoments::default(); columns.len()])
        }
        ScoreFunc::MutualInfoClassif(_) | ScoreFunc::MutualInfoRegression(_) => return Ok(None),
    };
    Ok(Some(ScoreFold::new(columns, target.name(), sums)))
}

fn learner(
    kind: &'static str,
    func: &ScoreFunc,
    rule: Rule,
    columns: Option<&[String]>,
    schema: &Schema,
    roles: &Roles,
) -> Result<Option<Learner>> {
    check(func, rule)?;
    let columns = considered(schema, roles, columns)?;
    let Some(fold) = fold(func, &columns, schema, roles)? else { return Ok(None) };
    let inputs = columns.iter().cloned().chain([target(schema, roles)?.name().clone()]);
    let inputs: Vec<String> = inputs.collect();
    let names: Arc<[String]> = columns.into();
    let start = move || Selecting { kind, rule, names: Arc::clone(&names), fold: fold.clone() };
    Ok(Some(Learner::new(inputs, start)))
}

/// Scores all columns of a table, and marks those that the rule keeps.
pub(super) fn score(
    func: &ScoreFunc,
    rule: Rule,
    columns: Option<&[String]>,
    data: &Table,
    run: &Run,
) -> Result<Vec<FeatureScore>> {
    check(func, rule)?;
    run.check()?;
    let columns = considered(data.schema(), data.roles(), columns)?;
    let scores = match (fold(func, &columns, data.schema(), data.roles())?, func) {
        (Some(fold), _) => run.install(|| data.fold(|| fold.clone()))??.finish()?,
        (None, ScoreFunc::MutualInfoClassif(options)) => mutual_information(options, data, &columns, true, run)?,
        (None, ScoreFunc::MutualInfoRegression(options)) => mutual_information(options, data, &columns, false, run)?,
        (None, _) => return Err(Error::internal("a score without a way to it")),
    };
    Ok(features(&columns, &scores, rule, func.has_p_values()))
}

fn features(names: &[String], scores: &[Scored], rule: Rule, p_values: bool) -> Vec<FeatureScore> {
    let (values, chances): (Vec<f64>, Vec<f64>) = scores.iter().copied().unzip();
    let keep = rule.keep(&values, &chances);
    let feature = |((name, keep), (score, p)): ((&String, bool), &Scored)| {
        FeatureScore::new(name, keep).with_score(*score).with_p_value(p_values.then_some(*p))
    };
    names.iter().zip(keep).zip(scores).map(feature).collect()
}

/// A [`ScoreFold`] that ends in a selection.
struct Selecting {
    kind: &'static str,
    rule: Rule,
    names: Arc<[String]>,
    fold: ScoreFold,
}

impl Accumulator for Selecting {
    type Output = Arc<dyn Transform>;

    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        self.fold.update(batch)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.fold.merge(other.fold)
    }

    fn finish(self) -> Result<Arc<dyn Transform>> {
        let features = features(&self.names, &self.fold.finish()?, self.rule, true);
        Ok(Arc::new(FeatureSelection::new(self.kind, features)))
    }
}
