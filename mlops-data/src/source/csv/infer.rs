//! Types of columns from the texts in them: all texts, not a sample.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit};

use super::quick;

/// What kinds of texts were seen in a column. Widens as more is seen, in any order: `Int64` to
/// `Float64`, `Date32` to `Timestamp`, everything else to `Utf8`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Seen(u16);

const BOOLEAN: u16 = 1;
const INTEGER: u16 = 1 << 1;
const FLOAT: u16 = 1 << 2;
const DATE: u16 = 1 << 3;
/// A time of no zone.
const LOCAL: u16 = 1 << 4;
/// A time with an offset.
const INSTANT: u16 = 1 << 5;
/// More than six digits of a second.
const NANOSECONDS: u16 = 1 << 6;
const TEXT: u16 = 1 << 7;
/// A year that nanoseconds can't hold.
const FAR_YEAR: u16 = 1 << 8;

impl Seen {
    /// Takes in one text that is not null, without spaces around it.
    pub(super) fn see(&mut self, text: &str) {
        if self.0 & TEXT == 0 {
            self.0 |= usual_kind(text).unwrap_or_else(|| kind(text));
        }
    }

    /// Whether nothing that is seen can change the type any more.
    pub(super) fn is_settled(self) -> bool {
        self.0 & TEXT != 0
    }

    /// Whether something was seen, and only text holds it.
    pub(super) fn is_text(self) -> bool {
        self != Self::default() && self.data_type() == DataType::Utf8
    }

    /// Takes in what was seen elsewhere.
    pub(super) fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// The type that holds everything seen; text if nothing was.
    pub(super) fn data_type(self) -> DataType {
        let unit = if self.0 & NANOSECONDS == 0 { TimeUnit::Microsecond } else { TimeUnit::Nanosecond };
        // Nanoseconds of a far year are text: a null or another precision would be a loss.
        if self.0 & NANOSECONDS != 0 && self.0 & FAR_YEAR != 0 {
            return DataType::Utf8;
        }
        match self.0 & !(NANOSECONDS | FAR_YEAR) {
            BOOLEAN => DataType::Boolean,
            INTEGER => DataType::Int64,
            kinds if kinds & !(INTEGER | FLOAT) == 0 && kinds != 0 => DataType::Float64,
            DATE => DataType::Date32,
            INSTANT => DataType::Timestamp(unit, Some(Arc::from("UTC"))),
            kinds if kinds & !(DATE | LOCAL) == 0 && kinds != 0 => DataType::Timestamp(unit, None),
            _ => DataType::Utf8,
        }
    }
}

/// The kind of a text of a usual form, told without Arrow.
fn usual_kind(text: &str) -> Option<u16> {
    let bytes = text.as_bytes();
    match bytes {
        [_, _, _, _, b'-', _, _, b'-', _, _] => quick::days(bytes).map(|_| DATE | year_kind(text)),
        [_, _, _, _, b'-', _, _, b'-', ..] => {
            quick::instant(bytes).map(|time| year_kind(text) | if time.utc { INSTANT } else { LOCAL })
        }
        [b'0'..=b'9' | b'-', ..] if quick::int(bytes).is_some() => Some(INTEGER),
        [b'0'..=b'9' | b'-' | b'.', ..] if bytes.iter().any(|b| matches!(b, b'.' | b'e' | b'E')) => {
            quick::float(bytes).map(|_| FLOAT)
        }
        _ => quick::boolean(bytes).map(|_| BOOLEAN),
    }
}

fn kind(text: &str) -> u16 {
    match text.as_bytes() {
        [b't' | b'T' | b'f' | b'F', ..] if ["true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word)) => {
            BOOLEAN
        }
        [_, _, _, _, b'-', _, _, b'-', ..] => time_kind(text),
        [b'0'..=b'9' | b'+' | b'-' | b'.', ..] => number_kind(text),
        _ if is_not_finite(text) => FLOAT,
        _ => TEXT,
    }
}

/// A whole number beyond `Int64` is text: as `Float64` it would be another one.
fn number_kind(text: &str) -> u16 {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return if Int64Type::parse(text).is_some() { INTEGER } else { TEXT };
    }
    let has_digit = digits.bytes().any(|b| b.is_ascii_digit());
    if (has_digit && Float64Type::parse(text).is_some()) || is_not_finite(digits) { FLOAT } else { TEXT }
}

fn is_not_finite(text: &str) -> bool {
    matches!(text, "NaN" | "nan" | "inf" | "Inf" | "Infinity")
}

/// ISO 8601, with `T` or a space. Arrow reads it when the batch is made, so it decides here too.
fn time_kind(text: &str) -> u16 {
    if text.len() == 10 {
        return if Date32Type::parse(text).is_some() { DATE | year_kind(text) } else { TEXT };
    }
    let time = match text.as_bytes()[10..] {
        [b'T' | b' ', ..] => &text.as_bytes()[11..],
        _ => return TEXT,
    };
    if time.get(2) != Some(&b':') || !is_time(text) {
        return TEXT;
    }
    let fraction = time.iter().skip_while(|b| **b != b'.').skip(1).take_while(|b| b.is_ascii_digit()).count();
    let zone = if time.iter().any(|b| matches!(b, b'Z' | b'z' | b'+' | b'-')) { INSTANT } else { LOCAL };
    match fraction {
        0..=6 => zone | year_kind(text),
        7..=9 => zone | year_kind(text) | NANOSECONDS,
        _ => TEXT,
    }
}

fn is_time(text: &str) -> bool {
    "+00:00".parse::<Tz>().is_ok_and(|utc| string_to_datetime(&utc, text).is_ok())
}

fn year_kind(text: &str) -> u16 {
    let year = text.get(..4).and_then(|year| year.parse().ok());
    if year.is_some_and(|year: u16| (1678..2262).contains(&year)) { 0 } else { FAR_YEAR }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infer(texts: &[&str]) -> DataType {
        let mut seen = Seen::default();
        texts.iter().for_each(|text| seen.see(text));
        seen.data_type()
    }

    #[test]
    fn finds_the_narrowest_type_that_loses_nothing() {
        let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Arc::from));
        for (texts, expected) in [
            (&["1", "-2", "+3", "04"][..], DataType::Int64),
            (&["1", "2.5", "1e9", "NaN", "-inf", ".5", "7."], DataType::Float64),
            (&["1", "x"], DataType::Utf8),
            (&["true", "False", "TRUE"], DataType::Boolean),
            (&["true", "1"], DataType::Utf8),
            (&["2013-01-01", "2013-12-31"], DataType::Date32),
            (&["2013-01-01", "2013-12-31 05:00:00"], micros(None)),
            (&["2013-01-01T05:00:00Z", "2013-01-01T05:00:00.5+01:00"], micros(Some("UTC"))),
            (&["2013-01-01T05:00:00Z", "2013-01-01T05:00:00"], DataType::Utf8),
            (&["2013-01-01T05:00:00.1234567"], DataType::Timestamp(TimeUnit::Nanosecond, None)),
            (&["2013-01-01T05:00:00.1234567", "9999-01-01T00:00:00"], DataType::Utf8),
            (&["2013-01-01T05:00:00.1234567", "1600-01-01"], DataType::Utf8),
            (&["9999-01-01T00:00:00", "0001-01-01"], micros(None)),
            (&["9223372036854775808"], DataType::Utf8),
            (&["2013-02-30"], DataType::Utf8),
            (&["1,000"], DataType::Utf8),
            (&["0x1F"], DataType::Utf8),
            (&["-"], DataType::Utf8),
            (&["N301AA"], DataType::Utf8),
            (&[], DataType::Utf8),
        ] {
            assert_eq!(infer(texts), expected, "{texts:?}");
        }
    }
}
