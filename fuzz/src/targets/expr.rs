//! An expression as JSON: evaluated, as a filter of a scan, and row by row.

use futures::TryStreamExt;
use mlops::core::{DataSource, Expr, Result, Run, Scan, Table, Transformer};
use mlops::data::MemorySource;
use mlops::data::transform::Derive;

use super::{answered, block_on, sample};

pub(super) fn run(data: &[u8]) {
    let Ok(expr) = serde_json::from_slice::<Expr>(data) else { return };
    let text = serde_json::to_string(&expr).expect("what was read can be written");
    assert_eq!(
        serde_json::from_str::<Expr>(&text).expect("what was written can be read").to_string(),
        expr.to_string()
    );
    answered(evaluate(&expr));
    answered(filter(&expr));
    answered(derive(&expr));
}

/// The result is of the promised type.
fn evaluate(expr: &Expr) -> Result<()> {
    let rows = sample::flights();
    let promised = expr.data_type(rows.schema_ref())?;
    let values = expr.evaluate(&rows)?;
    assert_eq!((values.data_type(), values.len()), (&promised, rows.num_rows()), "{expr}");
    Ok(())
}

/// Rows pass a filter or do not, whatever the batches.
fn filter(expr: &Expr) -> Result<()> {
    let table = Table::from_batch(sample::flights());
    let count = |table: Table| {
        let scan = Scan::all().with_columns(["distance"]).with_filter(expr.clone());
        block_on(async {
            let batches: Vec<_> = MemorySource::new(table).scan(scan).await?.try_collect().await?;
            Ok(batches.iter().map(|batch| batch.num_rows()).sum::<usize>())
        })
    };
    let whole: Result<usize> = count(table.clone());
    let whole = whole?;
    assert_eq!(whole, count(table.rebatch(3)?)?, "{expr}");
    Ok(())
}

fn derive(expr: &Expr) -> Result<()> {
    let rows = sample::flights();
    let derived = Derive::column("derived", expr.clone()).fit(&Table::from_batch(rows.clone()), &Run::default())?;
    sample::transform(derived.as_ref(), &rows)
}
