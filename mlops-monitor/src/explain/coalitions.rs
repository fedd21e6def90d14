use mlops_core::random::SplitMix64;

/// Which inputs have the values of the explained row; the others have those of the background.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Coalitions {
    inputs: usize,
    how: How,
}

#[derive(Clone, Debug, PartialEq)]
enum How {
    /// All of them: the i-th holds the inputs whose bits are set in i.
    All,
    /// Those on the way from none to all, input by input, in each of several orders; without the
    /// first and the last, which every order shares.
    Along(Vec<Vec<usize>>),
}

impl Coalitions {
    pub(super) fn all(inputs: usize) -> Self {
        Self { inputs, how: How::All }
    }

    /// `pairs` random orders and the reverse of each: what one overestimates, the other
    /// underestimates.
    pub(super) fn along(inputs: usize, pairs: usize, seed: u64) -> Self {
        let orders = (0..pairs as u64).flat_map(|i| {
            let mut order: Vec<usize> = (0..inputs).collect();
            SplitMix64::stream(seed, i).shuffle(&mut order);
            let reverse = order.iter().rev().copied().collect();
            [order, reverse]
        });
        Self { inputs, how: How::Along(orders.collect()) }
    }

    /// How many values must be known.
    pub(super) fn len(&self) -> usize {
        match &self.how {
            How::All => 1 << self.inputs,
            How::Along(orders) => 2 + orders.len() * self.inputs.saturating_sub(1),
        }
    }

    /// For each input, whether it is in the `i`-th coalition. The first has none, the last all.
    pub(super) fn members(&self, i: usize) -> Vec<bool> {
        match &self.how {
            How::All => (0..self.inputs).map(|input| i >> input & 1 == 1).collect(),
            How::Along(_) if i == 0 => vec![false; self.inputs],
            How::Along(_) if i + 1 == self.len() => vec![true; self.inputs],
            How::Along(orders) => {
                let (order, steps) = ((i - 1) / (self.inputs - 1), (i - 1) % (self.inputs - 1) + 1);
                let mut members = vec![false; self.inputs];
                orders[order][..steps].iter().for_each(|input| members[*input] = true);
                members
            }
        }
    }

    /// The contributions of the inputs, by the value of each coalition.
    pub(super) fn contributions(&self, values: &[f64]) -> Vec<f64> {
        match &self.how {
            How::All => self.exact(values),
            How::Along(orders) => self.sampled(orders, values),
        }
    }

    /// Shapley's formula: what an input adds to a coalition, weighed by the share of orders in
    /// which just that coalition comes before it.
    fn exact(&self, values: &[f64]) -> Vec<f64> {
        let weights = weights(self.inputs);
        let mut contributions = vec![0.0; self.inputs];
        for (i, value) in values.iter().enumerate() {
            let size = i.count_ones() as usize;
            for (input, contribution) in contributions.iter_mut().enumerate() {
                let bit = 1 << input;
                if i & bit == 0 {
                    *contribution += weights[size] * (values[i | bit] - value);
                }
            }
        }
        contributions
    }

    fn sampled(&self, orders: &[Vec<usize>], values: &[f64]) -> Vec<f64> {
        let (first, last) = (values[0], values[values.len() - 1]);
        let steps = self.inputs.saturating_sub(1);
        let mut contributions = vec![0.0; self.inputs];
        for (o, order) in orders.iter().enumerate() {
            let mut before = first;
            let after = values[1 + o * steps..][..steps].iter().chain([&last]);
            for (input, after) in order.iter().zip(after) {
                contributions[*input] += (after - before) / orders.len() as f64;
                before = *after;
            }
        }
        contributions
    }
}

/// size! (inputs - size - 1)! / inputs! for each size of a coalition.
fn weights(inputs: usize) -> Vec<f64> {
    let mut weights = Vec::with_capacity(inputs);
    let mut weight = 1.0 / inputs.max(1) as f64;
    for size in 0..inputs {
        weights.push(weight);
        weight *= (size + 1) as f64 / (inputs - size - 1).max(1) as f64;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A game in which pairs of neighbours are worth more together.
    fn worth(members: &[bool]) -> f64 {
        let single = members.iter().enumerate().map(|(i, m)| f64::from(u8::from(*m)) * (i + 1) as f64).sum::<f64>();
        single + members.windows(2).filter(|pair| pair[0] && pair[1]).count() as f64
    }

    #[test]
    fn both_ways_share_out_the_whole() {
        for coalitions in [Coalitions::all(4), Coalitions::along(4, 3, 7)] {
            let values: Vec<f64> = (0..coalitions.len()).map(|i| worth(&coalitions.members(i))).collect();
            let contributions = coalitions.contributions(&values);
            assert!((contributions.iter().sum::<f64>() - 13.0).abs() < 1e-12, "{contributions:?}");
            // An order and its reverse share out pairs evenly, so here both ways are exact.
            for (got, exact) in contributions.iter().zip([1.5, 3.0, 4.0, 4.5]) {
                assert!((got - exact).abs() < 1e-12, "{contributions:?}");
            }
        }
    }

    #[test]
    fn one_input_or_none_is_no_special_case() {
        for coalitions in [Coalitions::all(1), Coalitions::along(1, 2, 0)] {
            assert_eq!(coalitions.len(), 2);
            assert_eq!(coalitions.contributions(&[1.0, 4.0]), [3.0]);
        }
        assert!(Coalitions::all(0).contributions(&[1.0]).is_empty());
    }
}
