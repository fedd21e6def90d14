//! A window of 10,000 rows and 20 columns against a reference of 100,000 rows: data made by
//! splitmix64, outside of the timer.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mlops_core::random::SplitMix64;
use mlops_core::{DriftDetector, Table};
use mlops_monitor::{KsTest, Psi};

fn rows(seed: u64, rows: usize, shift: f64) -> RecordBatch {
    let mut rng = SplitMix64::new(seed);
    let column = |i: i32| {
        let mut normal = || (0..12).map(|_| rng.uniform()).sum::<f64>() - 6.0 + shift * f64::from(i) / 19.0;
        let values: ArrayRef = Arc::new(Float64Array::from_iter_values((0..rows).map(|_| normal())));
        (format!("x{i}"), values)
    };
    // The arrays are of one length.
    RecordBatch::try_from_iter((0..20).map(column).collect::<Vec<_>>()).unwrap()
}

fn drift(c: &mut Criterion) {
    let reference = Table::from_batch(rows(42, 100_000, 0.0));
    let window = rows(7, 10_000, 0.1);
    let detectors: [(&str, Box<dyn DriftDetector>); 3] = [
        ("ks", Box::new(KsTest::default())),
        ("ks_exact_grid", Box::new(KsTest::default().with_max_cells(100_000))),
        ("psi", Box::new(Psi::default())),
    ];
    for (name, detector) in detectors {
        let mut monitor = detector.fit(&reference).unwrap();
        c.bench_function(&format!("{name}/observe_and_report_10k_x_20"), |b| {
            b.iter(|| {
                monitor.reset();
                monitor.observe(black_box(&window)).unwrap();
                monitor.report().unwrap()
            });
        });
        let row = window.slice(0, 1);
        c.bench_function(&format!("{name}/observe_1_x_20"), |b| b.iter(|| monitor.observe(black_box(&row)).unwrap()));
        c.bench_function(&format!("{name}/fit_100k_x_20"), |b| {
            b.iter_batched(|| reference.clone(), |reference| detector.fit(&reference).unwrap(), BatchSize::LargeInput);
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = drift
}
criterion_main!(benches);
