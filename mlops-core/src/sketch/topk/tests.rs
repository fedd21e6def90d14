use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::testing::Stream;
use super::stored::{Listed, Stored};
use super::*;

fn sketch_of(capacity: usize, values: &[u64]) -> TopK {
    let mut sketch = TopK::new(capacity).unwrap();
    values.iter().for_each(|value| sketch.update(&value.to_string()));
    sketch
}

fn json(sketch: &TopK) -> String {
    serde_json::to_string(sketch).unwrap()
}

/// Checks every promise about a sketch of these values.
fn check(sketch: &TopK, values: &[u64]) -> Result<(), TestCaseError> {
    let mut truth = BTreeMap::<String, u64>::new();
    values.iter().for_each(|value| *truth.entry(value.to_string()).or_default() += 1);
    let hits = sketch.top(usize::MAX);
    prop_assert!(hits.len() <= sketch.capacity);
    for Hit { value, count, error } in &hits {
        let exact = truth[value];
        prop_assert!(count - error <= exact && exact <= *count, "{value}: {exact} in {count} - {error}");
    }
    for (value, exact) in &truth {
        prop_assert!(*exact <= sketch.count(value));
    }
    let half = sketch.capacity as u64 / 2;
    prop_assert!(sketch.floor() * (half + 1) <= values.len() as u64);
    prop_assert_eq!(sketch.is_exact(), truth.len() <= sketch.capacity);
    prop_assert_eq!(sketch.total(), values.len() as u64);
    Ok(())
}

proptest! {
    #[test]
    fn promises_hold_for_streams_and_merges(
        values in prop::collection::vec(prop_oneof![3 => 0u64..6, 1 => 0u64..60], 0..300),
        capacity in 2usize..30,
        cut in 1usize..100,
    ) {
        let whole = sketch_of(capacity, &values);
        check(&whole, &values)?;
        let merged = values.chunks(cut).map(|piece| sketch_of(capacity, piece)).reduce(|mut a, b| { a.merge(&b); a });
        let merged = merged.unwrap_or_else(|| sketch_of(capacity, &[]));
        check(&merged, &values)?;
        if whole.is_exact() {
            prop_assert_eq!(json(&merged), json(&whole));
        }
        prop_assert_eq!(&serde_json::from_str::<TopK>(&json(&merged)).unwrap(), &merged);
    }

    #[test]
    fn exact_sketches_are_equal_in_any_order(values in prop::collection::vec(0u64..20, 0..200), seed: u64) {
        let mut shuffled = values.clone();
        Stream(seed).shuffle(&mut shuffled);
        prop_assert_eq!(json(&sketch_of(20, &values)), json(&sketch_of(20, &shuffled)));
    }

    #[test]
    fn hostile_state_is_refused_or_harmless(
        capacity in prop_oneof![0usize..6, any::<usize>()],
        total in prop_oneof![0u64..20, any::<u64>()],
        floor in prop_oneof![0u64..6, any::<u64>()],
        entries in prop::collection::btree_map("[a-d]", (prop_oneof![0u64..9, any::<u64>()], 0u64..5), 0..5),
    ) {
        let stored = Stored { capacity, budget: None, total, floor, entries: Some(entries), listed: None };
        if let Ok(mut sketch) = TopK::try_from(stored) {
            (0..66).for_each(|_| sketch.merge(&sketch.clone()));
            (0..9).for_each(|i| sketch.add(&i.to_string(), u64::MAX));
            prop_assert!(sketch.top(3).len() <= 3);
        }
    }

    #[test]
    fn hostile_lists_are_refused_or_harmless(
        texts in "[abé]{0,6}",
        lengths in prop::collection::vec(prop_oneof![9 => 0usize..3, 1 => any::<usize>()], 0..5),
        counts in prop::collection::vec(0u64..3, 0..5),
        total in 0u64..12,
    ) {
        let errors = vec![0; counts.len()];
        let listed = Some(Listed { texts, lengths, counts, errors });
        let stored = Stored { capacity: 8, budget: None, total, floor: 0, entries: None, listed };
        if let Ok(mut sketch) = TopK::try_from(stored) {
            prop_assert_eq!(&serde_json::from_str::<TopK>(&json(&sketch)).unwrap(), &sketch);
            sketch.merge(&sketch_of(8, &[1, 2, 3]));
            prop_assert_eq!(sketch.total(), total + 3);
        }
    }
}

#[test]
fn heavy_hitters_of_a_skewed_stream_are_exact() {
    let mut stream = Stream(5);
    // Zipf-like: value v with chance about 1 / v².
    let values: Vec<u64> = (0..200_000).map(|_| (1.0 / (1.0 - stream.uniform())) as u64).collect();
    let sketch = sketch_of(256, &values);
    check(&sketch, &values).unwrap();
    assert!(!sketch.is_exact());
    let top = sketch.top(10);
    for (hit, expected) in top.iter().zip(1..) {
        let exact = values.iter().filter(|value| **value == expected).count() as u64;
        assert_eq!((hit.value.as_str(), hit.count, hit.error), (expected.to_string().as_str(), exact, 0));
    }
}

#[test]
fn both_stored_forms_are_read() {
    let before = r#"{"capacity":4,"total":6,"floor":0,"entries":{"a":[2,0],"zä":[4,0]}}"#;
    let now =
        r#"{"capacity":4,"total":6,"floor":0,"listed":{"texts":"azä","lengths":[1,3],"counts":[2,4],"errors":[0,0]}}"#;
    let sketch: TopK = serde_json::from_str(before).unwrap();
    assert_eq!((sketch.count("zä"), json(&sketch).as_str()), (4, now));
    assert_eq!(serde_json::from_str::<TopK>(now).unwrap(), sketch);
    let wrong = [
        now.replace("[1,3]", "[3,1]"),
        now.replace("[1,3]", "[1,2]"),
        now.replace("azä", "zaä"),
        now.replace("[2,4]", "[2,4,1]"),
        r#"{"capacity":4,"total":0,"floor":0}"#.to_owned(),
    ];
    for wrong in wrong {
        assert!(serde_json::from_str::<TopK>(&wrong).is_err(), "{wrong}");
    }
}
