//! The stored form of a [`Kll`] and the checks on reading it.

use serde::{Deserialize, Serialize};

use super::super::compactor::{Compactors, MOST_LEVELS};
use super::super::digits::Floats;
use super::super::number::Number;
use super::super::{SketchError, ensure};
use super::{Kll, State};

#[derive(Serialize, Deserialize)]
#[serde(rename = "Kll", deny_unknown_fields)]
pub(super) struct Stored {
    pub(super) k: usize,
    pub(super) seed: u64,
    pub(super) count: u64,
    pub(super) range: Option<(Number, Number)>,
    pub(super) state: StoredState,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum StoredState {
    Exact { values: Floats, counts: Vec<u64> },
    Sketch { coins: u64, owed: u64, levels: Vec<Floats> },
}

impl From<Kll> for Stored {
    fn from(sketch: Kll) -> Self {
        let Kll { k, seed, count, range, state } = sketch;
        let state = match state {
            State::Exact(table) => {
                let (values, counts) = table.into_iter().unzip();
                StoredState::Exact { values: Floats(values), counts }
            }
            State::Sketch(Compactors { coins, owed, levels, .. }) => {
                StoredState::Sketch { coins, owed, levels: levels.into_iter().map(Floats).collect() }
            }
        };
        Self { k, seed, count, range: range.map(|(min, max)| (Number(min), Number(max))), state }
    }
}

impl TryFrom<Stored> for Kll {
    type Error = SketchError;

    fn try_from(stored: Stored) -> Result<Self, SketchError> {
        let check = |holds, problem| ensure(holds, "Kll", problem);
        let Stored { k, seed, count, range, state } = stored;
        let k = Self::new(k)?.k;
        let range = range.map(|(Number(min), Number(max))| (min + 0.0, max + 0.0));
        check(range.is_some() == (count > 0), "its range doesn't fit its count")?;
        check(range.is_none_or(|(min, max)| min <= max), "its minimum is above its maximum")?;
        let state = match state {
            StoredState::Exact { values, counts } => {
                let values = unsigned(values);
                check(values.len() == counts.len() && values.len() <= k, "its table is too long or uneven")?;
                check(counts.iter().all(|count| *count > 0), "a count is zero")?;
                check(values.is_sorted_by(|a, b| a < b), "its table is not ascending")?;
                check(
                    range == values.first().copied().zip(values.last().copied()),
                    "its range is not that of its table",
                )?;
                State::Exact(values.into_iter().zip(counts).collect())
            }
            StoredState::Sketch { coins, owed, levels } => {
                let levels = levels.into_iter().map(unsigned).collect::<Vec<Vec<f64>>>();
                check((1..=MOST_LEVELS).contains(&levels.len()), "it has no levels or too many")?;
                let (min, max) = range.unwrap_or_default();
                check(levels.iter().flatten().all(|x| (min..=max).contains(x)), "a value is outside its range")?;
                check(levels[1..].iter().all(|level| level.is_sorted()), "a level is not sorted")?;
                let compactors = Compactors::restore(k, seed, coins, owed, levels);
                State::Sketch(compactors.ok_or_else(|| SketchError::corrupt("Kll", "its levels hold too many values"))?)
            }
        };
        let total = match &state {
            State::Exact(table) => table.iter().try_fold(0u64, |total, entry| total.checked_add(entry.1)),
            State::Sketch(compactors) => compactors.pairs().try_fold(0u64, |total, pair| total.checked_add(pair.1)),
        };
        check(total == Some(count), "its weights don't add up to its count")?;
        Ok(Self { k, seed, count, range, state })
    }
}

/// Zero has no sign.
fn unsigned(Floats(mut values): Floats) -> Vec<f64> {
    values.iter_mut().for_each(|x| *x += 0.0);
    values
}
