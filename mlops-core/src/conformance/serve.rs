use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use futures::future::join_all;

use super::{LinearModel, Trial};
use crate::{
    Artifact, CellReader, Dense, Error, ErrorKind, InferRequest, InferResponse, Inference, Inputs, Model,
    ModelDescription, ModelStatus, Package, Result, RowModel, Server, Shutdown, Signature, Value, Version,
    predict_dense,
};

/// An [`Inference`] service that versions can be deployed to: what [`inference`] needs of an
/// implementation.
#[async_trait]
pub trait Deploys: Send + Sync + 'static {
    /// The service.
    fn service(&self) -> Arc<dyn Inference>;

    /// Makes `version` the one that answers requests to its model.
    ///
    /// # Errors
    /// If the package does not pass its self-test; what was in service stays.
    async fn deploy(&self, version: Version, package: Package) -> Result<()>;
}

/// What every [`Inference`] service must do; `new` gives one without models.
pub fn inference<D: Deploys>(subject: &str, new: impl Fn() -> D + Clone + Send + 'static) -> Vec<Trial> {
    let trial = |name: &str, run: fn(D) -> futures::future::BoxFuture<'static, ()>| {
        let new = new.clone();
        Trial::of_future(format!("{subject}::{name}"), move || run(new()))
    };
    vec![
        trial("is_not_ready_before_its_first_version", |d| Box::pin(is_not_ready_before_its_first_version(d))),
        trial("describes_what_it_serves", |d| Box::pin(describes_what_it_serves(d))),
        trial("answers_as_the_model_does", |d| Box::pin(answers_as_the_model_does(d))),
        trial("answers_a_row_as_in_a_batch", |d| Box::pin(answers_a_row_as_in_a_batch(d))),
        trial("answers_no_rows_with_no_scores", |d| Box::pin(answers_no_rows_with_no_scores(d))),
        trial("does_not_know_what_it_does_not_serve", |d| Box::pin(does_not_know_what_it_does_not_serve(d))),
        trial("refuses_inputs_that_do_not_fit", |d| Box::pin(refuses_inputs_that_do_not_fit(d))),
        trial("lets_the_newest_deployment_answer", |d| Box::pin(lets_the_newest_deployment_answer(d))),
        trial("keeps_what_serves_when_it_refuses_a_version", |d| {
            Box::pin(keeps_what_serves_when_it_refuses_a_version(d))
        }),
        trial("keeps_a_panic_to_its_request", |d| Box::pin(keeps_a_panic_to_its_request(d))),
        trial("never_mixes_versions_while_they_swap", |d| Box::pin(never_mixes_versions_while_they_swap(d))),
        trial("writes_metrics_with_bounded_labels", |d| Box::pin(writes_metrics_with_bounded_labels(d))),
    ]
}

async fn is_not_ready_before_its_first_version(d: impl Deploys) {
    let service = d.service();
    assert_eq!(service.models(), [], "nothing was deployed");
    d.deploy(version(1), times(1.0)).await.unwrap();
    assert_eq!(service.models(), [ModelStatus::new("m", "1", true)]);
}

async fn describes_what_it_serves(d: impl Deploys) {
    let package = late();
    let signature = package.signature().clone();
    d.deploy(version(7), package).await.unwrap();
    for asked in [None, Some("7")] {
        let description = d.service().describe("m", asked).unwrap();
        assert_eq!((description.name.as_str(), description.version.as_str()), ("m", "7"));
        assert_eq!((&description.versions, description.signature.as_ref()), (&vec!["7".to_owned()], &signature));
    }
}

async fn answers_as_the_model_does(d: impl Deploys) {
    let package = late();
    let model = Arc::clone(&package.model);
    d.deploy(version(1), package).await.unwrap();
    for rows in [1, 2, 100, 5_000] {
        let batch = two_columns(rows);
        let answer = ask(&d, Inputs::Batch(batch.clone())).await.unwrap();
        assert_eq!(answer.to_batch().unwrap(), model.predict(&batch).unwrap(), "{rows} rows");
        assert_eq!(answer.version.to_string(), "m:1");
    }
}

async fn answers_a_row_as_in_a_batch(d: impl Deploys) {
    d.deploy(version(1), late()).await.unwrap();
    let batch = two_columns(20);
    let together = ask(&d, Inputs::Batch(batch.clone())).await.unwrap().scores;
    let cells = CellReader::new(&batch).unwrap();
    for row in 0..batch.num_rows() {
        let together = &together[row * 2..][..2];
        let cells: Vec<_> = cells.row(row).collect();
        assert_eq!(ask(&d, Inputs::Row(&cells)).await.unwrap().scores, together, "row {row} as cells");
        let alone = ask(&d, Inputs::Batch(batch.slice(row, 1))).await.unwrap().scores;
        assert_eq!(alone, together, "row {row} as a batch");
    }
}

async fn answers_no_rows_with_no_scores(d: impl Deploys) {
    d.deploy(version(1), late()).await.unwrap();
    assert_eq!(ask(&d, Inputs::Batch(two_columns(0))).await.unwrap().scores, [0.0; 0]);
}

async fn does_not_know_what_it_does_not_serve(d: impl Deploys) {
    d.deploy(version(1), times(1.0)).await.unwrap();
    let service = d.service();
    for (model, version) in [("other", None), ("m", Some("2")), ("m", Some("")), ("m", Some("one")), ("", None)] {
        let row = [Value::Float(1.0)];
        let request = InferRequest::new(model, Inputs::Row(&row)).with_version(version);
        let asked = service.infer(request).await.expect_err("it is not served");
        let described = service.describe(model, version).expect_err("it is not served");
        for error in [asked, described] {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{model:?} {version:?}: {error}");
        }
    }
}

async fn refuses_inputs_that_do_not_fit(d: impl Deploys) {
    d.deploy(version(1), late()).await.unwrap();
    let numbers = || -> ArrayRef { Arc::new(Float64Array::from(vec![1.0, 2.0])) };
    let misfits: [Vec<(&str, ArrayRef)>; 3] = [
        vec![("delay", numbers())],
        vec![("delay", numbers()), ("wind", Arc::new(StringArray::from(vec!["a", "b"])))],
        vec![("delay", numbers()), ("wind", Arc::new(Float64Array::from(vec![Some(1.0), None])))],
    ];
    for columns in misfits {
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
        refuses(&d, Inputs::Batch(batch)).await;
    }
    let number = Value::Float(1.0);
    for row in [vec![], vec![number], vec![number; 3], vec![number, Value::Null], vec![number, Value::Text("a")]] {
        refuses(&d, Inputs::Row(&row)).await;
    }
    assert!(ask(&d, Inputs::Row(&[number; 2])).await.is_ok(), "good requests go on being answered");
}

async fn refuses(d: &impl Deploys, inputs: Inputs<'_>) {
    let shown = format!("{inputs:?}");
    let error = ask(d, inputs).await.map(|answer| answer.scores).expect_err(&shown);
    assert!(matches!(error.kind(), ErrorKind::Schema | ErrorKind::Data), "{shown}: {error:?}");
}

async fn lets_the_newest_deployment_answer(d: impl Deploys) {
    for number in [1, 3, 2] {
        d.deploy(version(number), times(number as f64)).await.unwrap();
        let answer = ask(&d, Inputs::Row(&[Value::Float(1.0)])).await.unwrap();
        assert_eq!((answer.version.number(), answer.scores), (number, vec![number as f64]));
        assert_eq!(d.service().describe("m", None).unwrap().version, number.to_string());
    }
}

async fn keeps_what_serves_when_it_refuses_a_version(d: impl Deploys) {
    d.deploy(version(1), times(1.0)).await.unwrap();
    let mut lying = times(2.0);
    lying.samples.expected = times(3.0).samples.expected;
    let error = d.deploy(version(2), lying).await.expect_err("it answers its samples otherwise than it says");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let answer = ask(&d, Inputs::Row(&[Value::Float(1.0)])).await.unwrap();
    assert_eq!((answer.version.number(), answer.scores), (1, vec![1.0]));
}

async fn keeps_a_panic_to_its_request(d: impl Deploys) {
    let LinearModelPackage { model, rows } = LinearModelPackage::times(1.0);
    let touchy = Package::new("m", Arc::new(Touchy(model)), &rows).unwrap();
    d.deploy(version(1), touchy).await.unwrap();
    let trigger = Touchy::TRIGGER;
    let batch = RecordBatch::try_from_iter([("x", Arc::new(Float64Array::from(vec![1.0, trigger])) as ArrayRef)]);
    for inputs in [Inputs::Row(&[Value::Float(trigger)]), Inputs::Batch(batch.unwrap())] {
        let error = ask(&d, inputs).await.map(|answer| answer.scores).expect_err("the model panics");
        assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
        assert_eq!(ask(&d, Inputs::Row(&[Value::Float(2.0)])).await.unwrap().scores, [2.0]);
    }
}

async fn never_mixes_versions_while_they_swap(d: impl Deploys) {
    const SWAPS: u64 = 40;
    d.deploy(version(1), times(1.0)).await.unwrap();
    let ones: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 3]));
    let batch = RecordBatch::try_from_iter([("x", ones)]).unwrap();
    let callers = (0..8).map(|_| async {
        for _ in 0..SWAPS * 5 {
            let answer = ask(&d, Inputs::Batch(batch.clone())).await.expect("a swap drops no request");
            let number = answer.version.number() as f64;
            assert_eq!(answer.scores, [number; 3], "scores of another version than {}", answer.version);
            yield_now().await;
        }
    });
    let swaps = async {
        for number in 2..=SWAPS {
            d.deploy(version(number), times(number as f64)).await.unwrap();
            yield_now().await;
        }
    };
    futures::future::join(join_all(callers), swaps).await;
}

async fn writes_metrics_with_bounded_labels(d: impl Deploys) {
    d.deploy(version(1), times(1.0)).await.unwrap();
    ask(&d, Inputs::Row(&[Value::Float(1.0)])).await.unwrap();
    let row = [Value::Float(1.0)];
    for model in ["nobody-serves-this", "m\"} 1\n"] {
        d.service().infer(InferRequest::new(model, Inputs::Row(&row))).await.expect_err("it is not served");
    }
    let text = d.service().metrics();
    assert!(text.contains("model=\"m\""), "no metrics of the model that is served:\n{text}");
    assert!(!text.contains("nobody-serves-this"), "a caller made up a label:\n{text}");
    assert!(text.ends_with('\n'), "the last line is not complete");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        let (_, value) = line.rsplit_once(' ').expect(line);
        assert!(value.parse::<f64>().is_ok(), "no number at the end of {line:?}");
    }
}

/// What every [`Server`] must do, whatever it speaks; `new` gives one that can bind, such as to port
/// 0. What it says on the wire is for the tests of its protocol.
pub fn server<S: Server>(subject: &str, new: impl Fn() -> S + Clone + Send + 'static) -> Vec<Trial> {
    let later = new.clone();
    vec![
        Trial::of_future(format!("{subject}::returns_when_it_is_told_to_stop"), move || async move {
            let (trigger, stop) = Shutdown::new();
            let serving = Box::new(later()).serve(Arc::new(Nothing), stop);
            let told = async {
                for _ in 0..100 {
                    yield_now().await;
                }
                trigger.fire();
            };
            futures::future::join(serving, told).await.0.unwrap();
        }),
        Trial::of_future(format!("{subject}::returns_at_once_if_it_was_told_before"), move || async move {
            let (trigger, stop) = Shutdown::new();
            trigger.fire();
            Box::new(new()).serve(Arc::new(Nothing), stop).await.unwrap();
        }),
    ]
}

/// A service without models.
#[derive(Debug)]
struct Nothing;

#[async_trait]
impl Inference for Nothing {
    fn models(&self) -> Vec<ModelStatus> {
        Vec::new()
    }

    fn describe(&self, model: &str, _: Option<&str>) -> Result<Arc<ModelDescription>> {
        Err(Error::not_found(format!("no model '{model}'")))
    }

    async fn infer(&self, request: InferRequest<'_>) -> Result<InferResponse> {
        Err(Error::not_found(format!("no model '{}'", request.model)))
    }

    fn metrics(&self) -> String {
        String::new()
    }
}

/// A model that panics when its input is [`Touchy::TRIGGER`].
#[derive(Debug)]
struct Touchy(LinearModel);

impl Touchy {
    const TRIGGER: f64 = -1e9;
}

impl Dense for Touchy {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        assert!(!row.contains(&Self::TRIGGER), "as this trial wants it");
        self.0.score_row(row, scores);
    }
}

impl Model for Touchy {
    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        predict_dense(self.signature(), self, batch)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        Some(self)
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn save(&self) -> Result<Artifact> {
        self.0.save()
    }
}

/// A model of one input, which it multiplies, and rows to test it with.
struct LinearModelPackage {
    model: LinearModel,
    rows: RecordBatch,
}

impl LinearModelPackage {
    fn times(factor: f64) -> Self {
        let model = LinearModel::regression([("x", factor)], 0.0).unwrap();
        let x: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
        Self { model, rows: RecordBatch::try_from_iter([("x", x)]).unwrap() }
    }
}

/// A package that multiplies `x`.
fn times(factor: f64) -> Package {
    LinearModelPackage::times(factor).model.package("m").unwrap()
}

/// A package that says whether a flight is late.
fn late() -> Package {
    LinearModel::classification([("delay", 0.1), ("wind", 0.03)], -1.5).unwrap().package("m").unwrap()
}

fn version(number: u64) -> Version {
    Version::new("m", number).unwrap()
}

fn two_columns(rows: usize) -> RecordBatch {
    let column =
        |step: f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values((0..rows).map(|i| i as f64 * step))) };
    RecordBatch::try_from_iter([("delay", column(0.7)), ("wind", column(-0.3))]).unwrap()
}

async fn ask(d: &impl Deploys, inputs: Inputs<'_>) -> Result<InferResponse> {
    d.service().infer(InferRequest::new("m", inputs)).await
}

/// Lets the other futures of a task go on.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
