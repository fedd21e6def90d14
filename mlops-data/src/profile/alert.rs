use std::fmt;

use mlops_core::Role;
use serde::{Deserialize, Serialize};

use super::infer::{categories, is_number};
use super::semantic::{is_email, share};
use super::words::{grouped, percent};
use super::{ColumnProfile, NumberProfile, Profile, Semantic, TextProfile, Values};
use mlops_core::report::number;

/// Something about a column that a person should know before learning from it, and what to do.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::profile::{AlertKind, Profile};
/// # let batch = arrow::array::record_batch!(("year", Int32, [2013, 2013, 2013]))?;
/// let alerts = Profile::of(&Table::from_batch(batch))?.alerts();
/// assert_eq!(alerts[0].kind, AlertKind::Constant);
/// assert_eq!(alerts[0].to_string(), "year: every value is 2013: leave it out with Select::drop");
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Alert {
    /// The column.
    pub column: String,
    /// What kind of thing it is.
    pub kind: AlertKind,
    /// What was seen, with numbers.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// What an [`Alert`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertKind {
    /// Every value is the same.
    Constant,
    /// Another column has the same values.
    Duplicate,
    /// Every value is null.
    Empty,
    /// More categories than one column each is good for.
    HighCardinality,
    /// Every row has a value of its own.
    Id,
    /// One class outnumbers the others.
    Imbalance,
    /// It says nearly all about the target.
    Leak,
    /// Most values are null.
    MostlyNull,
    /// NaN or infinities among numbers.
    NotFinite,
    /// Numbers, or dates, that are stored as text, all or some.
    NumbersAsText,
    /// A few numbers lie far from the others.
    Outliers,
    /// Texts begin or end with white space.
    Padded,
    /// Values tell who somebody is.
    Sensitive,
    /// Most numbers lie on one side.
    Skewed,
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.column, self.message, self.remedy)
    }
}

impl Profile {
    /// What to know before learning from these columns, each with its remedy; in order of the
    /// columns. Of the relation to a target it knows nothing: see
    /// [`Relations::alerts`](super::Relations::alerts).
    pub fn alerts(&self) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for (i, column) in self.columns().iter().enumerate() {
            let mut found = Found { column, alerts: &mut alerts };
            found.look();
            if let Some(twin) = self.columns()[..i].iter().find(|other| are_twins(column, other)) {
                let message = format!("the values are distributed exactly as those of '{}'", twin.name());
                found.push(
                    AlertKind::Duplicate,
                    message,
                    "if they are equal row by row, leave one out with Select::drop",
                );
            }
        }
        alerts
    }
}

/// Whether two columns can't be told apart by anything that was counted.
fn are_twins(one: &ColumnProfile, other: &ColumnProfile) -> bool {
    let telling = one.distinct().is_some_and(|(distinct, _)| distinct > 2.0);
    telling && one.count() == other.count() && one.data_type() == other.data_type() && one.values() == other.values()
}

struct Found<'a> {
    column: &'a ColumnProfile,
    alerts: &'a mut Vec<Alert>,
}

impl Found<'_> {
    fn push(&mut self, kind: AlertKind, message: impl Into<String>, remedy: impl Into<String>) {
        let column = self.column.name().to_owned();
        self.alerts.push(Alert { column, kind, message: message.into(), remedy: remedy.into() });
    }

    fn look(&mut self) {
        let column = self.column;
        let nulls = column.null_fraction();
        if column.count() == 0 {
            if column.nulls() > 0 {
                self.push(AlertKind::Empty, "every value is null", "leave it out with Select::drop");
            }
            return;
        }
        if nulls > 0.5 {
            let remedy = "leave it out with Select::drop, or impute it and keep a MissingIndicator if its absence tells something";
            self.push(AlertKind::MostlyNull, format!("{} of the values are null", percent(nulls)), remedy);
        }
        match column.distinct() {
            Some((1.0, true)) if column.nulls() == 0 => {
                let message = only_value(column)
                    .map_or_else(|| "every value is the same".to_owned(), |x| format!("every value is {x}"));
                return self.push(AlertKind::Constant, message, "leave it out with Select::drop");
            }
            _ => {}
        }
        let semantic = column.semantic();
        if semantic.is_sensitive() {
            let message = format!("values look like {}", sensitive_words(semantic));
            self.push(AlertKind::Sensitive, message, "leave it out with Select::drop, or hash it before it is stored");
        }
        if semantic == Semantic::Id && column.role() == Role::Feature {
            self.push(
                AlertKind::Id,
                "every row has a value of its own",
                "give it Role::Id: it carries no pattern to learn",
            );
        }
        self.look_for_imbalance();
        match column.values() {
            Values::Number(numbers) => self.look_at_numbers(numbers, semantic),
            Values::Text(texts) => self.look_at_texts(texts, semantic),
            _ => {}
        }
    }

    fn look_at_numbers(&mut self, numbers: &NumberProfile, semantic: Semantic) {
        let odd = numbers.nan() + numbers.infinities();
        if odd > 0 {
            let message = format!("{} NaN and {} infinities", grouped(numbers.nan()), grouped(numbers.infinities()));
            self.push(
                AlertKind::NotFinite,
                message,
                "SimpleImputer fills NaN; clip infinities or correct their source",
            );
        }
        if semantic != Semantic::Number {
            return;
        }
        if let Some(skew) = numbers.skew().filter(|skew| skew.abs() > 2.0) {
            let side = if skew > 0.0 { "low" } else { "high" };
            let message = format!("skewness {}: most values are {side}", number(skew));
            self.push(
                AlertKind::Skewed,
                message,
                "a logarithm (Derive), PowerTransformer or QuantileTransformer evens it out; trees need none",
            );
        }
        if let Some((share, low, high)) = outliers(numbers) {
            let message = format!("about {} lie outside {} to {}", percent(share), number(low), number(high));
            self.push(
                AlertKind::Outliers,
                message,
                "keep them within limits with Clip::quantiles, or scale by RobustScaler",
            );
        }
    }

    fn look_at_texts(&mut self, texts: &TextProfile, semantic: Semantic) {
        if texts.padded() > 0 {
            let message = format!("{} texts begin or end with white space", grouped(texts.padded()));
            self.push(
                AlertKind::Padded,
                message,
                "trim them in the source, or equal categories count as different ones",
            );
        }
        let numbers = share(texts, is_number);
        if numbers == 1.0 {
            self.push(
                AlertKind::NumbersAsText,
                "numbers are stored as text",
                "declare the column as a number in the source",
            );
        } else if numbers >= 0.5 {
            let message = format!("about {} of the different texts are numbers, the others are not", percent(numbers));
            self.push(
                AlertKind::NumbersAsText,
                message,
                "find what stands for missing, read it as null, and declare the column as a number",
            );
        }
        let holds_email = |text: &str| text.split([' ', ',', ';', '<', '>', '(', ')', ':']).any(is_email);
        if !semantic.is_sensitive() && share(texts, holds_email) > 0.02 {
            self.push(
                AlertKind::Sensitive,
                "some texts hold e-mail addresses",
                "mask them before the text is stored or learned from",
            );
        }
        let distinct = self.column.distinct().map_or(0.0, |(distinct, _)| distinct);
        if semantic == Semantic::Category && distinct > 50.0 {
            let message = format!("about {} categories", grouped(distinct.round() as u64));
            self.push(
                AlertKind::HighCardinality,
                message,
                "use TargetEncoder or OrdinalEncoder; OneHotEncoder would make a column of each",
            );
        }
    }

    fn look_for_imbalance(&mut self) {
        let column = self.column;
        let is_target = matches!(column.role(), Role::Target);
        let Some((greatest, least, classes)) = class_sizes(column).filter(|(_, _, classes)| *classes > 1) else {
            return;
        };
        let (most, fewest) = (greatest as f64 / column.count() as f64, least as f64 / column.count() as f64);
        if is_target && fewest < 0.1 && fewest * (classes as f64) < 0.2 {
            let message = format!("the rarest of {classes} classes has {} of the rows", percent(fewest));
            self.push(
                AlertKind::Imbalance,
                message,
                "split with Stratify, weigh or resample the training rows, and judge by PR-AUC, not accuracy",
            );
        } else if !is_target && most > 0.95 {
            let message = format!("one of {classes} values has {} of the rows", percent(most));
            self.push(
                AlertKind::Imbalance,
                message,
                "as a target it needs Stratify and resampling; as a feature it may be too rare to learn from",
            );
        }
    }
}

/// Limits of three interquartile ranges beyond the quartiles, and about what share lies outside, if
/// any but few do.
pub(super) fn outliers(numbers: &NumberProfile) -> Option<(f64, f64, f64)> {
    let (low, high) = (numbers.quantile(0.25)?, numbers.quantile(0.75)?);
    let room = 3.0 * (high - low);
    let (low, high) = (low - room, high + room);
    let beyond = numbers.min()? < low || numbers.max()? > high;
    let inside = numbers.sketch().cdf(&[low, high])?;
    let share = (1.0 - inside[1] + inside[0]).max(1.0 / numbers.finite() as f64);
    (room > 0.0 && beyond && share < 0.1).then_some((share, low, high))
}

/// The sizes of the greatest and the least class and their number, where values are classes.
fn class_sizes(column: &ColumnProfile) -> Option<(u64, u64, usize)> {
    let counts: Vec<u64> = match column.values() {
        Values::Boolean(both) => vec![both.trues, both.falses],
        Values::Number(numbers) if column.semantic() == Semantic::Category => {
            numbers.sketch().weighted_values().into_iter().map(|(_, count)| count).collect()
        }
        Values::Text(texts) => {
            categories(texts).map(|_| texts.top(usize::MAX).into_iter().map(|hit| hit.count).collect())?
        }
        _ => return None,
    };
    let counts: Vec<u64> = counts.into_iter().filter(|count| *count > 0).collect();
    Some((*counts.iter().max()?, *counts.iter().min()?, counts.len()))
}

fn only_value(column: &ColumnProfile) -> Option<String> {
    match column.values() {
        Values::Boolean(both) => Some((both.trues > 0).to_string()),
        Values::Number(numbers) => numbers.min().map(number),
        Values::Temporal(times) => times.min().map(|tick| super::temporal::show(tick, column.data_type())),
        Values::Text(texts) => texts.top(1).first().map(|hit| format!("'{}'", super::words::shortened(&hit.value, 40))),
        _ => None,
    }
}

fn sensitive_words(semantic: Semantic) -> &'static str {
    match semantic {
        Semantic::Card => "numbers of payment cards",
        Semantic::Email => "e-mail addresses",
        _ => "telephone numbers",
    }
}
