use arrow::array::BooleanArray;
use arrow::compute::not;
use mlops_core::random::SplitMix64;
use mlops_core::{Error, Result, Table};

/// The chosen rows and the others, marked as parts 0 and 1 of the table cut like `how`.
pub(super) fn cut(table: &Table, chosen: Vec<bool>, how: &str) -> Result<(Table, Table)> {
    let chosen = BooleanArray::from(chosen);
    let part = |rows: &BooleanArray, part: u8| table.filter(rows).map(|rows| rows.with_part_of(table, how, [part]));
    Ok((part(&chosen, 0)?, part(&not(&chosen)?, 1)?))
}

/// Chooses `count` of `rows` rows.
pub(super) fn at_random(rows: usize, count: usize, seed: u64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..rows).collect();
    SplitMix64::new(seed).shuffle(&mut order);
    mark(rows, &order[..count])
}

/// Chooses `count` rows, of every class its share.
pub(super) fn by_class(classes: &[usize], count: usize, seed: u64) -> Result<Vec<bool>> {
    let mut rows_of: Vec<Vec<usize>> = vec![Vec::new(); classes.iter().max().map_or(0, |max| max + 1)];
    for (row, class) in classes.iter().enumerate() {
        rows_of[*class].push(row);
    }
    let sizes: Vec<usize> = rows_of.iter().map(Vec::len).collect();
    check_sizes(&sizes, count, classes.len())?;
    let mut rng = SplitMix64::new(seed);
    let mut chosen = Vec::with_capacity(count);
    for (rows, share) in rows_of.iter_mut().zip(shares(&sizes, count)) {
        rng.shuffle(rows);
        chosen.extend_from_slice(&rows[..share]);
    }
    Ok(mark(classes.len(), &chosen))
}

fn mark(rows: usize, chosen: &[usize]) -> Vec<bool> {
    let mut marks = vec![false; rows];
    chosen.iter().for_each(|row| marks[*row] = true);
    marks
}

fn check_sizes(sizes: &[usize], count: usize, rows: usize) -> Result<()> {
    if sizes.contains(&1) {
        return Err(Error::data(
            "a class has a single row, which can't be on both sides: drop it, join it with another class, or do not stratify",
        ));
    }
    let smaller = count.min(rows - count);
    if sizes.len() > smaller {
        return Err(Error::data(format!(
            "{} classes do not fit into a part of {smaller} rows: choose a fraction nearer to 0.5, or do not stratify",
            sizes.len()
        )));
    }
    Ok(())
}

/// `count` divided in proportion to `sizes` by largest remainders, then moved by single rows until
/// every class has at least one row on each side. Every size is at least 2, and both sides have at
/// least as many rows as there are classes, so this comes to an end.
fn shares(sizes: &[usize], count: usize) -> Vec<usize> {
    let rows = sizes.iter().sum::<usize>() as u128;
    let scaled = |size: usize| size as u128 * count as u128;
    let mut shares: Vec<usize> = sizes.iter().map(|size| (scaled(*size) / rows) as usize).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|class| std::cmp::Reverse(scaled(sizes[*class]) % rows));
    let missing = count - shares.iter().sum::<usize>();
    by_remainder.iter().take(missing).for_each(|class| shares[*class] += 1);
    while let Some(class) = shares.iter().position(|share| *share == 0) {
        let richest = argmax(&shares);
        shares[class] += 1;
        shares[richest] -= 1;
    }
    while let Some(class) = (0..sizes.len()).find(|class| shares[*class] == sizes[*class]) {
        let left: Vec<usize> = sizes.iter().zip(&shares).map(|(size, share)| size - share).collect();
        let richest = argmax(&left);
        shares[class] -= 1;
        shares[richest] += 1;
    }
    shares
}

fn argmax(values: &[usize]) -> usize {
    values.iter().enumerate().max_by_key(|(i, value)| (**value, std::cmp::Reverse(*i))).map_or(0, |(i, _)| i)
}
