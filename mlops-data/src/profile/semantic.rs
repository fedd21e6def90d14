use std::fmt;

use mlops_core::sketch::Hit;
use serde::{Deserialize, Serialize};

use super::infer::begins_with_date;
use super::{ColumnProfile, Meaning, NumberProfile, TextProfile, Values};

/// A pattern must fit so many of the texts that were looked at; a few may be misspelt.
const MOST: f64 = 0.8;
/// Whole numbers of at most so many different values name something rather than count it.
const FEW: f64 = 24.0;

/// What the values of a column are about, judged by looking at them: a suggestion, not a fact.
///
/// Patterns of texts are looked for in the most frequent ones and in a sample of all.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::profile::{Profile, Semantic};
/// # let batch = arrow::array::record_batch!(("contact", Utf8, ["a@example.com", "b.c@mail.example.org"]))?;
/// let profile = Profile::of(&Table::from_batch(batch))?;
/// assert_eq!(profile.columns()[0].semantic(), Semantic::Email);
/// assert!(Semantic::Email.is_sensitive());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Semantic {
    /// True or false.
    Boolean,
    /// Numbers of payment cards: 13 to 19 digits with a right check digit (ISO/IEC 7812).
    Card,
    /// One of many rows' common values.
    Category,
    /// A date, a time or a span.
    Date,
    /// Addresses of electronic mail.
    Email,
    /// Nothing: every value is null.
    Empty,
    /// A name of the row: all values differ, as far as can be told.
    Id,
    /// A number to compute with.
    Number,
    /// Numbers of telephones.
    Phone,
    /// Free text.
    Text,
    /// The type is not looked into.
    Unknown,
}

impl Semantic {
    /// Whether the values tell who somebody is, or pay in their name: not to be learned from, shown
    /// or kept without need.
    pub fn is_sensitive(self) -> bool {
        matches!(self, Self::Card | Self::Email | Self::Phone)
    }
}

impl fmt::Display for Semantic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Boolean => "boolean",
            Self::Card => "card",
            Self::Category => "category",
            Self::Date => "date",
            Self::Email => "email",
            Self::Empty => "empty",
            Self::Id => "id",
            Self::Number => "number",
            Self::Phone => "phone",
            Self::Text => "text",
            Self::Unknown => "unknown",
        })
    }
}

impl ColumnProfile {
    /// What the values seem to be about.
    pub fn semantic(&self) -> Semantic {
        if self.count() == 0 {
            return Semantic::Empty;
        }
        let (distinct, exact) = self.distinct().unwrap_or((f64::INFINITY, false));
        let meaning = super::infer::meaning(self);
        match self.values() {
            Values::Boolean(_) => Semantic::Boolean,
            Values::Binary(_) | Values::Counted | Values::List(_) => Semantic::Unknown,
            Values::Temporal(_) => Semantic::Date,
            Values::Number(numbers) if is_card_numbers(numbers) => Semantic::Card,
            Values::Number(_) if meaning == Meaning::Identifier => Semantic::Id,
            Values::Number(numbers) if numbers.fractions() == 0 && exact && distinct <= FEW => {
                if distinct * FEW <= self.count() as f64 { Semantic::Category } else { Semantic::Number }
            }
            Values::Number(_) => Semantic::Number,
            Values::Text(texts) => semantic_of_texts(texts, meaning, distinct),
        }
    }
}

fn semantic_of_texts(texts: &TextProfile, meaning: Meaning, distinct: f64) -> Semantic {
    let share = |is: fn(&str) -> bool| share(texts, is);
    let words = |text: &str| text.split_whitespace().count() > 2;
    match () {
        () if share(is_email) >= MOST => Semantic::Email,
        () if share(is_card) >= MOST => Semantic::Card,
        () if share(is_phone) >= MOST => Semantic::Phone,
        () if share(begins_with_date) == 1.0 => Semantic::Date,
        () if share(words) >= 0.5 && meaning != Meaning::Category => Semantic::Text,
        () if meaning == Meaning::Identifier => Semantic::Id,
        () if distinct <= texts.total() as f64 / 2.0 => Semantic::Category,
        () => Semantic::Text,
    }
}

/// What share of the texts that are known to have this property; 0 if none is known.
pub(super) fn share(texts: &TextProfile, is: impl Fn(&str) -> bool) -> f64 {
    // Each text once: a frequent placeholder among addresses does not make them no addresses.
    let listed: Vec<Hit> = if texts.sample().next().is_none() { texts.top(100) } else { Vec::new() };
    let known: Vec<&str> = texts.sample().chain(listed.iter().map(|hit| hit.value.as_str())).collect();
    let known: Vec<&str> = known.into_iter().filter(|text| !text.is_empty()).collect();
    known.iter().filter(|text| is(text)).count() as f64 / known.len().max(1) as f64
}

/// `local@domain.tld` without anything around it.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let labels = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    let ends_in_name = domain.rsplit('.').next().is_some_and(|top| top.chars().all(char::is_alphabetic));
    // Of a long text only the beginning may be known.
    let domain = domain.trim_end_matches('…');
    !local.is_empty()
        && local.chars().all(plain)
        && domain.contains('.')
        && domain.split('.').all(labels)
        && ends_in_name
}

/// A number as people write those of telephones: with a `+`, parentheses or separators.
fn is_phone(text: &str) -> bool {
    let text = text.trim();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let written = text.chars().all(|c| c.is_ascii_digit() || "+-()/. \u{a0}".contains(c));
    let inside = text.trim_start_matches('+');
    let separated = digits >= 9 && inside.contains(['-', ' ', '/']);
    let numbered = text.starts_with('+') || text.starts_with("00") || text.contains('(') || separated;
    written && numbered && (7..=15).contains(&digits) && !inside.contains('+') && !begins_with_date(text)
}

/// 13 to 19 digits with a right check digit, maybe in groups.
fn is_card(text: &str) -> bool {
    let text = text.trim();
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let written = text.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '-');
    written && (13..=19).contains(&digits.len()) && passes_luhn(&digits)
}

/// The check of Luhn (1960): every second digit from the right is doubled, and digits add up to a
/// multiple of ten.
fn passes_luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(i, digit)| if i % 2 == 1 { doubled(*digit) } else { *digit }).sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit > 0)
}

fn is_card_numbers(numbers: &NumberProfile) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let long = numbers.min().is_some_and(|min| min >= 1e12) && numbers.max().is_some_and(|max| max < 1e19);
    if !long || numbers.fractions() > 0 {
        return false;
    }
    let known = numbers.sketch().weighted_values();
    let known: Vec<f64> = known.into_iter().map(|(x, _)| x).filter(|x| *x < EXACT).collect();
    let cards = known.iter().filter(|x| is_card(&format!("{x:.0}"))).count();
    known.len() >= 8 && cards as f64 >= MOST * known.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_what_looks_like_them() {
        assert!(["a@b.org", "first.last+tag@mail.example.co", "müller@example.com"].into_iter().all(is_email));
        assert!(!["a@b", "a b@c.org", "@c.org", "a@.org", "a@b.1", "ab.org", "a@b@c.org"].into_iter().any(is_email));
    }

    #[test]
    fn telephones_are_told_from_dates_codes_and_numbers() {
        assert!(["+49 30 1234567", "(212) 555-0142", "212-555-0142", "0049301234567"].into_iter().all(is_phone));
        assert!(
            !["2013-01-01", "12345678", "3.14159265", "555-0142", "A-212-555-0142", "1-2"].into_iter().any(is_phone)
        );
    }

    #[test]
    fn cards_have_a_check_digit() {
        // Numbers that payment processors publish for tests.
        assert!(["4111111111111111", "5500 0000 0000 0004", "3400-000000-00009"].into_iter().all(is_card));
        assert!(
            !["4111111111111112", "0000000000000000", "411111111111", "4111x111111111111"].into_iter().any(is_card)
        );
    }
}
