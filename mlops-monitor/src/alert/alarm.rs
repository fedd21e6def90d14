use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mlops_core::{Error, Result, ResultExt};
use serde::{Deserialize, Serialize};

use super::{AlertRule, Window};

/// Watches windows by rules, and tells what changes.
///
/// A rule whose condition holds is pending, until it has held for its `for_windows`; then it
/// fires, unless it is still cooling down. When the condition no longer holds, it is resolved. A
/// window that does not say (no rows, no labels yet) changes nothing.
///
/// # Example
/// ```
/// use mlops_core::{DriftReport, FeatureDrift, Result};
/// use mlops_monitor::{Alarm, AlertEvent, AlertRule, AlertState, Condition, Window};
///
/// # futures::executor::block_on(async {
/// let (sender, retrainings) = std::sync::mpsc::channel();
/// let rule = AlertRule::new("drift", Condition::DriftedShare { above: 0.3 }).with_for_windows(2);
/// let mut alarm = Alarm::new([rule])?.with_action(move |event: AlertEvent| {
///     let sender = sender.clone();
///     async move {
///         if event.now == AlertState::Firing {
///             sender.send(event.window).map_err(|_| mlops_core::Error::internal("nobody retrains"))?;
///         }
///         Ok(())
///     }
/// });
///
/// let drifted = FeatureDrift::by_p_value("km", "ks", 0.4, 1e-6, 0.05);
/// let report = DriftReport::new(1000, vec![drifted]);
/// for week in ["27", "28"] {
///     alarm.handle(&Window::new(week).with_drift(&report)).await.into_result()?;
/// }
/// assert_eq!(retrainings.try_recv().unwrap(), "28");
/// # Result::<()>::Ok(())
/// # })?;
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Alarm {
    rules: Vec<AlertRule>,
    states: BTreeMap<String, Progress>,
    actions: Vec<Arc<dyn AlertAction>>,
}

/// How a rule stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertState {
    /// The condition has held for long enough.
    Firing,
    /// The condition does not hold.
    #[default]
    Inactive,
    /// The condition holds, but not for long enough, or the rule is cooling down.
    Pending,
}

/// How far a rule has come: what [`Alarm::progress`] saves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    state: AlertState,
    /// In how many windows in a row the condition held.
    held: u32,
    /// For how many windows it must not fire again.
    silent: u32,
}

/// A rule changed its state, or fired again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AlertEvent {
    /// The name of the rule.
    pub alert: String,
    /// The label of the window.
    pub window: String,
    /// How it stood before.
    pub before: AlertState,
    /// How it stands now; [`AlertState::Inactive`] means resolved.
    pub now: AlertState,
    /// What was seen, in words.
    pub message: String,
}

/// For a log, such as `drift is firing in 28: 40 % of the features drifted (km, zone)`.
impl fmt::Display for AlertEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = match self.now {
            AlertState::Firing => "is firing",
            AlertState::Inactive => "is resolved",
            AlertState::Pending => "is pending",
        };
        write!(f, "{} {now} in {}: {}", self.alert, self.window, self.message)
    }
}

/// What is done about an [`AlertEvent`]; any `Fn(AlertEvent) -> impl Future<Output = Result<()>>`
/// will do.
#[async_trait]
pub trait AlertAction: Send + Sync + 'static {
    /// Called for each event, in order; look at [`AlertEvent::now`].
    ///
    /// # Errors
    /// If it could not be done; [`Handled::failures`] has it then.
    async fn act(&self, event: &AlertEvent) -> Result<()>;
}

#[async_trait]
impl<F, A> AlertAction for F
where
    F: Fn(AlertEvent) -> A + Send + Sync + 'static,
    A: Future<Output = Result<()>> + Send,
{
    async fn act(&self, event: &AlertEvent) -> Result<()> {
        self(event.clone()).await
    }
}

/// What changed in a window, and which actions failed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Handled {
    /// What changed.
    pub events: Vec<AlertEvent>,
    /// The errors of actions.
    pub failures: Vec<Error>,
}

impl Handled {
    /// The events, if every action was done.
    ///
    /// # Errors
    /// The first failure.
    pub fn into_result(self) -> Result<Vec<AlertEvent>> {
        self.failures.into_iter().next().map_or(Ok(self.events), Err)
    }
}

impl Alarm {
    /// An alarm by these rules, all inactive.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for two rules of one name, and as
    /// [`AlertRule::check`].
    pub fn new(rules: impl IntoIterator<Item = AlertRule>) -> Result<Self> {
        let rules: Vec<AlertRule> = rules.into_iter().collect();
        let mut names = BTreeSet::new();
        for rule in &rules {
            rule.check()?;
            if !names.insert(&rule.name) {
                return Err(Error::config(format!("two alerts called '{}': rename one", rule.name)));
            }
        }
        Ok(Self { rules, states: BTreeMap::new(), actions: Vec::new() })
    }

    /// With something to do about every event.
    #[must_use]
    pub fn with_action(mut self, action: impl AlertAction) -> Self {
        self.actions.push(Arc::new(action));
        self
    }

    /// The rules.
    pub fn rules(&self) -> &[AlertRule] {
        &self.rules
    }

    /// How a rule stands.
    pub fn state(&self, alert: &str) -> AlertState {
        self.states.get(alert).copied().unwrap_or_default().state
    }

    /// The names of the rules that are firing.
    pub fn firing(&self) -> impl Iterator<Item = &str> {
        let firing = self.states.iter().filter(|(_, progress)| progress.state == AlertState::Firing);
        firing.map(|(name, _)| name.as_str())
    }

    /// How far every rule has come, to be kept over a restart.
    ///
    /// # Errors
    /// If it can't be written as JSON.
    pub fn progress(&self) -> Result<serde_json::Value> {
        Ok(serde_json::to_value(&self.states)?)
    }

    /// Goes on from where [`progress`](Self::progress) was told; rules that it does not know are
    /// inactive.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) if it is something else.
    pub fn with_progress(mut self, progress: &serde_json::Value) -> Result<Self> {
        let mut states = BTreeMap::<String, Progress>::deserialize(progress)
            .map_err(|e| Error::corrupt("this is not the progress of an alarm").with_source(e))?;
        states.retain(|name, _| self.rules.iter().any(|rule| rule.name == *name));
        self.states = states;
        Ok(self)
    }

    /// Takes in the next window, and tells what changed. Actions are not called.
    pub fn observe(&mut self, window: &Window<'_>) -> Vec<AlertEvent> {
        let mut events = Vec::new();
        for rule in &self.rules {
            let progress = self.states.entry(rule.name.clone()).or_default();
            let Some(reading) = rule.condition.read(window) else {
                tracing::debug!(target: "mlops::alert", alert = rule.name, window = window.label, "the window does not say");
                continue;
            };
            let before = progress.state;
            if progress.step(rule, reading.holds) {
                let (alert, window) = (rule.name.clone(), window.label.to_owned());
                events.push(AlertEvent { alert, window, before, now: progress.state, message: reading.message });
            }
        }
        events.iter().for_each(tell);
        events
    }

    /// Takes in the next window, tells what changed, and does what is to be done about it: every
    /// action for every event, one after the other, also after one has failed.
    pub async fn handle(&mut self, window: &Window<'_>) -> Handled {
        let events = self.observe(window);
        let mut failures = Vec::new();
        for event in &events {
            for action in &self.actions {
                if let Err(error) = action.act(event).await.context("alert", &event.alert) {
                    tracing::error!(target: "mlops::alert", alert = event.alert, %error, "an action failed");
                    failures.push(error);
                }
            }
        }
        Handled { events, failures }
    }
}

impl Progress {
    /// Goes one window on; returns whether there is something to tell.
    fn step(&mut self, rule: &AlertRule, holds: bool) -> bool {
        let before = self.state;
        let may_fire = self.silent == 0;
        self.silent = self.silent.saturating_sub(1);
        self.held = if holds { self.held.saturating_add(1) } else { 0 };
        let due = self.held >= rule.for_windows && may_fire;
        let again = before == AlertState::Firing && rule.repeats && due;
        self.state = match before {
            _ if !holds => AlertState::Inactive,
            AlertState::Firing => AlertState::Firing,
            _ if due => AlertState::Firing,
            _ => AlertState::Pending,
        };
        let fires = self.state == AlertState::Firing && (before != AlertState::Firing || again);
        if fires {
            self.silent = rule.cool_down;
        }
        fires || self.state != before
    }
}

fn tell(event: &AlertEvent) {
    let AlertEvent { alert, window, message, .. } = event;
    match event.now {
        AlertState::Firing => tracing::warn!(target: "mlops::alert", alert, window, message, "firing"),
        AlertState::Inactive => tracing::info!(target: "mlops::alert", alert, window, message, "resolved"),
        AlertState::Pending => tracing::info!(target: "mlops::alert", alert, window, message, "pending"),
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rules, states, actions } = self;
        f.debug_struct("Alarm").field("rules", rules).field("states", states).field("actions", &actions.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Condition;

    fn run(rule: &AlertRule, holds: &str) -> String {
        let mut progress = Progress::default();
        let letter = |told: bool, state: AlertState| match state {
            _ if !told => '.',
            AlertState::Firing => 'F',
            AlertState::Inactive => 'R',
            AlertState::Pending => 'P',
        };
        holds
            .chars()
            .map(|c| {
                let told = progress.step(rule, c == '1');
                letter(told, progress.state)
            })
            .collect()
    }

    fn rule() -> AlertRule {
        AlertRule::new("drift", Condition::DriftedShare { above: 0.0 })
    }

    #[test]
    fn fires_once_until_resolved() {
        assert_eq!(run(&rule(), "0111001"), ".F..R.F");
    }

    #[test]
    fn waits_for_windows_in_a_row() {
        assert_eq!(run(&rule().with_for_windows(3), "1101111"), "P.RP.F.");
    }

    #[test]
    fn cools_down_before_it_fires_again() {
        assert_eq!(run(&rule().with_cool_down(3), "1010101"), "FRPRFRP");
        assert_eq!(run(&rule().with_cool_down(2).with_repeats(), "1111111"), "F..F..F");
        assert_eq!(run(&rule().with_cool_down(2).with_repeats(), "10111"), "FRPF.");
    }
}
