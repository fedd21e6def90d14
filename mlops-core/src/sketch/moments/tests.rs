use proptest::prelude::*;

use super::super::testing::Stream;
use super::*;

fn moments_of(values: &[f64]) -> Moments {
    let mut moments = Moments::default();
    moments.update_slice(values);
    moments
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![6 => -1e6..1e6f64, 2 => any::<u64>().prop_map(f64::from_bits), 1 => Just(-0.0), 1 => Just(f64::MAX)]
}

proptest! {
    #[test]
    fn order_batches_and_merges_leave_no_trace(
        values in prop::collection::vec(any_float(), 0..80), seed: u64, parts in 1usize..6,
    ) {
        let whole = moments_of(&values);
        let mut stream = Stream(seed);
        let mut shuffled = values;
        stream.shuffle(&mut shuffled);
        let mut pieces = vec![Moments::default(); parts];
        for x in shuffled {
            pieces[(stream.bits() % parts as u64) as usize].update(x);
        }
        stream.shuffle(&mut pieces);
        let merged = pieces.into_iter().reduce(|mut a, b| { a.merge(&b); a }).unwrap();
        prop_assert_eq!(&merged, &whole);

        let text = serde_json::to_string(&whole).unwrap();
        prop_assert_eq!(&serde_json::to_string(&merged).unwrap(), &text);
        let back: Moments = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&back, &whole);
        prop_assert_eq!(back.variance(1).map(f64::to_bits), whole.variance(1).map(f64::to_bits));
    }

    #[test]
    fn slices_and_counts_are_values_one_by_one(
        values in prop::collection::vec(prop_oneof![6 => -1e3..1e3f64, 1 => any_float()], 0..300),
        x in any_float(), times in 0u64..300,
    ) {
        let mut single = Moments::default();
        values.iter().for_each(|&x| single.update(x));
        let mut moments = moments_of(&values);
        prop_assert_eq!(&moments, &single);
        moments.add(x, times);
        (0..times).for_each(|_| single.update(x));
        prop_assert_eq!(&moments, &single);
    }

    #[test]
    fn integers_have_exactly_rounded_variance(values in prop::collection::vec(-1i64 << 40..1 << 40, 2..50)) {
        let floats: Vec<f64> = values.iter().map(|&x| x as f64).collect();
        let n = values.len() as i128;
        let sum: i128 = values.iter().map(|&x| i128::from(x)).sum();
        let squares: i128 = values.iter().map(|&x| i128::from(x).pow(2)).sum();
        let exact = (n * squares - sum * sum) as f64 / (n * (n - 1)) as f64;
        let got = moments_of(&floats).variance(1).unwrap();
        prop_assert!((got - exact).abs() <= exact * 2.3e-16, "{got} {exact}");
    }
}

#[test]
fn golden_values_of_exact_rational_arithmetic() {
    // Python 3 with fractions.Fraction: float() of the exact mean and of the exact variance with
    // ddof 1.
    let cases: [(&[f64], f64, f64); 5] = [
        (
            &[
                99999999.998821,
                99999999.998852,
                100000000.000669,
                99999999.997706,
                99999999.999857,
                99999999.997744,
                100000000.001101,
            ],
            99999999.99925,
            1.8004435417894898e-06,
        ),
        (&[1e200, -1e200, 3e200], 1e200, f64::INFINITY),
        (&[5e-324, 1e-323, 2e-323, 5e-324], 1e-323, 0.0),
        (&[1e308, 1.1e308, -1.7e308], 1.3333333333333335e307, f64::INFINITY),
        (&[0.1, 0.2, 0.3, 0.4], 0.25, 0.016666666666666666),
    ];
    for (values, mean, variance) in cases {
        let moments = moments_of(values);
        assert_eq!((moments.mean(), moments.variance(1)), (Some(mean), Some(variance)), "{values:?}");
    }
}

#[test]
fn a_large_mean_costs_no_digit() {
    let mut stream = Stream(11);
    let offsets: Vec<f64> = (0..10_000).map(|_| (stream.normal() * 65_536.0).round() / 67_108_864.0).collect();
    let near = moments_of(&offsets);
    let far = moments_of(&offsets.iter().map(|x| x + 1e8).collect::<Vec<_>>());
    // The offsets are multiples of 2^-26, so adding 1e8 is exact and the variances are equal.
    assert_eq!(far.variance(1), near.variance(1));
    assert_eq!(far.std(0), near.std(0));
}

#[test]
fn deviations_survive_where_their_squares_do_not() {
    assert_eq!(moments_of(&[1e-200, -1e-200]).std(0), Some(1e-200));
    assert_eq!(moments_of(&[5e-324, -5e-324]).std(0), Some(5e-324));
    assert_eq!(moments_of(&[f64::MAX, -f64::MAX]).std(0), Some(f64::MAX));
    assert_eq!(moments_of(&[f64::MAX, -f64::MAX]).variance(0), Some(f64::INFINITY));
    assert_eq!(moments_of(&[0.1; 1000]).std(1), Some(0.0));
}

#[test]
fn infinities_and_nan_follow_ieee() {
    let moments = moments_of(&[1.0, f64::INFINITY]);
    assert_eq!((moments.mean(), moments.max()), (Some(f64::INFINITY), Some(f64::INFINITY)));
    assert!(moments.variance(0).unwrap().is_nan() && moments.std(0).unwrap().is_nan());
    let moments = moments_of(&[f64::NAN]);
    assert!(moments.mean().unwrap().is_nan());
    assert_eq!((moments.count(), moments.min(), moments.max()), (1, None, None));
}

#[test]
fn impossible_state_is_refused() {
    let good = serde_json::to_value(moments_of(&[1.0, 2.0, f64::INFINITY])).unwrap();
    assert!(serde_json::from_value::<Moments>(good.clone()).is_ok());
    let changes = [
        ("/count", serde_json::json!(0)),
        ("/range", serde_json::json!([2.0, 1.0])),
        ("/range", serde_json::json!(["nan", "nan"])),
        ("/range", serde_json::json!(null)),
        ("/squares/negative", serde_json::json!(true)),
        ("/squares/positive_infinities", serde_json::json!(0)),
        ("/sum/limbs", serde_json::json!([0])),
        ("/sum/limbs", serde_json::json!([1 << 30])),
        ("/sum/base", serde_json::json!(1_000_000_000)),
    ];
    for (path, value) in changes {
        let mut bad = good.clone();
        *bad.pointer_mut(path).unwrap() = value;
        assert!(serde_json::from_value::<Moments>(bad.clone()).is_err(), "{bad}");
    }
}
