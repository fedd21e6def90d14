//! Comparisons of other libraries as `x <= threshold` in `f64`.

/// The threshold of `x < threshold`.
pub(crate) fn below(threshold: f64) -> f64 {
    // Nothing is below this, and nothing is at most NaN.
    if threshold == f64::NEG_INFINITY {
        return f64::NAN;
    }
    // Zeros are equal, so what lies below either is the number before the negative one.
    if threshold == 0.0 { (-0.0f64).next_down() } else { threshold.next_down() }
}

/// The threshold of `x as f32 <= threshold`: the greatest `f64` that is rounded to an `f32` that is
/// not greater.
pub(crate) fn at_most_f32(threshold: f32) -> f64 {
    if threshold.is_nan() || threshold == f32::INFINITY {
        return f64::from(threshold);
    }
    let next = if threshold == 0.0 { 0.0f32.next_up() } else { threshold.next_up() };
    // Where numbers begin to be rounded to infinity there is no `f32` to lie half way to.
    let next = if next == f32::INFINITY { 2.0f64.powi(128) } else { f64::from(next) };
    let this = if threshold == f32::NEG_INFINITY { -2.0f64.powi(128) } else { f64::from(threshold) };
    let between = this.midpoint(next);
    if between as f32 <= threshold { between } else { between.next_down() }
}

/// The threshold of `(x as f32) < threshold`.
pub(crate) fn below_f32(threshold: f32) -> f64 {
    if threshold == f32::NEG_INFINITY || threshold.is_nan() {
        return f64::NAN;
    }
    at_most_f32(if threshold == 0.0 { (-0.0f32).next_down() } else { threshold.next_down() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(threshold: f32, x: f64) {
        assert_eq!(x as f32 <= threshold, x <= at_most_f32(threshold), "{x:e} <= {threshold:e}");
        assert_eq!((x as f32) < threshold, x <= below_f32(threshold), "{x:e} < {threshold:e}");
        let threshold = f64::from(threshold);
        assert_eq!(x < threshold, x <= below(threshold), "{x:e} < {threshold:e} in f64");
    }

    #[test]
    fn edges() {
        let edges =
            [0.0, -0.0, f32::MIN_POSITIVE, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, 1.0, -1.0, 1e-45];
        for threshold in edges {
            for edge in edges {
                let x = f64::from(edge);
                let half = x.midpoint(f64::from(edge.next_up()));
                for x in [
                    x,
                    x.next_up(),
                    x.next_down(),
                    half,
                    half.next_up(),
                    half.next_down(),
                    2.0f64.powi(128),
                    3.4028235677973366e38,
                    f64::NAN,
                ] {
                    check(threshold, x);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn rounding_is_in_the_threshold(threshold: f32, x: f64, steps in -3i32..4) {
            prop_assume!(!threshold.is_nan());
            check(threshold, x);
            let mut near = f64::from(threshold).midpoint(f64::from(threshold.next_up()));
            for _ in 0..steps.abs() {
                near = if steps < 0 { near.next_down() } else { near.next_up() };
            }
            check(threshold, near);
        }
    }
}
