//! The stored form of a [`HyperLogLog`] and the checks on reading it.

use serde::{Deserialize, Serialize};

use super::super::{SketchError, ensure};
use super::{HyperLogLog, M, Q, State};

/// One character for six bits.
pub(super) const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters to a stored hash.
const WIDTH: usize = 11;

/// A character for each register, or eleven for each hash, most significant first.
#[derive(Serialize, Deserialize)]
#[serde(rename = "HyperLogLog", rename_all = "snake_case")]
pub(super) enum Stored {
    Dense(String),
    Sparse(String),
}

impl From<HyperLogLog> for Stored {
    fn from(sketch: HyperLogLog) -> Self {
        let digit = |six: u64| char::from(DIGITS[(six & 63) as usize]);
        match sketch.state {
            State::Dense(registers) => {
                Self::Dense(registers.iter().map(|&register| digit(u64::from(register))).collect())
            }
            State::Sparse(hashes) => {
                let digits = hashes.iter().flat_map(|hash| (0..WIDTH).rev().map(move |i| digit(hash >> (6 * i))));
                Self::Sparse(digits.collect())
            }
        }
    }
}

impl TryFrom<Stored> for HyperLogLog {
    type Error = SketchError;

    fn try_from(stored: Stored) -> Result<Self, SketchError> {
        let check = |holds, problem| ensure(holds, "HyperLogLog", problem);
        let state = match stored {
            Stored::Dense(text) => {
                let registers = sextets(&text)?;
                check(registers.len() == M, "it must have 16384 registers")?;
                check(registers.iter().all(|&register| usize::from(register) <= Q + 1), "a register is above 51")?;
                State::Dense(registers)
            }
            Stored::Sparse(text) => {
                let digits = sextets(&text)?;
                check(digits.len().is_multiple_of(WIDTH), "a hash has 11 digits")?;
                check(digits.len() <= WIDTH * Self::EXACT, "it has more than 2048 hashes")?;
                check(digits.iter().step_by(WIDTH).all(|&first| first < 16), "a hash is above 2^64")?;
                let hash = |digits: &[u8]| digits.iter().fold(0, |hash, &six| hash << 6 | u64::from(six));
                let hashes = digits.chunks(WIDTH).map(hash).collect::<Vec<_>>();
                check(hashes.is_sorted_by(|a, b| a < b), "its hashes are not ascending")?;
                State::Sparse(hashes)
            }
        };
        Ok(Self { state })
    }
}

/// The value of each character that is a digit, else 255.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut six = 0;
    while six < 64 {
        values[DIGITS[six] as usize] = six as u8;
        six += 1;
    }
    values
};

fn sextets(text: &str) -> Result<Vec<u8>, SketchError> {
    let sextets: Vec<u8> = text.bytes().map(|byte| VALUES[usize::from(byte)]).collect();
    let valid = sextets.iter().fold(true, |valid, six| valid & (*six < 64));
    ensure(valid, "HyperLogLog", "a character is no digit")?;
    Ok(sextets)
}
