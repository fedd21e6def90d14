//! Groups in rows without labels.

mod covariance;
mod dbscan;
mod gaussian_mixture;
mod k_means;
mod lloyd;
mod seeding;

pub use covariance::Covariance;
pub use dbscan::{Dbscan, DbscanModel};
pub use gaussian_mixture::{GaussianMixture, GaussianMixtureModel};
pub use k_means::{KMeans, KMeansModel};
