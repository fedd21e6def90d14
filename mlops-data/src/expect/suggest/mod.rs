//! Expectations drafted from profiles.

mod numbers;
mod relations;
mod texts;

use mlops_core::{Accumulator, Error, Result, Table};

use super::{Column, Distribution, Drift, Expectations, Extra, Kind, Measure, Period, Severity, Span};
use crate::profile::{ColumnProfile, Meaning, Profile, TemporalProfile, Values};
use crate::profile::{show_moment, type_of_values};

/// Drafts what the next delivery must look like from the profiles of earlier ones, for a person to
/// read and edit.
///
/// From several deliveries it learns how much is usual: the limits on counts, shares, means and
/// distributions are those of the deliveries seen, widened by as much as they differed from each
/// other. What grows from delivery to delivery, such as a date or a running number, has no limit
/// above. From one delivery alone nothing is known of that, so such limits are wide and only warn.
///
/// | what was seen | what is expected |
/// | --- | --- |
/// | a type | its kind; no other columns |
/// | no null, or some | `never_null`, or their usual share |
/// | numbers | `finite`, `within` their range widened by a quarter but not across 0, the usual `mean`, at least half as many `distinct` values, a usual Kolmogorov-Smirnov distance |
/// | few texts, each often | `one_of` them; with rare ones among them, but for a share of rows |
/// | texts of few kinds of characters | a pattern; else a length of up to twice the longest, and no white space around |
/// | few texts, true or false | a usual L-infinity distance |
/// | dates and times | not before the first one; `fresh` if it is known when they were delivered |
/// | rows ([`with_rows`](Self::with_rows)) | that none comes twice, which columns follow from one or two others, the usual hours of times |
/// | how many rows there were | a usual number |
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::expect::Suggest;
/// use mlops_data::profile::Profile;
/// # let day = |shift: f64| arrow::array::record_batch!(
/// #     ("minutes", Float64, [10.0 + shift, 25.0, 40.0]), ("zone", Utf8, ["north", "south", "north"])).map(Table::from_batch);
/// # let (monday, tuesday, wednesday) = (day(0.0)?, day(2.0)?, day(1.0)?);
///
/// let seen = [Profile::of(&monday)?, Profile::of(&tuesday)?];
/// let expectations = Suggest::from_deliveries(&seen)?.expectations()?;
/// assert!(expectations.check(&wednesday)?.report.is_passed());
/// println!("{}", expectations.to_toml()?);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Suggest {
    whole: Profile,
    deliveries: Vec<Profile>,
    relations: relations::Relations,
    now: Option<String>,
}

/// A column, in all deliveries and in each.
struct Seen<'a> {
    whole: &'a ColumnProfile,
    parts: Vec<&'a ColumnProfile>,
    meaning: Meaning,
}

impl Suggest {
    /// From the profile of one delivery.
    pub fn from_profile(profile: &Profile) -> Self {
        let relations = relations::Relations::default();
        Self { whole: profile.clone(), deliveries: vec![profile.clone()], relations, now: None }
    }

    /// From the profiles of several deliveries of the same columns, the earliest first: days or weeks,
    /// of the size that will be checked.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) without any,
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if their columns differ.
    pub fn from_deliveries(profiles: &[Profile]) -> Result<Self> {
        let Some((first, later)) = profiles.split_first() else {
            return Err(Error::config("no profile to suggest expectations from: give at least one"));
        };
        let mut whole = first.clone();
        later.iter().try_for_each(|profile| whole.merge(profile.clone()))?;
        Ok(Self { whole, deliveries: profiles.to_vec(), relations: relations::Relations::default(), now: None })
    }

    /// Looks in rows for what profiles do not hold: whether rows are all different, and which columns
    /// follow from one or two others. Of the first 50,000 rows; some seconds at most.
    ///
    /// # Errors
    /// If a column can't be read as its type says.
    pub fn with_rows(mut self, rows: &Table) -> Result<Self> {
        self.relations = relations::Relations::of(rows)?;
        Ok(self)
    }

    /// When the last delivery came, as `2013-03-01T06:00:00Z`: the next one may be as old then, twice
    /// over and a day more.
    #[must_use]
    pub fn with_now(mut self, now: impl Into<String>) -> Self {
        self.now = Some(now.into());
        self
    }

    /// The draft.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) if what was given for now is no moment.
    pub fn expectations(&self) -> Result<Expectations> {
        Ok(self.draft(self.now.as_deref().map(super::time::nanos).transpose()?))
    }

    pub(crate) fn draft(&self, now: Option<i64>) -> Expectations {
        let columns = self.whole.columns().iter().zip(self.whole.infer()).enumerate().map(|(i, (whole, inferred))| {
            let parts = self.deliveries.iter().map(|profile| &profile.columns()[i]).collect();
            Seen { whole, parts, meaning: inferred.meaning }.column(now)
        });
        let mut draft = Expectations::new(columns).extra_columns(Extra::Refuse);
        self.relations.add_to(&mut draft);
        let rows: Vec<f64> = self.deliveries.iter().map(|profile| profile.rows() as f64).collect();
        let (least, most) = extremes(&rows).unwrap_or_default();
        let range = if self.deliveries.len() > 1 {
            let room = (most - least).max(least / 4.0);
            (least - room).floor().max(1.0) as usize..=(most + room).ceil() as usize
        } else {
            (least / 2.0).floor() as usize..=(most * 2.0).ceil() as usize
        };
        draft = draft.row_count(range);
        if self.deliveries.len() > 1 { draft } else { draft.or_warn() }
    }
}

impl Seen<'_> {
    fn column(&self, now: Option<i64>) -> Column {
        let mut draft = self.nulls(Column::new(self.whole.name(), self.kind()));
        draft = match self.whole.values() {
            Values::Boolean(_) => self.drift(draft, Measure::LInfinity, 0.05),
            Values::Number(numbers) => self.numbers(draft, numbers),
            Values::Temporal(times) => self.times(draft, times, now),
            Values::Text(texts) => self.texts(draft, texts),
            Values::Binary(_) | Values::Counted | Values::List(_) => draft,
        };
        let surely_unique =
            self.meaning == Meaning::Identifier && self.whole.distinct().is_some_and(|(_, exact)| exact);
        if surely_unique { draft.unique().or_warn() } else { draft }
    }

    /// The kind that takes the column's type. Dictionaries of other than text have none.
    fn kind(&self) -> Kind {
        let kind = match self.whole.values() {
            Values::Boolean(_) => Kind::Boolean,
            Values::Number(_) if self.whole.data_type().is_integer() => Kind::Integer,
            Values::Number(_) => Kind::Number,
            Values::Temporal(_) => Kind::Timestamp,
            Values::Text(_) if self.meaning == Meaning::Category => Kind::Category,
            Values::Text(_) => Kind::Text,
            Values::Binary(_) | Values::Counted | Values::List(_) => Kind::Any,
        };
        if kind.takes(self.whole.data_type()) { kind } else { Kind::Any }
    }

    fn nulls(&self, draft: Column) -> Column {
        let shares: Vec<f64> = self.parts.iter().map(|part| part.null_fraction()).collect();
        match extremes(&shares) {
            _ if self.whole.count() == 0 => draft,
            Some((_, 0.0)) => draft.never_null().or_quarantine(),
            Some((least, most)) if self.is_calibrated() => {
                let room = 2.0 * (most - least) + 0.02;
                draft.nulls(rounded((least - room).max(0.0))..=rounded((most + room).min(1.0))).or_fail()
            }
            Some((_, most)) => draft.nulls(..=rounded((2.0 * most + 0.05).min(1.0))).or_warn(),
            None => draft,
        }
    }

    fn times(&self, draft: Column, times: &TemporalProfile, now: Option<i64>) -> Column {
        if !Kind::Timestamp.takes(type_of_values(self.whole)) {
            return draft;
        }
        let (Some(first), Some(last)) = (times.min(), times.max()) else { return draft };
        // A moment that can't be written as one is no limit that a person could edit.
        let from = show_moment(first, self.whole.data_type());
        let readable = super::time::nanos(&from).is_ok();
        let draft = if readable { draft.during(Period::from(from)).or_quarantine() } else { draft };
        match now {
            Some(now) if self.rises(span_of_times) => {
                let last = last.saturating_mul(super::time::nanos_per_tick(self.whole.data_type()));
                let hours = now.saturating_sub(last).max(0) as u64 / 3_600_000_000_000;
                let span = std::time::Duration::from_secs((2 * hours + 24) * 3_600);
                draft.fresh(Span::of(span)).or_fail()
            }
            _ => draft,
        }
    }

    /// Whether there were enough deliveries to know what is usual.
    fn is_calibrated(&self) -> bool {
        self.parts.len() > 2
    }

    /// Whether the ranges move up from delivery to delivery. One alone tells nothing, but that times
    /// pass.
    fn rises(&self, range: impl Fn(&ColumnProfile) -> Option<(f64, f64)>) -> bool {
        let ranges: Vec<(f64, f64)> = self.parts.iter().filter_map(|part| range(part)).collect();
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return false };
        let up = ranges.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1);
        let moved = first.0 < last.0 && first.1 <= last.0;
        up && (moved || ranges.len() == 1 && matches!(self.whole.values(), Values::Temporal(_)))
    }

    /// A limit on the distance to all deliveries: twice the greatest of one of them.
    fn drift(&self, draft: Column, measure: Measure, least: f64) -> Column {
        const TOO_FAR: f64 = 0.5;
        let Some(reference) = Distribution::of(self.whole) else { return draft };
        let reference = reference.rounded();
        let distances: Vec<f64> = self
            .parts
            .iter()
            .filter_map(|part| Some(measure.distance(reference.shares(), &reference.shares_of(part)?)))
            .collect();
        let Some((_, greatest)) = extremes(&distances) else { return draft };
        let (limit, severity) = if self.is_calibrated() {
            (f64::max(2.0 * greatest, least), Severity::Fail)
        } else {
            (0.25, Severity::Warn)
        };
        if limit > TOO_FAR {
            draft
        } else {
            draft.drift(Drift::new(measure, rounded(limit), reference)).with_severity(severity)
        }
    }
}

fn span_of_times(part: &ColumnProfile) -> Option<(f64, f64)> {
    match part.values() {
        Values::Temporal(times) => Some((times.min()? as f64, times.max()? as f64)),
        _ => None,
    }
}

fn extremes(values: &[f64]) -> Option<(f64, f64)> {
    let least = values.iter().copied().reduce(f64::min)?;
    Some((least, values.iter().copied().reduce(f64::max)?))
}

/// Three significant digits, for people.
fn rounded(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    format!("{x:.2e}").parse().unwrap_or(x)
}
