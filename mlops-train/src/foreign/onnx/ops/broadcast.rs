//! Tensors of different shapes, element by element.

use mlops_core::{Error, Result};

use crate::foreign::onnx::tensor::count;

/// The shape that two shapes are repeated to.
pub(super) fn common(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let dims = (0..rank).map(|i| match (dim(a, i), dim(b, i)) {
        (a, b) if a == b => Ok(a),
        (1, other) | (other, 1) => Ok(other),
        _ => Err(Error::corrupt(format!("shapes {a:?} and {b:?} can't be repeated to a common one"))),
    });
    let shape = dims.collect::<Result<Vec<usize>>>()?;
    count(&shape)?;
    Ok(shape)
}

/// Where the elements of a repeated tensor come from.
#[derive(Debug)]
pub(super) enum Places {
    Any(Vec<usize>),
    /// The whole tensor over and over.
    Cycle(usize),
    One,
    Same,
}

impl Places {
    /// Of a tensor of `shape` that is repeated to `out`, which it can be.
    pub(super) fn new(shape: &[usize], out: &[usize]) -> Self {
        let shape = &shape[shape.iter().take_while(|dim| **dim == 1).count()..];
        if shape.is_empty() {
            return Self::One;
        }
        if shape.len() == out.len() && shape == out {
            return Self::Same;
        }
        if out.ends_with(shape) {
            return Self::Cycle(shape.iter().product());
        }
        let missing = out.len() - shape.len();
        let mut strides = vec![0; out.len()];
        let mut stride = 1;
        for (i, dim) in shape.iter().enumerate().rev() {
            if *dim > 1 {
                strides[missing + i] = stride;
            }
            stride *= dim;
        }
        Self::Any(walk(out, &strides))
    }

    #[inline]
    pub(super) fn at(&self, i: usize) -> usize {
        match self {
            Self::Any(places) => places[i],
            Self::Cycle(length) => i % length,
            Self::One => 0,
            Self::Same => i,
        }
    }
}

/// The places of the elements of `shape`, by the distance of neighbours in each dimension.
pub(super) fn walk(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    let total = shape.iter().product();
    let mut places = Vec::with_capacity(total);
    let mut index = vec![0; shape.len()];
    let mut place = 0;
    while places.len() < total {
        places.push(place);
        for (i, dim) in shape.iter().enumerate().rev() {
            index[i] += 1;
            place += strides[i];
            if index[i] < *dim {
                break;
            }
            place -= strides[i] * dim;
            index[i] = 0;
        }
    }
    places
}

/// The distances of neighbours in each dimension of a tensor.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// `f` of two repeated tensors, element by element.
pub(super) fn zip<A: Copy, B: Copy, O>(
    (a, a_shape): (&[A], &[usize]),
    (b, b_shape): (&[B], &[usize]),
    out: &[usize],
    f: impl Fn(A, B) -> O,
) -> Vec<O> {
    let total = out.iter().product();
    if total == 0 {
        return Vec::new();
    }
    let (a_places, b_places) = (Places::new(a_shape, out), Places::new(b_shape, out));
    match (&a_places, &b_places) {
        (Places::Same, Places::Same) => a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect(),
        (Places::Same, Places::One) => a.iter().map(|a| f(*a, b[0])).collect(),
        _ => (0..total).map(|i| f(a[a_places.at(i)], b[b_places.at(i)])).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_repeated() {
        assert_eq!(common(&[2, 1, 3], &[4, 1]).unwrap(), [2, 4, 3]);
        assert_eq!(common(&[], &[4, 1]).unwrap(), [4, 1]);
        assert!(common(&[2], &[3]).is_err());
        assert!(common(&[1 << 20, 1], &[1, 1 << 20]).is_err());
        let column = (&[1, 2][..], &[2, 1][..]);
        let row = (&[10, 20, 30][..], &[3][..]);
        assert_eq!(zip(column, row, &[2, 3], |a, b| a + b), [11, 21, 31, 12, 22, 32]);
        assert_eq!(zip(row, column, &[2, 3], |a, b| a - b), [9, 19, 29, 8, 18, 28]);
        let middle = (&[1, 2, 3, 4][..], &[2, 1, 2][..]);
        let one = (&[0][..], &[1, 1, 1][..]);
        assert_eq!(zip(middle, one, &[2, 1, 2], |a, _| a), [1, 2, 3, 4]);
        assert_eq!(zip(middle, (&[0; 8], &[2, 2, 2]), &[2, 2, 2], |a, _| a), [1, 2, 1, 2, 3, 4, 3, 4]);
    }
}
