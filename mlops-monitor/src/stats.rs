//! The tests behind the monitors, as plain functions of counts: to check a report by hand, and to
//! build your own monitor.
//!
//! Values agree with scipy's to the tolerances stated in `tests/golden`.

mod adjust;
mod categories;
mod kolmogorov;

pub use adjust::Correction;
pub use categories::{ChiSquared, chi_square, population_stability, total_variation};
pub use kolmogorov::{kolmogorov_sf, two_sample_asymptotic, two_sample_exact};
pub use mlops_core::special::{beta_inc as incomplete_beta, chi_square_sf, normal_cdf, normal_quantile};

pub(crate) use categories::{Outcome, Pair, pooled_test};
