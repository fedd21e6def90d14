//! The stored form of a [`HyperLogLog`] and the checks on reading it.

use serde::{Deserialize, Serialize};

use super::super::digits::{digit, read_words, sextets, write_words};
use super::super::{SketchError, ensure};
use super::{HyperLogLog, M, Q, State};

/// A character for each register, or eleven for each hash, most significant first.
#[derive(Serialize, Deserialize)]
#[serde(rename = "HyperLogLog", rename_all = "snake_case")]
pub(super) enum Stored {
    Dense(String),
    Sparse(String),
}

impl From<HyperLogLog> for Stored {
    fn from(sketch: HyperLogLog) -> Self {
        match sketch.state {
            State::Dense(registers) => {
                Self::Dense(registers.iter().map(|&register| digit(u64::from(register))).collect())
            }
            State::Sparse(hashes) => Self::Sparse(write_words(hashes.into_iter())),
        }
    }
}

impl TryFrom<Stored> for HyperLogLog {
    type Error = SketchError;

    fn try_from(stored: Stored) -> Result<Self, SketchError> {
        let check = |holds, problem| ensure(holds, "HyperLogLog", problem);
        let corrupt = |problem| SketchError::corrupt("HyperLogLog", problem);
        let state = match stored {
            Stored::Dense(text) => {
                check(text.len() == M, "it must have 16384 registers")?;
                let registers = sextets(&text).map_err(corrupt)?;
                let possible = registers.iter().fold(true, |all, register| all & (usize::from(*register) <= Q + 1));
                check(possible, "a register is above 51")?;
                State::Dense(registers)
            }
            Stored::Sparse(text) => {
                let hashes = read_words(&text).map_err(corrupt)?;
                check(hashes.len() <= Self::EXACT, "it has more than 2048 hashes")?;
                check(hashes.is_sorted_by(|a, b| a < b), "its hashes are not ascending")?;
                State::Sparse(hashes)
            }
        };
        Ok(Self { state })
    }
}
