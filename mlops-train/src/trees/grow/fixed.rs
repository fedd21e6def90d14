//! Gradients and Hessians as whole numbers.

/// A sum over rows: the gradients in the first word, the Hessians and the number of rows in the
/// second. Added and subtracted word by word, wrapping.
pub(crate) type Cell = [u64; 2];

/// How gradients and Hessians of so many rows are written as whole numbers.
///
/// For `n` rows the count takes `b = log2(n + 1)` bits of a word, a sum of Hessians the other
/// `63 - b`; so a Hessian has `63 - 2b` bits, which are 29 for 100,000 rows and 23 for a million, and a
/// gradient `62 - b`, which are 45 and 42: more than the `f32` of other libraries. Scales are powers
/// of two, so a Hessian of 1, or a target of 0 and 1, is exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fixed {
    gradient: f64,
    hessian: f64,
    shift: u32,
}

/// A sum, decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sums {
    pub(crate) gradient: f64,
    pub(crate) hessian: f64,
    pub(crate) count: u64,
}

impl Fixed {
    /// For `rows` rows with gradients and Hessians up to these; the latter are not negative.
    pub(crate) fn new(rows: usize, max_gradient: f64, max_hessian: f64) -> Self {
        let shift = 64 - (rows as u64).leading_zeros();
        let scale = |bits: u32, max: f64| {
            // Of the first power of two above `max`; the logarithm of 0 is no matter.
            let exponent = if max > 0.0 { max.log2().floor() + 1.0 } else { 0.0 };
            (f64::from(bits) - exponent).clamp(-1000.0, 1000.0).exp2()
        };
        Self {
            gradient: scale(62 - shift, max_gradient),
            hessian: scale(63u32.saturating_sub(2 * shift).max(1), max_hessian),
            shift,
        }
    }

    /// One row.
    #[inline]
    pub(crate) fn cell(&self, gradient: f64, hessian: f64) -> Cell {
        let hessian = (hessian * self.hessian + 0.5) as i64 as u64;
        [(gradient * self.gradient) as i64 as u64, hessian << self.shift | 1]
    }

    #[inline]
    pub(crate) fn sums(&self, cell: Cell) -> Sums {
        Sums {
            gradient: cell[0] as i64 as f64 / self.gradient,
            hessian: (cell[1] >> self.shift) as i64 as f64 / self.hessian,
            count: self.count(cell),
        }
    }

    /// How many rows were added up.
    #[inline]
    pub(super) fn count(&self, cell: Cell) -> u64 {
        cell[1] & ((1 << self.shift) - 1)
    }

    /// The factors that make numbers of the words' parts, and the shift of the Hessian.
    pub(super) fn factors(&self) -> (f64, f64, u32) {
        (self.gradient.recip(), self.hessian.recip(), self.shift)
    }
}

#[inline(always)]
pub(super) fn add(sum: &mut Cell, cell: Cell) {
    *sum = [sum[0].wrapping_add(cell[0]), sum[1].wrapping_add(cell[1])];
}

#[inline(always)]
pub(super) fn less(all: Cell, part: Cell) -> Cell {
    [all[0].wrapping_sub(part[0]), all[1].wrapping_sub(part[1])]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_are_near_and_counts_exact(rows in proptest::collection::vec((-1e3f64..1e3, 0.0f64..10.0), 1..300)) {
            let fixed = Fixed::new(rows.len(), 1e3, 10.0);
            let mut sum = [0; 2];
            rows.iter().for_each(|(g, h)| add(&mut sum, fixed.cell(*g, *h)));
            let sums = fixed.sums(sum);
            prop_assert_eq!(sums.count, rows.len() as u64);
            prop_assert!((sums.gradient - rows.iter().map(|(g, _)| g).sum::<f64>()).abs() < 1e-8);
            prop_assert!((sums.hessian - rows.iter().map(|(_, h)| h).sum::<f64>()).abs() < 1e-8);
            let first = fixed.cell(rows[0].0, rows[0].1);
            let mut rest = [0; 2];
            rows[1..].iter().for_each(|(g, h)| add(&mut rest, fixed.cell(*g, *h)));
            prop_assert_eq!(less(sum, first), rest);
        }
    }

    #[test]
    fn the_greatest_fit() {
        for rows in [1, 2, 3, 1 << 20, 1 << 24] {
            for max in [1.0, 1.5, 1e-250, 1e300, 0.0, 0.25] {
                let fixed = Fixed::new(rows, max, max);
                let cell = fixed.cell(-max, max);
                let sum = [cell[0].wrapping_mul(rows as u64), cell[1].wrapping_mul(rows as u64)];
                let sums = fixed.sums(sum);
                assert_eq!(sums.count, rows as u64);
                let expected = max * rows as f64;
                assert!((sums.gradient + expected).abs() <= 1e-9 * expected, "{rows} of {max}: {sums:?}");
                assert!((sums.hessian - expected).abs() <= 1e-2 * expected, "{rows} of {max}: {sums:?}");
            }
        }
    }

    #[test]
    fn small_whole_numbers_are_exact() {
        let fixed = Fixed::new(1_000_000, 1.0, 1.0);
        let sums = fixed.sums(fixed.cell(-1.0, 1.0));
        assert_eq!(sums, Sums { gradient: -1.0, hessian: 1.0, count: 1 });
    }
}
