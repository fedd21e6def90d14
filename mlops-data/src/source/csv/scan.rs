//! Finding a few bytes in many, eight at a time.

/// The characters that end fields and records, or make them hard to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needles([u64; 4]);

const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;

impl Needles {
    pub(super) fn new(needles: [u8; 4]) -> Self {
        Self(needles.map(|needle| u64::from(needle) * 0x0101_0101_0101_0101))
    }

    /// The highest bit of every byte that is a needle. A byte is 0 exactly if neither it nor the sum of its
    /// lower bits and 0x7F has the highest bit.
    #[inline]
    fn hits(self, word: u64) -> u64 {
        let others = self.0.into_iter().fold(u64::MAX, |others, needle| {
            let differs = word ^ needle;
            others & (((differs & LOW) + LOW) | differs)
        });
        !(others | LOW)
    }
}

/// The places of needles in bytes, in order.
#[derive(Debug)]
pub(super) struct Hits<'a> {
    needles: Needles,
    input: &'a [u8],
    /// Where the word begins that is looked at.
    word: usize,
    /// Its needles that have not been given yet.
    mask: u64,
}

impl<'a> Hits<'a> {
    pub(super) fn new(needles: Needles, input: &'a [u8]) -> Self {
        let mut hits = Self { needles, input, word: 0, mask: 0 };
        hits.go_to(0);
        hits
    }

    /// Goes on at `place`, which may be beyond the end.
    pub(super) fn go_to(&mut self, place: usize) {
        self.word = place;
        self.mask = self.look();
    }

    #[inline]
    fn look(&self) -> u64 {
        let rest = self.input.get(self.word..).unwrap_or_default();
        match rest.first_chunk::<8>() {
            Some(bytes) => self.needles.hits(u64::from_le_bytes(*bytes)),
            None => {
                let mut bytes = [0; 8];
                bytes[..rest.len()].copy_from_slice(rest);
                // No needle is 0.
                self.needles.hits(u64::from_le_bytes(bytes))
            }
        }
    }
}

impl Iterator for Hits<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            self.word += 8;
            if self.word >= self.input.len() {
                return None;
            }
            self.mask = self.look();
        }
        let place = self.word + (self.mask.trailing_zeros() / 8) as usize;
        self.mask &= self.mask - 1;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_needle_is_found_and_nothing_else(bytes in proptest::collection::vec(any::<u8>(), 0..60), from in 0usize..70) {
            let needles = *b",\"\n\r";
            let mut hits = Hits::new(Needles::new(needles), &bytes);
            hits.go_to(from);
            let expected: Vec<usize> = (from..bytes.len()).filter(|place| needles.contains(&bytes[*place])).collect();
            prop_assert_eq!(hits.collect::<Vec<_>>(), expected);
        }
    }
}
