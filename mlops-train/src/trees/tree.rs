//! One tree as it was grown or read.

/// A tree as it was grown or read; the root is the first of its branches.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tree {
    pub(crate) branches: Vec<Branch>,
    /// What the leaves say, leaf by leaf.
    pub(crate) values: Vec<f64>,
}

/// A node, and what training knew of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Branch {
    pub(crate) step: Step,
    /// How much the training rows that came here weighed (or how many they were, or their Hessians,
    /// by the library).
    pub(crate) cover: f64,
    /// What the split lowered the loss by; 0 for a leaf.
    pub(crate) gain: f64,
}

/// Where a row goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Nowhere: the index of the leaf among the tree's.
    Leaf(usize),
    Split(Split),
}

/// A question, and the branches that its answers lead to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Split {
    pub(crate) feature: usize,
    pub(crate) test: Test,
    /// Where NaN goes.
    pub(crate) missing_left: bool,
    /// Whether a zero (up to LightGBM's 1e-35) counts as missing.
    pub(crate) zero_is_missing: bool,
    /// To the first where the test holds.
    pub(crate) children: [usize; 2],
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    /// `x <= threshold`
    AtMost(f64),
    /// Whether `x`, without its fraction, is one of a set of codes.
    In {
        codes: CodeSet,
        /// Where a code goes that is negative or beyond the set's words.
        unknown_left: bool,
    },
}

/// Small whole numbers as bits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CodeSet(Vec<u32>);

impl CodeSet {
    /// From words of 32 bits, the bit of code 0 first; the form of LightGBM's files.
    pub(crate) fn from_words(words: Vec<u32>) -> Self {
        Self(words)
    }

    pub(crate) fn words(&self) -> &[u32] {
        &self.0
    }

    /// Whether code `x` is in `words`; `None` if it lies outside of them.
    #[inline]
    pub(crate) fn look_up(words: &[u32], x: f64) -> Option<bool> {
        // Truncates, and saturates far outside.
        let code = x as i64;
        let word = words.get(usize::try_from(code >> 5).ok()?)?;
        Some(word >> (code & 31) & 1 == 1)
    }
}

impl FromIterator<u32> for CodeSet {
    fn from_iter<T: IntoIterator<Item = u32>>(codes: T) -> Self {
        let mut words = Vec::new();
        for code in codes {
            let word = (code / 32) as usize;
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            words[word] |= 1 << (code % 32);
        }
        Self(words)
    }
}

impl Tree {
    /// Adds a leaf that says `values`, one an output that the tree speaks for.
    pub(crate) fn leaf(&mut self, values: &[f64], cover: f64) -> usize {
        let leaf = self.values.len() / values.len().max(1);
        self.values.extend_from_slice(values);
        self.branch(Branch { step: Step::Leaf(leaf), cover, gain: 0.0 })
    }

    /// Adds a split; its children may be added later.
    pub(crate) fn split(&mut self, split: Split, cover: f64, gain: f64) -> usize {
        self.branch(Branch { step: Step::Split(split), cover, gain })
    }

    /// Adds a branch that is still to become a split or a leaf.
    pub(crate) fn open(&mut self, cover: f64) -> usize {
        self.branch(Branch { step: Step::Leaf(usize::MAX), cover, gain: 0.0 })
    }

    fn branch(&mut self, branch: Branch) -> usize {
        self.branches.push(branch);
        self.branches.len() - 1
    }
}

impl Split {
    /// `x[feature] <= threshold` goes to the first of `children`, all else and NaN to the second.
    pub(crate) fn at_most(feature: usize, threshold: f64, children: [usize; 2]) -> Self {
        Self { feature, test: Test::AtMost(threshold), missing_left: false, zero_is_missing: false, children }
    }
}
