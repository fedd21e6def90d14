//! Expectations as JSON and TOML, checked on rows, and conditions as text.

use mlops::core::{Result, Table};
use mlops::data::Expectations;
use mlops::data::expect::{parse_condition, write_condition};

use super::{answered, sample};

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(condition) = parse_condition(text) {
        let written = write_condition(&condition);
        // As text: NaN is not equal to itself.
        assert_eq!(write_condition(&parse_condition(&written).expect("what was written can be read")), written);
    }
    if let Ok(expectations) = Expectations::from_toml(text)
        && let Ok(written) = expectations.to_toml()
    {
        let read = Expectations::from_toml(&written).expect("what was written can be read");
        assert_eq!(read.to_toml().expect("what was read can be written"), written);
        answered(check(&expectations));
    }
    let Ok(expectations) = Expectations::from_json(text) else { return };
    let written = expectations.to_json().expect("what was read can be written");
    let read = Expectations::from_json(&written).expect("what was written can be read");
    assert_eq!(read.to_json().expect("what was read can be written"), written);
    answered(check(&expectations));
}

fn check(expectations: &Expectations) -> Result<()> {
    let table = Table::from_batch(sample::flights());
    // Both looks at the rows are at the same moment.
    let expectations = &expectations.clone().with_now("2013-01-02T00:00:00Z");
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
