use std::collections::BTreeMap;
use std::fmt;

use arrow::datatypes::Schema;
use serde::{Deserialize, Serialize};

use crate::columns::find_column;
use crate::{Error, ErrorKind, Result};

/// What a column is for.
///
/// # Example
/// ```
/// use mlops_core::Role;
///
/// assert!(Role::Feature.is_known_before_the_event());
/// assert!(!Role::Outcome.is_known_before_the_event());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// When the row was recorded, which may be long after it happened: joins show it to no earlier
    /// event. It says how fast a record came, so nothing may be predicted from it.
    CreatedTime,
    /// When the row happened; joins and splits by time look at it.
    EventTime,
    /// An input of the model. Columns without a declared role are features.
    #[default]
    Feature,
    /// Names the row or the entity; carried along, never learned from.
    Id,
    /// Carried along, never used.
    Ignored,
    /// Known only after the event: may define the target, never predict it. A recipe that reads
    /// such a column as a feature is refused with [`ErrorKind::Leak`](crate::ErrorKind::Leak).
    Outcome,
    /// What the model learns to predict.
    Target,
    /// How much the row counts in training and evaluation.
    Weight,
}

impl Role {
    /// Whether a value of this role exists at the moment of prediction.
    pub fn is_known_before_the_event(self) -> bool {
        !matches!(self, Self::CreatedTime | Self::Outcome | Self::Target)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreatedTime => "created time",
            Self::EventTime => "event time",
            Self::Feature => "feature",
            Self::Id => "id",
            Self::Ignored => "ignored",
            Self::Outcome => "outcome",
            Self::Target => "target",
            Self::Weight => "weight",
        })
    }
}

/// The roles of columns by name; a column that is not named here is a feature.
///
/// # Example
/// ```
/// use mlops_core::{Role, Roles};
///
/// let roles = Roles::new().with("late", Role::Target).with("arr_delay", Role::Outcome);
/// assert_eq!(roles.of("late"), Role::Target);
/// assert_eq!(roles.of("distance"), Role::Feature);
/// assert_eq!(roles.named(Role::Outcome).collect::<Vec<_>>(), ["arr_delay"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(BTreeMap<String, Role>);

impl Roles {
    /// No declared roles: everything is a feature.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares the role of one column.
    #[must_use]
    pub fn with(mut self, column: impl Into<String>, role: Role) -> Self {
        self.set(column, role);
        self
    }

    /// Declares the role of several columns.
    #[must_use]
    pub fn with_all<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>, role: Role) -> Self {
        for column in columns {
            self.set(column, role);
        }
        self
    }

    /// Declares the role of one column in place.
    pub fn set(&mut self, column: impl Into<String>, role: Role) {
        self.0.insert(column.into(), role);
    }

    /// The role of `column`.
    pub fn of(&self, column: &str) -> Role {
        self.0.get(column).copied().unwrap_or_default()
    }

    /// The columns that were declared to have `role`, in order of their names.
    pub fn named(&self, role: Role) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(_, r)| **r == role).map(|(name, _)| name.as_str())
    }

    /// Refuses `columns` as inputs of a recipe if one does not exist or leaks the answer. Every
    /// [`Transformer`](crate::Transformer) and [`Trainer`](crate::Trainer) calls this for the columns
    /// that it is about to read.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] for a missing column, [`ErrorKind::Leak`] for what is not known before the event.
    pub fn check_inputs<S: AsRef<str>>(&self, schema: &Schema, columns: impl IntoIterator<Item = S>) -> Result<()> {
        for column in columns {
            let column = column.as_ref();
            find_column(schema, column)?;
            let role = self.of(column);
            if !role.is_known_before_the_event() {
                return Err(Error::new(
                    ErrorKind::Leak,
                    format!(
                        "column '{column}' has the role {role}: it is not known when a prediction is asked for, \
                         so no feature may be made of it; take it out of the recipe"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Every declared role, in order of the column names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Role)> {
        self.0.iter().map(|(name, role)| (name.as_str(), *role))
    }
}
