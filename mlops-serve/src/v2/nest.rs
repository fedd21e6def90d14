/// More dimensions than any tensor here has.
pub(crate) const MAX_RANK: usize = 4;

/// The shape of a tensor, as it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Shape {
    dims: [u64; MAX_RANK],
    rank: usize,
}

impl Shape {
    /// Adds a dimension; false if there are too many.
    pub(crate) fn push(&mut self, dim: u64) -> bool {
        let Some(slot) = self.dims.get_mut(self.rank) else { return false };
        *slot = dim;
        self.rank += 1;
        true
    }

    /// The dimensions.
    pub(crate) fn dims(&self) -> &[u64] {
        &self.dims[..self.rank]
    }

    /// How many elements such a tensor has, unless there are more than can be counted.
    pub(crate) fn elements(&self) -> Option<u64> {
        self.dims().iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim))
    }
}

/// How the elements of a tensor were nested as they came: flat, or in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Nest {
    /// The length of the lists at each depth.
    lengths: [Option<u64>; MAX_RANK],
    /// How many lists the elements are in.
    depth: Option<usize>,
}

impl Nest {
    /// Takes an element that is in `depth` lists; false if others are in more or fewer.
    pub(crate) fn element(&mut self, depth: usize) -> bool {
        *self.depth.get_or_insert(depth) == depth
    }

    /// Takes a list of `length` that is in `depth` others; false if another there is longer or
    /// shorter.
    pub(crate) fn list(&mut self, depth: usize, length: u64) -> bool {
        *self.lengths[depth].get_or_insert(length) == length
    }

    /// Whether the elements were flat, or nested as `shape` is.
    pub(crate) fn agrees(&self, shape: &Shape) -> bool {
        let depth = self.lengths.iter().flatten().count();
        let even = self.depth.is_none_or(|elements| elements == depth);
        let lengths = self.lengths[..depth].iter().flatten();
        even && (depth <= 1 || (depth == shape.rank && lengths.eq(shape.dims())))
    }
}
