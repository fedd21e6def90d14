use proptest::prelude::*;

use super::super::digits::Floats;
use super::super::number::Number;
use super::super::testing::Stream;
use super::stored::StoredState;
use super::*;

fn sketch_of(k: usize, values: &[f64]) -> Kll {
    let mut sketch = Kll::new(k).unwrap();
    sketch.update_slice(values);
    sketch
}

/// The greatest and the 99th percentile error over 99 evenly spread ranks.
fn errors(sketch: &Kll, sorted: &[f64]) -> Vec<f64> {
    let n = sorted.len();
    let points: Vec<f64> = (1..100).map(|i| sorted[i * n / 100]).collect();
    let truth = points.iter().map(|x| sorted.partition_point(|y| y <= x) as f64 / n as f64);
    sketch.cdf(&points).unwrap().iter().zip(truth).map(|(got, truth)| (got - truth).abs()).collect()
}

fn percentile_99(mut errors: Vec<f64>) -> f64 {
    errors.sort_by(f64::total_cmp);
    errors[errors.len() * 99 / 100]
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => -100.0..100.0f64,
        4 => (-20i32..20).prop_map(f64::from),
        1 => Just(-0.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
    ]
}

proptest! {
    #[test]
    fn slices_leave_no_trace(values in prop::collection::vec(any_number(), 0..600), cut in 1usize..60) {
        let mut single = Kll::new(16).unwrap();
        let refused = values.iter().filter(|x| !single.update(**x)).count();
        let mut sliced = Kll::new(16).unwrap();
        let sliced_refused: usize = values.chunks(cut).map(|piece| sliced.update_slice(piece)).sum();
        prop_assert_eq!(&single, &sliced);
        prop_assert_eq!(refused, sliced_refused);
        prop_assert_eq!(single.count() as usize + refused, values.len());
    }

    #[test]
    fn exact_sketches_are_equal_in_any_order(
        values in prop::collection::vec(-20i32..20, 0..400), seed: u64, parts in 1usize..5,
    ) {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let whole = sketch_of(40, &values);
        prop_assert!(whole.is_exact());
        let mut stream = Stream(seed);
        let mut pieces = vec![Kll::new(40).unwrap(); parts];
        let mut shuffled = values;
        stream.shuffle(&mut shuffled);
        for &x in &shuffled {
            pieces[(stream.bits() % parts as u64) as usize].update(x);
        }
        let merged = pieces.into_iter().reduce(|mut a, b| { a.merge(&b); a }).unwrap();
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(serde_json::to_string(&merged).unwrap(), serde_json::to_string(&whole).unwrap());
    }

    #[test]
    fn exact_answers_are_those_of_the_sorted_values(
        values in prop::collection::vec(any_number().prop_filter("not NaN", |x| !x.is_nan()), 1..60), q in 0.0..=1.0f64,
    ) {
        let sketch = sketch_of(64, &values);
        let mut sorted = values;
        sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let n = sorted.len() as f64;
        for (i, x) in sorted.iter().enumerate() {
            let at_most = sorted.iter().filter(|y| *y <= x).count() as f64;
            prop_assert_eq!(sketch.rank(*x), Some(at_most / n));
            prop_assert_eq!(sketch.quantile((i + 1) as f64 / n), Some(*x));
        }
        let least = sorted.iter().copied().find(|x| sketch.rank(*x).unwrap() >= q).unwrap();
        prop_assert_eq!(sketch.quantile(q), Some(least));
        prop_assert_eq!(sketch.interpolated(0.0), Some(sorted[0]));
        prop_assert_eq!(sketch.interpolated(1.0), sorted.last().copied());
    }

    #[test]
    fn exactness_depends_only_on_the_distinct_values(
        left in prop::collection::vec(0u8..30, 0..60), right in prop::collection::vec(0u8..30, 0..60),
    ) {
        let floats = |values: &[u8]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        let all = [left.clone(), right.clone()].concat();
        let mut merged = sketch_of(20, &floats(&left));
        merged.merge(&sketch_of(20, &floats(&right)));
        let distinct: std::collections::BTreeSet<u8> = all.iter().copied().collect();
        prop_assert_eq!(merged.is_exact(), distinct.len() <= 20);
        prop_assert_eq!(merged.is_exact(), sketch_of(20, &floats(&all)).is_exact());
    }

    #[test]
    fn weights_add_up_and_state_survives(
        values in prop::collection::vec(any_number(), 0..900), more in prop::collection::vec(any_number(), 0..90),
    ) {
        let mut sketch = sketch_of(12, &values[..values.len() / 2]);
        sketch.merge(&sketch_of(16, &values[values.len() / 2..]));
        prop_assert_eq!(sketch.weighted_values().iter().map(|pair| pair.1).sum::<u64>(), sketch.count());
        let mut back: Kll = serde_json::from_str(&serde_json::to_string(&sketch).unwrap()).unwrap();
        prop_assert_eq!(&back, &sketch);
        back.update_slice(&more);
        sketch.update_slice(&more);
        prop_assert_eq!(&back, &sketch);
    }

    #[test]
    fn hostile_state_is_refused_or_harmless(
        k in 0usize..40,
        count in prop_oneof![0u64..200, any::<u64>()],
        levels in prop::collection::vec(prop::collection::vec(-5i8..5, 0..4), 0..64),
        fix: bool,
    ) {
        let weights = levels.iter().zip(0u32..).map(|(level, h)| level.len() as u128 * (1u128 << h));
        let total = u64::try_from(weights.sum::<u128>()).unwrap_or(u64::MAX);
        let sorted = |mut level: Vec<i8>| {
            level.sort_unstable();
            Floats(level.into_iter().map(f64::from).collect())
        };
        let levels = levels.into_iter().map(sorted).collect();
        let state = StoredState::Sketch { coins: count, owed: !count, levels };
        let range = Some((Number(-5.0), Number(5.0)));
        let stored = Stored { k, seed: 1, count: if fix { total } else { count }, range, state };
        if let Ok(mut sketch) = Kll::try_from(stored) {
            for _ in 0..6 {
                sketch.merge(&sketch.clone());
                sketch.update_slice(&[1.0; 50]);
            }
            prop_assert!(sketch.quantiles(&[0.0, 0.3, 1.0]).is_some() && sketch.interpolated(0.7).is_some());
        }
    }
}

#[test]
fn a_stream_keeps_the_stated_error() {
    for (k, n, runs) in [(64, 20_000, 40), (DEFAULT_K, 60_000, 8)] {
        let mut all = Vec::new();
        let mut stated = 0.0;
        for seed in 0..runs {
            let mut stream = Stream(seed);
            let mut values: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
            if seed % 4 == 1 {
                values.sort_by(f64::total_cmp);
            }
            let sketch = sketch_of(k, &values);
            values.sort_by(f64::total_cmp);
            all.extend(errors(&sketch, &values));
            stated = sketch.rank_error();
        }
        let measured = percentile_99(all);
        assert!(measured <= stated, "k {k}: {measured} > {stated}");
    }
}

#[test]
fn merged_partitions_keep_the_stated_error() {
    let (k, n, parts) = (64, 20_000, 50);
    let mut all = Vec::new();
    for seed in 0..40 {
        let mut stream = Stream(1000 + seed);
        let mut values: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        if seed % 2 == 1 {
            values.sort_by(f64::total_cmp);
        }
        let sketch = values
            .chunks(n / parts)
            .map(|part| sketch_of(k, part))
            .reduce(|mut a, b| {
                a.merge(&b);
                a
            })
            .unwrap();
        values.sort_by(f64::total_cmp);
        all.extend(errors(&sketch, &values));
    }
    let (measured, stated) = (percentile_99(all), Kll::new(k).unwrap().stated_error());
    assert!(measured <= stated, "{measured} > {stated}");
}

#[test]
fn like_partitions_do_not_err_in_step() {
    // Grids that differ by less than a step: were the coins a function of seed and length alone, all
    // partitions would err alike, and the errors would add up in a merge.
    let (part, parts) = (3000, 100);
    let mut sums = [0.0; 9];
    let mut sizes = 0.0;
    for p in 0..parts {
        let grid: Vec<f64> = (0..part).map(|i| f64::from(i) + f64::from(p) / 200.0).collect();
        let sketch = sketch_of(32, &grid);
        for (i, sum) in (1..10).zip(&mut sums) {
            let at = f64::from(part * i / 10);
            let error = sketch.rank(at + 0.75).unwrap() - (at + 1.0) / f64::from(part);
            *sum += error;
            sizes += error.abs();
        }
    }
    let together: f64 = sums.iter().map(|sum| sum.abs()).sum();
    assert!(sizes > 0.0 && together < 0.3 * sizes, "{together} of {sizes}");
}

#[test]
fn one_heavy_value_does_not_cost_the_others_their_accuracy() {
    let mut sketch = Kll::default();
    let mut heavy = sketch_of(DEFAULT_K, &[0.0]);
    (0..30).for_each(|_| heavy.merge(&heavy.clone()));
    sketch.merge(&heavy);
    sketch.update_slice(&(1..=200_000).map(f64::from).collect::<Vec<_>>());
    assert_eq!(sketch.count(), (1 << 30) + 200_000);
    let expected = (1u64 << 30) as f64 / sketch.count() as f64;
    assert!((sketch.rank(0.0).unwrap() - expected).abs() < sketch.rank_error());

    let mut values: Vec<f64> = (0..50_000).map(|i| f64::from(i % 549)).collect();
    values.extend((0..50_000).map(f64::from));
    let sketch = sketch_of(DEFAULT_K, &values);
    values.sort_by(f64::total_cmp);
    assert!(errors(&sketch, &values).iter().all(|error| *error < 0.005));
}

#[test]
fn memory_is_bounded() {
    let mut sketch = Kll::default();
    let mut stream = Stream(3);
    for _ in 0..300 {
        sketch.update_slice(&(0..1000).map(|_| stream.uniform()).collect::<Vec<_>>());
        assert!(sketch.weighted_values().len() <= 3 * DEFAULT_K + 16 * 64);
    }
}

#[test]
fn interpolation_is_numpy_s() {
    // numpy 2: np.quantile([0.1, 0.7, 2.3, 4.0, 9.5], q)
    let sketch = sketch_of(8, &[0.1, 9.5, 2.3, 0.7, 4.0]);
    assert_eq!(sketch.interpolated(0.1), Some(0.1 + (0.7 - 0.1) * 0.4));
    assert_eq!(sketch.interpolated(0.9), Some(9.5 - (9.5 - 4.0) * (1.0 - 3.6f64.fract())));
    assert_eq!(sketch.interpolated(0.5), Some(2.3));
    assert_eq!(sketch_of(8, &[f64::MIN, f64::MAX]).interpolated(0.5), Some(0.0));
    assert_eq!(sketch_of(8, &[f64::NEG_INFINITY, 1.0]).interpolated(0.5), Some(f64::NEG_INFINITY));
    assert_eq!(sketch_of(8, &[f64::NEG_INFINITY, f64::INFINITY]).interpolated(0.5), Some(f64::NEG_INFINITY));
}

#[test]
fn nothing_has_no_quantile() {
    let sketch = Kll::default();
    assert_eq!((sketch.quantile(0.5), sketch.interpolated(0.5), sketch.rank(0.0)), (None, None, None));
    let sketch = sketch_of(8, &[1.0]);
    assert_eq!((sketch.quantile(f64::NAN), sketch.rank(f64::NAN), sketch.quantile(-0.1)), (None, None, None));
}

#[test]
fn both_stored_forms_are_read() {
    let before =
        r#"{"k":8,"seed":5,"count":3,"range":[0.5,"inf"],"state":{"exact":{"values":[0.5,"inf"],"counts":[2,1]}}}"#;
    let now = r#"{"k":8,"seed":5,"count":3,"range":[0.5,"inf"],"state":{"exact":{"values":"D_gAAAAAAAAH_wAAAAAAAA","counts":[2,1]}}}"#;
    let sketch: Kll = serde_json::from_str(before).unwrap();
    assert_eq!((sketch.max(), serde_json::to_string(&sketch).unwrap().as_str()), (Some(f64::INFINITY), now));
    assert_eq!(serde_json::from_str::<Kll>(now).unwrap(), sketch);
}
