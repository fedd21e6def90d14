//! Exact dyadic numbers of any size: the normal form of an accumulator and the arithmetic to finish
//! with.

use std::ops::RangeInclusive;

/// The exact number `±Σ limbs[i] · 2^(32·(base + i))`.
///
/// Zero has no limbs, base 0 and a positive sign; otherwise the first and the last limb are not
/// zero. Equal numbers therefore have equal fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) negative: bool,
    pub(super) base: i32,
    pub(super) limbs: Vec<u32>,
}

impl Fixed {
    /// Where the limbs of a stored sum may lie: products of two floats reach from 2^-2148 to
    /// 2^2048, and 2^64 of them to 2^2112.
    pub(super) const STORED: RangeInclusive<i32> = -68..=71;

    /// The number `Σ chunks[i] · 2^(32·(base + i))` of signed, overlapping chunks, each below 2^62
    /// in magnitude.
    pub(super) fn from_chunks(base: i32, chunks: &[i64]) -> Self {
        let (limbs, carry) = propagate(chunks.iter().copied());
        let negative = carry < 0;
        let (mut limbs, carry) = if negative { propagate(chunks.iter().map(|chunk| -chunk)) } else { (limbs, carry) };
        limbs.extend([carry as u32, (carry >> 32) as u32]);
        Self { negative, base, limbs }.trimmed()
    }

    /// A finite float, exactly.
    pub(super) fn from_f64(x: f64) -> Self {
        let (mantissa, exponent) = decode(x);
        let wide = u128::from(mantissa) << (exponent & 31);
        let limbs = vec![wide as u32, (wide >> 32) as u32, (wide >> 64) as u32];
        Self { negative: x < 0.0, base: exponent >> 5, limbs }.trimmed()
    }

    /// Whether the fields are what this type promises, and in the range of a sum.
    pub(super) fn is_canonical(&self) -> bool {
        match (self.limbs.first(), self.limbs.last()) {
            (Some(first), Some(last)) => {
                let end = i64::from(self.base) + self.limbs.len() as i64 - 1;
                *first != 0 && *last != 0 && Self::STORED.contains(&self.base) && end <= i64::from(*Self::STORED.end())
            }
            _ => self.base == 0 && !self.negative,
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// `self · other`, schoolbook: the finish of a fold multiplies numbers of at most some 140
    /// limbs, once.
    pub(super) fn times(&self, other: &Self) -> Self {
        let mut limbs = vec![0u32; self.limbs.len() + other.limbs.len()];
        for (i, &a) in self.limbs.iter().enumerate() {
            let mut carry = 0u64;
            for (limb, b) in limbs[i..].iter_mut().zip(other.limbs.iter().copied().chain([0])) {
                let t = u64::from(a) * u64::from(b) + u64::from(*limb) + carry;
                *limb = t as u32;
                carry = t >> 32;
            }
        }
        Self { negative: self.negative != other.negative, base: self.base + other.base, limbs }.trimmed()
    }

    /// `self · n`.
    pub(super) fn times_count(&self, n: u64) -> Self {
        let count = Self { negative: false, base: 0, limbs: vec![n as u32, (n >> 32) as u32] };
        self.times(&count.trimmed())
    }

    /// `self + other`.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut opposite = other.clone();
        opposite.negative = !opposite.negative && !opposite.is_zero();
        self.minus(&opposite)
    }

    /// `self - other`.
    pub(super) fn minus(&self, other: &Self) -> Self {
        if other.is_zero() {
            return self.clone();
        }
        let base = if self.is_zero() { other.base } else { self.base.min(other.base) };
        let end = |number: &Self| (number.base - base) as usize + number.limbs.len();
        let mut chunks = vec![0i64; if self.is_zero() { end(other) } else { end(self).max(end(other)) }];
        for (number, sign) in [(self, 1), (other, -1)] {
            let sign = if number.negative { -sign } else { sign };
            for (i, &limb) in number.limbs.iter().enumerate() {
                chunks[(number.base - base) as usize + i] += sign * i64::from(limb);
            }
        }
        Self::from_chunks(base, &chunks)
    }

    /// The float nearest to this number, ties to even, subnormals and overflow to infinity
    /// included.
    pub(super) fn to_f64(&self) -> f64 {
        round(self.negative, self.base, &self.limbs, false)
    }

    /// The float nearest to `self / (d₁ · d₂ · …)`: one rounding of the exact quotient. No divisor
    /// may be zero.
    pub(super) fn divided_by(&self, divisors: &[u64]) -> f64 {
        let guard = 4 + 2 * divisors.len();
        let mut limbs = vec![0; guard];
        limbs.extend(&self.limbs);
        let mut inexact = false;
        for &divisor in divisors {
            let mut rest = 0u128;
            for limb in limbs.iter_mut().rev() {
                let t = rest << 32 | u128::from(*limb);
                *limb = (t / u128::from(divisor)) as u32;
                rest = t % u128::from(divisor);
            }
            inexact |= rest != 0;
        }
        round(self.negative, self.base - guard as i32, &limbs, inexact)
    }

    fn trimmed(mut self) -> Self {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        let zeros = self.limbs.iter().take_while(|limb| **limb == 0).count();
        self.limbs.drain(..zeros);
        if self.limbs.is_empty() { Self::default() } else { Self { base: self.base + zeros as i32, ..self } }
    }
}

/// The magnitude of a finite float as `mantissa · 2^exponent`.
pub(super) fn decode(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let field = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let implicit = u64::from(field != 0) << 52;
    (fraction | implicit, field.max(1) - 1075)
}

/// Brings chunks into digits of 32 bits and a signed carry out of the last.
fn propagate(chunks: impl Iterator<Item = i64>) -> (Vec<u32>, i64) {
    let mut carry = 0;
    let digits = chunks.map(|chunk| {
        let t = chunk + carry;
        carry = t >> 32;
        t as u32
    });
    let digits = digits.collect();
    (digits, carry)
}

/// Rounds `±(limbs + ε) · 2^(32·base)` to the nearest float, where 0 ≤ ε < 1 and `inexact` says
/// whether ε > 0.
fn round(negative: bool, base: i32, limbs: &[u32], inexact: bool) -> f64 {
    let sign = if negative { -1.0 } else { 1.0 };
    let Some(top) = limbs.iter().rposition(|limb| *limb != 0) else {
        return 0.0;
    };
    let head = (0..4).fold(0u128, |head, i| head << 32 | top.checked_sub(i).map_or(0, |j| u128::from(limbs[j])));
    let sticky = inexact || limbs[..top.saturating_sub(3)].iter().any(|limb| *limb != 0);

    let head_zeros = head.leading_zeros() as i32;
    let head = head << head_zeros;
    let exponent = 32 * (base + top as i32) + 31 - head_zeros;
    if exponent > 1023 {
        return sign * f64::INFINITY;
    }
    let kept = (exponent + 1075).min(53);
    if kept < 0 {
        return sign * 0.0;
    }
    let (mantissa, rest) = match kept {
        0 => (0, head),
        kept => ((head >> (128 - kept)) as u64, head << kept),
    };
    let half = 1u128 << 127;
    let up = rest > half || rest == half && (sticky || mantissa & 1 == 1);
    sign * (mantissa + u64::from(up)) as f64 * power_of_two(exponent - kept + 1)
}

/// 2^exponent for -1074 ≤ exponent ≤ 1023.
fn power_of_two(exponent: i32) -> f64 {
    if exponent >= -1022 {
        f64::from_bits(((exponent + 1023) as u64) << 52)
    } else {
        f64::from_bits(1 << (exponent + 1074))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finite() -> impl Strategy<Value = f64> {
        any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |x| x.is_finite())
    }

    proptest! {
        #[test]
        fn floats_survive(x in finite()) {
            let fixed = Fixed::from_f64(x);
            prop_assert!(fixed.is_canonical());
            prop_assert_eq!(fixed.to_f64(), x);
        }

        #[test]
        fn a_product_rounds_as_the_hardware_does(x in finite(), y in finite()) {
            prop_assert_eq!(Fixed::from_f64(x).times(&Fixed::from_f64(y)).to_f64(), x * y);
        }

        #[test]
        fn a_difference_rounds_as_the_hardware_does(x in finite(), y in finite()) {
            prop_assert_eq!(Fixed::from_f64(x).minus(&Fixed::from_f64(y)).to_f64(), x - y);
        }

        #[test]
        fn a_quotient_rounds_as_the_hardware_does(x in finite(), n in 1u64..1 << 53, m in 1u64..1 << 20) {
            prop_assert_eq!(Fixed::from_f64(x).divided_by(&[n]), x / n as f64);
            let n = n >> 20 | 1;
            prop_assert_eq!(Fixed::from_f64(x).divided_by(&[n, m]), x / (n * m) as f64);
        }
    }

    #[test]
    fn halves_round_to_even_unless_something_lies_below() {
        let tie = Fixed::from_f64(9_007_199_254_740_992.0).minus(&Fixed::from_f64(-1.0));
        assert_eq!(tie.to_f64(), 9_007_199_254_740_992.0);
        assert_eq!(tie.minus(&Fixed::from_f64(-5e-324)).to_f64(), 9_007_199_254_740_994.0);
        let half_of_least = Fixed::from_f64(5e-324).times(&Fixed::from_f64(0.5));
        assert_eq!(half_of_least.to_f64(), 0.0);
        assert_eq!(half_of_least.minus(&Fixed::from_f64(-5e-324)).to_f64(), 1e-323);
    }
}
