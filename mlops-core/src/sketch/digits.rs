//! Numbers as text, six bits a character (the alphabet of base64url): a third of what decimals take,
//! and read at a few characters a nanosecond.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number::Number;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters to a word of 64 bits, most significant first.
const WIDTH: usize = 11;

/// The character for the lowest six bits.
pub(super) fn digit(six: u64) -> char {
    char::from(DIGITS[(six & 63) as usize])
}

/// The values of characters that are all digits.
pub(super) fn sextets(text: &str) -> Result<Vec<u8>, &'static str> {
    let sextets: Vec<u8> = text.bytes().map(sextet).collect();
    let valid = sextets.iter().fold(true, |valid, six| valid & (*six < 64));
    if valid { Ok(sextets) } else { Err("a character is no digit") }
}

/// The value of a digit; else 255. Without a branch or a table, so that many are read at once.
#[inline(always)]
fn sextet(byte: u8) -> u8 {
    let from = |first: u8, count: u8, value: u8| {
        let at = byte.wrapping_sub(first);
        if at < count { at + value } else { u8::MAX }
    };
    from(b'A', 26, 0) & from(b'a', 26, 26) & from(b'0', 10, 52) & from(b'-', 1, 62) & from(b'_', 1, 63)
}

/// Eleven characters a word.
pub(super) fn write_words(words: impl Iterator<Item = u64>) -> String {
    words.flat_map(|word| (0..WIDTH).rev().map(move |i| digit(word >> (6 * i)))).collect()
}

/// What [`write_words`] wrote.
pub(super) fn read_words(text: &str) -> Result<Vec<u64>, &'static str> {
    let digits = sextets(text)?;
    let (words, rest) = digits.as_chunks::<WIDTH>();
    if !rest.is_empty() {
        return Err("a word has 11 digits");
    }
    if words.iter().any(|word| word[0] >= 16) {
        return Err("a word is above 2^64");
    }
    Ok(words.iter().map(|word| word.iter().fold(0, |value, &six| value << 6 | u64::from(six))).collect())
}

/// Floats as the words of their bits in text formats; read also from a list, as they were written
/// before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Floats(pub(super) Vec<f64>);

impl Serialize for Floats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&write_words(self.0.iter().map(|x| x.to_bits())))
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Floats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(TextOrList).map(Self)
        } else {
            Vec::deserialize(deserializer).map(Self)
        }
    }
}

struct TextOrList;

impl<'de> Visitor<'de> for TextOrList {
    type Value = Vec<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("floats as eleven digits each, or a list of numbers")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<f64>, E> {
        let words = read_words(text).map_err(E::custom)?;
        Ok(words.into_iter().map(f64::from_bits).collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<f64>, A::Error> {
        let mut floats = Vec::new();
        while let Some(Number(x)) = list.next_element()? {
            floats.push(x);
        }
        Ok(floats)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_survive(words in prop::collection::vec(any::<u64>(), 0..9)) {
            let text = write_words(words.iter().copied());
            prop_assert_eq!(text.len(), WIDTH * words.len());
            prop_assert_eq!(read_words(&text), Ok(words));
        }

        #[test]
        fn what_is_no_word_is_refused(text in "[A-Z_!é]{0,24}") {
            let is_word = text.len() % WIDTH == 0 && text.bytes().all(|byte| DIGITS.contains(&byte));
            prop_assert!(is_word || read_words(&text).is_err());
        }
    }

    #[test]
    fn every_digit_has_its_value_and_nothing_else_has_one() {
        for byte in 0..=u8::MAX {
            let value = DIGITS.iter().position(|digit| *digit == byte).map_or(u8::MAX, |value| value as u8);
            assert_eq!(sextet(byte), value, "{byte}");
        }
    }

    #[test]
    fn floats_are_read_from_words_and_from_lists() {
        let floats = Floats(vec![0.1, f64::INFINITY, -5e-324]);
        let text = serde_json::to_string(&floats).unwrap();
        assert_eq!(serde_json::from_str::<Floats>(&text).unwrap(), floats);
        assert_eq!(serde_json::from_str::<Floats>(r#"[0.1, "inf", -5e-324]"#).unwrap(), floats);
        for wrong in ["3", r#""AAAA""#, r#"[true]"#, "null"] {
            assert!(serde_json::from_str::<Floats>(wrong).is_err(), "{wrong}");
        }
    }
}
