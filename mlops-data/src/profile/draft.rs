use mlops_core::columns::is_text;

use super::column::plain;
use super::infer::categories;
use super::{ColumnProfile, Meaning, NumberProfile, Profile, TextProfile, Values};
use crate::expect::{Column, Expectations, Kind};

/// A category that was seen less often than this on average may well have siblings that were not.
const SEEN_OFTEN: u64 = 10;

impl Profile {
    /// Drafts what the next delivery must look like, for a person to edit: the rows of this profile
    /// pass, and rows much like them do too.
    ///
    /// | what was seen | what is expected |
    /// | --- | --- |
    /// | a type | its kind |
    /// | no null | `never_null` |
    /// | no NaN and no infinity in floats | `finite` |
    /// | numbers | `within` their range, widened by a quarter on both sides, but not across 0, and to whole numbers if all are, or a warning |
    /// | few texts, each often | `one_of` them, or a warning |
    /// | texts | `length` up to twice the longest, or a warning |
    /// | at least 20 texts or whole numbers, all different for certain (at most 2,048) | `unique`, or a warning |
    ///
    /// # Example
    /// ```
    /// use mlops_core::Table;
    /// use mlops_data::profile::Profile;
    /// # let batch = arrow::array::record_batch!(("delay", Float64, [0.0, 8.0, 4.0]))?;
    /// let table = Table::from_batch(batch);
    /// let expectations = Profile::of(&table)?.expectations();
    /// let checks: Vec<String> = expectations.columns[0].checks.iter().map(ToString::to_string).collect();
    /// assert_eq!(checks, ["never null", "finite", "within 0..=10"]);
    /// assert_eq!(expectations.check(&table)?.quarantined.num_rows(), 0);
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    pub fn expectations(&self) -> Expectations {
        let columns = self.columns().iter().zip(self.infer());
        Expectations::new(columns.map(|(column, inferred)| draft(column, inferred.meaning)))
    }
}

fn draft(column: &ColumnProfile, meaning: Meaning) -> Column {
    let mut draft = Column::new(column.name(), kind(column, meaning));
    if column.count() > 0 && column.nulls() == 0 {
        draft = draft.never_null().or_quarantine();
    }
    draft = match column.values() {
        Values::Number(numbers) => draft_numbers(draft, column, numbers),
        Values::Text(texts) => draft_texts(draft, column, texts),
        _ => draft,
    };
    let surely_unique = meaning == Meaning::Identifier && column.distinct().is_some_and(|(_, exact)| exact);
    if surely_unique { draft.unique().or_warn() } else { draft }
}

/// The kind that takes the column's type. Dictionaries of other than text have none.
fn kind(column: &ColumnProfile, meaning: Meaning) -> Kind {
    let kind = match column.values() {
        Values::Boolean(_) => Kind::Boolean,
        Values::Number(_) => Kind::Number,
        Values::Temporal(_) => Kind::Timestamp,
        Values::Text(_) if meaning == Meaning::Category => Kind::Category,
        Values::Text(_) => Kind::Text,
        Values::Counted => Kind::Any,
    };
    if kind.takes(column.data_type()) { kind } else { Kind::Any }
}

fn draft_numbers(mut draft: Column, column: &ColumnProfile, numbers: &NumberProfile) -> Column {
    if !Kind::Number.takes(column.data_type()) {
        return draft;
    }
    let finite = numbers.nan() == 0 && numbers.infinities() == 0;
    if finite && numbers.finite() > 0 && column.data_type().is_floating() {
        draft = draft.finite().or_quarantine();
    }
    match (numbers.min(), numbers.max()) {
        (Some(min), Some(max)) if finite => {
            let room = (max - min) / 4.0;
            let below = if min >= 0.0 { (min - room).max(0.0) } else { min - room };
            let above = if max <= 0.0 { (max + room).min(0.0) } else { max + room };
            let (below, above) = if numbers.fractions() == 0 { (below.floor(), above.ceil()) } else { (below, above) };
            draft.within(below..=above).or_warn()
        }
        _ => draft,
    }
}

fn draft_texts(draft: Column, column: &ColumnProfile, texts: &TextProfile) -> Column {
    if !is_text(plain(column.data_type())) {
        return draft;
    }
    match (categories(texts), texts.max_length()) {
        (Some(values), _) if values.len() as u64 * SEEN_OFTEN <= column.count() => draft.one_of(values).or_warn(),
        (_, Some(longest)) => draft.length(..=2 * longest as usize).or_warn(),
        _ => draft,
    }
}
