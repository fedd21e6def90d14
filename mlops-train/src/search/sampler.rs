use mlops_core::random::SplitMix64;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Values;
use super::tpe::suggest;

/// How a search chooses what to try next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Sampler {
    /// Every combination of the values; of a range, so many points with its ends among them.
    Grid {
        /// Points of a range.
        points: usize,
    },
    /// Every setting on its own, at random.
    Random,
    /// The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kégl: "Algorithms for
    /// hyper-parameter optimization", NeurIPS 2011), every setting on its own: values are drawn
    /// where good trials are dense, and the candidate is tried whose density among the good trials
    /// is the greatest multiple of that among the others.
    Tpe {
        /// Trials at random before the first estimate.
        startup: usize,
        /// Candidates that are drawn for a setting.
        candidates: usize,
    },
}

impl Default for Sampler {
    /// As Optuna's: 10 trials at random, 24 candidates.
    fn default() -> Self {
        Self::Tpe { startup: 10, candidates: 24 }
    }
}

/// A trial that has a result: its values, how far it got, and its loss there.
#[derive(Clone, Debug)]
pub(super) struct Seen<'a> {
    pub(super) point: &'a [Json],
    pub(super) rung: usize,
    pub(super) loss: f64,
}

impl Sampler {
    /// The values of the trial of this number; `None` if there is nothing left to try. Depends on
    /// what was seen, and on nothing else that changes.
    pub(super) fn point(self, space: &[Values], seed: u64, number: usize, seen: &[Seen<'_>]) -> Option<Vec<Json>> {
        let mut rng = SplitMix64::stream(seed, number as u64);
        match self {
            Self::Grid { points } => combination(space, points, number),
            Self::Tpe { startup, candidates } if seen.len() >= startup.max(2) => {
                Some(suggest(space, candidates, seen, &mut rng))
            }
            Self::Random | Self::Tpe { .. } => Some(space.iter().map(|values| values.at(rng.uniform())).collect()),
        }
    }

    /// How many trials there are at most.
    pub(super) fn limit(self, space: &[Values]) -> usize {
        match self {
            Self::Grid { points } => {
                space.iter().fold(1, |product: usize, values| product.saturating_mul(values.grid(points).len()))
            }
            _ => usize::MAX,
        }
    }
}

/// The `number`-th combination, the last setting fastest.
fn combination(space: &[Values], points: usize, mut number: usize) -> Option<Vec<Json>> {
    let mut point = Vec::with_capacity(space.len());
    for values in space.iter().rev() {
        let mut grid = values.grid(points);
        let value = grid.swap_remove(number % grid.len());
        number /= values.grid(points).len();
        point.push(value);
    }
    point.reverse();
    (number == 0).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_every_combination_once() {
        let space = [Values::choice(["a", "b"]), Values::int(1, 3)];
        let grid = Sampler::Grid { points: 2 };
        assert_eq!(grid.limit(&space), 4);
        let all: Vec<Vec<Json>> = (0..).map_while(|i| grid.point(&space, 0, i, &[])).collect();
        let text: Vec<String> = all.iter().map(|point| format!("{}{}", point[0], point[1])).collect();
        assert_eq!(text, ["\"a\"1", "\"a\"3", "\"b\"1", "\"b\"3"]);
    }
}
