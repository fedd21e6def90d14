use proptest::prelude::*;

use super::super::digits::digit;
use super::super::testing::Stream;
use super::*;

fn sketch_of(hashes: impl IntoIterator<Item = u64>) -> HyperLogLog {
    let mut sketch = HyperLogLog::default();
    hashes.into_iter().for_each(|hash| sketch.insert_hash(hash));
    sketch
}

fn json(sketch: &HyperLogLog) -> String {
    serde_json::to_string(sketch).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn order_repetition_and_merges_leave_no_trace(n in 0usize..5000, parts in 1usize..5, seed: u64) {
        let mut stream = Stream(seed);
        let mut hashes: Vec<u64> = (0..n).map(|_| stream.bits()).collect();
        let whole = sketch_of(hashes.iter().copied());
        prop_assert_eq!(whole.is_exact(), n <= HyperLogLog::EXACT);
        let repeated: Vec<u64> = hashes.iter().copied().take(n / 3).collect();
        hashes.extend(repeated);
        stream.shuffle(&mut hashes);
        let mut pieces = vec![HyperLogLog::default(); parts];
        hashes.iter().for_each(|&hash| pieces[(stream.bits() % parts as u64) as usize].insert_hash(hash));
        let merged = pieces.into_iter().reduce(|mut a, b| { a.merge(&b); a }).unwrap();
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(json(&merged), json(&whole));
        prop_assert_eq!(&serde_json::from_str::<HyperLogLog>(&json(&whole)).unwrap(), &whole);
    }

    #[test]
    fn hostile_state_is_refused_or_harmless(text in "[A-Z0-9_-]{0,60}", dense: bool, register in 0u64..64) {
        let full = String::from(digit(register)).repeat(M);
        for stored in [if dense { Stored::Dense(text) } else { Stored::Sparse(text) }, Stored::Dense(full)] {
            if let Ok(mut sketch) = HyperLogLog::try_from(stored) {
                sketch.insert_str("more");
                sketch.merge(&sketch_of(0..3));
                prop_assert!(!sketch.estimate().is_nan());
            }
        }
    }
}

#[test]
fn the_estimate_keeps_its_standard_error() {
    for n in [2_049, 5_000, 20_000, 60_000, 200_000] {
        let runs = 60;
        let errors: Vec<f64> = (0..runs)
            .map(|seed| {
                let mut stream = Stream(seed << 32 | n);
                sketch_of((0..n).map(|_| stream.bits())).estimate() / n as f64 - 1.0
            })
            .collect();
        let bias = errors.iter().sum::<f64>() / runs as f64;
        let deviation = (errors.iter().map(|e| e * e).sum::<f64>() / runs as f64).sqrt();
        // Of 60 runs the deviation itself is known within 9 %, and the bias within 13 % of it.
        assert!(deviation < 1.25 * HyperLogLog::STANDARD_ERROR, "{n}: {deviation}");
        assert!(bias.abs() < 0.4 * HyperLogLog::STANDARD_ERROR, "{n}: {bias}");
    }
}

#[test]
fn extreme_registers_have_estimates() {
    assert_eq!(estimate(&vec![0; M]), 0.0);
    assert_eq!(estimate(&vec![Q as u8 + 1; M]), f64::INFINITY);
    let mut one = vec![0; M];
    raise(&mut one, 0);
    assert_eq!(usize::from(one[0]), Q + 1);
    assert!((estimate(&one) - 1.0).abs() < 0.01);
}

#[test]
fn stored_state_is_compact() {
    assert_eq!(json(&sketch_of([1])), r#"{"sparse":"AAAAAAAAAAB"}"#);
    assert_eq!(json(&sketch_of([u64::MAX])), r#"{"sparse":"P__________"}"#);
    let mut stream = Stream(1);
    assert_eq!(json(&sketch_of((0..5000).map(|_| stream.bits()))).len(), M + r#"{"dense":""}"#.len());
}

#[test]
fn hashes_are_those_of_the_specification() {
    // XXH3_64bits of the empty string with seed 0, from the reference implementation.
    assert_eq!(xxh3_64(b""), 0x2d06_8005_38d3_94c2);
}

#[test]
fn the_short_way_to_a_hash_of_eight_bytes_is_xxh3() {
    let mut stream = Stream(11);
    for value in [0, 1, u64::MAX].into_iter().chain((0..1000).map(|_| stream.bits())) {
        assert_eq!(hash_of_eight(value), xxh3_64(&value.to_le_bytes()));
    }
}
