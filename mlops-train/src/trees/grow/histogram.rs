//! Rows added up by bin.

use rayon::prelude::*;

use super::binned::{Binned, LANES};
use super::fixed::{Cell, add, less};

/// The sums of a feature by bin; the last is that of the missing. As many as a byte has values, so
/// that no index needs a check.
pub(super) type Histogram = [Cell; 256];

/// Rows times features from which threads are worth their start.
const WORTH_THREADS: usize = 1 << 16;

/// Histograms of all features of a node, reused from node to node.
#[derive(Debug, Default)]
pub(super) struct Pool(Vec<Vec<Histogram>>);

impl Pool {
    /// Histograms of any content.
    pub(super) fn take(&mut self, width: usize) -> Vec<Histogram> {
        self.0.pop().unwrap_or_else(|| vec![[[0; 2]; 256]; width])
    }

    pub(super) fn give(&mut self, histograms: Vec<Histogram>) {
        self.0.push(histograms);
    }
}

/// Adds up `cells` by the bins of `rows`, for all features. `rows` is `None` if it is all rows.
pub(super) fn build(
    data: &Binned,
    rows: Option<&[u32]>,
    cells: &[Cell],
    histograms: &mut [Histogram],
    in_parallel: bool,
) {
    let (groups, lanes) = data.groups();
    let work = |(bins, histograms): (&Vec<[u8; LANES]>, &mut [Histogram])| {
        histograms.fill([[0; 2]; 256]);
        group(bins, rows, cells, histograms);
    };
    if in_parallel && groups.len() > 1 && cells.len() * histograms.len() >= WORTH_THREADS {
        groups.par_iter().zip(histograms.par_chunks_mut(lanes)).for_each(work);
    } else {
        groups.iter().zip(histograms.chunks_mut(lanes)).for_each(work);
    }
}

fn group(bins: &[[u8; LANES]], rows: Option<&[u32]>, cells: &[Cell], histograms: &mut [Histogram]) {
    match histograms.len() {
        1 => lanes::<1>(bins, rows, cells, histograms),
        2 => lanes::<2>(bins, rows, cells, histograms),
        3 => lanes::<3>(bins, rows, cells, histograms),
        4 => lanes::<4>(bins, rows, cells, histograms),
        5 => lanes::<5>(bins, rows, cells, histograms),
        6 => lanes::<6>(bins, rows, cells, histograms),
        7 => lanes::<7>(bins, rows, cells, histograms),
        _ => lanes::<8>(bins, rows, cells, histograms),
    }
}

fn lanes<const N: usize>(bins: &[[u8; LANES]], rows: Option<&[u32]>, cells: &[Cell], histograms: &mut [Histogram]) {
    let Some(histograms) = histograms.first_chunk_mut::<N>() else { return };
    match rows {
        Some(rows) => {
            for (row, cell) in rows.iter().zip(cells) {
                add_row(histograms, bins[*row as usize], *cell);
            }
        }
        None => {
            for (bins, cell) in bins.iter().zip(cells) {
                add_row(histograms, *bins, *cell);
            }
        }
    }
}

#[inline(always)]
fn add_row<const N: usize>(histograms: &mut [Histogram; N], bins: [u8; LANES], cell: Cell) {
    for (histogram, bin) in histograms.iter_mut().zip(bins) {
        add(&mut histogram[usize::from(bin)], cell);
    }
}

/// Takes the rows of one child from those of the node, which leaves the other's.
pub(super) fn subtract(node: &mut [Histogram], child: &[Histogram]) {
    for (node, child) in node.as_flattened_mut().iter_mut().zip(child.as_flattened()) {
        *node = less(*node, *child);
    }
}

/// The histogram of one feature over few rows, which is emptied at the price of the rows.
#[derive(Debug)]
pub(super) struct Sparse {
    histogram: Box<Histogram>,
    /// Bits of the bins that are not empty.
    seen: [u64; 4],
}

impl Sparse {
    pub(super) fn new() -> Self {
        Self { histogram: Box::new([[0; 2]; 256]), seen: [0; 4] }
    }

    pub(super) fn fill(&mut self, data: &Binned, feature: usize, rows: &[u32], cells: &[Cell]) {
        let (bins, lane) = data.place(feature);
        for (row, cell) in rows.iter().zip(cells) {
            let bin = bins[*row as usize][lane];
            add(&mut self.histogram[usize::from(bin)], *cell);
            self.seen[usize::from(bin >> 6)] |= 1 << (bin & 63);
        }
    }

    /// Bins that are not empty, ascending, without that of the missing.
    pub(super) fn cells(&self) -> impl Iterator<Item = (usize, Cell)> + Clone {
        let [a, b, c, missing] = self.seen;
        let words = [a, b, c, missing & (u64::MAX >> 1)];
        let bits = words.into_iter().enumerate().flat_map(|(word, bits)| Bits(bits).map(move |bit| word * 64 + bit));
        bits.map(|bin| (bin, self.histogram[bin]))
    }

    pub(super) fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    pub(super) fn clear(&mut self) {
        for (word, bits) in self.seen.into_iter().enumerate() {
            Bits(bits).for_each(|bit| self.histogram[word * 64 + bit] = [0; 2]);
        }
        self.seen = [0; 4];
    }
}

/// The places of the bits that are set, ascending.
#[derive(Clone)]
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let bit = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (bit < 64).then_some(bit as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixed::Fixed;
    use super::*;

    #[test]
    fn rows_are_added_by_bin() {
        let width = 11;
        let matrix: Vec<f64> = (0..500 * width).map(|i| ((i * 7919) % 97) as f64).collect();
        let names = vec!["x"; width];
        let data = Binned::new(&matrix, &names, &vec![false; width], 50, &mlops_core::Run::default()).unwrap();
        let fixed = Fixed::new(500, 500.0, 1.0);
        let rows: Vec<u32> = (0..500).step_by(3).collect();
        let cells: Vec<Cell> = rows.iter().map(|row| fixed.cell(f64::from(*row), 0.5)).collect();
        let mut built = vec![[[1; 2]; 256]; width];
        build(&data, Some(&rows), &cells, &mut built, false);
        let all: Vec<Cell> = (0..500).map(|row| fixed.cell(f64::from(row), 0.5)).collect();
        let mut rest = vec![[[9; 2]; 256]; width];
        build(&data, None, &all, &mut rest, true);
        subtract(&mut rest, &built);
        let others: Vec<u32> = (0..500).filter(|row| row % 3 > 0).collect();
        let cells_of_others: Vec<Cell> = others.iter().map(|row| all[*row as usize]).collect();
        let mut sparse = Sparse::new();
        for feature in 0..width {
            sparse.fill(&data, feature, &rows, &cells);
            assert_eq!(*sparse.histogram(), built[feature]);
            assert_eq!(sparse.cells().map(|(_, cell)| fixed.count(cell)).sum::<u64>(), rows.len() as u64);
            sparse.clear();
            sparse.fill(&data, feature, &others, &cells_of_others);
            assert_eq!(*sparse.histogram(), rest[feature]);
            sparse.clear();
            assert_eq!(*sparse.histogram(), [[0; 2]; 256]);
        }
    }
}
