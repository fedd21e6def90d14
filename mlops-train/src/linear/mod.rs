//! Linear models: least squares, ridge, lasso, logistic and Tweedie regression.

mod cholesky;
mod conjugate;
mod design;
mod elastic_net;
mod least_squares;
mod logistic;
mod logistic_loss;
mod model;
mod objective;
mod qr;
mod regression;
mod scale;
mod solver;
mod tweedie;

pub use elastic_net::{ElasticNet, Lasso};
pub use logistic::{LogisticModel, LogisticRegression};
pub use regression::{LinearModel, LinearRegression, Ridge};
pub use tweedie::{GammaRegressor, Link, PoissonRegressor, TweedieModel, TweedieRegressor};
