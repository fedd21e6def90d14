//! Points in a tree that is cut at the median of the widest coordinate.

/// A point that was found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Near {
    /// The distance to the power that [`Metric`] computes with.
    pub(crate) reduced: f64,
    /// The number of the point as it was given.
    pub(crate) point: u32,
}

impl Near {
    /// Of equal distances the first point is nearer.
    fn is_before(self, other: Self) -> bool {
        self.reduced < other.reduced || (self.reduced == other.reduced && self.point < other.point)
    }
}

/// Minkowski's distance of some order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Metric(pub(crate) f64);

impl Metric {
    pub(crate) const EUCLID: Self = Self(2.0);

    fn power(self, difference: f64) -> f64 {
        let difference = difference.abs();
        match self.0 {
            1.0 => difference,
            2.0 => difference * difference,
            p => difference.powf(p),
        }
    }

    /// The sum of powers; any number above `enough` if it is above.
    fn reduced(self, a: &[f64], b: &[f64], enough: f64) -> f64 {
        const TOGETHER: usize = 8;
        let mut sum = 0.0;
        let (mut a, mut b) = (a.chunks_exact(TOGETHER), b.chunks_exact(TOGETHER));
        for (a, b) in a.by_ref().zip(b.by_ref()) {
            let mut powers = [0.0; TOGETHER];
            for i in 0..TOGETHER {
                powers[i] = self.power(a[i] - b[i]);
            }
            let [p0, p1, p2, p3, p4, p5, p6, p7] = powers;
            sum += ((p0 + p4) + (p1 + p5)) + ((p2 + p6) + (p3 + p7));
            if sum > enough {
                return sum;
            }
        }
        sum + a.remainder().iter().zip(b.remainder()).map(|(a, b)| self.power(a - b)).sum::<f64>()
    }

    /// The distance that a sum of powers stands for.
    pub(crate) fn distance(self, reduced: f64) -> f64 {
        match self.0 {
            1.0 => reduced,
            2.0 => reduced.sqrt(),
            p => reduced.powf(1.0 / p),
        }
    }

    /// The sum of powers for a distance.
    pub(crate) fn reduce(self, distance: f64) -> f64 {
        self.power(distance)
    }
}

/// Points that can be asked for those near another one.
///
/// A branch is left out if its box is farther than what is known: in many dimensions hardly any is, and
/// the search goes through all points. Takes n log n to build.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    width: usize,
    metric: Metric,
    /// Row-major, leaf by leaf.
    points: Vec<f64>,
    /// The number of each point as it was given.
    order: Vec<u32>,
    nodes: Vec<Node>,
    /// For each node the least and the greatest of every coordinate.
    boxes: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    start: u32,
    end: u32,
    /// The second child; the first comes right after its parent. 0 for a leaf.
    second: u32,
}

const LEAF: usize = 24;

impl Index {
    /// At most 2³² finite points of `width` coordinates, at least one.
    pub(crate) fn new(matrix: &[f64], width: usize, metric: Metric) -> Self {
        let rows = matrix.len() / width;
        let mut index = Self {
            width,
            metric,
            points: Vec::with_capacity(matrix.len()),
            // A caller has checked that there are no more.
            order: (0..rows as u32).collect(),
            nodes: Vec::new(),
            boxes: Vec::new(),
        };
        let mut order = std::mem::take(&mut index.order);
        index.grow(matrix, &mut order, 0);
        for point in &order {
            index.points.extend_from_slice(&matrix[*point as usize * width..][..width]);
        }
        index.order = order;
        index
    }

    fn grow(&mut self, matrix: &[f64], order: &mut [u32], start: usize) {
        let coordinate = |point: u32, i: usize| matrix[point as usize * self.width + i];
        let mut bounds = vec![(f64::INFINITY, f64::NEG_INFINITY); self.width];
        for point in order.iter() {
            for (i, (min, max)) in bounds.iter_mut().enumerate() {
                let x = coordinate(*point, i);
                (*min, *max) = (min.min(x), max.max(x));
            }
        }
        let node = self.nodes.len();
        // Whatever is in a tree has been counted in 32 bits.
        self.nodes.push(Node { start: start as u32, end: (start + order.len()) as u32, second: 0 });
        self.boxes.extend(bounds.iter().flat_map(|(min, max)| [*min, *max]));
        let spread = |i: &usize| bounds[*i].1 - bounds[*i].0;
        let widest = (0..self.width).reduce(|best, i| if spread(&i) > spread(&best) { i } else { best }).unwrap_or(0);
        if order.len() <= LEAF || spread(&widest) <= 0.0 {
            order.sort_unstable();
            return;
        }
        let middle = order.len() / 2;
        let by = |a: &u32, b: &u32| coordinate(*a, widest).total_cmp(&coordinate(*b, widest)).then(a.cmp(b));
        order.select_nth_unstable_by(middle, by);
        let (first, second) = order.split_at_mut(middle);
        self.grow(matrix, first, start);
        self.nodes[node].second = self.nodes.len() as u32;
        self.grow(matrix, second, start + middle);
    }

    /// How far the box of a node is, at least.
    fn least(&self, node: usize, of: &[f64]) -> f64 {
        let bounds = self.boxes[node * 2 * self.width..][..2 * self.width].chunks_exact(2);
        let beyond = |(x, bound): (&f64, &[f64])| (bound[0] - x).max(x - bound[1]).max(0.0);
        of.iter().zip(bounds).map(|pair| self.metric.power(beyond(pair))).sum()
    }

    /// Fills `found` with the nearest points, the nearest first; there are at least as many points as it
    /// has room. Allocates nothing.
    pub(crate) fn nearest(&self, of: &[f64], found: &mut [Near]) {
        found.fill(Near { reduced: f64::INFINITY, point: u32::MAX });
        self.search(0, 0.0, of, found);
    }

    fn search(&self, node: usize, least: f64, of: &[f64], found: &mut [Near]) {
        let last = found.len() - 1;
        if least > found[last].reduced {
            return;
        }
        let Node { start, end, second } = self.nodes[node];
        if second > 0 {
            let second = second as usize;
            let (of_first, of_second) = (self.least(node + 1, of), self.least(second, of));
            let nearer_first = [(node + 1, of_first), (second, of_second)];
            let [(a, of_a), (b, of_b)] =
                if of_second < of_first { [nearer_first[1], nearer_first[0]] } else { nearer_first };
            self.search(a, of_a, of, found);
            self.search(b, of_b, of, found);
            return;
        }
        for place in start as usize..end as usize {
            let point = &self.points[place * self.width..][..self.width];
            let near = Near { reduced: self.metric.reduced(of, point, found[last].reduced), point: self.order[place] };
            if near.is_before(found[last]) {
                let mut i = last;
                while i > 0 && near.is_before(found[i - 1]) {
                    found[i] = found[i - 1];
                    i -= 1;
                }
                found[i] = near;
            }
        }
    }

    /// Calls `visit` with every point whose reduced distance is at most `reduced`.
    pub(crate) fn within(&self, of: &[f64], reduced: f64, visit: &mut impl FnMut(Near)) {
        self.within_node(0, of, reduced, visit);
    }

    fn within_node(&self, node: usize, of: &[f64], reduced: f64, visit: &mut impl FnMut(Near)) {
        if self.least(node, of) > reduced {
            return;
        }
        let Node { start, end, second } = self.nodes[node];
        if second > 0 {
            self.within_node(node + 1, of, reduced, visit);
            self.within_node(second as usize, of, reduced, visit);
            return;
        }
        for place in start as usize..end as usize {
            let point = &self.points[place * self.width..][..self.width];
            let distance = self.metric.reduced(of, point, reduced);
            if distance <= reduced {
                visit(Near { reduced: distance, point: self.order[place] });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mlops_core::random::SplitMix64;

    use super::*;

    #[test]
    fn finds_what_a_look_at_all_points_finds() {
        let mut rng = SplitMix64::new(4);
        for (width, p) in [(1, 2.0), (2, 1.0), (3, 3.0), (11, 2.0)] {
            // Many equal coordinates.
            let matrix: Vec<f64> = (0..300 * width).map(|_| (rng.uniform() * 6.0).floor()).collect();
            let metric = Metric(p);
            let index = Index::new(&matrix, width, metric);
            for _ in 0..30 {
                let of: Vec<f64> = (0..width).map(|_| rng.uniform() * 6.0).collect();
                let reduced = |row: &[f64]| metric.reduced(&of, row, f64::INFINITY);
                let all = matrix.chunks_exact(width).enumerate();
                let mut all: Vec<Near> = all.map(|(i, row)| Near { reduced: reduced(row), point: i as u32 }).collect();
                all.sort_by(|a, b| a.reduced.total_cmp(&b.reduced).then(a.point.cmp(&b.point)));
                let mut found = [Near::default(); 7];
                index.nearest(&of, &mut found);
                assert_eq!(found.as_slice(), &all[..7]);
                let mut within = Vec::new();
                index.within(&of, 2.0, &mut |near| within.push(near.point));
                within.sort_unstable();
                let mut expected: Vec<u32> = all.iter().filter(|n| n.reduced <= 2.0).map(|n| n.point).collect();
                expected.sort_unstable();
                assert_eq!(within, expected);
            }
        }
    }
}
