//! Fits a preparation of 55 columns on a Parquet file and prepares every row of it, both in pieces: the
//! subject of `benches/peers/prepare_*.py`, on the file that `examples/generate.rs` makes.
//!
//! ```text
//! cargo build --release -p mlops-data --all-features --example prepare
//! /usr/bin/time -v target/release/examples/prepare data.parquet
//! ```

use std::error::Error;

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use futures::TryStreamExt;
use mlops_core::{DataSource, Pipeline, Role, Roles, Run, Scan, map_stream};
use mlops_data::Parquet;
use mlops_data::transform::{OneHotEncoder, SimpleImputer, StandardScaler, TargetEncoder};

const NUMBERS: [&str; 8] = ["age", "clicks", "price", "amount", "discount", "rating", "score", "ratio"];
const ONE_HOT: [&str; 2] = ["country", "quantity"];
const TARGET_ENCODED: [&str; 2] = ["city", "sku"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: prepare FILE.parquet")?;
    let (file, run) = (Parquet::at(path), Run::default());
    let recipe = Pipeline::new()
        .then(SimpleImputer::median(NUMBERS))
        .then(StandardScaler::on(NUMBERS))
        .then(OneHotEncoder::on(ONE_HOT))
        .then(TargetEncoder::on(TARGET_ENCODED));
    let fitted = recipe.fit_source(&file, &Roles::new().with("target", Role::Target), &run).await?;

    let scan = Scan::all().with_columns([&NUMBERS[..], &ONE_HOT, &TARGET_ENCODED].concat()).with_dictionaries();
    let mut batches = map_stream(file.scan(scan).await?, &run, move |batch| fitted.apply(batch))?;
    let (mut rows, mut columns, mut sum) = (0, 0, 0.0);
    while let Some(batch) = batches.try_next().await? {
        (rows, columns) = (rows + batch.num_rows(), batch.num_columns());
        let sku = batch.column_by_name("sku").ok_or("the encoded column is gone")?;
        sum += sku.as_primitive::<Float64Type>().values().iter().sum::<f64>();
    }
    #[expect(clippy::print_stdout, reason = "it is what the program is for")]
    {
        println!("mlops-data: {rows} rows, {columns} columns, sku sums up to {sum:.6}");
    }
    Ok(())
}
