//! Decimal numbers of PostgreSQL.

use mlops_core::{Error, Result};

const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;
const NEGATIVE: u16 = 0x4000;

/// A decimal as the server sends it: digits of base 10,000, the first worth 10,000 to the `weight`.
pub(super) struct Numeric<'a> {
    digits: &'a [u8],
    weight: i16,
    sign: u16,
}

impl<'a> Numeric<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (head, digits) = bytes.split_first_chunk::<8>()?;
        let word = |i: usize| u16::from_be_bytes([head[i], head[i + 1]]);
        (digits.len() == 2 * usize::from(word(0))).then_some(Self { digits, weight: word(2) as i16, sign: word(4) })
    }

    fn digits(&self) -> impl Iterator<Item = u16> {
        self.digits.chunks_exact(2).map(|digit| u16::from_be_bytes([digit[0], digit[1]]))
    }

    /// The power of ten that the last decimal digit is worth.
    fn exponent(&self) -> i32 {
        (i32::from(self.weight) + 1 - (self.digits.len() / 2) as i32) * 4
    }

    /// The nearest float.
    pub(super) fn to_f64(&self) -> f64 {
        match self.sign {
            NAN => f64::NAN,
            INFINITY => f64::INFINITY,
            NEGATIVE_INFINITY => f64::NEG_INFINITY,
            sign => {
                let mut text = String::from(if sign == NEGATIVE { "-0" } else { "0" });
                self.digits().for_each(|digit| text.push_str(&format!("{digit:04}")));
                text.push_str(&format!("e{}", self.exponent()));
                // Digits and an exponent are always a number.
                text.parse().unwrap_or(f64::NAN)
            }
        }
    }

    /// The digits of a decimal of `precision` and `scale`.
    ///
    /// # Errors
    /// `Data` if it has more digits, or is not finite.
    pub(super) fn to_decimal(&self, precision: u8, scale: i8) -> Result<i128> {
        let fits = self.unscaled(i32::from(scale)).filter(|value| value.unsigned_abs() < 10_u128.pow(precision.into()));
        fits.ok_or_else(|| {
            Error::data(format!(
                "{} is no decimal of {precision} digits, {scale} of them after the point: round it in the query, or read \
                 it as a wider one with with_type()",
                self.to_f64()
            ))
        })
    }

    fn unscaled(&self, scale: i32) -> Option<i128> {
        if self.sign != 0 && self.sign != NEGATIVE {
            return None;
        }
        let mut value = 0_i128;
        for (i, digit) in self.digits().enumerate() {
            // The power of ten that this digit is worth, in units of the last place.
            let power = (i32::from(self.weight) - i as i32) * 4 + scale;
            let (worth, rest) = match (power >= 0, 10_i128.checked_pow(power.unsigned_abs())) {
                _ if digit == 0 => (Some(0), 0),
                (true, Some(power)) => (power.checked_mul(digit.into()), 0),
                (false, Some(power)) => (Some(i128::from(digit) / power), i128::from(digit) % power),
                (_, None) => (None, 0),
            };
            value = value.checked_add(worth.filter(|_| rest == 0)?)?;
        }
        Some(if self.sign == NEGATIVE { -value } else { value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(digits: &[u16], weight: i16, sign: u16) -> Vec<u8> {
        let head = [digits.len() as u16, weight as u16, sign, 0];
        head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn digits_of_ten_thousand_are_a_number() {
        let bytes = bytes(&[1, 2345, 6700], 1, NEGATIVE); // -12345.67
        let number = Numeric::new(&bytes).unwrap();
        assert_eq!(number.to_f64(), -12345.67);
        assert_eq!(number.to_decimal(10, 2).unwrap(), -1_234_567);
        assert_eq!(number.to_decimal(10, 4).unwrap(), -123_456_700);
        assert!(number.to_decimal(10, 1).is_err(), "a digit would be lost");
        assert!(number.to_decimal(6, 2).is_err(), "seven digits");
        let bytes = self::bytes(&[12, 3456, 7890, 1234, 5678, 9012, 3456, 7890, 1234, 5600], 4, 0);
        let exact = Numeric::new(&bytes).unwrap().to_decimal(38, 18).unwrap();
        assert_eq!(
            exact, 123_456_789_012_345_678_901_234_567_890_123_456,
            "the blanks of the last digit are no digits"
        );
    }

    #[test]
    fn zero_and_what_is_no_number() {
        let zero = bytes(&[], 0, 0);
        assert_eq!(Numeric::new(&zero).unwrap().to_decimal(38, 38).unwrap(), 0);
        assert_eq!(Numeric::new(&zero).unwrap().to_f64(), 0.0);
        let nan = bytes(&[], 0, NAN);
        assert!(Numeric::new(&nan).unwrap().to_f64().is_nan());
        assert!(Numeric::new(&nan).unwrap().to_decimal(10, 2).is_err());
        assert!(Numeric::new(&[0; 7]).is_none());
        assert!(Numeric::new(&[0, 1, 0, 0, 0, 0, 0, 0]).is_none(), "a digit is missing");
    }
}
