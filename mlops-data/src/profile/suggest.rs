use mlops_core::{Pipeline, Role};

use super::alert::outliers;
use super::{Alert, AlertKind, ColumnProfile, Profile, Semantic, Values};
use crate::transform::{
    Clip, DateParts, OneHotEncoder, OrdinalEncoder, Select, SimpleImputer, StandardScaler, TargetEncoder,
};

/// Up to so many categories become columns of their own.
const ONE_HOT: f64 = 32.0;

impl Profile {
    /// Drafts the preparation of these columns, for a person to edit: a recipe that fits, not the
    /// best one. What has another role than that of a feature is left alone.
    ///
    /// | column | what happens to it |
    /// | --- | --- |
    /// | constant, empty, mostly null, an id, sensitive, free text, a duplicate, not looked into | left out |
    /// | number | missing values become the median; limited to the 0.5 % and 99.5 % quantiles if there are outliers; standardised |
    /// | category | missing values become the most frequent one; a column of each up to 32, else `TargetEncoder`, or `OrdinalEncoder` without a target |
    /// | date | taken apart |
    /// | boolean | missing values become the most frequent one |
    ///
    /// # Example
    /// ```
    /// use mlops_core::{Recipe, Run, Table, Transformer};
    /// use mlops_data::profile::Profile;
    /// # let batch = arrow::array::record_batch!(
    /// #     ("year", Int32, [2013, 2013, 2013]), ("delay", Float64, [Some(2.0), None, Some(8.5)]))?;
    /// let table = Table::from_batch(batch);
    /// let recipe = Profile::of(&table)?.suggest_transformers();
    /// let kinds: Vec<_> = recipe.to_spec()?.settings.as_array().unwrap().iter().map(|step| step["kind"].clone()).collect();
    /// assert_eq!(kinds, ["select", "impute", "standard_scaler"]);
    /// let (_, prepared) = recipe.fit_transform(&table, &Run::default())?;
    /// assert_eq!(prepared.schema().fields().len(), 1);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    pub fn suggest_transformers(&self) -> Pipeline {
        let alerts = self.alerts();
        let features: Vec<&ColumnProfile> =
            self.columns().iter().filter(|column| column.role() == Role::Feature).collect();
        let (dropped, kept): (Vec<_>, Vec<_>) = features.into_iter().partition(|column| is_useless(column, &alerts));
        let names = |is: &dyn Fn(&ColumnProfile) -> bool| -> Vec<String> {
            kept.iter().filter(|column| is(column)).map(|column| column.name().to_owned()).collect()
        };
        let (has_target, distinct) = (self.columns().iter().any(|column| column.role() == Role::Target), few);
        let number = |column: &ColumnProfile| column.semantic() == Semantic::Number;
        let category = |column: &ColumnProfile| column.semantic() == Semantic::Category;
        let gaps = |column: &ColumnProfile| column.nulls() > 0 || has_nan(column);

        let mut recipe = Pipeline::new();
        let dropped: Vec<String> = dropped.into_iter().map(|column| column.name().to_owned()).collect();
        recipe = step(recipe, dropped, Select::drop);
        recipe = step(recipe, names(&|column| number(column) && gaps(column)), SimpleImputer::median);
        let modes = names(&|column| gaps(column) && (category(column) || column.semantic() == Semantic::Boolean));
        recipe = step(recipe, modes, SimpleImputer::most_frequent);
        recipe = step(recipe, names(&has_outliers), |columns| Clip::quantiles(columns, 0.005, 0.995));
        recipe = step(recipe, names(&|column| category(column) && distinct(column)), OneHotEncoder::on);
        let many = names(&|column| category(column) && !distinct(column));
        recipe =
            if has_target { step(recipe, many, TargetEncoder::on) } else { step(recipe, many, OrdinalEncoder::on) };
        for date in names(&|column| is_calendar(column)) {
            recipe = recipe.then(DateParts::of(date));
        }
        step(recipe, names(&number), StandardScaler::on)
    }
}

/// The recipe with one more step, if it has anything to do.
fn step<T: mlops_core::Transformer>(recipe: Pipeline, columns: Vec<String>, of: impl Fn(Vec<String>) -> T) -> Pipeline {
    if columns.is_empty() { recipe } else { recipe.then(of(columns)) }
}

fn is_useless(column: &ColumnProfile, alerts: &[Alert]) -> bool {
    use AlertKind as A;
    let grave = |alert: &&Alert| {
        matches!(alert.kind, A::Constant | A::Duplicate | A::Empty | A::Id | A::MostlyNull | A::Sensitive)
    };
    let unused = matches!(column.semantic(), Semantic::Empty | Semantic::Text | Semantic::Unknown);
    let time = column.semantic() == Semantic::Date && !is_calendar(column);
    unused || time || alerts.iter().filter(grave).any(|alert| alert.column == column.name())
}

/// Whether it holds dates or timestamps, which have parts.
fn is_calendar(column: &ColumnProfile) -> bool {
    use arrow::datatypes::DataType as D;
    matches!(column.data_type(), D::Date32 | D::Date64 | D::Timestamp(..))
}

fn few(column: &ColumnProfile) -> bool {
    column.distinct().is_some_and(|(distinct, exact)| exact && distinct <= ONE_HOT)
}

fn has_nan(column: &ColumnProfile) -> bool {
    matches!(column.values(), Values::Number(numbers) if numbers.nan() > 0)
}

fn has_outliers(column: &ColumnProfile) -> bool {
    let numbers = matches!(column.values(), Values::Number(numbers) if outliers(numbers).is_some());
    numbers && column.semantic() == Semantic::Number
}
