//! Mutations that keep the structure of an input: of a JSON value a node is changed, not a byte of its
//! text, which would mostly end as a syntax error.

use mlops::core::random::SplitMix64;
use serde_json::{Map, Number, Value as Json, json};

use crate::targets::Form;
use crate::targets::parts::{self, Part};

/// One mutation in so many is the fuzzer's own, of bytes.
const BYTES: u64 = 4;

/// Changes the first `size` bytes of `data`, which has room for `max_size`, and gives how many there
/// are then.
pub fn mutate(form: Form, data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut rng = SplitMix64::new(seed.into());
    let mutated = match form {
        _ if rng.below(BYTES) == 0 => None,
        Form::Bytes => None,
        Form::Json => json_text(&data[..size], &mut rng),
        Form::Parts => Some(some_part(&data[..size], &mut rng)),
    };
    match mutated.filter(|bytes| bytes.len() <= max_size) {
        Some(bytes) => {
            data[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
}

fn below(rng: &mut SplitMix64, end: usize) -> usize {
    rng.below(end.max(1) as u64) as usize
}

fn some_part(data: &[u8], rng: &mut SplitMix64) -> Vec<u8> {
    let mut parts = parts::split(data);
    if parts.is_empty() {
        return parts::join(&[Part::new(0, *b"{}")]);
    }
    let at = below(rng, parts.len());
    match rng.below(16) {
        0 => drop(parts.remove(at)),
        1 => parts.insert(at, parts[at].clone()),
        2 => {
            let other = below(rng, parts.len());
            parts.swap(at, other);
        }
        3 => parts[at].tag = parts[at].tag.wrapping_add(1 << rng.below(8)),
        _ => {
            let bytes = &mut parts[at].bytes;
            match json_text(bytes, rng) {
                Some(mutated) => *bytes = mutated,
                None => bytes_of(bytes),
            }
        }
    }
    parts::join(&parts)
}

/// The fuzzer's own mutation of a part.
fn bytes_of(bytes: &mut Vec<u8>) {
    let size = bytes.len();
    bytes.resize(size + 64, 0);
    let mutated = libfuzzer_sys::fuzzer_mutate(bytes, size, size + 64);
    bytes.truncate(mutated);
}

/// The text with some nodes changed; `None` if it is no JSON.
fn json_text(text: &[u8], rng: &mut SplitMix64) -> Option<Vec<u8>> {
    let mut value: Json = serde_json::from_slice(text).ok()?;
    for _ in 0..=rng.below(8) / 6 {
        let donor = nth(&value, below(rng, count(&value))).cloned().unwrap_or_default();
        let at = place(&value, rng)?;
        change(nth_mut(&mut value, at)?, donor, rng);
    }
    serde_json::to_vec(&value).ok()
}

/// A node, mostly one without others in it: what such a one says is read last.
fn place(value: &Json, rng: &mut SplitMix64) -> Option<usize> {
    let draws = (0..4).map(|_| below(rng, count(value))).collect::<Vec<_>>();
    let leaf = draws.iter().copied().find(|at| nth(value, *at).is_some_and(|node| children(node).next().is_none()));
    leaf.filter(|_| rng.below(5) > 0).or(draws.first().copied())
}

fn count(value: &Json) -> usize {
    1 + children(value).map(count).sum::<usize>()
}

fn children(value: &Json) -> Box<dyn Iterator<Item = &Json> + '_> {
    match value {
        Json::Array(values) => Box::new(values.iter()),
        Json::Object(values) => Box::new(values.values()),
        _ => Box::new(std::iter::empty()),
    }
}

fn nth(value: &Json, mut n: usize) -> Option<&Json> {
    if n == 0 {
        return Some(value);
    }
    n -= 1;
    for child in children(value) {
        let size = count(child);
        if n < size {
            return nth(child, n);
        }
        n -= size;
    }
    None
}

fn nth_mut(value: &mut Json, mut n: usize) -> Option<&mut Json> {
    if n == 0 {
        return Some(value);
    }
    n -= 1;
    let children: Box<dyn Iterator<Item = &mut Json>> = match value {
        Json::Array(values) => Box::new(values.iter_mut()),
        Json::Object(values) => Box::new(values.values_mut()),
        _ => return None,
    };
    for child in children {
        let size = count(child);
        if n < size {
            return nth_mut(child, n);
        }
        n -= size;
    }
    None
}

fn change(value: &mut Json, donor: Json, rng: &mut SplitMix64) {
    match rng.below(24) {
        0 | 1 => *value = donor,
        2 => *value = edge(rng),
        3 => *value = json!([value.take()]),
        _ => inside(value, donor, rng),
    }
}

fn inside(value: &mut Json, donor: Json, rng: &mut SplitMix64) {
    match value {
        Json::Array(values) => in_list(values, donor, rng),
        Json::Object(values) => in_map(values, donor, rng),
        Json::Number(number) => *value = near(number, rng),
        Json::String(text) => in_text(text, donor, rng),
        Json::Bool(value) => *value = !*value,
        Json::Null => *value = edge(rng),
    }
}

fn in_list(values: &mut Vec<Json>, donor: Json, rng: &mut SplitMix64) {
    let at = below(rng, values.len() + 1);
    match rng.below(6) {
        0 if at < values.len() => drop(values.remove(at)),
        1 if at < values.len() => values.insert(at, values[at].clone()),
        2 if at < values.len() => {
            let other = below(rng, values.len());
            values.swap(at, other);
        }
        3 => values.truncate(at),
        4 if at < values.len() && values.len() < 64 => {
            let again = values[at].clone();
            values.extend(std::iter::repeat_n(again, 40));
        }
        _ => values.insert(at, donor),
    }
}

fn in_map(values: &mut Map<String, Json>, donor: Json, rng: &mut SplitMix64) {
    let keys: Vec<String> = values.keys().cloned().collect();
    let Some(key) = keys.get(below(rng, keys.len())) else { return };
    match rng.below(4) {
        0 => drop(values.remove(key)),
        1 => drop(values.insert(key.clone(), donor)),
        2 => {
            let other = &keys[below(rng, keys.len())];
            let (a, b) = (values[key].clone(), values[other].clone());
            values.insert(other.clone(), a);
            values.insert(key.clone(), b);
        }
        _ => {
            // An enum's variant, or a name.
            let value = values.remove(key).unwrap_or_default();
            let name = if let Json::String(name) = donor { name } else { WORDS[below(rng, WORDS.len())].to_owned() };
            values.insert(name, value);
        }
    }
}

fn near(number: &Number, rng: &mut SplitMix64) -> Json {
    let step = [1, -1, 2, 7, 100, -100][below(rng, 6)];
    match (number.as_i64(), number.as_f64()) {
        _ if rng.below(4) == 0 => edge(rng),
        (Some(_), _) if rng.below(8) == 0 => json!(u64::MAX),
        (Some(_), _) if rng.below(3) == 0 => json!(LIMITS[below(rng, LIMITS.len())]),
        (None, _) if rng.below(3) == 0 => json!(FLOATS[below(rng, FLOATS.len())]),
        (Some(n), _) if rng.below(3) > 0 => json!(n.saturating_add(step)),
        (Some(n), _) => json!(n.saturating_mul(step)),
        (None, Some(x)) if rng.below(2) == 0 => json!(x * step as f64),
        (None, Some(x)) => json!(f64::from_bits(x.to_bits() ^ (1 << rng.below(64)))),
        (None, None) => edge(rng),
    }
}

fn in_text(text: &mut String, donor: Json, rng: &mut SplitMix64) {
    match (rng.below(6), donor) {
        (0, Json::String(donor)) => *text = donor,
        (1, Json::String(donor)) => text.push_str(&donor),
        (2, _) => text.clear(),
        (3, _) => drop(text.pop()),
        (4, _) => {
            let mut bytes = std::mem::take(text).into_bytes();
            bytes_of(&mut bytes);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        _ => *text = WORDS[below(rng, WORDS.len())].to_owned(),
    }
}

fn edge(rng: &mut SplitMix64) -> Json {
    let edges = [
        json!(0),
        json!(-1),
        json!(1),
        json!(0.5),
        json!(-0.0),
        json!(1e308),
        json!(-1e308),
        json!(5e-324),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(u32::MAX),
        json!(i32::MAX),
        json!(65_536),
        json!(null),
        json!(true),
        json!(false),
        json!([]),
        json!({}),
        json!(""),
    ];
    let words = WORDS.len() + edges.len();
    let at = below(rng, words);
    edges.get(at).cloned().unwrap_or_else(|| json!(WORDS[at - edges.len()]))
}

const LIMITS: &[i64] =
    &[0, 1, -1, 255, 256, 65_535, 1 << 31, (1 << 32) - 1, 1 << 53, i64::MAX, i64::MIN, i32::MAX as i64];
const FLOATS: &[f64] = &[0.0, -0.0, 1.0, -1.0, f64::MAX, f64::MIN, 5e-324, 1e-300, 1e18, -1e18, 0.1];

/// What the formats speak of.
const WORDS: &[&str] = &[
    "NaN",
    "inf",
    "-inf",
    "UTC",
    "+01:00",
    "Europe/Oslo",
    "é",
    "\u{0}",
    "a\nb",
    "999999999999999999999",
    "2013-02-30",
    "2013-01-01T05:00:00Z",
    "0001-01-01",
    "[a-z]{1,1000}",
    "(?i)x*",
    "distance",
    "origin",
    "tailnum",
    "time_hour",
    "day",
    "late",
    "month",
    "seats",
    "small",
    "arr",
    "dep",
    "note",
    "all",
    "any",
    "binary",
    "cast",
    "value",
    "to",
    "column",
    "in",
    "list",
    "is_null",
    "literal",
    "not",
    "or_else",
    "op",
    "left",
    "right",
    "add",
    "divide",
    "eq",
    "gt",
    "gt_eq",
    "lt",
    "lt_eq",
    "multiply",
    "not_eq",
    "remainder",
    "subtract",
    "bool",
    "float",
    "int",
    "null",
    "text",
    "Null",
    "Boolean",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Float16",
    "Float32",
    "Float64",
    "Utf8",
    "LargeUtf8",
    "Utf8View",
    "Binary",
    "Date32",
    "Date64",
    "FixedSizeBinary",
    "Second",
    "Millisecond",
    "Microsecond",
    "Nanosecond",
    "YearMonth",
    "DayTime",
    "within",
    "one_of",
    "unique",
    "matches",
    "length",
    "finite",
    "never_null",
    "fail",
    "warn",
    "quarantine",
    "min",
    "max",
    "regression",
    "classification",
    "BOOL",
    "BYTES",
    "FP32",
    "FP64",
    "INT8",
    "INT64",
    "UINT64",
    "shape",
    "datatype",
    "data",
    "parameters",
    "inputs",
    "outputs",
    "id",
];
