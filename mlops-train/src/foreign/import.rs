use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use mlops_core::{Classes, Domain, Error, InputColumn, Model, Result, Signature, Task};

use crate::trees::TreeModel;

/// How a model that another library trained is to be read, and the readers.
///
/// Files of tree libraries know classes by number and, often, features by position. Say what they
/// mean here; otherwise the classes are 0, 1, …, and features without a name `f0`, `f1`, …
///
/// # Example
/// ```
/// use mlops_core::{Classes, Model};
/// use mlops_train::Import;
///
/// let file = b"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\n\
///     objective=binary sigmoid:1\nfeature_names=wind\nfeature_infos=[0:9]\n\n\
///     Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=5\ndecision_type=2\n\
///     left_child=-1\nright_child=-2\nleaf_value=-1 1\n\nend of trees\n";
/// let model = Import::new().with_classes(Classes::Bool).lightgbm(file)?;
/// let batch = arrow::array::record_batch!(("wind", Float64, [3.0, 7.0]))?;
/// let late = model.predict(&batch)?;
/// assert_eq!(late.column(0).as_ref(), &arrow::array::BooleanArray::from(vec![false, true]));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Import {
    /// The classes, in the order of the file's class numbers.
    pub classes: Option<Classes>,
    /// The names of the features, in the order of the file's features.
    pub features: Option<Vec<String>>,
}

/// A feature as a file describes it.
#[derive(Clone, Debug)]
pub(super) struct Feature {
    pub(super) name: String,
    pub(super) domain: Domain,
}

/// What a file says that its model answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// One of so many classes.
    Classes(usize),
    Number,
}

impl Import {
    /// With the names that the file has.
    pub fn new() -> Self {
        Self::default()
    }

    /// With these classes, in the order of the file's class numbers.
    #[must_use]
    pub fn with_classes(mut self, classes: Classes) -> Self {
        self.classes = Some(classes);
        self
    }

    /// With these feature names, in the order of the file's features.
    #[must_use]
    pub fn with_features(mut self, features: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.features = Some(features.into_iter().map(Into::into).collect());
        self
    }

    /// Reads a model of any format that this build knows; which one it is shows in the first bytes.
    ///
    /// # Errors
    /// As the reader of the format.
    pub fn read(&self, bytes: &[u8]) -> Result<Arc<dyn Model>> {
        match bytes.trim_ascii_start() {
            [b't', b'r', b'e', b'e', b'\r' | b'\n', ..] => Ok(Arc::new(self.lightgbm(bytes)?)),
            [b'{', ..] => Ok(Arc::new(self.xgboost(bytes)?)),
            // The version of the format, or another small field.
            [0x08 | 0x12 | 0x1a | 0x22 | 0x3a | 0x42, ..] => Ok(Arc::new(self.onnx(bytes)?)),
            _ => Err(Error::unsupported(
                "neither ONNX nor a text model of LightGBM nor a JSON or UBJSON model of XGBoost: save the model in \
                 one of these forms",
            )),
        }
    }

    /// Reads a model that LightGBM saved as text (`Booster.save_model`).
    ///
    /// Takes all trees of the file; sums are those of LightGBM to the last bit. Probabilities of
    /// one-against-all models are brought to a sum of 1, which LightGBM leaves to the caller.
    /// Categorical features are the codes that LightGBM was trained with: of a pandas column the
    /// positions of its categories.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) naming the tree and the field that can't
    /// be read, [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for linear trees and for
    /// objectives whose answer is none of our tasks, [`ErrorKind::Config`](mlops_core::ErrorKind::Config)
    /// for classes or feature names that do not fit the file.
    pub fn lightgbm(&self, bytes: &[u8]) -> Result<TreeModel> {
        super::lightgbm::read(bytes, self)
    }

    /// Reads a model that XGBoost saved as JSON or UBJSON (`Booster.save_model`), with the boosters
    /// `gbtree` and `dart`.
    ///
    /// Takes all trees of the file, also those after the best iteration of an early stopping; slice
    /// the booster before saving to leave them out. Comparisons are those of XGBoost, which rounds
    /// inputs to `f32`; sums are taken in `f64` and differ from XGBoost's by the rounding of `f32`.
    ///
    /// # Errors
    /// As [`lightgbm`](Self::lightgbm); [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported)
    /// also for linear boosters, vector leaves, and several targets.
    pub fn xgboost(&self, bytes: &[u8]) -> Result<TreeModel> {
        super::xgboost::read(bytes, self)
    }

    /// Reads a tabular model in the form of ONNX, as skl2onnx and onnxmltools write it.
    ///
    /// A matrix of the graph becomes one column a feature (`input_0`, `input_1`, …), anything else one
    /// column of its own name. The graph is evaluated by operators of ours: `ai.onnx.ml` (trees, linear
    /// models, support vector machines, scaling, encoding) and the tensor operators around it. A few
    /// made-up rows go through it when it is read, so that a graph that can't work is refused here.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) naming the node and the operator
    /// that is not known, [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) for a damaged file,
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for classes or feature names that do not fit.
    pub fn onnx(&self, bytes: &[u8]) -> Result<super::OnnxModel> {
        super::onnx::read(bytes, self)
    }

    /// The signature of trees over `features`, each a nullable `Float64`.
    pub(super) fn signature(&self, features: Vec<Feature>, answer: Answer) -> Result<Signature> {
        let task = self.task(answer)?;
        let features = self.renamed(features)?;
        let input = |feature: Feature| {
            let mut input = InputColumn::new(feature.name, DataType::Float64, true);
            input.domain = feature.domain;
            input
        };
        Ok(Signature::new(features.into_iter().map(input).collect(), task))
    }

    pub(super) fn task(&self, answer: Answer) -> Result<Task> {
        match (answer, &self.classes) {
            (Answer::Number, None) => Ok(Task::Regression),
            (Answer::Number, Some(_)) => {
                Err(Error::config("classes were given for a model that predicts a number: leave them out"))
            }
            (Answer::Classes(count), None) if (2..=Classes::MAX).contains(&count) => {
                Ok(Task::Classification { classes: Classes::Int((0..count as i64).collect()) })
            }
            (Answer::Classes(count), None) => {
                Err(Error::corrupt(format!("a model of {count} classes: 2 to {} can be", Classes::MAX)))
            }
            (Answer::Classes(count), Some(classes)) => {
                check_classes(classes)?;
                if classes.len() != count {
                    return Err(Error::config(format!("{} classes were given for a model of {count}", classes.len())));
                }
                Ok(Task::Classification { classes: classes.clone() })
            }
        }
    }

    fn renamed(&self, mut features: Vec<Feature>) -> Result<Vec<Feature>> {
        if let Some(names) = &self.features {
            if names.len() != features.len() {
                let (given, there) = (names.len(), features.len());
                return Err(Error::config(format!("{given} feature names were given for a model of {there} features")));
            }
            features.iter_mut().zip(names).for_each(|(feature, name)| feature.name.clone_from(name));
        }
        let mut seen = BTreeSet::new();
        match features.iter().find(|feature| !seen.insert(feature.name.as_str())) {
            Some(twice) => Err(Error::config(format!(
                "two features are called '{}': give them other names with `Import::with_features`",
                twice.name
            ))),
            None => Ok(features),
        }
    }
}

/// The order of the classes is the order of a model's scores, and labels are found by it.
fn check_classes(classes: &Classes) -> Result<()> {
    let ascending = match classes {
        Classes::Int(classes) => classes.is_sorted_by(|a, b| a < b),
        Classes::Text(classes) => classes.is_sorted_by(|a, b| a < b),
        _ => true,
    };
    if ascending {
        return Ok(());
    }
    Err(Error::config("classes must be given in ascending order, each once, as libraries number them"))
}

impl Feature {
    /// The feature at a position of a file without names.
    pub(super) fn numbered(i: usize) -> Self {
        Self { name: format!("f{i}"), domain: Domain::Any }
    }
}
