use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use mlops_core::{
    CellReader, Error, ErrorKind, InferRequest, InferResponse, Inference, Inputs, ModelDescription, ModelStatus,
    Result, Value,
};
use tokio::runtime::Handle;

use super::deployed::{Deployed, Failure};
use super::gate::Pass;
use super::metrics::{Call, ModelMetrics, Outcome};
use super::observe::{Rows, Taken};
use super::{InferenceService, Inner};
use crate::cells::{OwnedRow, row_batch, settle_row};

/// Who answers a request, fixed when it begins.
struct Target {
    deployed: Arc<Deployed>,
    shadow: Option<Arc<Deployed>>,
    metrics: Arc<ModelMetrics>,
}

/// Scores, and the rows they are of if somebody looks.
type Answer = (Vec<f64>, usize, Option<Taken>);

#[async_trait]
impl Inference for InferenceService {
    fn models(&self) -> Vec<ModelStatus> {
        self.inner.table.load().statuses()
    }

    fn describe(&self, model: &str, version: Option<&str>) -> Result<Arc<ModelDescription>> {
        let table = self.inner.table.load();
        let found = table.find(model, version).inspect_err(|error| self.inner.count_unmatched(error));
        Ok(Arc::clone(&found?.1.description))
    }

    async fn infer(&self, request: InferRequest<'_>) -> Result<InferResponse> {
        let inner = &self.inner;
        let target = inner.target(&request)?;
        let pass = inner.gate.enter().inspect_err(|_| target.deployed.metrics.shed())?;
        let call = Call::begin(&target.deployed.metrics, false);
        let look = inner.observers.look(target.shadow.as_ref());
        let (scores, rows, taken) = match inner.answer(&target.deployed, request.inputs, look, pass).await {
            Ok(answer) => answer,
            Err(Failure { outcome, error }) => {
                call.end(outcome, 0);
                return Err(error);
            }
        };
        call.end(Outcome::Ok, rows);
        let Target { deployed, shadow, metrics } = target;
        if let Some(taken) = taken {
            let rows = Rows::new(&deployed.signature, taken);
            inner.observers.seen(&deployed, &metrics, shadow, request.id, rows, &scores);
        }
        Ok(InferResponse::new(Arc::clone(&deployed.version), Arc::clone(&deployed.signature), scores))
    }

    fn metrics(&self) -> String {
        self.inner.metrics.write(&self.models(), &self.inner.observers.counts())
    }
}

impl Inner {
    fn target(&self, request: &InferRequest<'_>) -> Result<Target> {
        let table = self.table.load();
        let found = table.find(request.model, request.version).inspect_err(|error| self.count_unmatched(error));
        let (endpoint, served) = found?;
        let is_current = endpoint.current_number() == Some(served.deployed.version.number());
        let shadow = endpoint.shadow.as_ref().filter(|shadow| is_current && shadow.version != served.deployed.version);
        Ok(Target {
            deployed: Arc::clone(&served.deployed),
            shadow: shadow.map(Arc::clone),
            metrics: Arc::clone(&endpoint.metrics),
        })
    }

    fn count_unmatched(&self, error: &Error) {
        if error.kind() == ErrorKind::NotFound {
            self.metrics.unmatched.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn answer(
        &self,
        deployed: &Arc<Deployed>,
        inputs: Inputs<'_>,
        look: bool,
        pass: Pass,
    ) -> Result<Answer, Failure> {
        match (inputs, &deployed.row_kinds) {
            (Inputs::Row(row), Some(kinds)) => {
                let row = settle_row(&deployed.signature, kinds, row).map_err(Failure::invalid)?;
                self.answer_row(deployed, &row, look, pass).await
            }
            (Inputs::Row(row), None) => {
                let batch = row_batch(&deployed.signature, row).map_err(Failure::invalid)?;
                self.answer_batch(deployed, batch, look, pass).await
            }
            (Inputs::Batch(batch), kinds) => {
                let batch = deployed.signature.check(&batch).map_err(Failure::invalid)?;
                if kinds.is_none() || batch.num_rows() != 1 {
                    return self.answer_batch(deployed, batch, look, pass).await;
                }
                let cells = CellReader::new(&batch).map_err(Failure::invalid)?;
                let row: Vec<Value<'_>> = cells.row(0).collect();
                let (scores, rows, _) = self.answer_row(deployed, &row, false, pass).await?;
                Ok((scores, rows, look.then_some(Taken::Batch(batch))))
            }
        }
    }

    async fn answer_row(
        &self,
        deployed: &Arc<Deployed>,
        row: &[Value<'_>],
        look: bool,
        pass: Pass,
    ) -> Result<Answer, Failure> {
        let keep = || look.then(|| Taken::Row(OwnedRow::new(row)));
        if deployed.inline_rows > 0 {
            return Ok((deployed.score_row(row)?, 1, keep()));
        }
        let (owned, model) = (OwnedRow::new(row), Arc::clone(deployed));
        let scores = self.aside(pass, move || model.score_row(&owned.cells())).await?;
        Ok((scores, 1, keep()))
    }

    async fn answer_batch(
        &self,
        deployed: &Arc<Deployed>,
        batch: RecordBatch,
        look: bool,
        pass: Pass,
    ) -> Result<Answer, Failure> {
        let rows = batch.num_rows();
        let taken = look.then(|| Taken::Batch(batch.clone()));
        if rows <= deployed.inline_rows {
            return Ok((deployed.predict(&batch)?, rows, taken));
        }
        let model = Arc::clone(deployed);
        Ok((self.aside(pass, move || model.predict(&batch)).await?, rows, taken))
    }

    /// Computes away from the thread that asked, when it is this request's turn; without a runtime,
    /// there is no other thread.
    async fn aside(
        &self,
        pass: Pass,
        work: impl FnOnce() -> Result<Vec<f64>, Failure> + Send + 'static,
    ) -> Result<Vec<f64>, Failure> {
        let Ok(runtime) = Handle::try_current() else { return work() };
        let computed = async {
            // The semaphore is never closed.
            let turn = self.gate.workers.acquire().await.ok();
            let done = runtime.spawn_blocking(move || {
                // Work that nobody waits for any more still holds its place.
                let _pass = pass;
                work()
            });
            let done = done.await;
            drop(turn);
            done
        };
        match tokio::time::timeout(self.timeout, computed).await {
            Ok(Ok(done)) => done,
            Ok(Err(stopped)) => Err(Failure { outcome: Outcome::Failed, error: stopping(stopped) }),
            Err(_) => Err(Failure { outcome: Outcome::Failed, error: too_slow(self.timeout) }),
        }
    }
}

fn stopping(stopped: tokio::task::JoinError) -> Error {
    // The work catches its own panics, so only a runtime that is shut down stops it.
    Error::new(ErrorKind::Unavailable, "the program is stopping").with_source(stopped)
}

fn too_slow(timeout: std::time::Duration) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("no answer within {timeout:?}: send fewer rows at once, or raise the service's timeout"),
    )
}
