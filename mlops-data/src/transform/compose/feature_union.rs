use std::sync::Arc;

use arrow::datatypes::Schema;
use mlops_core::{Codecs, Error, Learner, Recipe, Result, Roles, Run, Spec, Table, Transform, Transformer};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Remainder;
use super::combined::{Part, Parts};
use crate::transform::columns::owned;

/// Prepares the same columns in several ways, and puts the outputs side by side (scikit-learn's
/// `FeatureUnion`).
///
/// Outputs are called `<part>__<column>` and take the place of the columns; all others stay. Parts that
/// learn in pieces share their passes over the data.
///
/// # Errors
/// Fitting fails as the parts do, with the name of the part.
///
/// # Example
/// ```
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::{Clip, FeatureUnion, StandardScaler};
/// # use arrow::array::record_batch;
/// let table = Table::from_batch(record_batch!(("fare", Float64, [5.0, 80.0, 7.5]))?);
/// let recipe = FeatureUnion::on(["fare"])
///     .with("scaled", StandardScaler::on(["fare"]))
///     .with("clipped", Clip::on(["fare"], 0.0, 50.0));
/// let (_, features) = recipe.fit_transform(&table, &Run::default())?;
/// let names: Vec<_> = features.schema().fields().iter().map(|field| field.name().as_str()).collect();
/// assert_eq!(names, ["scaled__fare", "clipped__fare"]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FeatureUnion {
    columns: Vec<String>,
    parts: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartSpec {
    name: String,
    transformer: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    columns: Vec<String>,
    parts: Vec<PartSpec>,
}

impl FeatureUnion {
    pub(crate) const KIND: &'static str = "feature_union";

    /// Over these columns.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), parts: Vec::new() }
    }

    /// Adds a way to prepare them.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, transformer: impl Transformer) -> Self {
        let part = Part { name: name.into(), columns: self.columns.clone(), transformer: Arc::new(transformer) };
        self.parts.push(part);
        self
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Transformer>> {
        let settings = Settings::deserialize(settings).map_err(|e| {
            Error::config(format!("a feature union has columns, and parts with a name and a transformer: {e}"))
                .with_source(e)
        })?;
        let columns = settings.columns;
        let part = |spec: PartSpec| {
            let transformer = Arc::from(codecs.transformer(&spec.transformer)?);
            Ok(Part { name: spec.name, columns: columns.clone(), transformer })
        };
        let parts = settings.parts.into_iter().map(part).collect::<Result<_>>()?;
        Ok(Box::new(Self { columns, parts }))
    }

    fn parts(&self) -> Parts<'_> {
        Parts { parts: &self.parts, prefix: true, remainder: Remainder::PassThrough }
    }
}

impl Recipe for FeatureUnion {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let spec = |part: &Part| Ok(PartSpec { name: part.name.clone(), transformer: part.transformer.to_spec()? });
        let parts = self.parts.iter().map(spec).collect::<Result<Vec<_>>>()?;
        Ok(json!({ "columns": self.columns, "parts": parts }))
    }
}

impl Transformer for FeatureUnion {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        self.parts().learner(schema, roles)
    }

    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        self.parts().learn(data, run)
    }

    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        self.parts().learn_transform(data, run)
    }
}
