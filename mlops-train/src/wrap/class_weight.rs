use std::collections::BTreeMap;
use std::sync::Arc;

use mlops_core::{Classes, Codecs, Error, Model, Recipe, Result, Run, Spec, Table, Trainer};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::rows::reweigh;
use crate::members::{read_settings, whole};
use crate::training::Labels;

/// What the rows of each class count: scikit-learn's `class_weight`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassWeight {
    /// So that every class counts the same in all: the weight of all rows divided by the number of
    /// classes and by the weight of the rows of the class.
    #[default]
    Balanced,
    /// By the name of the class, as a text; others count once.
    Map(BTreeMap<String, f64>),
}

/// A recipe whose rows count more or less by their class; any recipe that weighs rows.
///
/// The weight of a class multiplies the weight column, if there is one. What is fitted is the model of
/// the wrapped recipe: nothing of this is left at prediction.
///
/// # Example
/// ```
/// # #[cfg(feature = "linear")] {
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::{ClassWeight, ClassWeighted, LogisticRegression};
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0, 4.0, 7.0]),
///     ("late", Boolean, [false, false, true, false, false, false])
/// )?;
/// let flights = Table::from_batch(batch).with_role("late", Role::Target)?;
/// let balanced = ClassWeighted::new(LogisticRegression::new(), ClassWeight::Balanced);
/// let mine = ClassWeighted::by(LogisticRegression::new(), [("true", 5.0), ("false", 0.6 * 2.0 / 2.0)]);
/// assert_eq!(balanced.fit(&flights, &Run::default())?.signature().num_scores(), 2);
/// # mine.fit(&flights, &Run::default())?;
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ClassWeighted {
    trainer: Box<dyn Trainer>,
    class_weight: ClassWeight,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    trainer: Spec,
    #[serde(default)]
    class_weight: ClassWeight,
}

impl ClassWeighted {
    pub(crate) const KIND: &'static str = "class_weighted";

    /// Fits `trainer` on rows weighed by their class.
    pub fn new(trainer: impl Trainer, class_weight: ClassWeight) -> Self {
        Self { trainer: Box::new(trainer), class_weight }
    }

    /// With a weight for each class that is named.
    pub fn by(trainer: impl Trainer, weights: impl IntoIterator<Item = (impl Into<String>, f64)>) -> Self {
        let weights = weights.into_iter().map(|(class, weight)| (class.into(), weight));
        Self::new(trainer, ClassWeight::Map(weights.collect()))
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Trainer>> {
        let Settings { trainer, class_weight } = read_settings(settings, "class weights")?;
        Ok(Box::new(Self { trainer: codecs.trainer(&trainer)?, class_weight }))
    }
}

impl ClassWeight {
    /// One weight a class.
    fn of(&self, labels: &Labels, classes: &Classes, target: &[usize]) -> Result<Vec<f64>> {
        match self {
            Self::Balanced => {
                let mut counts = vec![0.0; classes.len()];
                target.iter().enumerate().for_each(|(row, class)| counts[*class] += labels.weight(row));
                let total: f64 = counts.iter().sum();
                let share = total / classes.len() as f64;
                // A class whose rows weigh nothing has none to weigh.
                Ok(counts.into_iter().map(|count| if count > 0.0 { share / count } else { 0.0 }).collect())
            }
            Self::Map(weights) => {
                let names: Vec<String> = (0..classes.len()).map(|class| classes.name(class)).collect();
                if let Some((name, weight)) = weights.iter().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
                    return Err(Error::config(format!(
                        "the class '{name}' weighs {weight}: a finite weight of at least 0 is needed"
                    )));
                }
                if let Some(unknown) = weights.keys().find(|name| !names.contains(name)) {
                    return Err(Error::config(format!(
                        "a weight for the class '{unknown}', which the target does not have; it has [{}]",
                        names.join(", ")
                    )));
                }
                Ok(names.iter().map(|name| weights.get(name).copied().unwrap_or(1.0)).collect())
            }
        }
    }
}

impl Recipe for ClassWeighted {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let settings = Settings { trainer: self.trainer.to_spec()?, class_weight: self.class_weight.clone() };
        Ok(serde_json::to_value(settings)?)
    }
}

impl Trainer for ClassWeighted {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        let labels = Labels::read(data)?;
        let (classes, target) = labels.classes("a recipe with class weights")?;
        let of_class = self.class_weight.of(&labels, classes, target)?;
        let weights = target.iter().enumerate().map(|(row, class)| labels.weight(row) * of_class[*class]);
        self.trainer.fit(&reweigh(&whole(data)?, weights.collect())?, run)
    }
}
