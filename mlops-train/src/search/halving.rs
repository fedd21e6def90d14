use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Gives every trial a little, and more to those that do well: successive halving.
///
/// A rung gives `eta` times what the one before it gave, and the last one gives all. By default a
/// trial is promoted as soon as it is among the best `1 / eta` of its rung so far (ASHA; Li et al.:
/// "A system for massively parallel hyperparameter tuning", MLSys 2020), so no worker waits for a
/// rung to be full.
///
/// # Example
/// ```
/// use mlops_train::search::Halving;
///
/// let halving = Halving::rows(0.25).with_eta(2);
/// assert_eq!(halving.shares()?, [0.25, 0.5, 1.0]);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Halving {
    /// What a trial is given more of.
    pub resource: Resource,
    /// The share of it that the first rung gives.
    pub least: f64,
    /// How many times as much each rung gives; one of so many trials gets there.
    #[serde(default = "three")]
    pub eta: u32,
    /// Whether a rung promotes only once all its trials have come.
    #[serde(default)]
    pub synchronous: bool,
    /// How many brackets there are: trials of the second start a rung higher, and so on, against
    /// the case that little says nothing about more (Hyperband; Li et al., JMLR 2018).
    #[serde(default = "one")]
    pub brackets: usize,
}

/// What a trial is given more of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resource {
    /// Rows to learn from, drawn at random; a rung's are among the next one's.
    Rows,
    /// A setting that is a whole number, such as the iterations of boosting, up to `most`.
    Setting {
        /// Where it is in the recipe, as in [`Search::vary`](super::Search::vary).
        path: String,
        /// What the last rung gives.
        most: u64,
    },
}

fn three() -> u32 {
    3
}

fn one() -> usize {
    1
}

impl Halving {
    /// More rows from rung to rung; the first gives this share of them.
    pub fn rows(least: f64) -> Self {
        Self { resource: Resource::Rows, least, eta: three(), synchronous: false, brackets: one() }
    }

    /// More of a setting from rung to rung, from about `least` to `most`.
    pub fn setting(path: impl Into<String>, least: u64, most: u64) -> Self {
        let resource = Resource::Setting { path: path.into(), most };
        Self { resource, ..Self::rows(least as f64 / most.max(1) as f64) }
    }

    /// With another factor than 3.
    #[must_use]
    pub fn with_eta(mut self, eta: u32) -> Self {
        self.eta = eta;
        self
    }

    /// Waiting for a rung to be full before it promotes.
    #[must_use]
    pub fn with_synchronous(mut self, synchronous: bool) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// With several brackets: Hyperband.
    #[must_use]
    pub fn with_brackets(mut self, brackets: usize) -> Self {
        self.brackets = brackets;
        self
    }

    /// The share that each rung gives, ascending; the last is 1.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for a share outside of 0 to 1, a factor
    /// below 2, no brackets or more than rungs.
    pub fn shares(&self) -> Result<Vec<f64>> {
        if !(self.least > 0.0 && self.least <= 1.0) {
            return Err(Error::config(format!("the first rung gives {}: a share above 0 and at most 1", self.least)));
        }
        if self.eta < 2 {
            return Err(Error::config(format!("eta = {}: each rung gives at least 2 times as much", self.eta)));
        }
        let shares = std::iter::successors(Some(self.least), |share| Some(share * f64::from(self.eta)));
        let mut shares: Vec<f64> = shares.take_while(|share| *share < 1.0 - 1e-9).collect();
        shares.push(1.0);
        if self.brackets == 0 || self.brackets > shares.len() {
            return Err(Error::config(format!(
                "{} brackets for {} rungs: one a rung at most",
                self.brackets,
                shares.len()
            )));
        }
        Ok(shares)
    }
}
