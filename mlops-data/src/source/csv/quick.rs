//! The usual forms of values, read straight from bytes.
//!
//! Whatever is unusual is `None` here and left to Arrow; what is read here has the value that Arrow
//! would give.

/// A whole number of at most 18 digits.
pub(super) fn int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// Powers of ten that are exact.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A decimal number, with a fraction or an exponent or neither.
///
/// Digits that fit into 53 bits, times or by an exact power of ten, are rounded once and so right
/// (W. D. Clinger, "How to read floating point numbers accurately", 1990); others are read by the
/// standard library.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut digits: u64 = 0;
    let whole = read_digits(rest, &mut digits);
    let mut at = whole;
    let mut fraction = 0;
    if rest.get(at) == Some(&b'.') {
        fraction = read_digits(&rest[at + 1..], &mut digits);
        at += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if at == rest.len() && whole + fraction <= 19 && digits < 1 << 53 && fraction < TENS.len() {
        let value = digits as f64 / TENS[fraction];
        return Some(if negative { -value } else { value });
    }
    is_exponent(&rest[at..]).then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// Reads leading digits; how many there are.
fn read_digits(text: &[u8], value: &mut u64) -> usize {
    let mut count = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        // More than 19 digits are counted, and read by somebody else.
        *value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    count
}

fn is_exponent(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b'e' | b'E', b'+' | b'-', digits @ ..] | [b'e' | b'E', digits @ ..] => {
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// `true` or `false`, in any case.
pub(super) fn boolean(text: &[u8]) -> Option<bool> {
    match text.len() {
        4 if text.eq_ignore_ascii_case(b"true") => Some(true),
        5 if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// The days from 1970-01-01 to a date of the form `YYYY-MM-DD`.
pub(super) fn days(text: &[u8]) -> Option<i32> {
    let [a, b, c, d, b'-', e, f, b'-', g, h] = *text else { return None };
    let year = two(a, b)? * 100 + two(c, d)?;
    let (month, day) = (two(e, f)?, two(g, h)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i32::from(leap),
        _ => return None,
    };
    if year == 0 || day == 0 || day > last {
        return None;
    }
    // H. Hinnant, "chrono-compatible low-level date algorithms", 2013: years begin in March.
    let shifted = year - i32::from(month <= 2);
    let (era, year_of_era) = (shifted / 400, shifted % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

fn two(tens: u8, ones: u8) -> Option<i32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i32::from(tens) * 10 + i32::from(ones))
}

/// A time of a day: microseconds since 1970, and whether it is said to be in UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Instant {
    pub(super) micros: i64,
    pub(super) utc: bool,
}

/// `YYYY-MM-DD`, `T` or a space, `HH:MM:SS`, at most six digits of a second, and maybe `Z`.
pub(super) fn instant(text: &[u8]) -> Option<Instant> {
    let (date, time) = text.split_first_chunk::<10>()?;
    let day_micros = i64::from(days(date)?) * 86_400_000_000;
    let (clock, rest) = time.split_first_chunk::<9>()?;
    let [b'T' | b' ', a, b, b':', c, d, b':', e, f] = *clock else { return None };
    let (hours, minutes, seconds) = (two(a, b)?, two(c, d)?, two(e, f)?);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let mut micros = day_micros + i64::from(hours * 3600 + minutes * 60 + seconds) * 1_000_000;
    let mut rest = rest;
    if let [b'.', fraction @ ..] = rest {
        let mut value = 0;
        let digits = read_digits(fraction, &mut value);
        if !(1..=6).contains(&digits) {
            return None;
        }
        // At most six digits.
        micros += value as i64 * 10_i64.pow(6 - digits as u32);
        rest = &fraction[digits..];
    }
    match rest {
        [] => Some(Instant { micros, utc: false }),
        [b'Z'] => Some(Instant { micros, utc: true }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::timezone::Tz;
    use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
    use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn values_are_those_of_arrow(
            number in "[+-]?[0-9]{0,20}",
            decimal in "-?[0-9]{0,19}\\.?[0-9]{0,24}(e[+-]?[0-9]{1,3})?",
            date in "[0-9]{4}-[01][0-9]-[0-3][0-9]",
            time in "[T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,7})?Z?",
        ) {
            if let Some(value) = int(number.as_bytes()) {
                prop_assert_eq!(Some(value), Int64Type::parse(&number));
            }
            if let Some(value) = float(decimal.as_bytes()) {
                prop_assert_eq!(Some(value.to_bits()), Float64Type::parse(&decimal).map(f64::to_bits), "{}", decimal);
            }
            if let Some(value) = days(date.as_bytes()) {
                prop_assert_eq!(Some(value), Date32Type::parse(&date));
            }
            let time = date + &time;
            if let Some(value) = instant(time.as_bytes()) {
                let utc: Tz = "+00:00".parse().unwrap();
                let expected = string_to_datetime(&utc, &time).unwrap();
                prop_assert_eq!(value, Instant { micros: expected.timestamp_micros(), utc: time.ends_with('Z') });
            }
        }
    }

    #[test]
    fn the_usual_forms_are_read() {
        assert_eq!(int(b"-999999999999999999"), Some(-999_999_999_999_999_999));
        assert_eq!((int(b""), int(b"-"), int(b"1e3"), int(b"+1")), (None, None, None, None));
        assert_eq!(float(b"-0.0").map(f64::to_bits), Some((-0.0_f64).to_bits()));
        assert_eq!(
            (float(b"12.5"), float(b".5"), float(b"7."), float(b"1e-7")),
            (Some(12.5), Some(0.5), Some(7.0), Some(1e-7))
        );
        assert_eq!((float(b"."), float(b"-"), float(b"1e"), float(b"1x")), (None, None, None, None));
        assert_eq!((days(b"1970-01-01"), days(b"2000-02-29"), days(b"1900-02-29")), (Some(0), Some(11_016), None));
        assert_eq!((boolean(b"TRUE"), boolean(b"False"), boolean(b"yes")), (Some(true), Some(false), None));
        assert!(instant(b"2013-01-01T24:00:00").is_none());
    }
}
