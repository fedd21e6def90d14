use std::sync::Arc;

use arrow::datatypes::Schema;
use mlops_core::{Codecs, Error, Learner, Recipe, Result, Roles, Run, Spec, Table, Transform, Transformer};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::combined::{Part, Parts};
use crate::transform::columns::owned;

/// Prepares groups of columns, each in its own way, and puts the outputs side by side (scikit-learn's
/// `ColumnTransformer`).
///
/// The outputs of the parts come first, in their order, then the columns that no part looks at, if
/// they are to [`PassThrough`](Remainder::PassThrough), and columns that are no features (target,
/// weight, id, …) in any case. A column may be seen by several parts; with
/// [`with_prefix`](Self::with_prefix) their outputs are told apart.
///
/// Parts that learn in pieces share their passes over the data.
///
/// # Errors
/// Fitting fails as the parts do, with the name of the part; with
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if two outputs have the same name.
///
/// # Example
/// ```
/// use mlops_core::{Pipeline, Run, Table, Transformer};
/// use mlops_data::transform::{ColumnTransformer, SimpleImputer, OneHotEncoder, StandardScaler};
/// # use arrow::array::record_batch;
/// let table = Table::from_batch(record_batch!(
///     ("distance", Float64, [Some(187.0), None, Some(2475.0)]),
///     ("carrier", Utf8, ["B6", "UA", "UA"]),
///     ("note", Utf8, ["", "", "late"])
/// )?);
/// let numbers = Pipeline::new().then(SimpleImputer::median(["distance"])).then(StandardScaler::on(["distance"]));
/// let recipe = ColumnTransformer::new()
///     .with("numbers", ["distance"], numbers)
///     .with("categories", ["carrier"], OneHotEncoder::on(["carrier"]));
/// let (_, features) = recipe.fit_transform(&table, &Run::default())?;
/// let names: Vec<_> = features.schema().fields().iter().map(|field| field.name().as_str()).collect();
/// assert_eq!(names, ["distance", "carrier_B6", "carrier_UA"]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ColumnTransformer {
    parts: Vec<Part>,
    remainder: Remainder,
    prefix: bool,
}

/// What a [`ColumnTransformer`] does with features that no part looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remainder {
    /// They are left out.
    #[default]
    Drop,
    /// They stay.
    PassThrough,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartSpec {
    name: String,
    columns: Vec<String>,
    transformer: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    parts: Vec<PartSpec>,
    #[serde(default)]
    remainder: Remainder,
    #[serde(default)]
    prefix: bool,
}

impl ColumnTransformer {
    pub(crate) const KIND: &'static str = "column_transformer";

    /// Without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part: `transformer` sees `columns` (and the target), and nothing else.
    #[must_use]
    pub fn with<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        columns: impl IntoIterator<Item = S>,
        transformer: impl Transformer,
    ) -> Self {
        self.parts.push(Part { name: name.into(), columns: owned(columns), transformer: Arc::new(transformer) });
        self
    }

    /// What is done with features that no part looks at; they are dropped unless said otherwise.
    #[must_use]
    pub fn with_remainder(mut self, remainder: Remainder) -> Self {
        self.remainder = remainder;
        self
    }

    /// Calls the outputs `<part>__<column>` (scikit-learn's `verbose_feature_names_out`).
    #[must_use]
    pub fn with_prefix(mut self) -> Self {
        self.prefix = true;
        self
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Transformer>> {
        let settings = Settings::deserialize(settings).map_err(|e| {
            Error::config(format!("a column transformer has parts with a name, columns and a transformer: {e}"))
                .with_source(e)
        })?;
        let part = |spec: PartSpec| {
            let transformer = Arc::from(codecs.transformer(&spec.transformer)?);
            Ok(Part { name: spec.name, columns: spec.columns, transformer })
        };
        let parts = settings.parts.into_iter().map(part).collect::<Result<_>>()?;
        Ok(Box::new(Self { parts, remainder: settings.remainder, prefix: settings.prefix }))
    }

    fn parts(&self) -> Parts<'_> {
        Parts { parts: &self.parts, prefix: self.prefix, remainder: self.remainder }
    }
}

impl Recipe for ColumnTransformer {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let spec = |part: &Part| {
            let (name, columns) = (part.name.clone(), part.columns.clone());
            Ok(PartSpec { name, columns, transformer: part.transformer.to_spec()? })
        };
        let parts = self.parts.iter().map(spec).collect::<Result<Vec<_>>>()?;
        Ok(json!({ "parts": parts, "remainder": self.remainder, "prefix": self.prefix }))
    }
}

impl Transformer for ColumnTransformer {
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
