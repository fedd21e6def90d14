use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The upper bounds of the histograms' buckets, in nanoseconds and as Prometheus reads them, in
/// seconds; the last bucket has none.
pub(crate) const BOUNDS: [(u64, &str); 18] = [
    (25_000, "0.000025"),
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
];

/// A set of numbers, once for each of a few threads: adding touches only the stripe of the own
/// thread, reading adds them up.
#[derive(Debug)]
pub(crate) struct Striped<T>(Box<[Padded<T>]>);

/// Alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> Default for Striped<T> {
    fn default() -> Self {
        const MOST: usize = 16;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let stripes = threads.next_power_of_two().min(MOST);
        Self((0..stripes).map(|_| Padded::default()).collect())
    }
}

impl<T> Striped<T> {
    /// The stripe of this thread.
    pub(crate) fn here(&self) -> &T {
        // The number of stripes is a power of two.
        &self.0[thread_number() & (self.0.len() - 1)].0
    }

    /// The sum of a number over all stripes.
    pub(crate) fn sum(&self, number: impl Fn(&T) -> &AtomicU64) -> u64 {
        // Wrapping: a gauge goes up on one thread and down on another.
        self.0.iter().fold(0, |sum, stripe| sum.wrapping_add(number(&stripe.0).load(Ordering::Relaxed)))
    }
}

fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<Option<usize>> = const { Cell::new(None) });
    NUMBER.get().unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    })
}

/// How long something took, spread over [`BOUNDS`].
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// What a [`Histogram`] has seen, added up.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Duration64 {
    /// Observations up to each bound, and all.
    pub(crate) cumulative: [u64; BOUNDS.len() + 1],
    /// All durations together, in seconds.
    pub(crate) seconds: f64,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|(bound, _)| *bound < nanos);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl Duration64 {
    pub(crate) fn of<T>(stripes: &Striped<T>, histogram: impl Fn(&T) -> &Histogram) -> Self {
        let mut total = Self::default();
        let mut count = 0;
        for (i, cumulative) in total.cumulative.iter_mut().enumerate() {
            count += stripes.sum(|stripe| &histogram(stripe).buckets[i]);
            *cumulative = count;
        }
        total.seconds = stripes.sum(|stripe| &histogram(stripe).nanos) as f64 * 1e-9;
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_every_bound_is_its_number() {
        for (nanos, text) in BOUNDS {
            assert_eq!(text.parse::<f64>().unwrap(), nanos as f64 / 1e9);
        }
    }

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let stripes = Striped::<Histogram>::default();
        for nanos in [25_000, 25_001, 11_000_000_000] {
            stripes.here().observe(Duration::from_nanos(nanos));
        }
        let total = Duration64::of(&stripes, |histogram| histogram);
        assert_eq!(total.cumulative[..3], [1, 2, 2]);
        assert_eq!(total.cumulative[BOUNDS.len() - 1..], [2, 3]);
        assert!((total.seconds - 11.000_050_001).abs() < 1e-12);
    }

    #[test]
    fn threads_add_up() {
        let stripes = Striped::<AtomicU64>::default();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..1000).for_each(|_| _ = stripes.here().fetch_add(1, Ordering::Relaxed)));
            }
        });
        assert_eq!(stripes.sum(|n| n), 20_000);
    }
}
