//! Fitting gives the same whatever the batches, the threads or the way to disk and back.

use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::{StreamExt, stream};

use super::TransformerSubject;
use super::compare::{apply_checked, assert_same, must};
use crate::conformance::Trial;
use crate::random::SplitMix64;
use crate::{Artifact, BatchStream, DataSource, Error, ErrorKind, Result, Run, Scan, Table, transform_table};

/// Fits on other data that should make no difference, and compares what the transforms do.
pub(super) fn fits_same(what: &str, subject: &TransformerSubject, data: &Table) {
    let fitted = must("fit", subject.recipe.fit(data, &Run::default()));
    let expected = must("apply", subject.fit().apply(subject.batch()));
    assert_same(what, &must("apply", fitted.apply(subject.batch())), &expected);
}

pub(super) fn any_batches(subject: &TransformerSubject) {
    for size in [1, 7, 1000] {
        let data = must("cut the rows", subject.data.rebatch(size));
        fits_same(&format!("batches of {size} rows"), subject, &data);
        let (_, whole) = must("fit", subject.recipe.fit_transform(&subject.data, &Run::default()));
        let (_, pieces) = must("fit", subject.recipe.fit_transform(&data, &Run::default()));
        let (whole, pieces) = (must("join", whole.to_batch()), must("join", pieces.to_batch()));
        assert_same(&format!("training rows in batches of {size}"), &pieces, &whole);
    }
}

pub(super) fn any_threads(subject: &TransformerSubject) {
    let data = must("cut the rows", subject.data.rebatch(5));
    let on = |threads| {
        let run = Run::default().with_threads(threads);
        let (fitted, table) = must("fit", subject.recipe.fit_transform(&data, &run));
        (must("apply", fitted.apply(subject.batch())), must("join", table.to_batch()))
    };
    let ((one, one_table), (two, two_table)) = (on(NonZeroUsize::MIN), on(NonZeroUsize::MIN.saturating_add(1)));
    assert_same("2 threads", &two, &one);
    assert_same("2 threads, training rows", &two_table, &one_table);
}

pub(super) fn any_order(subject: &TransformerSubject) {
    if !subject.ignores_row_order {
        return;
    }
    let mut order: Vec<usize> = (0..subject.data.num_rows()).collect();
    for seed in 0..3 {
        SplitMix64::new(seed).shuffle(&mut order);
        let data = must("shuffle", subject.data.take(&order).and_then(|data| data.rebatch(11)));
        fits_same("shuffled rows", subject, &data);
    }
}

pub(super) fn fit_transform_consistent(subject: &TransformerSubject) {
    let (fitted, table) = must("fit", subject.recipe.fit_transform(&subject.data, &Run::default()));
    let (expected, input) = (subject.fit(), subject.batch());
    let (actual, expected) = (fitted.apply(input.clone()), expected.apply(input.clone()));
    assert_same("fitted in one", &must("apply", actual), &must("apply", expected));
    let declared = must("declare", fitted.output_schema(input.schema_ref()));
    assert_eq!(table.schema(), &declared, "the training rows have another schema than is declared");
    if !subject.changes_rows {
        assert_eq!(table.num_rows(), input.num_rows(), "training rows were lost or made");
    }
    assert_eq!(table.roles(), subject.data.roles(), "the roles are others");
}

/// A table as a source.
#[derive(Debug)]
pub(super) struct Rows(Table);

#[async_trait]
impl DataSource for Rows {
    fn name(&self) -> String {
        "the rows of the subject".to_owned()
    }

    async fn schema(&self) -> Result<SchemaRef> {
        Ok(Arc::clone(self.0.schema()))
    }

    async fn scan(&self, scan: Scan) -> Result<BatchStream> {
        let batches = stream::iter(self.0.batches().to_vec().into_iter().map(Ok)).boxed();
        scan.apply(self.0.schema(), batches)
    }
}

/// A fold sees the columns it asked for, and nothing else.
pub(super) fn from_a_source(subject: &Arc<TransformerSubject>) -> Trial {
    let name = format!("{}::fits_the_same_from_a_source", subject.name);
    let subject = Arc::clone(subject);
    Trial::of_future(name, move || async move { fit_a_source(&subject).await })
}

pub(super) async fn fit_a_source(subject: &TransformerSubject) {
    let data = must("cut the rows", subject.data.rebatch(7));
    let Some(learner) = must("make a learner", subject.recipe.learner(data.schema(), data.roles())) else { return };
    let fitted = must("fit on a source", learner.fit_source(&Rows(data), &Run::default()).await);
    let expected = must("apply", subject.fit().apply(subject.batch()));
    assert_same("fitted on a source", &must("apply", fitted.apply(subject.batch())), &expected);
}

pub(super) fn cancelled(subject: &TransformerSubject) {
    let run = Run::default();
    run.cancel.cancel();
    let learner = must("make a learner", subject.recipe.learner(subject.data.schema(), subject.data.roles()));
    match subject.recipe.fit(&subject.data, &run) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled, "cancelled: {error:?}"),
        // What takes no time need not stop.
        Ok(_) => assert!(learner.is_none_or(|learner| learner.known().is_some()), "a cancelled fit went on"),
    }
}

pub(super) fn knows_its_rows(subject: &TransformerSubject) {
    let (fitted, table) = must("fit", subject.recipe.fit_transform(&subject.data, &Run::default()));
    let rows = subject.data.provenance();
    assert_eq!(fitted.fitted_on(), Some(&rows), "the rows it was fitted on are not remembered");
    let loaded = must("load", subject.codecs.transform(&through_text(&must("save", fitted.save()))));
    assert_eq!(loaded.fitted_on(), Some(&rows), "the rows it was fitted on are not written down");
    assert_eq!(table.fitted_on(), &rows, "the training rows do not tell what their columns were fitted on");
    let prepared = must("apply", transform_table(loaded.as_ref(), &subject.data));
    assert_eq!(prepared.fitted_on(), &rows, "prepared rows do not tell what their columns were fitted on");
    assert_eq!(prepared.provenance(), rows, "prepared rows are other rows");
}

/// The artifact as it comes back from a file.
pub(super) fn through_text(artifact: &Artifact) -> Artifact {
    let text = must("write", serde_json::to_string(&artifact.state).map_err(Error::from));
    let mut copy = artifact.clone();
    copy.state = must("read", serde_json::from_str(&text).map_err(Error::from));
    copy.parts = artifact.parts.iter().map(through_text).collect();
    copy
}

pub(super) fn survives_saving(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let artifact = must("save", fitted.save());
    let loaded = must("load", subject.codecs.transform(&through_text(&artifact)));
    let input = subject.batch();
    let output = must("apply", apply_checked("loaded", loaded.as_ref(), &input));
    assert_same("loaded", &output, &must("apply", fitted.apply(input)));
    assert_eq!(must("save again", loaded.save()), artifact, "what was loaded is saved as something else");
}

pub(super) fn settings_round_trip(subject: &TransformerSubject) {
    let spec = must("write the settings", subject.recipe.to_spec());
    let text = must("write", serde_json::to_string(&spec).map_err(Error::from));
    let read = must("read", serde_json::from_str(&text).map_err(Error::from));
    let recipe = must("read the recipe", subject.codecs.transformer(&read));
    assert_eq!(must("write the settings", recipe.to_spec()), spec, "the settings changed on the way");
    let fitted = must("fit", recipe.fit(&subject.data, &Run::default()));
    let expected = must("apply", subject.fit().apply(subject.batch()));
    assert_same("fitted from settings", &must("apply", fitted.apply(subject.batch())), &expected);
}
