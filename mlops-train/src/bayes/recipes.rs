use std::sync::Arc;

use mlops_core::{Error, Model, Named, Result, Run, Table, Trainer};
use serde::{Deserialize, Serialize};

use super::discrete::{Categories, Counts, Reading};
use super::gaussian::Gaussian;
use super::model::{Learned, NaiveBayesModel};
use crate::training::TrainingSet;

/// Classes by numbers that are normally distributed within each: scikit-learn's `GaussianNB`. Two passes
/// over the rows.
///
/// # Example
/// ```
/// use mlops_core::{Incremental, Role, Run, Table};
/// use mlops_train::GaussianNb;
///
/// let batch = arrow::array::record_batch!(
///     ("wind", Float64, [2.0, 3.0, 8.0, 9.0]),
///     ("late", Boolean, [false, false, true, true])
/// )?;
/// let flights = Table::from_batch(batch).with_role("late", Role::Target)?;
/// let mut model = GaussianNb::new().learn(&flights, &Run::default())?;
/// let more = arrow::array::record_batch!(("wind", Float64, [4.0, 7.5]), ("late", Boolean, [false, true]))?;
/// model.partial_fit(&Table::from_batch(more).with_role("late", Role::Target)?, &Run::default())?;
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GaussianNb {
    /// The share of the greatest variance of a feature that is added to all variances.
    pub var_smoothing: f64,
    /// The share of each class; that among the training rows if `None`.
    pub priors: Option<Vec<f64>>,
}

impl Default for GaussianNb {
    fn default() -> Self {
        Self { var_smoothing: 1e-9, priors: None }
    }
}

impl Named for GaussianNb {
    const KIND: &'static str = "gaussian_nb";
}

impl GaussianNb {
    /// With scikit-learn's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another share of the greatest variance added to all.
    #[must_use]
    pub fn with_var_smoothing(mut self, var_smoothing: f64) -> Self {
        self.var_smoothing = var_smoothing;
        self
    }

    /// With shares of the classes that are known, in their order.
    #[must_use]
    pub fn with_priors(mut self, priors: impl Into<Vec<f64>>) -> Self {
        self.priors = Some(priors.into());
        self
    }

    /// As [`Trainer::fit`], with the type of the model, which can go on learning.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for settings out of range.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<NaiveBayesModel> {
        run.check()?;
        if !(self.var_smoothing.is_finite() && self.var_smoothing >= 0.0) {
            return Err(Error::config(format!("var_smoothing = {}: it must be at least 0", self.var_smoothing)));
        }
        let empty = |classes, width| Learned::Gaussian(Gaussian::new(self.var_smoothing, classes, width));
        let set = run.install(|| TrainingSet::read_finite(data))??;
        NaiveBayesModel::learn(set, "naive Bayes", self.priors.clone(), empty)
    }
}

impl Trainer for GaussianNb {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

macro_rules! discrete {
    ($(#[$docs:meta])* $name:ident, $kind:literal, { $($(#[$field_docs:meta])* $field:ident: $type:ty = $default:expr, $with:ident, $with_docs:literal;)* },
     $self:ident, $empty:expr) => {
        $(#[$docs])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $name {
            /// What is added to every count, so that nothing is impossible; above 0.
            pub alpha: f64,
            /// The share of each class; that among the training rows if `None`.
            pub priors: Option<Vec<f64>>,
            $($(#[$field_docs])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { alpha: 1.0, priors: None, $($field: $default,)* }
            }
        }

        impl Named for $name {
            const KIND: &'static str = $kind;
        }

        impl $name {
            /// With scikit-learn's defaults.
            pub fn new() -> Self {
                Self::default()
            }

            /// With something else added to every count.
            #[must_use]
            pub fn with_alpha(mut self, alpha: f64) -> Self {
                self.alpha = alpha;
                self
            }

            /// With shares of the classes that are known, in their order.
            #[must_use]
            pub fn with_priors(mut self, priors: impl Into<Vec<f64>>) -> Self {
                self.priors = Some(priors.into());
                self
            }

            $(
                #[doc = $with_docs]
                #[must_use]
                pub fn $with(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*

            /// As [`Trainer::fit`], with the type of the model, which can go on learning.
            ///
            /// # Errors
            /// As [`Trainer::fit`]; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for settings out of
            /// range.
            pub fn learn(&$self, data: &Table, run: &Run) -> Result<NaiveBayesModel> {
                run.check()?;
                if !($self.alpha.is_finite() && $self.alpha > 0.0) {
                    return Err(Error::config(format!("alpha = {}: it must be above 0 and finite", $self.alpha)));
                }
                let set = run.install(|| TrainingSet::read_finite(data))??;
                NaiveBayesModel::learn(set, "naive Bayes", $self.priors.clone(), $empty)
            }
        }

        impl Trainer for $name {
            fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
                Ok(Arc::new(self.learn(data, run)?))
            }
        }
    };
}

discrete!(
    /// Classes by how often things (words) occur in each: scikit-learn's `MultinomialNB`. Features are
    /// counts of at least 0. One pass over the rows.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Role, Run, Table, Trainer};
    /// use mlops_train::MultinomialNb;
    ///
    /// let batch = arrow::array::record_batch!(
    ///     ("goal", Int64, [3, 2, 0, 0]),
    ///     ("vote", Int64, [0, 1, 4, 3]),
    ///     ("about", Utf8, ["sport", "sport", "politics", "politics"])
    /// )?;
    /// let texts = Table::from_batch(batch).with_role("about", Role::Target)?;
    /// let model = MultinomialNb::new().fit(&texts, &Run::default())?;
    /// assert_eq!(model.signature().input_names(), ["goal", "vote"]);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    MultinomialNb, "multinomial_nb", {}, self,
    |classes, width| Learned::Counts(Counts::new(Reading::Multinomial, self.alpha, classes, width))
);

discrete!(
    /// Classes by which things occur in each, and which do not: scikit-learn's `BernoulliNB`. One pass over
    /// the rows.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Model, Role, Run, Table};
    /// use mlops_train::BernoulliNb;
    ///
    /// let batch = arrow::array::record_batch!(
    ///     ("free", Boolean, [true, true, false, false]),
    ///     ("spam", Boolean, [true, true, false, false])
    /// )?;
    /// let mails = Table::from_batch(batch).with_role("spam", Role::Target)?;
    /// let model = BernoulliNb::new().learn(&mails, &Run::default())?;
    /// let mut scores = [0.0; 2];
    /// model.dense().unwrap().score_row(&[1.0], &mut scores);
    /// assert!((scores[1] - 0.75).abs() < 1e-12);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    BernoulliNb, "bernoulli_nb", {
        /// A feature is there if it is greater than this.
        binarize: f64 = 0.0, with_binarize, "With another number that a feature must exceed to be there.";
    }, self,
    |classes, width| {
        Learned::Counts(Counts::new(Reading::Bernoulli { binarize: self.binarize }, self.alpha, classes, width))
    }
);

discrete!(
    /// Classes by how rarely things (words) occur in all others, which suits classes of uneven size:
    /// scikit-learn's `ComplementNB` (Rennie and others 2003). Features are counts of at least 0. One pass
    /// over the rows; priors do not matter.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Role, Run, Table, Trainer};
    /// use mlops_train::ComplementNb;
    ///
    /// let batch = arrow::array::record_batch!(
    ///     ("goal", Int64, [3, 2, 0]),
    ///     ("vote", Int64, [0, 1, 4]),
    ///     ("about", Utf8, ["sport", "sport", "politics"])
    /// )?;
    /// let texts = Table::from_batch(batch.clone()).with_role("about", Role::Target)?;
    /// let model = ComplementNb::new().fit(&texts, &Run::default())?;
    /// assert_eq!(model.predict(&batch)?.column(0), batch.column(2));
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    ComplementNb, "complement_nb", {
        /// Whether the factors of a class are divided by their sum.
        norm: bool = false, with_norm, "With the factors of each class divided by their sum, or not.";
    }, self,
    |classes, width| Learned::Counts(Counts::new(Reading::Complement { norm: self.norm }, self.alpha, classes, width))
);

discrete!(
    /// Classes by categories, numbered from 0 (`OrdinalEncoder`): scikit-learn's `CategoricalNB`. One pass
    /// over the rows.
    ///
    /// A category that was never seen counts as one without rows; scikit-learn fails there.
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Role, Run, Table, Trainer};
    /// use mlops_train::CategoricalNb;
    ///
    /// let batch = arrow::array::record_batch!(
    ///     ("colour", Int64, [0, 0, 2, 1]),
    ///     ("ripe", Boolean, [false, false, true, true])
    /// )?;
    /// let fruits = Table::from_batch(batch.clone()).with_role("ripe", Role::Target)?;
    /// let model = CategoricalNb::new().fit(&fruits, &Run::default())?;
    /// assert_eq!(model.predict(&batch)?.column(0), batch.column(1));
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    CategoricalNb, "categorical_nb", {}, self,
    |classes, width| Learned::Categories(Categories::new(self.alpha, classes, width))
);
