//! Nearest neighbours and counts within a distance, of points sorted by their first coordinate.

/// For each of `points`, ascending in x, the distance to its `k`-th nearest other one, where a
/// distance is the greater of those in x and in y. There are more than `k` points.
///
/// Looks outwards from a point until x alone is farther than the `k`-th best: about √(k·n) steps a
/// point where x and y have nothing to do with each other, fewer where they have.
pub(super) fn kth_nearest(points: &[(f64, f64)], k: usize) -> Vec<f64> {
    let mut nearest = Vec::with_capacity(k + 1);
    let of = |i: usize| {
        nearest.clear();
        let (x, y) = points[i];
        let (mut below, mut above) = (i, i + 1);
        loop {
            let left = below.checked_sub(1).map_or(f64::INFINITY, |j| x - points[j].0);
            let right = points.get(above).map_or(f64::INFINITY, |point| point.0 - x);
            let (j, along_x) = if left <= right { (below.wrapping_sub(1), left) } else { (above, right) };
            let full = nearest.len() == k;
            if along_x == f64::INFINITY || (full && along_x >= nearest[k - 1]) {
                return nearest.last().copied().unwrap_or(0.0);
            }
            if left <= right {
                below -= 1
            } else {
                above += 1
            }
            let distance = along_x.max((points[j].1 - y).abs());
            if !full || distance < nearest[k - 1] {
                let place = nearest.partition_point(|other| *other <= distance);
                nearest.insert(place, distance);
                nearest.truncate(k);
            }
        }
    };
    (0..points.len()).map(of).collect()
}

/// How many of `sorted` are at most `radius` away from `x`.
pub(super) fn within(sorted: &[f64], x: f64, radius: f64) -> usize {
    sorted.partition_point(|other| other - x <= radius) - sorted.partition_point(|other| x - other > radius)
}

/// The greatest radius that leaves out what is `distance` away.
pub(super) fn just_inside(distance: f64) -> f64 {
    if distance > 0.0 { distance.next_down() } else { distance }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn neighbours_are_those_of_a_full_search(mut points in prop::collection::vec((-9..9i32, -9..9i32), 5..60), k in 1usize..5) {
            points.sort_unstable();
            let points: Vec<(f64, f64)> = points.into_iter().map(|(x, y)| (f64::from(x), f64::from(y))).collect();
            let x: Vec<f64> = points.iter().map(|point| point.0).collect();
            for (i, found) in kth_nearest(&points, k).into_iter().enumerate() {
                let to = |j: usize| (points[i].0 - points[j].0).abs().max((points[i].1 - points[j].1).abs());
                let mut all: Vec<f64> = (0..points.len()).filter(|j| *j != i).map(to).collect();
                all.sort_by(f64::total_cmp);
                prop_assert_eq!(found, all[k - 1]);
                let count = x.iter().filter(|other| (**other - x[i]).abs() <= found).count();
                prop_assert_eq!(within(&x, x[i], found), count);
            }
        }
    }
}
