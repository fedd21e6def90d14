use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, new_null_array};

use super::Trial;
use crate::random::SplitMix64;
use crate::{Artifact, Codecs, DriftDetector, DriftMonitor, DriftReport, Error, ErrorKind, Result, Table};

/// A drift detector and what it claims: what [`drift_detector`] tries.
///
/// The trials have data of their own, with the numeric columns `normal`, `uniform` and `count` (an
/// `Int64` of few values) and the text columns `zone` (five categories) and `code` (a few hundred,
/// most of them rare). A detector watches those of its type, by itself or because they are named.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DriftSubject {
    /// What the trials are called after.
    pub name: String,
    /// The recipe.
    pub detector: Arc<dyn DriftDetector>,
    /// What reads the recipe and the monitor back.
    pub codecs: Codecs,
    /// Whether it watches the numeric columns.
    pub numbers: bool,
    /// Whether it watches the text columns.
    pub texts: bool,
    /// The share of windows without drift in which it may see one.
    pub alpha: f64,
    /// How large its artifact may get, whatever it observes.
    pub max_bytes: usize,
}

impl DriftSubject {
    /// A detector that watches numbers and texts, with alpha 0.05 and at most 1 MiB.
    pub fn new(name: impl Into<String>, detector: impl DriftDetector, codecs: Codecs) -> Self {
        let detector = Arc::new(detector);
        Self { name: name.into(), detector, codecs, numbers: true, texts: true, alpha: 0.05, max_bytes: 1 << 20 }
    }

    /// It watches numeric columns only.
    #[must_use]
    pub fn with_numbers_only(mut self) -> Self {
        self.texts = false;
        self
    }

    /// It watches text columns only.
    #[must_use]
    pub fn with_texts_only(mut self) -> Self {
        self.numbers = false;
        self
    }

    /// With another share of false alarms.
    #[must_use]
    pub fn with_alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }
}

/// What every [`DriftDetector`] and the [`DriftMonitor`] that it fits must do.
pub fn drift_detector(subject: DriftSubject) -> Vec<Trial> {
    let subject = Arc::new(subject);
    let trial = |what: &str, check: fn(&DriftSubject)| {
        let subject = Arc::clone(&subject);
        Trial::new(format!("{}::{what}", subject.name), move || check(&subject))
    };
    vec![
        trial("raises_few_false_alarms", few_false_alarms),
        trial("detects_the_standard_shifts", standard_shifts),
        trial("reports_numbers_that_make_sense", sensible_numbers),
        trial("sees_pieces_as_the_whole", pieces_as_whole),
        trial("goes_on_after_saving", goes_on_after_saving),
        trial("starts_anew_after_a_reset", reset),
        trial("sees_no_drift_in_nothing", nothing_observed),
        trial("stays_small", stays_small),
        trial("sees_that_values_went_missing", went_missing),
        trial("sees_no_drift_in_what_was_always_missing", always_missing),
        trial("takes_nan_and_infinities", extreme_numbers),
        trial("sees_a_new_category", new_category),
        trial("names_a_missing_column_and_changes_nothing", missing_column),
        trial("refuses_another_type_and_changes_nothing", other_type),
        trial("finds_columns_by_name_and_ignores_others", by_name),
        trial("fits_the_same_in_any_batches", any_batches),
        trial("fits_the_same_from_its_settings", settings_round_trip),
        trial("refuses_a_reference_without_rows", no_reference),
        trial("refuses_a_newer_artifact", newer_artifact),
        trial("refuses_damaged_state_or_stays_sane", damaged_state),
    ]
}

const REFERENCE: usize = 2_000;
const WINDOW: usize = 1_000;

impl DriftSubject {
    fn fit(&self, reference: &RecordBatch) -> Box<dyn DriftMonitor> {
        must("fit", self.detector.fit(&Table::from_batch(reference.clone())))
    }

    fn fitted(&self) -> Box<dyn DriftMonitor> {
        self.fit(&rows(1, REFERENCE))
    }

    fn watches(&self, column: &str) -> bool {
        let is_text = matches!(column, "zone" | "code");
        if is_text { self.texts } else { self.numbers }
    }

    /// The report on one window against the usual reference.
    fn judge(&self, window: &RecordBatch) -> DriftReport {
        let mut monitor = self.fitted();
        must("observe", monitor.observe(window));
        report(monitor.as_ref())
    }

    fn load(&self, artifact: &Artifact) -> Box<dyn DriftMonitor> {
        must("load", self.codecs.monitor(&stored(artifact)))
    }
}

fn must<T>(what: &str, result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error:?}"))
}

fn report(monitor: &dyn DriftMonitor) -> DriftReport {
    must("report", monitor.report())
}

fn save(monitor: &dyn DriftMonitor) -> Artifact {
    must("save", monitor.save())
}

/// An artifact after a way through text.
fn stored(artifact: &Artifact) -> Artifact {
    let text = must("write the artifact", serde_json::to_string(artifact).map_err(Error::from));
    let mut read: Artifact = must("read the artifact", serde_json::from_str(&text).map_err(Error::from));
    restore_blobs(artifact, &mut read);
    read
}

/// Blobs are stored beside the text.
fn restore_blobs(from: &Artifact, to: &mut Artifact) {
    to.blobs.clone_from(&from.blobs);
    from.parts.iter().zip(&mut to.parts).for_each(|(from, to)| restore_blobs(from, to));
}

/// Rows of the usual distribution.
fn rows(seed: u64, count: usize) -> RecordBatch {
    let mut rng = SplitMix64::new(seed);
    let normal: Float64Array = (0..count).map(|_| Some(normal(&mut rng))).collect();
    let uniform: Float64Array = (0..count).map(|_| Some(rng.uniform() * 100.0)).collect();
    let counts: Int64Array = (0..count).map(|_| Some((rng.uniform() * rng.uniform() * 8.0) as i64)).collect();
    let zone = StringArray::from_iter_values((0..count).map(|_| {
        let zones = ["north", "north", "north", "south", "south", "south", "east", "east", "west", "centre"];
        zones[rng.below(10) as usize]
    }));
    let code = StringArray::from_iter_values((0..count).map(|_| {
        let rare = rng.uniform().powi(3) * 400.0;
        format!("c{}", rare as u32)
    }));
    let columns: [(&str, ArrayRef); 5] = [
        ("normal", Arc::new(normal)),
        ("uniform", Arc::new(uniform)),
        ("count", Arc::new(counts)),
        ("zone", Arc::new(zone)),
        ("code", Arc::new(code)),
    ];
    nullable(columns)
}

fn nullable<'a>(columns: impl IntoIterator<Item = (&'a str, ArrayRef)>) -> RecordBatch {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    must("make a batch", RecordBatch::try_from_iter_with_nullable(columns).map_err(Error::from))
}

/// The sum of twelve uniforms, less 6.
fn normal(rng: &mut SplitMix64) -> f64 {
    (0..12).map(|_| rng.uniform()).sum::<f64>() - 6.0
}

/// The rows with a column in the place of another.
fn with_column(batch: &RecordBatch, name: &str, column: &ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    nullable(schema.fields().iter().zip(batch.columns()).map(|(field, old)| {
        let column = if field.name() == name { column } else { old };
        (field.name().as_str(), Arc::clone(column))
    }))
}

fn map_numbers(batch: &RecordBatch, name: &str, f: impl Fn(usize, f64) -> Option<f64>) -> RecordBatch {
    let numbers = must("read numbers", crate::columns::numbers(column(batch, name), name));
    let changed: Float64Array = numbers.iter().enumerate().map(|(i, x)| x.and_then(|x| f(i, x))).collect();
    let target = column(batch, name).data_type();
    let changed = must("convert", arrow::compute::cast(&changed, target).map_err(Error::from));
    with_column(batch, name, &changed)
}

fn map_texts(batch: &RecordBatch, name: &str, f: impl Fn(usize, &str) -> Option<String>) -> RecordBatch {
    let texts = must("read texts", crate::columns::texts(column(batch, name), name));
    let changed: StringArray = texts.iter().enumerate().map(|(i, text)| text.and_then(|text| f(i, text))).collect();
    with_column(batch, name, &(Arc::new(changed) as ArrayRef))
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    let index = must("find a column", crate::columns::find_column(batch.schema_ref(), name));
    batch.column(index)
}

fn drifted(report: &DriftReport, feature: &str) -> bool {
    report.drifted_features().contains(&feature)
}

fn few_false_alarms(subject: &DriftSubject) {
    const SEEDS: u64 = 200;
    let alarms = (0..SEEDS).filter(|seed| {
        let mut monitor = subject.fit(&rows(1_000 + seed, 600));
        // Windows of several lengths, shorter and longer than the reference.
        must("observe", monitor.observe(&rows(2_000 + seed, [60, 200, 900][*seed as usize % 3])));
        report(monitor.as_ref()).is_drift()
    });
    let rate = alarms.count() as f64 / SEEDS as f64;
    let noise = 3.0 * (subject.alpha * (1.0 - subject.alpha) / SEEDS as f64).sqrt();
    assert!(rate <= subject.alpha + noise, "drift in {rate} of windows without any; alpha is {}", subject.alpha);
}

fn standard_shifts(subject: &DriftSubject) {
    let same = rows(2, WINDOW);
    let later = |text: &str| Some(if text == "north" { "centre".to_owned() } else { text.to_owned() });
    let shifts = [
        ("normal", "one deviation up", map_numbers(&same, "normal", |_, x| Some(x + 1.0))),
        ("normal", "twice as wide", map_numbers(&same, "normal", |_, x| Some(x * 2.0))),
        ("uniform", "the upper half only", map_numbers(&same, "uniform", |_, x| Some(50.0 + x / 2.0))),
        (
            "uniform",
            "two clusters",
            map_numbers(&same, "uniform", |_, x| Some(if x < 50.0 { x / 5.0 } else { 90.0 + x / 10.0 })),
        ),
        ("count", "one more of each", map_numbers(&same, "count", |_, x| Some(x + 1.0))),
        ("zone", "north became centre", map_texts(&same, "zone", |_, text| later(text))),
        ("zone", "another language", map_texts(&same, "zone", |_, text| Some(format!("zona {text}")))),
        (
            "code",
            "one code takes a third",
            map_texts(&same, "code", |i, text| Some(if i % 3 == 0 { "c0".into() } else { text.into() })),
        ),
    ];
    for (feature, what, window) in shifts {
        if subject.watches(feature) {
            let report = subject.judge(&window);
            assert!(drifted(&report, feature), "{feature}, {what}, was not seen:\n{report}");
        }
    }
}

fn sensible_numbers(subject: &DriftSubject) {
    let windows = [rows(3, WINDOW), rows(4, 1), map_numbers(&rows(5, WINDOW), "normal", |_, x| Some(x + 50.0))];
    for window in windows {
        let report = subject.judge(&window);
        assert_eq!(report.rows, window.num_rows() as u64);
        assert!(!report.features.is_empty(), "no feature is reported on");
        for feature in &report.features {
            assert!(subject.watches(&feature.feature), "{feature:?} is not of its type");
            let finite =
                [feature.statistic, feature.threshold, feature.effect].iter().all(|x| x.is_finite() && *x >= 0.0);
            let chance = feature.p_value.is_none_or(|p| (0.0..=1.0).contains(&p));
            assert!(finite && chance, "{feature:?}");
        }
    }
}

fn pieces_as_whole(subject: &DriftSubject) {
    let window = map_numbers(&rows(6, WINDOW), "normal", |i, x| (i % 7 > 0).then_some(x + 0.1));
    let whole = subject.judge(&window);
    for size in [1, 3, 17, 400] {
        let mut monitor = subject.fitted();
        for start in (0..WINDOW).step_by(size) {
            must("observe", monitor.observe(&window.slice(start, size.min(WINDOW - start))));
        }
        assert_eq!(report(monitor.as_ref()), whole, "in pieces of {size}");
    }
}

fn goes_on_after_saving(subject: &DriftSubject) {
    let mut monitor = subject.fitted();
    must("observe", monitor.observe(&rows(7, 300)));
    let mut loaded = subject.load(&save(monitor.as_ref()));
    assert_eq!(report(loaded.as_ref()), report(monitor.as_ref()), "right after loading");
    for monitor in [&mut monitor, &mut loaded] {
        must("observe", monitor.observe(&map_texts(&rows(8, 300), "zone", |_, text| Some(format!("new {text}")))));
    }
    assert_eq!(report(loaded.as_ref()), report(monitor.as_ref()), "after more rows");
    assert_eq!(save(loaded.as_ref()), save(monitor.as_ref()), "saved again");
}

fn reset(subject: &DriftSubject) {
    let fresh = subject.fitted();
    let mut monitor = subject.fitted();
    must("observe", monitor.observe(&map_numbers(&rows(9, 300), "normal", |_, x| Some(x + 3.0))));
    must("observe", monitor.observe(&map_texts(&rows(9, 300), "zone", |_, text| Some(format!("new {text}")))));
    monitor.reset();
    assert_eq!(report(monitor.as_ref()), report(fresh.as_ref()));
    assert_eq!(save(monitor.as_ref()), save(fresh.as_ref()));
}

fn nothing_observed(subject: &DriftSubject) {
    let mut monitor = subject.fitted();
    let untouched = save(monitor.as_ref());
    must("observe no rows", monitor.observe(&rows(10, 0)));
    let report = report(monitor.as_ref());
    assert!(report.rows == 0 && !report.is_drift(), "{report}");
    assert_eq!(save(monitor.as_ref()), untouched, "no rows changed it");
}

fn stays_small(subject: &DriftSubject) {
    let size = |monitor: &dyn DriftMonitor| {
        let artifact = save(monitor);
        artifact.state.to_string().len() + artifact.blobs.values().map(|blob| blob.len()).sum::<usize>()
    };
    let unique = |seed: u64| {
        let rows = map_numbers(&rows(seed, 20_000), "normal", |i, x| Some(x + i as f64));
        map_texts(&rows, "code", |i, _| Some(format!("{seed} {i}")))
    };
    let mut monitor = subject.fit(&unique(11));
    for seed in 12..16 {
        must("observe", monitor.observe(&unique(seed)));
    }
    let bytes = size(monitor.as_ref());
    assert!(bytes <= subject.max_bytes, "{bytes} bytes after 80,000 rows of ever new values");
}

fn went_missing(subject: &DriftSubject) {
    let window = rows(17, WINDOW);
    let some =
        map_numbers(&map_texts(&window, "zone", |i, text| (i % 3 > 0).then(|| text.to_owned())), "normal", |i, x| {
            (i % 3 > 0).then_some(x)
        });
    let null = |name: &str| new_null_array(column(&window, name).data_type(), WINDOW);
    let all = with_column(&with_column(&window, "zone", &null("zone")), "normal", &null("normal"));
    for (what, window) in [("a third", some), ("everything", all)] {
        let report = subject.judge(&window);
        for feature in ["normal", "zone"].iter().filter(|feature| subject.watches(feature)) {
            assert!(drifted(&report, feature), "{what} of {feature} is missing, which was not seen:\n{report}");
        }
    }
}

fn always_missing(subject: &DriftSubject) {
    let holes = |seed: u64, count: usize| {
        let rows = map_numbers(&rows(seed, count), "normal", |i, x| (i % 5 > 0).then_some(x));
        map_texts(&rows, "zone", |i, text| (i % 5 > 0).then(|| text.to_owned()))
    };
    let mut monitor = subject.fit(&holes(18, REFERENCE));
    must("observe", monitor.observe(&holes(19, WINDOW)));
    let report = report(monitor.as_ref());
    assert!(!drifted(&report, "normal") && !drifted(&report, "zone"), "{report}");
}

fn extreme_numbers(subject: &DriftSubject) {
    let extreme = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, -0.0];
    let spoil = |seed: u64, count: usize| {
        map_numbers(&rows(seed, count), "normal", |i, x| Some(*extreme.get(i % 20).unwrap_or(&x)))
    };
    let mut monitor = subject.fit(&spoil(20, REFERENCE));
    must("observe", monitor.observe(&spoil(21, WINDOW)));
    let found = report(monitor.as_ref());
    assert!(found.features.iter().all(|f| f.statistic.is_finite()), "{found}");
    assert!(!drifted(&found, "normal"), "{found}");
    assert_eq!(report(subject.load(&save(monitor.as_ref())).as_ref()), found, "after loading");
}

fn new_category(subject: &DriftSubject) {
    let window =
        map_texts(&rows(22, WINDOW), "zone", |i, text| Some(if i % 5 == 0 { "moon".into() } else { text.into() }));
    let found = subject.judge(&window);
    assert!(!subject.texts || drifted(&found, "zone"), "{found}");
    let one = map_texts(&rows(22, WINDOW), "zone", |i, text| Some(if i == 5 { "moon".into() } else { text.into() }));
    must("observe one row of a new category", subject.fitted().observe(&one));
}

fn missing_column(subject: &DriftSubject) {
    let window = rows(23, 100);
    let mut needed = 0;
    for (i, field) in window.schema().fields().iter().enumerate() {
        let others: Vec<usize> = (0..window.num_columns()).filter(|other| *other != i).collect();
        let without = must("leave out a column", window.project(&others).map_err(Error::from));
        let mut monitor = subject.fitted();
        let before = save(monitor.as_ref());
        if let Err(error) = monitor.observe(&without) {
            needed += 1;
            assert_eq!(error.kind(), ErrorKind::Schema, "{error:?}");
            assert!(error.to_string().contains(field.name().as_str()), "{error} does not name '{}'", field.name());
            assert_eq!(save(monitor.as_ref()), before, "a refused batch left a trace");
        }
    }
    assert!(needed > 0, "it needs no column at all");
}

fn other_type(subject: &DriftSubject) {
    let window = rows(24, 100);
    let binary: ArrayRef = Arc::new(arrow::array::BinaryArray::from_iter_values(vec![b"?"; 100]));
    let mut refused = 0;
    for field in window.schema().fields() {
        let mut monitor = subject.fitted();
        let before = save(monitor.as_ref());
        if let Err(error) = monitor.observe(&with_column(&window, field.name(), &binary)) {
            refused += 1;
            assert_eq!(error.kind(), ErrorKind::Schema, "{error:?}");
            assert_eq!(save(monitor.as_ref()), before, "a refused batch left a trace");
        }
    }
    assert!(refused > 0, "it takes binary values for anything");
}

fn by_name(subject: &DriftSubject) {
    let window = rows(25, WINDOW);
    let expected = subject.judge(&window);
    let reversed = window
        .schema()
        .fields()
        .iter()
        .zip(window.columns())
        .rev()
        .map(|(f, c)| (f.name().clone(), Arc::clone(c)))
        .collect::<Vec<_>>();
    let extra: ArrayRef = Arc::new(Int64Array::from(vec![7; WINDOW]));
    let columns = [("extra", extra)].into_iter().chain(reversed.iter().map(|(name, c)| (name.as_str(), Arc::clone(c))));
    assert_eq!(subject.judge(&nullable(columns)), expected);
}

fn any_batches(subject: &DriftSubject) {
    let reference = Table::from_batch(rows(26, REFERENCE));
    let whole = must("fit", subject.detector.fit(&reference));
    let pieces = must("fit in pieces", reference.rebatch(37).and_then(|table| subject.detector.fit(&table)));
    assert_eq!(save(pieces.as_ref()), save(whole.as_ref()));
}

fn settings_round_trip(subject: &DriftSubject) {
    let spec = must("write the settings", subject.detector.to_spec());
    let read = must("read the settings", subject.codecs.detector(&spec));
    assert_eq!(must("write them again", read.to_spec()), spec);
    let again = must("fit", read.fit(&Table::from_batch(rows(1, REFERENCE))));
    assert_eq!(save(again.as_ref()), save(subject.fitted().as_ref()));
}

fn no_reference(subject: &DriftSubject) {
    let error = subject.detector.fit(&Table::from_batch(rows(27, 0))).err();
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Data));
}

fn newer_artifact(subject: &DriftSubject) {
    let mut artifact = save(subject.fitted().as_ref());
    artifact.version += 1;
    let error = subject.codecs.monitor(&artifact).err();
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Unsupported));
}

/// Without one of its fields, or with a list cut short, a state is refused, or what it describes
/// can be worked with.
fn damaged_state(subject: &DriftSubject) {
    let artifact = save(subject.fitted().as_ref());
    let mut paths = Vec::new();
    collect_paths(&artifact.state, String::new(), &mut paths);
    for path in paths.into_iter().take(200) {
        let mut damaged = artifact.clone();
        let Some(value) = damaged.state.pointer_mut(&path) else { continue };
        match value {
            serde_json::Value::Array(items) => {
                items.pop();
            }
            value => *value = serde_json::Value::Null,
        }
        match subject.codecs.monitor(&damaged) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{path}: {error:?}"),
            Ok(mut monitor) => {
                // Refusing rows is fine; panicking is not.
                let _ = monitor.observe(&rows(28, 50));
                let _ = monitor.report();
            }
        }
    }
}

/// The paths of all values, of a list only the first three items.
fn collect_paths(value: &serde_json::Value, path: String, paths: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => {
            items.iter().take(3).enumerate().for_each(|(i, item)| collect_paths(item, format!("{path}/{i}"), paths));
        }
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(key, item)| collect_paths(item, format!("{path}/{key}"), paths));
        }
        _ => {}
    }
    if !path.is_empty() {
        paths.push(path);
    }
}
