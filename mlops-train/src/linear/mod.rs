//! Linear models: least squares, ridge and logistic regression.

mod cholesky;
mod conjugate;
mod design;
mod least_squares;
mod logistic;
mod logistic_loss;
mod model;
mod objective;
mod qr;
mod regression;
mod scale;
mod solver;

pub use logistic::{LogisticModel, LogisticRegression};
pub use regression::{LinearModel, LinearRegression, Ridge};
