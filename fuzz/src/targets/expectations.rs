//! Expectations as JSON, checked on rows. When another text form of them is read, try it here too.

use mlops::core::{Result, Table};
use mlops::data::Expectations;

use super::{answered, sample};

pub(super) fn run(data: &[u8]) {
    let Ok(expectations) = serde_json::from_slice::<Expectations>(data) else { return };
    let text = serde_json::to_string(&expectations).expect("what was read can be written");
    assert_eq!(serde_json::from_str::<Expectations>(&text).expect("what was written can be read"), expectations);
    answered(check(&expectations));
}

fn check(expectations: &Expectations) -> Result<()> {
    let table = Table::from_batch(sample::flights());
    expectations.check_schema(table.schema())?;
    let validated = expectations.check(&table)?;
    let rows = validated.passed.num_rows() + validated.quarantined.num_rows();
    assert_eq!(rows, table.num_rows(), "a row is lost");
    let report = &validated.report;
    assert!(!report.to_string().is_empty());
    serde_json::to_string(report).expect("a report is JSON");
    let pieces = expectations.check(&table.rebatch(3)?)?;
    assert_eq!(pieces.report, *report, "batches of 3 rows");
    Ok(())
}
