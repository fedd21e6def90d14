//! July to December, week by week: traffic, labels a day late, and what is done about it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use mlops::core::progress::Progress;
use mlops::core::{InferenceRecord, Predictions, Route, Signature, Trigger, Version};
use mlops::monitor::{
    Alarm, AlertRule, Bootstrap, Comparison, Condition, DriftSuite, QualityMonitor, Recorder, Records, Verdict, Window,
};
use mlops::prelude::*;
use mlops::registry::ObjectRegistry;
use mlops::serve::{Follower, InferenceService, Rest};
use mlops::train::RocAuc;

use crate::prepare::Flights;
use crate::show::Week;
use crate::traffic::{self, Hour};
use crate::{SEED, blocking, recipes};

const DAY_MS: i64 = 86_400_000;
/// 2013-07-01, midnight in New York (standard time).
const START_MS: i64 = 1_372_654_800_000;
const WEEKS: i64 = 26;
/// So many weeks a challenger may stay in the shadow before it has to be better.
const PATIENCE: u32 = 2;

/// What runs in production: the registry, the service that follows it, and its server.
pub(crate) struct Live {
    registry: Arc<ObjectRegistry>,
    service: InferenceService,
    champion: Follower,
    challenger: Follower,
    records: Records,
    address: SocketAddr,
    client: reqwest::Client,
    stop: Trigger,
    server: tokio::task::JoinHandle<Result<()>>,
}

impl Live {
    /// Serves `flights@champion` at `address`, with `flights@challenger` in its shadow.
    pub(crate) async fn start(registry: Arc<ObjectRegistry>, address: &str) -> Result<Self> {
        let (recorder, records) = Recorder::new(100_000);
        let service = InferenceService::builder().with_tap(Arc::new(recorder)).with_queue(10_000).build()?;
        let every = Duration::from_secs(60);
        let champion = service.follow(Arc::clone(&registry) as Arc<dyn Registry>, "flights@champion", every)?;
        let challenger = service.shadow(Arc::clone(&registry) as Arc<dyn Registry>, "flights@challenger", every)?;
        champion.check().await?;
        let rest = Rest::bind(address).await?;
        let address = rest.local_addr();
        let (stop, stopped) = Shutdown::new();
        let server = tokio::spawn(Box::new(rest).serve(Arc::new(service.clone()), stopped));
        let client = reqwest::Client::new();
        Ok(Self { registry, service, champion, challenger, records, address, client, stop, server })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the user has had enough.
    pub(crate) async fn until_interrupted(&self) -> Result<()> {
        Ok(tokio::signal::ctrl_c().await?)
    }

    /// Finishes what has begun, and stops.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.fire();
        self.server.await.map_err(|e| Error::internal("the server panicked").with_source(e))?
    }

    /// Asks for the flights of an hour, as a caller would.
    async fn ask(&self, hour: &Hour, signature: &Signature) -> Result<()> {
        let unavailable =
            |e: reqwest::Error| Error::new(ErrorKind::Unavailable, "the server did not answer").with_source(e);
        let url = format!("http://{}/v2/models/flights/infer", self.address);
        let body = traffic::body(&hour.id, &hour.rows, signature)?;
        let answer = self.client.post(url).json(&body).send().await.map_err(unavailable)?;
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().await.map_err(unavailable)?;
            return Err(Error::data(format!("the server refused the flights of {}: {status} {text}", hour.id)));
        }
        answer.bytes().await.map_err(unavailable)?;
        Ok(())
    }

    /// Publishes a package under an alias and lets the service see it.
    async fn shadow(&self, package: &Package) -> Result<Version> {
        let version = self.registry.publish(package).await?;
        self.registry.promote(&version, "challenger").await?;
        self.challenger.check().await?;
        Ok(version)
    }

    /// Makes the challenger the champion.
    async fn promote(&self, version: &Version) -> Result<()> {
        self.registry.promote(version, "champion").await?;
        self.champion.check().await?;
        self.challenger.check().await.map(|_| ())
    }
}

/// The state of the replay.
pub(crate) struct Replay {
    flights: Flights,
    /// The name of the recipe that was chosen.
    recipe: String,
    frozen: Arc<dyn Model>,
    champion: Version,
    challenger: Option<Challenger>,
    quality: QualityMonitor,
    drift: Option<Box<dyn DriftMonitor>>,
    alarm: Alarm,
    /// When each request was sent, in the time of the replay.
    sent: HashMap<String, i64>,
}

struct Challenger {
    version: Version,
    since_ms: i64,
    weeks: u32,
}

impl Replay {
    pub(crate) fn new(
        flights: &Flights,
        recipe: String,
        frozen: Arc<dyn Model>,
        champion: Version,
        june: f64,
    ) -> Result<Self> {
        let task = frozen.signature().task.clone();
        let quality = QualityMonitor::new(task, Duration::from_secs(60 * 86_400)).with_metric(RocAuc);
        let fell = Condition::MetricWorse { metric: "roc_auc".into(), reference: june, by: 0.02 };
        let alarm = Alarm::new([
            AlertRule::new("quality_fell", fell).with_repeats(),
            AlertRule::new("data_drifted", Condition::DriftedShare { above: 0.5 }).with_cool_down(3).with_repeats(),
        ])?;
        let (drift, sent, flights) = (None, HashMap::new(), flights.clone());
        Ok(Self { flights, recipe, frozen, champion, challenger: None, quality, drift, alarm, sent })
    }

    /// Sends half a year of flights, and says what happened in each week.
    pub(crate) async fn run(mut self, live: &Live) -> Result<Vec<Week>> {
        let progress = Progress::start("replay weeks", Some(WEEKS as u64));
        self.watch_champion(live).await?;
        let mut weeks: Vec<Week> = Vec::new();
        let mut late: Vec<Hour> = Vec::new();
        for number in 0..WEEKS {
            let from = START_MS + 7 * number * DAY_MS;
            for day in 0..7 {
                let today = self.between(from + day * DAY_MS, from + (day + 1) * DAY_MS)?;
                let today = traffic::by_hour(&today)?;
                self.send(live, &today).await?;
                // The labels of yesterday have come.
                for hour in std::mem::replace(&mut late, today) {
                    self.quality.label_rows(&hour.id, &traffic::labels(&hour.rows)?)?;
                }
                if let (0, Some(last)) = (day, weeks.last_mut()) {
                    self.judge(last, from - 7 * DAY_MS..from)?;
                }
            }
            let until = from + 7 * DAY_MS;
            weeks.push(self.end_week(live, from..until).await?);
            progress.advance(1);
        }
        for hour in late {
            self.quality.label_rows(&hour.id, &traffic::labels(&hour.rows)?)?;
        }
        if let Some(last) = weeks.last_mut() {
            let from = START_MS + 7 * (WEEKS - 1) * DAY_MS;
            self.judge(last, from..from + 7 * DAY_MS)?;
        }
        Ok(weeks)
    }

    /// The flights that are scheduled between two moments.
    fn between(&self, from_ms: i64, until_ms: i64) -> Result<Table> {
        let moment = |ms: i64| lit(traffic::iso(ms));
        let time = || col("time_hour");
        self.flights.table.filter_by(&time().gt_eq(moment(from_ms)).and(time().lt(moment(until_ms))))
    }

    /// Sends hours as requests, a few at a time, and takes in what the service recorded of them.
    async fn send(&mut self, live: &Live, hours: &[Hour]) -> Result<()> {
        self.sent.extend(hours.iter().map(|hour| (hour.id.clone(), hour.time_ms)));
        let signature = self.frozen.signature();
        let requests = stream::iter(hours).map(|hour| live.ask(hour, signature)).buffer_unordered(4);
        requests.try_collect::<Vec<()>>().await?;
        live.service.flush().await;
        for mut record in live.records.drain() {
            record.timestamp_ms = self.time_of(&record);
            if let (Route::Primary, Some(drift)) = (record.route, &mut self.drift) {
                drift.observe(&record.inputs)?;
            }
            self.quality.record(record)?;
        }
        Ok(())
    }

    /// The replay runs faster than the year did: what counts is when the flights were.
    fn time_of(&self, record: &InferenceRecord) -> i64 {
        let sent = record.id.as_ref().and_then(|id| self.sent.get(id));
        sent.copied().unwrap_or(record.timestamp_ms)
    }

    /// Fills in how good the frozen and the served model were, now that all labels of the week are there.
    fn judge(&self, week: &mut Week, span: std::ops::Range<i64>) -> Result<()> {
        let flights = self.between(span.start, span.end)?;
        week.frozen_auc = RocAuc.score(&Predictions::of(self.frozen.as_ref(), &flights)?)?;
        let report = self.quality.report_over(span);
        let served = report.primary().ok_or_else(|| Error::data("no answers were recorded in this week"))?;
        week.labelled = served.labelled;
        let auc = served.score("roc_auc").and_then(|score| score.value);
        week.served_auc = auc.ok_or_else(|| Error::data("the answers of this week have no score"))?;
        Ok(())
    }

    /// Looks at drift and quality, decides on the challenger, and trains one if an alarm asks for it.
    async fn end_week(&mut self, live: &Live, span: std::ops::Range<i64>) -> Result<Week> {
        let label = traffic::iso(span.start)[..10].to_owned();
        let quality = self.quality.report_over(span.clone());
        let drift = match &mut self.drift {
            Some(monitor) => {
                let report = monitor.report()?;
                monitor.reset();
                report
            }
            None => mlops::core::DriftReport::default(),
        };
        self.alarm.observe(&Window::new(&label).with_drift(&drift).with_quality(&quality));
        let firing: Vec<String> = self.alarm.firing().map(str::to_owned).collect();
        let mut actions = Vec::new();
        if let Some(challenger) = self.challenger.take() {
            actions.push(self.decide(live, challenger, span.end).await?);
        }
        if self.challenger.is_none() && !firing.is_empty() {
            let version = self.retrain(live, span.end).await?;
            actions.push(format!("{} fired: trained {version}", firing.join(" and ")));
        }
        Ok(Week {
            week: label,
            rows: quality.primary().map_or(0, |served| served.rows),
            drifted: drift.drifted_features().into_iter().map(str::to_owned).collect(),
            served: self.champion.to_string(),
            promoted: actions.iter().any(|action| action.starts_with("promoted")),
            action: actions.join("; "),
            retrained: self.challenger.as_ref().is_some_and(|challenger| challenger.weeks == 0),
            ..Week::default()
        })
    }

    /// Promotes the challenger if it is better on the labelled traffic that both have answered.
    async fn decide(&mut self, live: &Live, mut challenger: Challenger, now_ms: i64) -> Result<String> {
        let comparison = self.compare(&challenger, now_ms)?;
        challenger.weeks += 1;
        Ok(match comparison.verdict {
            Verdict::Better => {
                live.promote(&challenger.version).await?;
                self.champion = challenger.version.clone();
                self.watch_champion(live).await?;
                format!("promoted {}: {comparison}", challenger.version)
            }
            Verdict::Undecided if challenger.weeks < PATIENCE => {
                let waiting = format!("{} stays in the shadow: {comparison}", challenger.version);
                self.challenger = Some(challenger);
                waiting
            }
            _ => format!("kept {}: {comparison}", self.champion),
        })
    }

    fn compare(&self, challenger: &Challenger, now_ms: i64) -> Result<Comparison> {
        let bootstrap = Bootstrap::default().with_resamples(400).with_confidence(0.9).with_seed(SEED);
        let span = challenger.since_ms..now_ms;
        self.quality.compare(&self.champion, &challenger.version, span, &RocAuc, &bootstrap)
    }

    /// Fits the recipe to all flights whose labels have come, and puts the result into the shadow.
    async fn retrain(&mut self, live: &Live, now_ms: i64) -> Result<Version> {
        let known = self.flights.table.filter_by(&col("time_hour").lt(lit(traffic::iso(now_ms - DAY_MS))))?;
        let recipe = recipes::candidate(&self.recipe)?;
        let package = blocking(move || {
            let model = recipe.fit(&known, &Run::default().with_seed(SEED))?;
            let drift = DriftSuite::default().with_min_effect(0.1).fit(&known)?;
            Package::new("flights", model, &known.to_batch()?)?
                .with_recipe(recipe.to_spec()?)
                .with_drift(drift.as_ref())
        });
        let version = live.shadow(&package.await?).await?;
        self.challenger = Some(Challenger { version: version.clone(), since_ms: now_ms, weeks: 0 });
        Ok(version)
    }

    /// Watches for drift from what the champion was trained on: the reference is in its package.
    async fn watch_champion(&mut self, live: &Live) -> Result<()> {
        let package = live.registry.fetch(&self.champion).await?;
        self.drift = package.drift.map(|reference| mlops::codecs().monitor(&reference)).transpose()?;
        Ok(())
    }
}
