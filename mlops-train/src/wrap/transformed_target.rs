use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Recipe, Result, RowModel, Run, Scratch, Signature, Spec, Table,
    Trainer, Value, score_row,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::rows::replace_column;
use super::target_map::{FittedMap, TargetMap};
use crate::members::{corrupt, read_settings, scores_of, signature_on, takes_rows, whole};
use crate::training::Labels;

/// A recipe that learns a target on another scale, and answers on the given one: scikit-learn's
/// `TransformedTargetRegressor`.
///
/// Amounts, durations and counts are often better learned as logarithms. The answer of the model inside
/// is mapped back, so it is a median rather than a mean where the map is not a straight line. Bounds
/// ([`Task::Interval`](mlops_core::Task::Interval)) are mapped back too.
///
/// # Example
/// ```
/// # #[cfg(feature = "linear")] {
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::{LinearRegression, TargetMap, TransformedTarget};
///
/// let batch = arrow::array::record_batch!(
///     ("age", Float64, [1.0, 2.0, 3.0]),
///     ("price", Float64, [99.0, 9.0, 0.0])
/// )?;
/// let cars = Table::from_batch(batch.clone()).with_role("price", Role::Target)?;
/// let model = TransformedTarget::new(LinearRegression::new(), TargetMap::Log1p).fit(&cars, &Run::default())?;
/// assert_eq!(model.predict(&batch)?.num_rows(), 3);
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct TransformedTarget {
    trainer: Box<dyn Trainer>,
    map: TargetMap,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    trainer: Spec,
    map: TargetMap,
}

impl TransformedTarget {
    pub(crate) const KIND: &'static str = "transformed_target";

    /// Fits `trainer` on the mapped target.
    pub fn new(trainer: impl Trainer, map: TargetMap) -> Self {
        Self { trainer: Box::new(trainer), map }
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Trainer>> {
        let Settings { trainer, map } = read_settings(settings, "a transformed target")?;
        Ok(Box::new(Self { trainer: codecs.trainer(&trainer)?, map }))
    }
}

impl Recipe for TransformedTarget {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        Ok(serde_json::to_value(Settings { trainer: self.trainer.to_spec()?, map: self.map.clone() })?)
    }
}

impl Trainer for TransformedTarget {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        let labels = Labels::read(data)?;
        let target = labels.numbers("a transformed target")?;
        if target.is_empty() {
            return Err(Error::data("no rows: a model needs rows to learn from"));
        }
        let map = self.map.fit(target)?;
        let mapped: Float64Array = target.iter().map(|y| map.apply(*y)).collect();
        if !mapped.values().iter().all(|y| y.is_finite()) {
            return Err(Error::data("the mapped target is not finite: choose a gentler map"));
        }
        let rows = replace_column(&whole(data)?, data.target()?.name(), Arc::new(mapped) as ArrayRef)?;
        let model = self.trainer.fit(&rows, run)?;
        let inner = model.signature();
        let signature = signature_on(inner.inputs.clone(), inner.task.clone(), data);
        TransformedTargetModel::new(model, map, signature).map(|model| Arc::new(model) as _)
    }
}

/// A fitted [`TransformedTarget`].
#[derive(Debug)]
pub struct TransformedTargetModel {
    model: Arc<dyn Model>,
    map: FittedMap,
    signature: Signature,
}

impl TransformedTargetModel {
    fn new(model: Arc<dyn Model>, map: FittedMap, signature: Signature) -> Result<Self> {
        let inner = model.signature();
        if inner.inputs != signature.inputs || inner.task != signature.task || !signature.task.is_quantity() {
            return Err(Error::config("a transformed target needs a model of a number"));
        }
        Ok(Self { model, map, signature })
    }

    /// The model of the mapped target.
    pub fn model(&self) -> &Arc<dyn Model> {
        &self.model
    }

    fn map_back(&self, scores: &mut [f64]) {
        scores.iter_mut().for_each(|score| *score = self.map.invert(*score));
    }
}

impl Model for TransformedTargetModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut scores = scores_of(self.model.as_ref(), batch)?;
        self.map_back(&mut scores);
        self.signature.answer(scores)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        None
    }

    fn row(&self) -> Option<&dyn RowModel> {
        takes_rows(self.model.as_ref()).then_some(self as _)
    }

    fn save(&self) -> Result<Artifact> {
        let state = State { signature: self.signature.clone(), map: self.map.clone() };
        Ok(Artifact::of::<Self>(&state)?.with_part(self.model.save()?))
    }
}

impl RowModel for TransformedTargetModel {
    fn score_row(&self, row: &[Value<'_>], scratch: &mut Scratch, scores: &mut [f64]) -> Result<()> {
        if score_row(self.model.as_ref(), row, scratch, scores)?.is_none() {
            return Err(Error::unsupported("the model of the mapped target takes batches only"));
        }
        self.map_back(scores);
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    map: FittedMap,
}

impl Load for TransformedTargetModel {
    const KIND: &'static str = "transformed_target_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let State { signature, map } = artifact.state()?;
        map.check()?;
        let [part] = artifact.parts.as_slice() else {
            return Err(Error::corrupt(format!("a transformed target has 1 model, not {}", artifact.parts.len())));
        };
        Self::new(codecs.model(part)?, map, signature).map_err(corrupt)
    }
}
