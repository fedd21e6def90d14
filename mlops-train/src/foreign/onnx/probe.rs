//! A few made-up rows through a graph when it is read: whether it works at all, answers row by row,
//! and gives probabilities.

use mlops_core::random::SplitMix64;
use mlops_core::{Error, ErrorKind, Result};

use super::graph::Program;
use super::roles::Group;
use super::tensor::{Data, Kind, Tensor};

const ROWS: usize = 12;
/// How far from 1 a sum of probabilities in `f32` may be.
const TOLERANCE: f64 = 1e-3;

/// What the rows showed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Scores a row.
    pub(super) width: Option<usize>,
    /// No row's scores were anything else than shares of 1, or a number from 0 to 1.
    pub(super) are_shares: bool,
}

/// Runs the rows, one at a time and two together; the last output is that of the scores.
pub(super) fn probe(program: &Program, groups: &[Group], has_scores: bool) -> Result<Seen> {
    let mut rng = SplitMix64::new(0);
    let mut seen = Seen { width: None, are_shares: true };
    let mut errors = Vec::new();
    for row in 0..ROWS {
        let inputs = groups.iter().map(|group| made_up(group, 1, row > 0, &mut rng)).collect::<Result<_>>()?;
        match program.run(inputs) {
            Ok(outputs) => seen.look(outputs.last().filter(|_| has_scores))?,
            Err(error) => errors.push(error),
        }
    }
    // Values may be refused, as of categories that are not known; the graph itself may not.
    if let Some(error) = errors.pop_if(|error| error.kind() != ErrorKind::Data) {
        return Err(error);
    }
    let two = groups.iter().map(|group| made_up(group, 2, false, &mut rng)).collect::<Result<_>>()?;
    let other = |output: &Tensor| output.rows().is_ok_and(|(rows, width)| rows != 2 && rows * width != 2);
    if program.run(two).is_ok_and(|outputs| outputs.iter().any(other)) {
        return Err(Error::unsupported("the graph does not answer row by row: two rows gave something else than two"));
    }
    Ok(seen)
}

impl Seen {
    fn look(&mut self, scores: Option<&Tensor>) -> Result<()> {
        let Some(scores) = scores else { return Ok(()) };
        let width = scores.data.len();
        if self.width.replace(width).is_some_and(|before| before != width) {
            return Err(Error::unsupported("the graph gives now more, now fewer scores a row"));
        }
        let numbers = scores.data.numbers()?;
        if numbers.iter().any(|x| x.is_nan()) {
            return Ok(());
        }
        let inside = numbers.iter().all(|x| (-TOLERANCE..=1.0 + TOLERANCE).contains(x));
        let sum: f64 = numbers.iter().sum();
        self.are_shares &= inside && (width == 1 || (sum - 1.0).abs() <= TOLERANCE);
        Ok(())
    }
}

/// Rows of a group: zeros, or numbers of both signs.
fn made_up(group: &Group, rows: usize, random: bool, rng: &mut SplitMix64) -> Result<Tensor> {
    let count = rows * group.columns.len();
    let numbers: Vec<f64> = (0..count).map(|_| if random { rng.uniform() * 8.0 - 4.0 } else { 0.0 }).collect();
    let data = match group.kind {
        Kind::Text => Data::Text(vec!["".into(); count]),
        Kind::I32 | Kind::I64 => Data::F64(numbers.iter().map(|x| x.trunc()).collect()).cast(group.kind)?,
        kind => Data::F64(numbers).cast(kind)?,
    };
    group.tensor(rows, data)
}
