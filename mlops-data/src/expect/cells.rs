//! Checks of single values, a column of a batch at a time.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, PrimitiveArray, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type,
};
use mlops_core::Result;
use mlops_core::columns::{numbers, texts};

use super::Interval;
use super::hash::Xxh3;
use super::judge::Failed;
use super::pattern::Pattern;

/// A check of one value.
#[derive(Debug)]
pub(super) enum CellTest {
    /// From the first tick to the last.
    Between(i64, i64),
    Finite,
    Length(Interval),
    Matches(Pattern),
    NeverNull,
    NumberOneOf(Vec<f64>),
    TextOneOf(TextSet),
    /// From the least number to the greatest.
    Within((f64, f64)),
}

/// A set of texts.
#[derive(Debug)]
pub(super) struct TextSet(HashSet<String, BuildHasherDefault<Xxh3>>);

impl<'a> FromIterator<&'a str> for TextSet {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        Self(texts.into_iter().map(str::to_owned).collect())
    }
}

/// A column of a batch, converted at most once for all checks of it.
pub(super) struct Cells<'a> {
    column: &'a ArrayRef,
    name: &'a str,
    /// Whether no value is left to look at.
    all_null: bool,
    numbers: OnceCell<Float64Array>,
    texts: OnceCell<StringArray>,
}

impl<'a> Cells<'a> {
    pub(super) fn of(column: &'a ArrayRef, name: &'a str) -> Self {
        let all_null = column.logical_null_count() == column.len();
        Self { column, name, all_null, numbers: OnceCell::new(), texts: OnceCell::new() }
    }

    pub(super) fn failed(&self, test: &CellTest) -> Result<Failed> {
        Ok(match test {
            CellTest::NeverNull => {
                let nulls = self.column.logical_nulls().filter(|nulls| nulls.null_count() > 0);
                nulls.map(|nulls| !nulls.inner())
            }
            _ if self.all_null => None,
            CellTest::Between(first, last) => {
                let ticks: ArrayRef = cast(self.column, &DataType::Int64)?;
                let ticks: &Int64Array = ticks.as_primitive();
                outside(ticks, |tick| (tick < *first) | (tick > *last))
            }
            CellTest::Finite => match self.column.data_type() {
                DataType::Float64 => outside(self.column.as_primitive::<Float64Type>(), |x| !x.is_finite()),
                DataType::Float32 => outside(self.column.as_primitive::<Float32Type>(), |x| !x.is_finite()),
                integer if integer.is_integer() => None,
                _ => outside(self.numbers()?, |x| !x.is_finite()),
            },
            CellTest::Length(interval) => self.failed_texts(|text| interval.contains(text.chars().count() as f64))?,
            CellTest::Matches(pattern) => pattern.matching(|matches| self.failed_texts(matches))?,
            CellTest::NumberOneOf(values) => outside(self.numbers()?, |value| !values.contains(&value)),
            CellTest::TextOneOf(values) => self.failed_texts(|text| values.0.contains(text))?,
            CellTest::Within(bounds) => self.not_within(*bounds)?,
        })
    }

    /// Compares in the column's own type where it has one of the usual ones.
    fn not_within(&self, (min, max): (f64, f64)) -> Result<Failed> {
        macro_rules! whole {
            ($($data_type:ident => $arrow:ty),*) => {
                match self.column.data_type() {
                    DataType::Float64 => outside(self.column.as_primitive::<Float64Type>(), |x| !((x >= min) & (x <= max))),
                    DataType::Float32 => outside(self.column.as_primitive::<Float32Type>(), |x| {
                        !((f64::from(x) >= min) & (f64::from(x) <= max))
                    }),
                    $(DataType::$data_type => {
                        type Native = <$arrow as ArrowPrimitiveType>::Native;
                        // A float that is out of range becomes the nearest integer, which may be inside.
                        let none = min.ceil() > Native::MAX as f64 || max.floor() < Native::MIN as f64;
                        let (min, max) = if none { (1, 0) } else { (min.ceil() as Native, max.floor() as Native) };
                        outside(self.column.as_primitive::<$arrow>(), |x| (x < min) | (x > max))
                    })*
                    _ => outside(self.numbers()?, |x| !((x >= min) & (x <= max))),
                }
            };
        }
        Ok(whole!(Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type,
            UInt8 => UInt8Type, UInt16 => UInt16Type, UInt32 => UInt32Type))
    }

    /// Looks at each entry of a dictionary once.
    fn failed_texts(&self, passes: impl FnMut(&str) -> bool) -> Result<Failed> {
        let Some(dictionary) = self.column.as_any_dictionary_opt() else { return Ok(failed_of(self.texts()?, passes)) };
        let Some(entries) = failed_of(&texts(dictionary.values(), self.name)?, passes) else { return Ok(None) };
        let keys = dictionary.normalized_keys();
        let failed = BooleanBuffer::collect_bool(keys.len(), |row| entries.value(keys[row]));
        Ok(some_rows(match self.column.logical_nulls() {
            Some(nulls) => &failed & nulls.inner(),
            None => failed,
        }))
    }

    fn numbers(&self) -> Result<&Float64Array> {
        if let Some(numbers) = self.numbers.get() {
            return Ok(numbers);
        }
        let numbers = numbers(self.column, self.name)?;
        Ok(self.numbers.get_or_init(|| numbers))
    }

    fn texts(&self) -> Result<&StringArray> {
        if let Some(texts) = self.texts.get() {
            return Ok(texts);
        }
        let texts = texts(self.column, self.name)?;
        Ok(self.texts.get_or_init(|| texts))
    }
}

/// The texts that do not pass; short ones that come again are looked at once.
fn failed_of(texts: &StringArray, mut passes: impl FnMut(&str) -> bool) -> Failed {
    let mut memo = Memo::new();
    let failed = BooleanBuffer::collect_bool(texts.len(), |row| !memo.passes(texts.value(row), &mut passes));
    some_rows(match texts.nulls() {
        Some(nulls) => &failed & nulls.inner(),
        None => failed,
    })
}

/// The verdicts on the short texts that came last, by a hash of them.
struct Memo {
    texts: [u64; Self::SLOTS],
    passed: [bool; Self::SLOTS],
}

impl Memo {
    const SLOTS: usize = 256;

    fn new() -> Self {
        // No text is written as 0.
        Self { texts: [0; Self::SLOTS], passed: [false; Self::SLOTS] }
    }

    fn passes(&mut self, text: &str, mut passes: impl FnMut(&str) -> bool) -> bool {
        let Some(packed) = packed(text) else { return passes(text) };
        let slot = (packed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize;
        if self.texts[slot] != packed {
            (self.texts[slot], self.passed[slot]) = (packed, passes(text));
        }
        self.passed[slot]
    }
}

/// A text of at most seven bytes in one number; different for every text, and never 0.
fn packed(text: &str) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes[..7].get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    bytes[7] = text.len() as u8 + 1;
    Some(u64::from_le_bytes(bytes))
}

/// The values that are bad. Whether there is any is found out first, nulls included, without a branch
/// a value.
fn outside<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, bad: impl Fn(T::Native) -> bool) -> Failed {
    let raw: &[T::Native] = values.values();
    if !raw.iter().fold(false, |any, value| any | bad(*value)) {
        return None;
    }
    let failed = BooleanBuffer::collect_bool(raw.len(), |row| bad(raw[row]));
    some_rows(match values.nulls() {
        Some(nulls) => &failed & nulls.inner(),
        None => failed,
    })
}

pub(super) fn some_rows(failed: BooleanBuffer) -> Failed {
    (failed.count_set_bits() > 0).then_some(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_pack_into_different_numbers() {
        let texts = ["", "\0", "a", "a\0", "abcdefg", "ü"];
        let packed: HashSet<_> = texts.iter().map(|text| packed(text).unwrap()).collect();
        assert_eq!(packed.len(), texts.len());
        assert!(super::packed("abcdefgh").is_none() && !packed.contains(&0));
    }
}
