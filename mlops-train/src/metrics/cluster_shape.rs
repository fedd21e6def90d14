use std::collections::BTreeMap;

use mlops_core::{Error, Result};
use rayon::prelude::*;

/// Points and the cluster that each is in: how compact the clusters are, and how far apart, without a
/// truth to compare with.
///
/// # Example
/// ```
/// use mlops_train::metrics::Clustering;
///
/// let points = [0.0, 0.0, 0.0, 1.0, 9.0, 0.0, 9.0, 1.0];
/// let clustering = Clustering::new(&points, 2, &[0, 0, 1, 1])?;
/// assert!(clustering.silhouette() > 0.85);
/// assert!(clustering.davies_bouldin() < 0.2);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Clustering<'a> {
    points: &'a [f64],
    width: usize,
    /// The number of each point's cluster.
    of: Vec<usize>,
    sizes: Vec<usize>,
}

impl<'a> Clustering<'a> {
    /// Of points of `width` numbers, one after another (as
    /// [`to_matrix`](mlops_core::columns::to_matrix) gives them).
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) if the lengths do not fit, a number is not
    /// finite, or there are not at least 2 clusters and more points than clusters.
    pub fn new(points: &'a [f64], width: usize, labels: &[i64]) -> Result<Self> {
        if points.len() != labels.len() * width || width == 0 {
            return Err(Error::data(format!("{} numbers are not {} points of {width}", points.len(), labels.len())));
        }
        if let Some(at) = points.iter().position(|x| !x.is_finite()) {
            return Err(Error::data(format!(
                "point {} has a number that is not finite: fill or drop it first",
                at / width + 1
            )));
        }
        let mut numbers: BTreeMap<i64, usize> = labels.iter().map(|label| (*label, 0)).collect();
        numbers.values_mut().enumerate().for_each(|(i, number)| *number = i);
        if numbers.len() < 2 || numbers.len() >= labels.len() {
            return Err(Error::data(format!(
                "{} clusters of {} points: 2 clusters to one fewer than points are needed",
                numbers.len(),
                labels.len()
            )));
        }
        let of: Vec<usize> = labels.iter().map(|label| numbers[label]).collect();
        let mut sizes = vec![0; numbers.len()];
        of.iter().for_each(|cluster| sizes[*cluster] += 1);
        Ok(Self { points, width, of, sizes })
    }

    fn point(&self, i: usize) -> &[f64] {
        &self.points[i * self.width..(i + 1) * self.width]
    }

    /// The mean [silhouette](Self::silhouettes) over the points. Compares every point with every
    /// other, on all cores.
    pub fn silhouette(&self) -> f64 {
        let silhouettes = self.silhouettes();
        silhouettes.iter().sum::<f64>() / silhouettes.len() as f64
    }

    /// How much nearer each point is to its own cluster than to the nearest other one, by mean
    /// Euclidean distance, from -1 to 1; 0 in a cluster of one (Rousseeuw, "Silhouettes", 1987).
    pub fn silhouettes(&self) -> Vec<f64> {
        (0..self.of.len()).into_par_iter().map(|i| self.silhouette_of(i)).collect()
    }

    fn silhouette_of(&self, i: usize) -> f64 {
        let mut sums = vec![0.0; self.sizes.len()];
        for (j, cluster) in self.of.iter().enumerate() {
            sums[*cluster] += distance(self.point(i), self.point(j));
        }
        let own = self.of[i];
        if self.sizes[own] == 1 {
            return 0.0;
        }
        let within = sums[own] / (self.sizes[own] - 1) as f64;
        let others = sums.iter().zip(&self.sizes).enumerate().filter(|(cluster, _)| *cluster != own);
        let nearest = others.map(|(_, (sum, size))| sum / *size as f64).fold(f64::INFINITY, f64::min);
        let most = within.max(nearest);
        if most > 0.0 { (nearest - within) / most } else { 0.0 }
    }

    fn centre(&self, members: impl Iterator<Item = usize>) -> Vec<f64> {
        let (mut sums, mut count) = (vec![0.0; self.width], 0.0);
        for i in members {
            sums.iter_mut().zip(self.point(i)).for_each(|(sum, x)| *sum += x);
            count += 1.0;
        }
        sums.into_iter().map(|sum| sum / count).collect()
    }

    fn centres(&self) -> Vec<Vec<f64>> {
        let members = |cluster: usize| (0..self.of.len()).filter(move |i| self.of[*i] == cluster);
        (0..self.sizes.len()).map(|cluster| self.centre(members(cluster))).collect()
    }

    /// The spread between the clusters over that within, by their degrees of freedom: greater is
    /// better (Caliński and Harabasz, "A dendrite method for cluster analysis", 1974). 1 where there
    /// is no spread within.
    pub fn calinski_harabasz(&self) -> f64 {
        let (centre, centres) = (self.centre(0..self.of.len()), self.centres());
        let between: f64 =
            centres.iter().zip(&self.sizes).map(|(c, size)| *size as f64 * squared_distance(c, &centre)).sum();
        let within: f64 =
            self.of.iter().enumerate().map(|(i, cluster)| squared_distance(self.point(i), &centres[*cluster])).sum();
        let (points, clusters) = (self.of.len() as f64, self.sizes.len() as f64);
        if within == 0.0 { 1.0 } else { between * (points - clusters) / (within * (clusters - 1.0)) }
    }

    /// The mean over the clusters of how alike it is to the one most like it: less is better (Davies
    /// and Bouldin, "A cluster separation measure", 1979).
    pub fn davies_bouldin(&self) -> f64 {
        const NOTHING: f64 = 1e-8;
        let centres = self.centres();
        let mut spreads = vec![0.0; centres.len()];
        for (i, cluster) in self.of.iter().enumerate() {
            spreads[*cluster] += distance(self.point(i), &centres[*cluster]) / self.sizes[*cluster] as f64;
        }
        let apart = |a: usize, b: usize| distance(&centres[a], &centres[b]);
        let clusters = 0..centres.len();
        let all_at_one = clusters.clone().all(|a| clusters.clone().all(|b| apart(a, b) <= NOTHING));
        if spreads.iter().all(|spread| *spread <= NOTHING) || all_at_one {
            return 0.0;
        }
        let worst = |a: usize| {
            let alike = |b: usize| {
                let far = apart(a, b);
                if far == 0.0 { 0.0 } else { (spreads[a] + spreads[b]) / far }
            };
            clusters.clone().filter(|b| *b != a).map(alike).fold(0.0, f64::max)
        };
        clusters.clone().map(worst).sum::<f64>() / centres.len() as f64
    }
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    squared_distance(a, b).sqrt()
}
