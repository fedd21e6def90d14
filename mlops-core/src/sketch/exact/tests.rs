use proptest::prelude::*;

use super::super::testing::Stream;
use super::*;

// The chunks of two merged sums, each short of its carry, stay below 2^62.
const _: () = assert!((2 * LIMIT as u64) << 33 <= 1 << 62);

fn sum_of(values: &[f64]) -> ExactSum {
    let mut sum = ExactSum::default();
    sum.add_slice(values);
    sum
}

/// Shewchuk's sum by non-overlapping partials (1997), the algorithm of Python's `math.fsum`:
/// independent of ours, right unless a partial sum overflows.
fn shewchuk(values: &[f64]) -> f64 {
    let mut partials: Vec<f64> = Vec::new();
    for &value in values {
        let mut x = value;
        let mut kept = 0;
        for j in 0..partials.len() {
            let mut y = partials[j];
            if x.abs() < y.abs() {
                std::mem::swap(&mut x, &mut y);
            }
            let hi = x + y;
            let lo = y - (hi - x);
            if lo != 0.0 {
                partials[kept] = lo;
                kept += 1;
            }
            x = hi;
        }
        partials.truncate(kept);
        partials.push(x);
    }
    let Some(mut hi) = partials.pop() else { return 0.0 };
    let mut lo = 0.0;
    while let Some(y) = partials.pop() {
        let x = hi;
        hi = x + y;
        lo = y - (hi - x);
        if lo != 0.0 {
            break;
        }
    }
    if let Some(&next) = partials.last()
        && (lo < 0.0 && next < 0.0 || lo > 0.0 && next > 0.0)
    {
        let y = lo * 2.0;
        let x = hi + y;
        if y == x - hi {
            hi = x;
        }
    }
    hi
}

/// Floats of every exponent below 2^1000, so that a few hundred of them can't overflow.
fn moderate() -> impl Strategy<Value = f64> {
    (any::<bool>(), 0u64..2023, 0u64..1 << 52)
        .prop_map(|(negative, field, fraction)| f64::from_bits(u64::from(negative) << 63 | field << 52 | fraction))
}

/// Few exponents, so that most terms cancel or tie.
fn cancelling() -> impl Strategy<Value = f64> {
    (-8i32..8, 0i32..108).prop_map(|(digit, exponent)| f64::from(digit) * 2f64.powi(exponent - 54))
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![8 => moderate(), 1 => any::<u64>().prop_map(f64::from_bits), 1 => Just(f64::MAX), 1 => Just(-f64::MAX)]
}

proptest! {
    #[test]
    fn agrees_with_shewchuk(values in prop::collection::vec(moderate(), 0..200)) {
        prop_assert_eq!(sum_of(&values).sum(), shewchuk(&values));
    }

    #[test]
    fn agrees_with_shewchuk_under_cancellation(values in prop::collection::vec(cancelling(), 0..60)) {
        prop_assert_eq!(sum_of(&values).sum(), shewchuk(&values));
    }

    #[test]
    fn agrees_with_integers(values in prop::collection::vec((-1i64 << 53..1 << 53, 0u32..60), 0..60)) {
        let floats: Vec<f64> = values.iter().map(|&(m, e)| m as f64 * (1u64 << e) as f64).collect();
        let exact: i128 = values.iter().map(|&(m, e)| i128::from(m) << e).sum();
        let (hi, lo) = sum_of(&floats).sum_dd();
        prop_assert_eq!(hi, exact as f64);
        prop_assert_eq!(lo, (exact - hi as i128) as f64);
    }

    #[test]
    fn order_batches_and_merges_leave_no_trace(
        values in prop::collection::vec(any_float(), 0..120),
        pairs in prop::collection::vec((any_float(), any_float()), 0..40),
        seed: u64,
        parts in 1usize..6,
    ) {
        let mut whole = sum_of(&values);
        pairs.iter().for_each(|&(x, y)| whole.add_product(x, y));

        let mut stream = Stream(seed);
        let mut pieces = vec![ExactSum::default(); parts];
        let (mut shuffled, mut products) = (values, pairs);
        stream.shuffle(&mut shuffled);
        stream.shuffle(&mut products);
        for x in shuffled {
            pieces[(stream.bits() % parts as u64) as usize].add(x);
        }
        for (x, y) in products {
            pieces[(stream.bits() % parts as u64) as usize].add_product(y, x);
        }
        let merged = pieces.into_iter().reduce(|mut a, b| { a.merge(&b); a }).unwrap();

        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(serde_json::to_string(&merged).unwrap(), serde_json::to_string(&whole).unwrap());
        let back: ExactSum = serde_json::from_str(&serde_json::to_string(&whole).unwrap()).unwrap();
        prop_assert_eq!(&back, &whole);
        prop_assert_eq!(back.sum().to_bits(), whole.sum().to_bits());
    }

    #[test]
    fn slices_and_counts_are_numbers_one_by_one(
        values in prop::collection::vec(prop_oneof![6 => -1e3..1e3f64, 2 => any_float(), 1 => Just(0.0)], 0..2500),
        x in any_float(), times in 0u64..300,
    ) {
        let mut single = ExactSum::default();
        values.iter().for_each(|&x| single.add(x));
        let mut sum = sum_of(&values);
        prop_assert_eq!(&sum, &single);
        sum.add_times(x, times);
        (0..times).for_each(|_| single.add(x));
        prop_assert_eq!(&sum, &single);
    }

    #[test]
    fn a_product_is_the_hardware_product_and_its_fused_error(x in -1e100..1e100f64, y in -1e100..1e100f64) {
        let mut sum = ExactSum::default();
        sum.add_product(x, y);
        prop_assert_eq!(sum.sum_dd(), (x * y, x.mul_add(y, -(x * y))));
    }

    #[test]
    fn hostile_state_is_refused_or_harmless(
        negative: bool,
        base in prop_oneof![-80i32..80, any::<i32>()],
        limbs in prop::collection::vec(prop_oneof![Just(0), any::<u32>()], 0..150),
    ) {
        let (nan, positive_infinities, negative_infinities) = (u64::MAX, u64::MAX, 1);
        let stored = Stored { negative, base, limbs, nan, positive_infinities, negative_infinities };
        if let Ok(mut sum) = ExactSum::try_from(stored) {
            let copy = sum.clone();
            (0..70).for_each(|_| sum.merge(&copy));
            sum.add_slice(&[f64::MAX, 5e-324, f64::NAN]);
            sum.add_product(5e-324, 5e-324);
            prop_assert!(sum.sum().is_nan() && sum.sum_dd().0.is_nan() && !sum.is_zero() && sum != copy);
        }
    }
}

#[test]
fn golden_values_of_exact_rational_arithmetic() {
    // Python 3: float(sum(map(Fraction, values))), where float() of a Fraction rounds correctly.
    let cases: [(&[f64], f64); 8] = [
        (&[], 0.0),
        (&[1e100, 1.0, -1e100, 1e-50], 1.0),
        (&[1e308, 1e308, -1e308], 1e308),
        (&[f64::MAX, f64::MAX, f64::MAX, -f64::MAX, -f64::MAX], f64::MAX),
        (&[5e-324, 5e-324, -1e308, 1e308], 1e-323),
        (&[2.2250738585072014e-308, -5e-324], 2.225073858507201e-308),
        (&[9007199254740992.0, 1.0, 1e-300], 9007199254740994.0),
        (&[f64::MAX, 9.9792015476736e291], f64::INFINITY),
    ];
    for (values, expected) in cases {
        assert_eq!(sum_of(values).sum(), expected, "{values:?}");
    }
    assert_eq!(sum_of(&[f64::MAX, 9.979201547673598e291]).sum(), f64::MAX);
}

#[test]
fn infinities_and_nan_follow_ieee() {
    let inf = f64::INFINITY;
    assert_eq!(sum_of(&[1.0, inf, 2.0, inf]).sum_dd(), (inf, 0.0));
    assert_eq!(sum_of(&[-inf, f64::MAX, f64::MAX]).sum(), -inf);
    assert!(sum_of(&[inf, -inf]).sum().is_nan());
    assert!(sum_of(&[f64::NAN, inf]).sum().is_nan());
    let mut product = ExactSum::default();
    product.add_product(inf, 0.0);
    assert!(product.sum().is_nan());
    assert_ne!(sum_of(&[inf]), sum_of(&[inf, inf]));
}

#[test]
fn two_to_the_fortieth_terms_neither_overflow_nor_round() {
    for x in [1.0, -f64::MAX, 5e-324, 0.1] {
        let mut sum = sum_of(&[x]);
        (0..40).for_each(|_| sum.merge(&sum.clone()));
        let expected = Fixed::from_f64(x).times_count(1 << 40);
        assert_eq!(sum.fixed(), expected);
        sum.merge(&sum_of(&[x]));
        assert_eq!(sum.fixed().minus(&expected), Fixed::from_f64(x));
    }
}

#[test]
fn carries_between_additions_change_nothing() {
    let mut stream = Stream(7);
    let values: Vec<f64> = (0..3000).map(|_| stream.normal() * 2f64.powi((stream.bits() % 200) as i32 - 100)).collect();
    let mut sum = ExactSum::default();
    for &x in &values {
        sum.pending = LIMIT - 1;
        sum.add(x);
        assert_eq!(sum.pending, 0);
        sum.pending = LIMIT - 1;
        sum.add_product(x, -x);
    }
    let mut plain = sum_of(&values);
    values.iter().for_each(|&x| plain.add_product(x, -x));
    assert_eq!(sum, plain);
    assert!(sum.chunks.len() <= 30, "the window may not grow with every carry: {}", sum.chunks.len());
}

#[test]
fn empty_and_cancelled_sums_are_equal() {
    let json = serde_json::to_string(&sum_of(&[1e300, -1e300])).unwrap();
    assert_eq!(json, serde_json::to_string(&ExactSum::default()).unwrap());
    assert_eq!(sum_of(&[0.0, -0.0]), ExactSum::default());
}

proptest! {
    #[test]
    fn a_comoment_of_whole_numbers_is_the_one_of_integers(
        pairs in prop::collection::vec((-1_000_000i64..1_000_000, -1_000_000i64..1_000_000), 1..50), offset in 0i64..1 << 50,
    ) {
        let (mut x, mut y, mut xy) = (ExactSum::default(), ExactSum::default(), ExactSum::default());
        for (a, b) in &pairs {
            let (a, b) = ((a + offset) as f64, *b as f64);
            x.add(a);
            y.add(b);
            xy.add_product(a, b);
        }
        let n = pairs.len() as i128;
        let sum = |f: fn(&(i64, i64)) -> i128| pairs.iter().map(f).sum::<i128>();
        let expected = n * sum(|(a, b)| i128::from(*a) * i128::from(*b)) - sum(|(a, _)| (*a).into()) * sum(|(_, b)| (*b).into());
        let actual = xy.comoment(&x, &y, pairs.len() as u64);
        prop_assert!((actual - expected as f64 / n as f64).abs() <= 2.0 * f64::EPSILON * actual.abs());
    }
}

#[test]
fn a_comoment_with_an_infinity_is_not_a_number() {
    let (mut finite, mut infinite) = (ExactSum::default(), ExactSum::default());
    finite.add(1.0);
    infinite.add(f64::INFINITY);
    assert!(finite.comoment(&infinite, &finite, 1).is_nan());
    assert_eq!(finite.comoment(&finite, &finite, 1), 0.0);
}
