use arrow::array::Int64Array;
use arrow::datatypes::Field;
use mlops_core::columns::find_column;
use mlops_core::{Error, Result, ResultExt, Role, Table};

use super::JoinKey;
use super::ticks::Ticks;

/// When each row of the right table was recorded, in the unit that the left times are compared in.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) ticks: Ticks,
    pub(super) times: Int64Array,
}

impl Created {
    /// The times in the column `named`, or else in the one with the role; none if no column has it.
    pub(super) fn of(named: Option<&str>, left_time: &Field, right: &Table) -> Result<Option<Self>> {
        let column = match named {
            Some(named) => named,
            None => match declared(right)? {
                Some(declared) => declared,
                None => return Ok(None),
            },
        };
        let place = find_column(right.schema(), column).context("table", "right")?;
        let key = JoinKey::from((left_time.name(), column));
        let ticks = Ticks::common(&key, left_time.data_type(), right.schema().field(place).data_type())?;
        let times = ticks.of(&right.column(column)?).context("column", column)?;
        Ok(Some(Self { ticks, times }))
    }
}

fn declared(right: &Table) -> Result<Option<&str>> {
    let declared: Vec<&str> = right.roles().named(Role::CreatedTime).collect();
    match declared[..] {
        [] => Ok(None),
        [column] if right.schema().index_of(column).is_err() => Err(Error::schema(format!(
            "the right table was left without its created time '{column}', and so its rows would be seen before they \
             were recorded: keep that column, or declare it as ignored"
        ))),
        [column] => Ok(Some(column)),
        [first, second, ..] => Err(Error::schema(format!(
            "the right table has two created times, '{first}' and '{second}': say which one counts with \
             `.with_created_time(…)`"
        ))),
    }
}

/// Finds the last of a range of numbers that is not above a bound, in O(log n): a binary tree of minima.
#[derive(Debug)]
pub(super) struct Earliest {
    /// The root is 1, the children of `i` are `2 i` and `2 i + 1`, and leaf `i` is at `leaves + i`.
    minima: Vec<i64>,
    leaves: usize,
}

impl Earliest {
    pub(super) fn new(values: impl ExactSizeIterator<Item = i64>) -> Self {
        let leaves = values.len().next_power_of_two();
        let mut minima = vec![i64::MAX; leaves];
        minima.extend(values);
        minima.resize(2 * leaves, i64::MAX);
        for node in (1..leaves).rev() {
            minima[node] = minima[2 * node].min(minima[2 * node + 1]);
        }
        Self { minima, leaves }
    }

    /// The last place of `from..to` whose number is at most `bound`.
    pub(super) fn last_until(&self, bound: i64, from: usize, to: usize) -> Option<usize> {
        let mut node = self.leaves + to.checked_sub(1)?;
        while self.minima[node] > bound {
            // On to what stands left of `node`, in as large a step as there is.
            while node.is_multiple_of(2) {
                node /= 2;
            }
            if node == 1 {
                return None;
            }
            node -= 1;
        }
        while node < self.leaves {
            node = 2 * node + usize::from(self.minima[2 * node + 1] <= bound);
        }
        Some(node - self.leaves).filter(|place| *place >= from)
    }
}

#[cfg(test)]
mod tests {
    use mlops_core::random::SplitMix64;

    use super::*;

    #[test]
    fn the_last_that_is_not_above_the_bound() {
        let mut rng = SplitMix64::new(1);
        for len in 0..40_usize {
            let values: Vec<i64> = (0..len).map(|_| rng.below(12) as i64 - 6).collect();
            let earliest = Earliest::new(values.iter().copied());
            for (bound, from, to) in
                (-7..7).flat_map(|b| (0..=len).flat_map(move |f| (f..=len).map(move |t| (b, f, t))))
            {
                let expected = (from..to).rev().find(|place| values[*place] <= bound);
                assert_eq!(earliest.last_until(bound, from, to), expected, "{values:?} {bound} {from}..{to}");
            }
        }
        assert_eq!(Earliest::new([i64::MAX].into_iter()).last_until(i64::MAX, 0, 1), Some(0));
    }
}
