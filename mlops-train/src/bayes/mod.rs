//! Naive Bayes: the features are taken as independent, given the class.

mod discrete;
mod gaussian;
mod model;
mod recipes;

pub use model::NaiveBayesModel;
pub use recipes::{BernoulliNb, CategoricalNb, ComplementNb, GaussianNb, MultinomialNb};
