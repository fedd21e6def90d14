use serde::{Deserialize, Serialize};

/// How the many tests of a report share one `alpha`.
///
/// # Example
/// ```
/// use mlops_monitor::stats::Correction;
///
/// let p = [0.001, 0.02, 0.03, 0.8];
/// assert_eq!(Correction::None.threshold(&p, 0.05), 0.05);
/// assert_eq!(Correction::Bonferroni.threshold(&p, 0.05), 0.0125);
/// assert_eq!(Correction::BenjaminiHochberg.threshold(&p, 0.05), 0.05 * 3.0 / 4.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Correction {
    /// Of the features said to have drifted, a share of at most `alpha` has not; without any drift,
    /// at most a share `alpha` of the windows says so. The usual choice. (Benjamini and Hochberg
    /// 1995; for tests that are independent or depend on each other positively.)
    #[default]
    BenjaminiHochberg,
    /// Without any drift, at most a share `alpha` of the windows says so; sees less than
    /// Benjamini and Hochberg where much has drifted.
    Bonferroni,
    /// Every test has `alpha` for itself: twenty columns raise a false alarm in most windows.
    None,
}

impl Correction {
    /// The p-value that a test must be below to count, given those of all tests.
    pub fn threshold(self, p_values: &[f64], alpha: f64) -> f64 {
        let tests = p_values.len().max(1) as f64;
        match self {
            Self::BenjaminiHochberg => {
                let mut sorted = p_values.to_vec();
                sorted.sort_by(f64::total_cmp);
                let fits = |i: &usize| sorted[*i] < alpha * (*i + 1) as f64 / tests;
                let rejected = (0..sorted.len()).rev().find(fits).map_or(1, |i| i + 1);
                alpha * rejected as f64 / tests
            }
            Self::Bonferroni => alpha / tests,
            Self::None => alpha,
        }
    }
}
