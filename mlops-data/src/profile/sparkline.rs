use super::Bins;

/// A histogram in one line of `width` characters at most.
pub(super) fn sparkline(bins: &Bins, width: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let together = bins.counts.len().div_ceil(width.max(1)).max(1);
    let heights: Vec<u64> = bins.counts.chunks(together).map(|counts| counts.iter().sum()).collect();
    let highest = heights.iter().max().copied().unwrap_or(0).max(1) as f64;
    let level = |height: &u64| match (*height as f64 / highest * 7.0).round() as usize {
        _ if *height == 0 => ' ',
        level => LEVELS[level.min(7)],
    };
    heights.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion() {
        let bins = Bins { edges: vec![0.0, 1.0, 2.0, 3.0, 4.0], counts: vec![0, 1, 7, 14], error: 0.0 };
        assert_eq!(sparkline(&bins, 8), " ▂▅█");
        assert_eq!(sparkline(&bins, 2), "▁█");
    }
}
