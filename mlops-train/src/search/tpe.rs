//! The tree-structured Parzen estimator, one setting at a time.
//!
//! The choices that the paper leaves open are Optuna's defaults: the better tenth of the trials are
//! good, 25 at most; a kernel reaches as far as its farther neighbour, but no less than the range
//! divided by the number of kernels; a flat kernel over the whole range is one of them.

use mlops_core::random::SplitMix64;
use mlops_core::special::{normal_cdf, normal_quantile};
use serde_json::Value as Json;

use super::Values;
use super::sampler::Seen;

/// The values to try next.
pub(super) fn suggest(space: &[Values], candidates: usize, seen: &[Seen<'_>], rng: &mut SplitMix64) -> Vec<Json> {
    let mut order: Vec<&Seen<'_>> = seen.iter().collect();
    // Who got further is better; then the loss; then who came first, for the sort is stable.
    order.sort_by(|a, b| b.rung.cmp(&a.rung).then(a.loss.total_cmp(&b.loss)));
    let (good, bad) = order.split_at(seen.len().div_ceil(10).min(25));
    let setting = |(i, values): (usize, &Values)| {
        let places =
            |trials: &[&Seen<'_>]| trials.iter().map(|trial| values.place(&trial.point[i])).collect::<Vec<_>>();
        let (good, bad) = (places(good), places(bad));
        match values {
            Values::Choice(all) => values.unwarp(choose(all.len(), candidates, &good, &bad, rng)),
            _ => values.unwarp(draw(values.bounds(), candidates, &good, &bad, rng)),
        }
    };
    space.iter().enumerate().map(setting).collect()
}

/// The index of a choice.
fn choose(choices: usize, candidates: usize, good: &[f64], bad: &[f64], rng: &mut SplitMix64) -> f64 {
    let shares = |places: &[f64]| {
        let mut counts = vec![1.0; choices];
        places.iter().for_each(|place| counts[*place as usize] += 1.0);
        let sum: f64 = counts.iter().sum();
        counts.into_iter().map(|count| count / sum).collect::<Vec<f64>>()
    };
    let (good, bad) = (shares(good), shares(bad));
    let mut draw = || {
        let mut rest = rng.uniform();
        let found = good.iter().position(|share| {
            rest -= share;
            rest < 0.0
        });
        found.unwrap_or(choices - 1)
    };
    let first = draw();
    best(first, (1..candidates).map(|_| draw()), |i| good[*i] / bad[*i]) as f64
}

/// A place on the scale of a range.
fn draw(bounds: (f64, f64), candidates: usize, good: &[f64], bad: &[f64], rng: &mut SplitMix64) -> f64 {
    let (good, bad) = (Parzen::of(bounds, good), Parzen::of(bounds, bad));
    let first = good.draw(rng);
    best(first, (1..candidates).map(|_| good.draw(rng)), |x| good.ln_density(*x) - bad.ln_density(*x))
}

/// The first of those with the greatest value.
fn best<T>(first: T, others: impl Iterator<Item = T>, value: impl Fn(&T) -> f64) -> T {
    others.fold(first, |best, other| if value(&other) > value(&best) { other } else { best })
}

/// Normal distributions, cut off at the ends of a range, equally likely.
struct Parzen {
    low: f64,
    high: f64,
    kernels: Vec<Kernel>,
}

struct Kernel {
    mean: f64,
    deviation: f64,
    /// The shares of the whole distribution below the range, and within it.
    below: f64,
    within: f64,
}

impl Parzen {
    fn of((low, high): (f64, f64), places: &[f64]) -> Self {
        let range = high - low;
        let mut places = places.to_vec();
        places.sort_by(f64::total_cmp);
        let least = range / (1.0 + places.len() as f64).min(100.0);
        let at = |i: usize| {
            let left = if i == 0 { low } else { places[i - 1] };
            let right = places.get(i + 1).copied().unwrap_or(high);
            let deviation = (places[i] - left).max(right - places[i]).clamp(least, range);
            (places[i], deviation)
        };
        let flat = ((low + high) / 2.0, range);
        let kernels = (0..places.len()).map(at).chain([flat]).map(|(mean, deviation)| {
            // A range of one value has no width to divide by.
            let deviation = deviation.max(f64::MIN_POSITIVE);
            let below = normal_cdf((low - mean) / deviation);
            Kernel { mean, deviation, below, within: normal_cdf((high - mean) / deviation) - below }
        });
        Self { low, high, kernels: kernels.collect() }
    }

    fn draw(&self, rng: &mut SplitMix64) -> f64 {
        let kernel = &self.kernels[rng.below(self.kernels.len() as u64) as usize];
        let x = kernel.mean + kernel.deviation * normal_quantile(kernel.below + rng.uniform() * kernel.within);
        if x.is_nan() { kernel.mean } else { x.clamp(self.low, self.high) }
    }

    /// Up to a constant.
    fn ln_density(&self, x: f64) -> f64 {
        let ln = |kernel: &Kernel| {
            let z = (x - kernel.mean) / kernel.deviation;
            -0.5 * z * z - kernel.deviation.ln() - kernel.within.max(f64::MIN_POSITIVE).ln()
        };
        let all: Vec<f64> = self.kernels.iter().map(ln).collect();
        let greatest = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        greatest + all.iter().map(|ln| (ln - greatest).exp()).sum::<f64>().ln() - (all.len() as f64).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sampler;
    use super::*;

    /// The loss of the best of `trials` on a bowl in three settings.
    fn search(sampler: Sampler, trials: usize, seed: u64) -> f64 {
        let space = [Values::uniform(-5.0, 5.0), Values::log_uniform(1e-4, 1.0), Values::choice(["a", "b", "c"])];
        let loss = |point: &[Json]| {
            let (x, y) = (point[0].as_f64().unwrap(), point[1].as_f64().unwrap());
            (x - 2.0).powi(2) + (y.log10() + 2.0).powi(2) + f64::from(u8::from(point[2] != "b"))
        };
        let mut points: Vec<(Vec<Json>, f64)> = Vec::new();
        for number in 0..trials {
            let seen: Vec<Seen<'_>> = points.iter().map(|(point, loss)| Seen { point, rung: 0, loss: *loss }).collect();
            let point = sampler.point(&space, seed, number, &seen).unwrap();
            let loss = loss(&point);
            points.push((point, loss));
        }
        points.into_iter().map(|(_, loss)| loss).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn it_finds_the_bottom_of_a_bowl_sooner_than_chance() {
        let sum = |sampler: Sampler| (0..20).map(|seed| search(sampler, 60, seed)).sum::<f64>();
        let (estimated, random) = (sum(Sampler::default()), sum(Sampler::Random));
        assert!(estimated < random / 2.0, "{estimated} against {random}");
    }

    #[test]
    fn it_stays_within_its_ranges() {
        let space = [Values::int(3, 3), Values::uniform(0.0, 1e-300), Values::log_int(1, 2), Values::choice([true])];
        let mut points: Vec<Vec<Json>> = Vec::new();
        for number in 0..40 {
            let seen: Vec<Seen<'_>> =
                points.iter().enumerate().map(|(i, point)| Seen { point, rung: i % 2, loss: i as f64 }).collect();
            let point = Sampler::Tpe { startup: 2, candidates: 3 }.point(&space, 1, number, &seen).unwrap();
            assert_eq!((&point[0], &point[3]), (&Json::from(3), &Json::from(true)));
            assert!((0.0..=1e-300).contains(&point[1].as_f64().unwrap()), "{}", point[1]);
            assert!((1..=2).contains(&point[2].as_i64().unwrap()), "{}", point[2]);
            points.push(point);
        }
    }
}
