//! Bringing the columns of two tables together: by equal keys ([`Join`]), or by what was known at
//! the time ([`AsOf`]).
//!
//! In both, the left table leads: its rows stay in their order and its batches are worked on by all
//! cores, while the right table is indexed once and held in memory. A null key matches nothing, not
//! even another null. The key columns of the right table are left out of the result, since they
//! equal the left ones; another column of a name that the left table has gets a suffix.
//!
//! Roles come along from both sides. A row has one event: if the left table has an event time, that
//! of the right one becomes [`Role::Ignored`](mlops_core::Role::Ignored), and so does its created time. The left side's keys and
//! times must be known before the event, since all that is looked up with an outcome tells it.

mod asof;
mod created;
mod hash;
mod index;
mod output;
mod ticks;
mod types;

pub use asof::AsOf;
pub use hash::{Duplicates, Join};

/// A column of the left table and the column of the right table that it is compared with.
///
/// ```
/// use mlops_data::join::JoinKey;
///
/// assert_eq!(JoinKey::from("origin"), JoinKey::from(("origin", "origin")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinKey {
    /// The name on the left.
    pub left: String,
    /// The name on the right.
    pub right: String,
}

/// The same name on both sides.
impl From<&str> for JoinKey {
    fn from(name: &str) -> Self {
        Self::from((name, name))
    }
}

/// The left and the right name.
impl<L: Into<String>, R: Into<String>> From<(L, R)> for JoinKey {
    fn from((left, right): (L, R)) -> Self {
        Self { left: left.into(), right: right.into() }
    }
}
