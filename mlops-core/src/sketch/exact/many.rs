//! Adding many numbers at once.

use super::ExactSum;

/// Terms that are folded together; their number bounds the bits that a fold may take.
pub(in crate::sketch) const BLOCK: usize = 1024;

/// Additions that go on side by side.
const LANES: usize = 8;

/// Numbers that are about to be added: at most [`BLOCK`], zeros behind them.
#[derive(Clone, Debug)]
pub(in crate::sketch) struct Terms {
    values: [f64; BLOCK],
    len: usize,
}

impl Terms {
    pub(in crate::sketch) fn of(values: &[f64]) -> Self {
        let mut terms = Self { values: [0.0; BLOCK], len: values.len() };
        terms.values[..values.len()].copy_from_slice(values);
        terms
    }

    pub(in crate::sketch) fn each(values: &[f64], f: impl Fn(f64) -> f64) -> Self {
        let mut terms = Self { values: [0.0; BLOCK], len: values.len() };
        terms.values.iter_mut().zip(values).for_each(|(term, x)| *term = f(*x));
        terms
    }
}

impl Terms {
    pub(in crate::sketch) fn pairs(xs: &[f64], ys: &[f64], f: impl Fn(f64, f64) -> f64) -> Self {
        let mut terms = Self { values: [0.0; BLOCK], len: xs.len() };
        terms.values.iter_mut().zip(xs.iter().zip(ys)).for_each(|(term, (x, y))| *term = f(*x, *y));
        terms
    }
}

impl ExactSum {
    /// Adds terms of which none is greater than `bound` in magnitude.
    ///
    /// Each round cuts the 43 leading bits of the greatest term off all of them, by adding and
    /// subtracting a number so large that the rest is rounded away (Rump, Ogita and Oishi, "Accurate
    /// floating-point summation part I", 2008). What was cut off is so short that floats add up 2^10
    /// of it without rounding, and side by side; what is left is cut again. Two or three rounds end
    /// it for data of like size.
    pub(in crate::sketch) fn drain(&mut self, mut terms: Terms, bound: f64) {
        let values = &mut terms.values[..terms.len.next_multiple_of(LANES)];
        let mut greatest = bound;
        while greatest > 0.0 {
            let field = greatest.to_bits() >> 52;
            if !(64..2030).contains(&field) {
                return values.iter().for_each(|&x| self.add(x));
            }
            // 1.5 · 2^(e + 9), where every term is below 2^e.
            let sieve = f64::from_bits((field + 10) << 52 | 1 << 51);
            let mut sums = [0.0; LANES];
            let mut left = [0.0; LANES];
            for chunk in values.chunks_exact_mut(LANES) {
                for ((x, sum), left) in chunk.iter_mut().zip(&mut sums).zip(&mut left) {
                    let head = (*x + sieve) - sieve;
                    *sum += head;
                    *x -= head;
                    let size = x.abs();
                    *left = if size > *left { size } else { *left };
                }
            }
            let sum: f64 = sums.iter().sum();
            if sum != 0.0 {
                self.add(sum);
            }
            greatest = left.into_iter().fold(0.0, f64::max);
        }
    }
}

/// The least magnitude that isn't 0, and the greatest, of numbers of which none is NaN; infinity and
/// 0 if all are 0.
pub(in crate::sketch) fn extent(values: &[f64]) -> (f64, f64) {
    let (mut least, mut greatest) = ([f64::INFINITY; LANES], [0.0; LANES]);
    let mut widen = |lane: usize, x: f64| {
        let size = x.abs();
        let nonzero = if size > 0.0 { size } else { f64::INFINITY };
        least[lane] = if nonzero < least[lane] { nonzero } else { least[lane] };
        greatest[lane] = if size > greatest[lane] { size } else { greatest[lane] };
    };
    let chunks = values.chunks_exact(LANES);
    chunks.remainder().iter().for_each(|&x| widen(0, x));
    chunks.for_each(|chunk| (0..LANES).for_each(|lane| widen(lane, chunk[lane])));
    (least.into_iter().fold(f64::INFINITY, f64::min), greatest.into_iter().fold(0.0, f64::max))
}

/// Whether no number is NaN or infinite.
pub(in crate::sketch) fn all_finite(values: &[f64]) -> bool {
    let mut poison = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|x| x * 0.0).sum();
    chunks.for_each(|chunk| poison.iter_mut().zip(chunk).for_each(|(poison, x)| *poison += x * 0.0));
    rest + poison.iter().sum::<f64>() == 0.0
}

/// No rounding error of a product is greater than the product by this.
pub(in crate::sketch) const HALF_ULP: f64 = f64::EPSILON / 2.0;

/// `x · y` as the nearest float and what is missing to the exact product (Veltkamp, Dekker 1971),
/// unless either over- or underflows.
#[inline(always)]
pub(in crate::sketch) fn product(x: f64, y: f64) -> (f64, f64) {
    let split = |x: f64| {
        let far = 134_217_729.0 * x;
        let high = far - (far - x);
        (high, x - high)
    };
    let ((a, b), (c, d)) = (split(x), split(y));
    let rounded = x * y;
    (rounded, ((a * c - rounded) + (a * d + b * c)) + b * d)
}
