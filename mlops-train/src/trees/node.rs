//! A node of the table that rows walk through.

use super::tree::CodeSet;

/// Sixteen bytes; the two children of a node are neighbours, so a step down a tree costs one cache
/// line at most.
///
/// A leaf is a node that every row passes to itself, so that rows may walk in step until the last of
/// them has arrived: its threshold is a NaN, which no number is at most, and its right child is
/// itself. The payload of the NaN is the leaf's index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// A threshold; of a categorical node its set, of a leaf its index.
    bits: u64,
    /// The feature in the low bits, flags in the high ones.
    feature: u32,
    /// The left child comes before the right one.
    right: u32,
}

/// The flags of a node's feature, also in stored tables.
pub(super) mod flag {
    pub(in super::super) const LEAF: u32 = 1 << 31;
    pub(in super::super) const MISSING_LEFT: u32 = 1 << 30;
    pub(in super::super) const ZERO_IS_MISSING: u32 = 1 << 29;
    pub(in super::super) const CATEGORICAL: u32 = 1 << 28;
    pub(in super::super) const UNKNOWN_LEFT: u32 = 1 << 27;
    pub(in super::super) const FEATURE: u32 = UNKNOWN_LEFT - 1;
}

/// LightGBM's: what is nearer to 0 is 0.
const ZERO: f64 = 1e-35f32 as f64;

impl Node {
    /// The `index`-th leaf of the table, which is its node `at`.
    pub(super) fn leaf(index: u32, at: u32) -> Self {
        Self { bits: f64::NAN.to_bits() | u64::from(index), feature: flag::LEAF, right: at }
    }

    /// To `left` where `x <= threshold`, else to the node after it.
    pub(super) fn threshold(threshold: f64, feature: u32, left: u32) -> Self {
        Self { bits: threshold.to_bits(), feature, right: left + 1 }
    }

    /// To `left` where the code is in the set of `words` words that start at `start`.
    pub(super) fn set(start: u32, words: u32, feature: u32, left: u32) -> Self {
        Self { bits: u64::from(start) << 32 | u64::from(words), feature, right: left + 1 }
    }

    /// The same in a table where so many nodes, leaves and words come before.
    pub(super) fn moved(self, nodes: u32, leaves: u32, words: u32) -> Self {
        let bits = if self.is_leaf() {
            self.bits + u64::from(leaves)
        } else if self.has(flag::CATEGORICAL) {
            self.bits + (u64::from(words) << 32)
        } else {
            self.bits
        };
        Self { bits, right: self.right + nodes, ..self }
    }

    /// With the flags.
    pub(super) fn flagged(self) -> u32 {
        self.feature
    }

    /// Of a leaf, 0.
    #[inline]
    pub(super) fn feature(self) -> usize {
        (self.feature & flag::FEATURE) as usize
    }

    #[inline]
    pub(super) fn is_leaf(self) -> bool {
        self.has(flag::LEAF)
    }

    #[inline]
    pub(super) fn has(self, flag: u32) -> bool {
        self.feature & flag != 0
    }

    /// The index of a leaf.
    #[inline]
    pub(super) fn leaf_index(self) -> usize {
        (self.bits & u64::from(u32::MAX)) as usize
    }

    /// The start and the words of a categorical node's set.
    pub(super) fn code_set(self) -> (usize, usize) {
        ((self.bits >> 32) as usize, (self.bits & u64::from(u32::MAX)) as usize)
    }

    /// The threshold of a node that has one.
    pub(super) fn threshold_value(self) -> f64 {
        f64::from_bits(self.bits)
    }

    /// The left child of a node that is no leaf.
    pub(super) fn left(self) -> u32 {
        self.right - 1
    }

    /// Where a row goes whose feature is `x`, if no node of the table has a set or a special zero,
    /// and `x` is no NaN.
    #[inline(always)]
    pub(super) fn next_plain(self, x: f64) -> u32 {
        self.right - u32::from(x <= f64::from_bits(self.bits))
    }

    /// Where a row goes whose feature is `x`.
    #[inline]
    pub(super) fn next(self, x: f64, words: &[u32]) -> u32 {
        let missing = x.is_nan() || (self.has(flag::ZERO_IS_MISSING) && x.abs() <= ZERO);
        let left = if missing {
            self.has(flag::MISSING_LEFT)
        } else if self.has(flag::CATEGORICAL) {
            let (start, length) = self.code_set();
            CodeSet::look_up(&words[start..][..length], x).unwrap_or_else(|| self.has(flag::UNKNOWN_LEFT))
        } else {
            x <= f64::from_bits(self.bits)
        };
        self.right - u32::from(left)
    }
}
