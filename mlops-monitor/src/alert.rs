//! Who has to know: rules over the reports of a window, and what happens when one fires.
//!
//! An [`AlertRule`] is plain data. An [`Alarm`] holds the state of each rule, is shown one
//! [`Window`] after the other, and tells every change as an [`AlertEvent`]: returned, sent to
//! `tracing` (target `mlops::alert`), and given to [`AlertAction`]s, such as one that retrains.

mod alarm;
mod rule;

pub use alarm::{Alarm, AlertAction, AlertEvent, AlertState, Handled};
pub use rule::{AlertRule, Condition, Window};
