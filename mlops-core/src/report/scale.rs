/// An axis from `min` to `max` in round steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) ticks: Vec<f64>,
    digits: usize,
}

impl Scale {
    /// Round steps of 1, 2 or 5 times a power of ten around `min..max`, about `count` of them
    /// (Heckbert, "Nice numbers for graph labels", Graphics Gems, 1990).
    pub(super) fn around(min: f64, max: f64, count: usize) -> Self {
        let (min, max) = if max - min > f64::EPSILON * min.abs().max(max.abs()) { (min, max) } else { widen(min) };
        let step = nice((max - min) / count.max(1) as f64);
        let (first, last) = ((min / step + 1e-9).floor(), (max / step - 1e-9).ceil());
        let ticks: Vec<f64> = (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect();
        let digits = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
        Self { min: first * step, max: last * step, ticks, digits }
    }

    /// Where `value` lies, from 0 at the start to 1 at the end.
    pub(super) fn share(&self, value: f64) -> f64 {
        (value - self.min) / (self.max - self.min)
    }

    /// A tick in words, with as many digits as the steps need.
    pub(super) fn label(&self, tick: f64) -> String {
        let size = self.min.abs().max(self.max.abs());
        if tick != 0.0 && !(1e-4..1e7).contains(&size) {
            return format!("{tick:.1e}");
        }
        let digits = if (1e-4..1e7).contains(&size) { self.digits } else { 0 };
        // Adding 0 turns -0 into 0.
        format!("{:.digits$}", tick + 0.0)
    }
}

fn widen(value: f64) -> (f64, f64) {
    let by = if value == 0.0 { 1.0 } else { value.abs() * 0.1 };
    (value - by, value + by)
}

fn nice(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| step <= f * power * (1.0 + 1e-9));
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_cover_the_values() {
        let scale = Scale::around(0.643, 0.731, 5);
        assert_eq!((scale.label(scale.min), scale.label(scale.max)), ("0.64".into(), "0.74".into()));
        assert!(scale.ticks.len() <= 7, "{scale:?}");
        assert_eq!(Scale::around(0.0, 1.0, 5).ticks.len(), 6);
        assert_eq!(Scale::around(0.0, 1.0, 5).label(0.2), "0.2");
        let large = Scale::around(-1e9, 1e9, 4);
        assert_eq!([-1e9, 0.0, 5e8].map(|tick| large.label(tick)), ["-1.0e9", "0", "5.0e8"]);
    }

    #[test]
    fn one_value_still_makes_an_axis() {
        for value in [0.0, 0.5, -3.0, 1e12] {
            let scale = Scale::around(value, value, 5);
            assert!(scale.min < value && value < scale.max, "{scale:?}");
            assert!((0.0..=1.0).contains(&scale.share(value)));
        }
    }
}
