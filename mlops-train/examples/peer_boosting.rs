//! Our side of `benches/peers/boosting.py`: fits and answers on the file that the peers are given.
//!
//! `peer_boosting TRAIN TEST WIDTH [boosting|forest|extra] [repeats]`, where the files are row-major `f64` in little endian with
//! the target, 0 or 1, as the last of `WIDTH + 1` columns. Prints one line of JSON.
#![allow(clippy::print_stdout, reason = "a program's answer")]

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch};
use mlops_core::{Model, Predictions, Role, Run, Table, Trainer};
use mlops_train::{ExtraTrees, HistGradientBoosting, LogLoss, RandomForest, RocAuc, score};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let [train, test, width] = [1, 2, 3].map(|i| args.get(i).cloned().unwrap_or_default());
    let recipe: Box<dyn Trainer> = match args.get(4).map(String::as_str) {
        Some("forest") => Box::new(RandomForest::new()),
        Some("extra") => Box::new(ExtraTrees::new()),
        _ => Box::new(HistGradientBoosting::new().with_early_stopping(false)),
    };
    let repeats: u32 = args.get(5).map_or(Ok(1), |text| text.parse())?;
    let width = width.parse()?;
    let (train, test) = (read(&train, width)?, read(&test, width)?);
    let mut fits = Vec::new();
    let mut model = None;
    for _ in 0..repeats {
        let (cpu, start) = (cpu_seconds()?, Instant::now());
        model = Some(recipe.fit(&train, &Run::default())?);
        fits.push((cpu_seconds()? - cpu, start.elapsed().as_secs_f64()));
    }
    let model: Arc<dyn Model> = model.ok_or("nothing was fitted")?;
    let fit = fits.into_iter().fold((f64::MAX, f64::MAX), |best, fit| if fit.0 < best.0 { fit } else { best });
    let scores = score(model.as_ref(), &test, &[&LogLoss, &RocAuc])?;
    let batch = test.to_batch()?;
    let (mut predict, mut one) = (f64::MAX, f64::MAX);
    let rows: Vec<f64> = mlops_core::columns::to_matrix(&batch, &model.signature().input_names())?;
    let dense = model.dense().ok_or("a dense model")?;
    for _ in 0..5 {
        let cpu = cpu_seconds()?;
        std::hint::black_box(Predictions::scores_of(model.signature(), &model.predict(&batch)?)?);
        predict = predict.min(cpu_seconds()? - cpu);
        let start = Instant::now();
        let mut scores = [0.0; 2];
        for row in rows.chunks_exact(width) {
            dense.score_row(row, &mut scores);
            std::hint::black_box(&scores);
        }
        one = one.min(start.elapsed().as_secs_f64() / test.num_rows() as f64);
    }
    println!(
        "{{\"cpu\": {:.3}, \"wall\": {:.3}, \"log_loss\": {:.6}, \"auc\": {:.6}, \"rows_per_cpu_second\": {:.0}, \"row_us\": {:.2}}}",
        fit.0,
        fit.1,
        scores.get("log_loss").unwrap_or(f64::NAN),
        scores.get("roc_auc").unwrap_or(f64::NAN),
        test.num_rows() as f64 / predict,
        one * 1e6,
    );
    Ok(())
}

fn read(path: &str, width: usize) -> Result<Table, Failure> {
    let bytes = std::fs::read(path)?;
    let values: Vec<f64> = bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    let rows = || values.chunks_exact(width + 1);
    let feature = |c: usize| Arc::new(rows().map(|row| row[c]).collect::<Float64Array>()) as ArrayRef;
    let mut columns: Vec<(String, ArrayRef)> = (0..width).map(|c| (format!("x{c}"), feature(c))).collect();
    columns.push(("y".into(), Arc::new(rows().map(|row| Some(row[width] > 0.5)).collect::<BooleanArray>())));
    Ok(Table::from_batch(RecordBatch::try_from_iter(columns)?).with_role("y", Role::Target)?)
}

/// What all threads of this process have worked, where Linux tells it.
fn cpu_seconds() -> Result<f64, Failure> {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split(' ').next().ok_or("empty")?.parse::<f64>()? / 1e9;
    }
    Ok(sum)
}
