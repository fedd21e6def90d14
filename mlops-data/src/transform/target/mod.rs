mod answers;
mod classes;
mod column;
mod fit;

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use mlops_core::columns::is_text;
use mlops_core::{Classes, Error, Learner, Named, Result, Role, Roles, Run, Table, Task, Transform, Transformer};
use serde::{Deserialize, Serialize};

use self::answers::{ClassTarget, NumberTarget};
pub(crate) use self::column::EncodedColumn;
use super::columns::owned;
use super::learn::check_columns;

/// Encodes a category by the mean of the target over its rows, drawn towards the mean of all rows
/// the fewer they are (scikit-learn's `TargetEncoder`): one number for a category of many values.
///
/// Text, whole-number and boolean columns. For a target of two classes the encoding is the share of
/// the later class, for a quantity its mean; a target of more classes gives a column
/// `<column>_<class>` for each. Null is a category if training saw nulls. A category that training
/// did not see is encoded as the mean of all rows.
///
/// **No row sees its own answer**: [`fit_transform`](Transformer::fit_transform), which a
/// [`Pipeline`](mlops_core::Pipeline) calls, encodes the training rows by cross-fitting. They are cut
/// into [`cv`](Self::cv) folds, as scikit-learn's unshuffled `KFold` (a quantity) or `StratifiedKFold`
/// (classes) cuts them, and each is encoded by what the other folds say. So the training rows differ
/// from what [`Transform::apply`] makes of them, as they must; being cut by position, they depend on
/// the order of rows, as what is fitted does not.
///
/// A category of n rows, mean m and population variance s² is encoded as λm + (1 − λ)M with
/// λ = nV / (nV + s²), M and V being mean and variance of all rows ([`Smooth::Auto`]: the empirical
/// Bayes estimate), or as (nm + kM) / (n + k) ([`Smooth::Weight`]). Sums are exact. One pass to fit
/// and one more to cross-fit; memory for one entry a different category and fold.
///
/// # Errors
/// Fitting fails with [`ErrorKind::Data`] if the target has nulls, infinities or only one class, or
/// there are fewer rows than folds; with [`ErrorKind::Config`] for a negative weight.
///
/// [`ErrorKind::Config`]: mlops_core::ErrorKind::Config
/// [`ErrorKind::Data`]: mlops_core::ErrorKind::Data
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Transformer};
/// use mlops_data::transform::{Smooth, TargetEncoder};
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let batch = record_batch!(
///     ("carrier", Utf8, ["UA", "UA", "B6", "B6"]),
///     ("delay", Float64, [0.0, 2.0, 10.0, 12.0])
/// )?;
/// let table = Table::from_batch(batch).with_role("delay", Role::Target)?;
/// let recipe = TargetEncoder::on(["carrier"]).with_smooth(Smooth::Weight(0.0)).with_cv(2);
/// let (fitted, crossed) = recipe.fit_transform(&table, &Run::default())?;
///
/// let served = fitted.apply(record_batch!(("carrier", Utf8, ["UA", "B6", "new"]))?)?;
/// assert_eq!(served.column(0).as_primitive::<Float64Type>().values(), &[1.0, 11.0, 6.0]);
/// // The folds are UA and B6: neither knows the other, so each row gets the mean of the other fold.
/// assert_eq!(crossed.column("carrier")?.as_primitive::<Float64Type>().values(), &[11.0, 11.0, 1.0, 1.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TargetEncoder {
    /// The columns to encode.
    pub columns: Vec<String>,
    /// How many folds the training rows are cut into.
    pub cv: usize,
    /// How strongly the mean of a category is drawn towards the mean of all rows.
    pub smooth: Smooth,
}

/// How strongly [`TargetEncoder`] draws the mean of a category towards the mean of all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Smooth {
    /// By the variances within the category and over all rows.
    #[default]
    Auto,
    /// As if so many more rows of the category had the mean of all rows.
    Weight(f64),
}

impl Default for TargetEncoder {
    fn default() -> Self {
        Self { columns: Vec::new(), cv: 5, smooth: Smooth::Auto }
    }
}

impl TargetEncoder {
    /// Encodes these columns.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Cuts the training rows into so many folds, 5 unless said otherwise.
    #[must_use]
    pub fn with_cv(mut self, cv: usize) -> Self {
        self.cv = cv;
        self
    }

    /// How strongly the mean of a category is drawn towards the mean of all rows.
    #[must_use]
    pub fn with_smooth(mut self, smooth: Smooth) -> Self {
        self.smooth = smooth;
        self
    }

    fn check(&self, schema: &Schema, roles: &Roles) -> Result<()> {
        check_columns(schema, roles, &self.columns)?;
        match self.smooth {
            Smooth::Weight(weight) if !(weight >= 0.0 && weight.is_finite()) => {
                Err(Error::config(format!("a smoothing weight of {weight}: give a finite number from 0 up")))
            }
            _ => Ok(()),
        }
    }
}

impl Named for TargetEncoder {
    const KIND: &'static str = "target_encoder";
}

impl Transformer for TargetEncoder {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        self.check(schema, roles)?;
        let mut targets = schema.fields().iter().filter(|field| roles.of(field.name()) == Role::Target);
        let (Some(field), None) = (targets.next(), targets.next()) else { return Ok(None) };
        let name = field.name().clone();
        match field.data_type() {
            DataType::Boolean => fit::learner(self, schema, ClassTarget { name, classes: Classes::Bool }).map(Some),
            number if number.is_floating() => fit::learner(self, schema, NumberTarget { name }).map(Some),
            class if class.is_integer() || is_text(class) => classes::learner(self, schema, &name).map(Some),
            _ => Ok(None),
        }
    }

    fn learn(&self, data: &Table, run: &Run) -> Result<Arc<dyn Transform>> {
        self.check(data.schema(), data.roles())?;
        let learner = match target(data)? {
            Target::Classes(target) => fit::learner(self, data.schema(), target)?,
            Target::Number(target) => fit::learner(self, data.schema(), target)?,
        };
        learner.fit(data, run)
    }

    fn learn_transform(&self, data: &Table, run: &Run) -> Result<(Arc<dyn Transform>, Table)> {
        run.check()?;
        self.check(data.schema(), data.roles())?;
        run.install(|| {
            let (fitted, table) = match target(data)? {
                Target::Classes(target) => fit::cross_fit(self, data, target)?,
                Target::Number(target) => fit::cross_fit(self, data, target)?,
            };
            Ok((Arc::new(fitted) as _, table))
        })?
    }
}

enum Target {
    Classes(ClassTarget),
    Number(NumberTarget),
}

fn target(data: &Table) -> Result<Target> {
    let field = data.target()?;
    let name = field.name().clone();
    match Task::of(&data.column(&name)?, field)? {
        Task::Classification { classes } if classes.len() < 2 => Err(Error::data(format!(
            "the target '{name}' has {} classes, so no category differs from another: fit on more data",
            classes.len()
        ))),
        Task::Classification { classes } => Ok(Target::Classes(ClassTarget { name, classes })),
        Task::Regression => Ok(Target::Number(NumberTarget { name })),
        task => Err(Error::unsupported(format!("a target encoder can't learn from {task:?}"))),
    }
}
