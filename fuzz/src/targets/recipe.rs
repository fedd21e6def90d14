//! Recipes by the name of their kind: read, written again, and those that are cheap fitted.

use mlops::core::{Result, Role, Run, Spec, Table};

use super::{answered, codecs, sample};

pub(super) fn run(data: &[u8]) {
    let Ok(spec) = serde_json::from_slice::<Spec>(data) else { return };
    if let Some(trainer) = answered(codecs().trainer(&spec)) {
        let again = codecs().trainer(&trainer.to_spec().expect("what was read can be written"));
        again.expect("what was written can be read");
    }
    let table = || Table::from_batch(sample::flights()).with_role("late", Role::Target);
    if let Some(transformer) = answered(codecs().transformer(&spec)) {
        let again = codecs().transformer(&transformer.to_spec().expect("what was read can be written"));
        again.expect("what was written can be read");
        let fit = || -> Result<()> {
            let table = table()?;
            sample::transform(transformer.fit(&table, &Run::default())?.as_ref(), &table.to_batch()?)
        };
        answered(fit());
    }
    if let Some(detector) = answered(codecs().detector(&spec)) {
        let again = codecs().detector(&detector.to_spec().expect("what was read can be written"));
        again.expect("what was written can be read");
        let fit = || -> Result<()> {
            let table = table()?;
            let mut monitor = detector.fit(&table)?;
            monitor.observe(&table.to_batch()?)?;
            monitor.report().map(drop)
        };
        answered(fit());
    }
}
