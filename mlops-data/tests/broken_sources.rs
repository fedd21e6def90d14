//! The suite is no empty promise: sources that break one rule each are caught.

#[path = "conformance/rows.rs"]
mod rows;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt;
use mlops_core::conformance::{Trial, data_source, run_all};
use mlops_core::{BatchStream, DataSource, Result, Scan};
use rows::rows;

#[derive(Debug)]
struct Broken(RecordBatch, fn(Scan) -> Scan);

#[async_trait]
impl DataSource for Broken {
    fn name(&self) -> String {
        "broken".to_owned()
    }

    async fn schema(&self) -> Result<SchemaRef> {
        Ok(self.0.schema())
    }

    async fn scan(&self, scan: Scan) -> Result<BatchStream> {
        let batches = futures::stream::iter([Ok(self.0.clone())]);
        (self.1)(scan).apply(&self.0.schema(), batches.boxed())
    }
}

fn failing(spoil: fn(Scan) -> Scan) -> Vec<String> {
    let batch = rows(5, 100);
    let trials = data_source("", move || Arc::new(Broken(batch.clone(), spoil)));
    let failed = |trial: Trial| {
        let name = trial.name().trim_start_matches("::").to_owned();
        let run = std::panic::AssertUnwindSafe(|| run_all(vec![trial], futures::executor::block_on));
        std::panic::catch_unwind(run).is_err().then_some(name)
    };
    trials.into_iter().filter_map(failed).collect()
}

fn changed(change: impl FnOnce(&mut Scan), mut scan: Scan) -> Scan {
    change(&mut scan);
    scan
}

#[test]
fn a_source_that_ignores_a_part_of_the_scan() {
    assert_eq!(failing(|scan| scan), Vec::<String>::new());
    let failed = failing(|scan| changed(|scan| scan.filter = None, scan));
    assert!(failed.contains(&"gives_the_rows_that_pass_the_filter".to_owned()), "{failed:?}");
    let failed = failing(|scan| changed(|scan| scan.limit = None, scan));
    assert!(failed.contains(&"gives_the_first_rows_up_to_the_limit".to_owned()), "{failed:?}");
    let failed = failing(|scan| changed(|scan| scan.columns = None, scan));
    assert!(failed.contains(&"gives_the_selected_columns_in_their_order".to_owned()), "{failed:?}");
    let failed = failing(|scan| changed(|scan| scan.batch_size = 8192, scan));
    assert!(failed.contains(&"keeps_to_the_batch_size".to_owned()), "{failed:?}");
}
