use proptest::prelude::*;

use super::*;

fn edges() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::btree_set(-50i32..50, 2..12)
        .prop_map(|set| set.into_iter().map(|edge| f64::from(edge) / 4.0).collect())
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (-60i32..60).prop_map(|x| f64::from(x) / 4.0),
        3 => -15.0..15.0f64,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(-0.0),
    ]
}

proptest! {
    #[test]
    fn bins_are_those_of_a_linear_search(edges in edges(), values in prop::collection::vec(any_float(), 0..100)) {
        let mut histogram = Histogram::from_edges(edges.clone()).unwrap();
        histogram.update_slice(&values);
        let last = edges.len() - 2;
        for (i, count) in histogram.counts().iter().enumerate() {
            let inside = |x: &&f64| edges[i] <= **x && (**x < edges[i + 1] || i == last && **x == edges[i + 1]);
            prop_assert_eq!(*count, values.iter().filter(inside).count() as u64);
        }
        prop_assert_eq!(histogram.count() + histogram.nan(), values.len() as u64);
    }

    #[test]
    fn batches_and_merges_leave_no_trace(
        edges in edges(), values in prop::collection::vec(any_float(), 0..100), cut in 1usize..20,
    ) {
        let empty = Histogram::from_edges(edges).unwrap();
        let mut whole = empty.clone();
        whole.update_slice(&values);
        whole.update_nulls(2);
        let mut merged = empty.clone();
        merged.update_nulls(2);
        for piece in values.chunks(cut).rev() {
            let mut part = empty.clone();
            part.update_slice(piece);
            merged.merge(&part).unwrap();
        }
        prop_assert_eq!(&merged, &whole);
        let back: Histogram = serde_json::from_str(&serde_json::to_string(&whole).unwrap()).unwrap();
        prop_assert_eq!(back, whole);
    }

    #[test]
    fn uniform_bins_span_the_interval(min in -1e3..1e3f64, width in 1e-3..1e3f64, bins in 1usize..200) {
        let histogram = Histogram::uniform(min, min + width, bins).unwrap();
        prop_assert_eq!(histogram.edges().len(), bins + 1);
        prop_assert_eq!((histogram.edges()[0], histogram.edges()[bins]), (min, min + width));
    }
}

#[test]
fn the_widest_interval_has_finite_edges() {
    assert_eq!(Histogram::uniform(f64::MIN, f64::MAX, 2).unwrap().edges(), [f64::MIN, 0.0, f64::MAX]);
}

#[test]
fn what_delimits_nothing_is_refused() {
    assert!(matches!(Histogram::uniform(0.0, 1.0, 0), Err(SketchError::Capacity { given: 0, .. })));
    assert!(matches!(Histogram::uniform(0.0, 1.0, usize::MAX), Err(SketchError::Capacity { .. })));
    assert!(matches!(Histogram::uniform(1.0, 1.0 + f64::EPSILON, 9), Err(SketchError::Edges { .. })));
    assert!(matches!(Histogram::uniform(0.0, f64::INFINITY, 9), Err(SketchError::Edges { .. })));
    assert!(matches!(Histogram::from_edges(vec![0.0, f64::NAN]), Err(SketchError::Edges { .. })));
    assert!(matches!(Histogram::from_edges(vec![]), Err(SketchError::Capacity { .. })));
    for text in [
        r#"{"edges":[0,1],"counts":[1,2],"underflow":0,"overflow":0,"nan":0,"nulls":0}"#,
        r#"{"edges":[1,0],"counts":[1],"underflow":0,"overflow":0,"nan":0,"nulls":0}"#,
        r#"{"edges":[0,"nan"],"counts":[1],"underflow":0,"overflow":0,"nan":0,"nulls":0}"#,
    ] {
        assert!(serde_json::from_str::<Histogram>(text).is_err(), "{text}");
    }
}
