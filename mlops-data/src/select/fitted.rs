use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use mlops_core::columns::find_column;
use mlops_core::{Artifact, Codecs, Error, Load, Result, RowTransform, Transform, Value};
use serde::{Deserialize, Serialize};

use crate::transform::columns::check_width;

/// What a selector learned about one feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FeatureScore {
    /// Its name.
    pub name: String,
    /// Whether it is kept.
    pub selected: bool,
    /// Its score, importance or variance; `None` where it is not defined, or the selector has none.
    /// [`f64::INFINITY`] for classes that the feature tells apart without an error.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_float")]
    pub score: Option<f64>,
    /// How likely so good a score is by chance; `None` where it is not defined, or the score has
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// 1 if it is kept, and greater the sooner it was dropped; `None` unless features were dropped
    /// step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<usize>,
}

impl FeatureScore {
    pub(super) fn new(name: &str, selected: bool) -> Self {
        Self { name: name.to_owned(), selected, score: None, p_value: None, ranking: None }
    }

    /// NaN is kept as nothing.
    pub(super) fn with_score(mut self, score: f64) -> Self {
        self.score = Some(score).filter(|score| !score.is_nan());
        self
    }

    pub(super) fn with_p_value(mut self, p_value: Option<f64>) -> Self {
        self.p_value = p_value.filter(|p| !p.is_nan());
        self
    }

    pub(super) fn with_ranking(mut self, ranking: usize) -> Self {
        self.ranking = Some(ranking);
        self
    }
}

mod optional_float {
    use mlops_core::json_float;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Float(#[serde(with = "json_float")] f64);

    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Float).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Float>::deserialize(deserializer)?.map(|Float(value)| value))
    }
}

/// The score of one number of features in a cross-validated elimination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CvPoint {
    pub(super) n_features: usize,
    pub(super) mean_test_score: f64,
    pub(super) std_test_score: f64,
}

/// A fitted selector: drops the features that were not selected.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeatureSelection {
    /// The recipe it comes of.
    selector: String,
    features: Vec<FeatureScore>,
    /// The least score that is kept, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cv_results: Vec<CvPoint>,
}

impl FeatureSelection {
    pub(super) fn new(selector: &str, features: Vec<FeatureScore>) -> Self {
        if !features.iter().any(|feature| feature.selected) {
            tracing::warn!(selector, "no feature was selected: the data are too noisy, or the selection too strict");
        }
        Self { selector: selector.to_owned(), features, threshold: None, cv_results: Vec::new() }
    }

    pub(super) fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = Some(threshold).filter(|threshold| threshold.is_finite());
        self
    }

    pub(super) fn with_cv_results(mut self, cv_results: Vec<CvPoint>) -> Self {
        self.cv_results = cv_results;
        self
    }

    /// The columns that stay.
    fn kept(&self, input: &Schema) -> Result<Vec<usize>> {
        let (selected, dropped): (Vec<_>, Vec<_>) = self.features.iter().partition(|feature| feature.selected);
        selected.into_iter().try_for_each(|feature| find_column(input, &feature.name).map(|_| ()))?;
        let dropped: HashSet<&str> = dropped.into_iter().map(|feature| feature.name.as_str()).collect();
        let kept = input.fields().iter().enumerate().filter(|(_, field)| !dropped.contains(field.name().as_str()));
        Ok(kept.map(|(i, _)| i).collect())
    }
}

impl Transform for FeatureSelection {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        Ok(Arc::new(input.project(&self.kept(input)?)?))
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        Ok(batch.project(&self.kept(batch.schema_ref())?)?)
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        Ok(Some(Arc::new(Row { width: input.fields().len(), kept: self.kept(input)? })))
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(self)
    }
}

impl Load for FeatureSelection {
    const KIND: &'static str = "feature_selection";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let selection: Self = artifact.state()?;
        let mut names = HashSet::new();
        match selection.features.iter().find(|feature| !names.insert(feature.name.as_str())) {
            Some(twice) => Err(Error::corrupt(format!("the feature '{}' was judged twice", twice.name))),
            None => Ok(selection),
        }
    }
}

#[derive(Debug)]
struct Row {
    width: usize,
    kept: Vec<usize>,
}

impl RowTransform for Row {
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        check_width(input, self.width)?;
        output.extend(self.kept.iter().map(|i| input[*i]));
        Ok(())
    }
}
