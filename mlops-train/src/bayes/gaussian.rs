//! A normal distribution for every class and feature.

use serde::{Deserialize, Serialize};

use super::model::{Batch, Priors};

/// The mean of a feature and the sum of squares around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moments {
    weight: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn empty(width: usize) -> Self {
        Self { weight: 0.0, mean: vec![0.0; width], squares: vec![0.0; width] }
    }

    /// Of the rows that `weight` gives a weight above 0, in two passes.
    fn of(batch: &Batch<'_>, weight: impl Fn(usize) -> f64) -> Self {
        let mut moments = Self::empty(batch.width);
        let rows = || (0..batch.rows()).map(|row| (batch.row(row), weight(row))).filter(|(_, w)| *w > 0.0);
        for (row, w) in rows() {
            moments.weight += w;
            moments.mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += w * x);
        }
        if moments.weight > 0.0 {
            moments.mean.iter_mut().for_each(|sum| *sum /= moments.weight);
        }
        for (row, w) in rows() {
            let around = moments.squares.iter_mut().zip(row).zip(&moments.mean);
            around.for_each(|((sum, x), mean)| *sum += w * (x - mean).powi(2));
        }
        moments
    }

    /// Chan, Golub and LeVeque's update.
    fn merge(&mut self, other: &Self) {
        let total = self.weight + other.weight;
        if other.weight == 0.0 {
            return;
        }
        for i in 0..self.mean.len() {
            let apart = other.mean[i] - self.mean[i];
            self.squares[i] += other.squares[i] + apart * apart * self.weight * other.weight / total;
            self.mean[i] += apart * other.weight / total;
        }
        self.weight = total;
    }

    fn variance(&self, i: usize) -> f64 {
        if self.weight > 0.0 { self.squares[i] / self.weight } else { 0.0 }
    }

    fn fits(&self, width: usize) -> bool {
        self.mean.len() == width
            && self.squares.len() == width
            && self.weight >= 0.0
            && self.mean.iter().chain(&self.squares).chain([&self.weight]).all(|x| x.is_finite())
            && self.squares.iter().all(|s| *s >= 0.0)
    }
}

/// What a [`GaussianNb`](super::GaussianNb) knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gaussian {
    var_smoothing: f64,
    classes: Vec<Moments>,
    /// Of all rows, each counting once: how far features spread.
    all: Moments,
}

impl Gaussian {
    pub(super) fn new(var_smoothing: f64, classes: usize, width: usize) -> Self {
        Self { var_smoothing, classes: vec![Moments::empty(width); classes], all: Moments::empty(width) }
    }

    pub(super) fn learn(&mut self, batch: &Batch<'_>) {
        for (class, moments) in self.classes.iter_mut().enumerate() {
            let of_class = |row: usize| if batch.target[row] == class { batch.weight(row) } else { 0.0 };
            moments.merge(&Moments::of(batch, of_class));
        }
        self.all.merge(&Moments::of(batch, |row| f64::from(u8::from(batch.weight(row) > 0.0))));
    }

    pub(super) fn counts(&self) -> Vec<f64> {
        self.classes.iter().map(|moments| moments.weight).collect()
    }

    pub(super) fn fits(&self, classes: usize, width: usize) -> bool {
        self.classes.len() == classes
            && self.classes.iter().chain([&self.all]).all(|moments| moments.fits(width))
            && self.var_smoothing.is_finite()
            && self.var_smoothing >= 0.0
    }

    /// Means and variances, the latter raised a little, so that none is 0.
    pub(super) fn table(&self, priors: &Priors) -> GaussianTable {
        let width = self.all.mean.len();
        let greatest = (0..width).map(|i| self.all.variance(i)).fold(0.0, f64::max);
        let raised = self.var_smoothing * greatest;
        let of_class = |(class, moments): (usize, &Moments)| {
            let variance = |i| moments.variance(i) + raised;
            let features: Vec<(f64, f64)> = (0..width).map(|i| (moments.mean[i], variance(i))).collect();
            let spread: f64 = features.iter().map(|(_, v)| (std::f64::consts::TAU * v).ln()).sum();
            (priors.log[class] - 0.5 * spread, features)
        };
        GaussianTable { classes: self.classes.iter().enumerate().map(of_class).collect() }
    }
}

/// For each class its constant, and mean and variance of every feature.
#[derive(Clone, Debug)]
pub(super) struct GaussianTable {
    classes: Vec<(f64, Vec<(f64, f64)>)>,
}

impl GaussianTable {
    pub(super) fn is_finite(&self) -> bool {
        self.classes.iter().all(|(_, features)| features.iter().all(|(m, v)| m.is_finite() && *v > 0.0))
    }

    pub(super) fn score(&self, row: &[f64], class: usize) -> f64 {
        let (constant, features) = &self.classes[class];
        let distance: f64 = row.iter().zip(features).map(|(x, (mean, variance))| (x - mean).powi(2) / variance).sum();
        constant - 0.5 * distance
    }
}
