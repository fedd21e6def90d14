//! Rows that are held back, and when to stop.

use mlops_core::random::SplitMix64;

/// Which rows to learn from and which to judge by: this share of each class (of all rows, if there
/// are none), drawn at random; both ascending.
pub(super) fn held_back(classes: Option<&[usize]>, rows: usize, share: f64, seed: u64) -> [Vec<usize>; 2] {
    let mut rng = SplitMix64::stream(seed, u64::MAX);
    let of = |row: usize| classes.map_or(0, |classes| classes[row]);
    let mut strata = vec![Vec::new(); (0..rows).map(of).max().map_or(0, |class| class + 1)];
    (0..rows).for_each(|row| strata[of(row)].push(row));
    let [mut learned, mut judged] = [Vec::new(), Vec::new()];
    for mut stratum in strata {
        rng.shuffle(&mut stratum);
        let count = (share * stratum.len() as f64).round() as usize;
        judged.extend_from_slice(&stratum[..count]);
        learned.extend_from_slice(&stratum[count..]);
    }
    learned.sort_unstable();
    judged.sort_unstable();
    [learned, judged]
}

/// Tells when a loss has not become better for some iterations.
#[derive(Debug)]
pub(super) struct Patience {
    patience: usize,
    tol: f64,
    losses: Vec<f64>,
}

impl Patience {
    pub(super) fn new(patience: usize, tol: f64) -> Self {
        Self { patience, tol, losses: Vec::new() }
    }

    /// Whether it is enough: none of the last losses is better, by more than `tol`, than the one
    /// before them.
    pub(super) fn is_over(&mut self, loss: f64) -> bool {
        self.losses.push(loss);
        let Some(before) = self.losses.len().checked_sub(self.patience + 1) else { return false };
        let wanted = self.losses[before] - self.tol;
        self.losses[before + 1..].iter().all(|loss| *loss >= wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_held_back() {
        let classes: Vec<usize> = (0..100).map(|i| usize::from(i % 10 == 0)).collect();
        let [learned, judged] = held_back(Some(&classes), 100, 0.2, 1);
        assert_eq!((learned.len(), judged.len()), (80, 20));
        assert_eq!(judged.iter().filter(|row| classes[**row] == 1).count(), 2);
        assert!(learned.iter().all(|row| !judged.contains(row)));
    }

    #[test]
    fn patience_ends() {
        let mut patience = Patience::new(2, 0.0);
        let over: Vec<bool> = [3.0, 2.0, 2.5, 1.9, 2.0, 1.9].map(|loss| patience.is_over(loss)).to_vec();
        assert_eq!(over, [false, false, false, false, false, true]);
    }
}
