//! Counting the values of a batch when they are few.

use mlops_core::sketch::{Kll, Moments};

/// More different values than a sketch of quantiles holds exactly are not worth counting.
const MOST: usize = 1024;

/// How often each key occurs, in order of first occurrence; none if there are more than [`MOST`].
pub(super) fn few(keys: impl ExactSizeIterator<Item = u64>) -> Option<Vec<(u64, u64)>> {
    let mut slots = vec![(0u64, 0u32); (2 * keys.len().min(MOST)).next_power_of_two().max(16)];
    let mask = slots.len() - 1;
    let mut order = Vec::new();
    for key in keys {
        // Fibonacci hashing: the upper bits depend on all of the key.
        let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & mask;
        loop {
            let (known, count) = &mut slots[at];
            if *count == 0 {
                if order.len() == MOST {
                    return None;
                }
                (*known, *count) = (key, 1);
                order.push(at);
                break;
            }
            if *known == key {
                *count += 1;
                break;
            }
            at = (at + 1) & mask;
        }
    }
    Some(order.into_iter().map(|at| (slots[at].0, u64::from(slots[at].1))).collect())
}

/// Takes in lengths, which mostly are few.
pub(super) fn take_lengths(lengths: &[u32], moments: &mut Moments, quantiles: &mut Kll) {
    if let Some(counts) = few(lengths.iter().map(|length| u64::from(*length))) {
        let counts: Vec<(f64, u64)> = counts.into_iter().map(|(length, times)| (length as f64, times)).collect();
        if quantiles.tally(&counts) {
            return counts.iter().for_each(|(length, times)| moments.add(*length, *times));
        }
    }
    let lengths: Vec<f64> = lengths.iter().map(|length| f64::from(*length)).collect();
    moments.update_slice(&lengths);
    quantiles.update_slice(&lengths);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_unless_there_are_too_many() {
        assert_eq!(few([7, 0, 7, 7].into_iter()), Some(vec![(7, 3), (0, 1)]));
        assert_eq!(few(std::iter::empty::<u64>().collect::<Vec<_>>().into_iter()), Some(vec![]));
        let many: Vec<u64> = (0..MOST as u64).chain(0..MOST as u64).collect();
        assert!(few(many.iter().copied()).unwrap().iter().all(|(_, count)| *count == 2));
        assert_eq!(few((0..=MOST as u64).collect::<Vec<_>>().into_iter()), None);
    }
}
