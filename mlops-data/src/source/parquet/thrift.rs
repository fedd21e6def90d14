//! Whether the lengths in Thrift's compact protocol are true, before somebody allocates by them.
//!
//! The Parquet library reserves what a list or a text says to be long. Here, nothing is allocated: a
//! structure is walked through, and every length compared with the bytes that are left.

/// Why a structure can't be walked through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wrong {
    /// It is not over where the bytes are.
    Cut,
    /// It says what can't be.
    Lying,
}

/// Levels of structures in structures; Parquet has about ten.
const DEPTH: usize = 64;

/// The number of bytes of the structure that `bytes` begin with, and the values of those of its own
/// 32-bit fields that have the numbers `fields`.
pub(super) fn walk<const N: usize>(bytes: &[u8], fields: [i64; N]) -> Result<(usize, [Option<i64>; N]), Wrong> {
    let mut walk = Walk { bytes, at: 0 };
    let mut values = [None; N];
    walk.structure(DEPTH, &mut |field, value| {
        if let Some(place) = fields.iter().position(|wanted| *wanted == field) {
            values[place] = Some(value);
        }
    })?;
    Ok((walk.at, values))
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn structure(&mut self, depth: usize, number: &mut dyn FnMut(i64, i64)) -> Result<(), Wrong> {
        let depth = depth.checked_sub(1).ok_or(Wrong::Lying)?;
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            if head & 0x0F == 0 {
                return Ok(());
            }
            field = match head >> 4 {
                0 => self.signed()?,
                delta => field.saturating_add(i64::from(delta)),
            };
            match head & 0x0F {
                // A flag's value is its type.
                1 | 2 => {}
                4..=6 => {
                    let value = self.signed()?;
                    number(field, value);
                }
                other => self.value(other, depth)?,
            }
        }
    }

    /// A value, not as a field: there, a flag has a byte.
    fn value(&mut self, kind: u8, depth: usize) -> Result<(), Wrong> {
        match kind {
            1..=3 => self.skip(1),
            4..=6 => self.signed().map(|_| ()),
            7 => self.skip(8),
            8 => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            9 | 10 => self.list(depth),
            11 => self.map(depth),
            12 => self.structure(depth, &mut |_, _| {}),
            13 => self.skip(16),
            _ => Err(Wrong::Lying),
        }
    }

    fn list(&mut self, depth: usize) -> Result<(), Wrong> {
        let depth = depth.checked_sub(1).ok_or(Wrong::Lying)?;
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.unsigned()?,
            count => u64::from(count),
        };
        self.fits(count)?;
        (0..count).try_for_each(|_| self.value(head & 0x0F, depth))
    }

    fn map(&mut self, depth: usize) -> Result<(), Wrong> {
        let depth = depth.checked_sub(1).ok_or(Wrong::Lying)?;
        let count = self.unsigned()?;
        if count == 0 {
            return Ok(());
        }
        self.fits(count)?;
        let kinds = self.byte()?;
        (0..count).try_for_each(|_| {
            self.value(kinds >> 4, depth)?;
            self.value(kinds & 0x0F, depth)
        })
    }

    /// Each element has a byte at least.
    fn fits(&self, count: u64) -> Result<(), Wrong> {
        if count > i32::MAX as u64 {
            return Err(Wrong::Lying);
        }
        if count > (self.bytes.len() - self.at) as u64 { Err(Wrong::Cut) } else { Ok(()) }
    }

    fn skip(&mut self, count: u64) -> Result<(), Wrong> {
        self.fits(count)?;
        self.at += count as usize;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Wrong> {
        let byte = *self.bytes.get(self.at).ok_or(Wrong::Cut)?;
        self.at += 1;
        Ok(byte)
    }

    fn signed(&mut self) -> Result<i64, Wrong> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn unsigned(&mut self) -> Result<u64, Wrong> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Wrong::Lying)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_compared_with_the_bytes() {
        // Field 1: i32 5; field 2: list of two i32; field 3: text "ab"; the end.
        let sound = [0x15, 10, 0x19, 0x25, 2, 4, 0x18, 2, b'a', b'b', 0, 99];
        assert_eq!(walk(&sound, [1, 2]), Ok((11, [Some(5), None])));
        assert!((0..11).all(|cut| walk(&sound[..cut], [1]) == Err(Wrong::Cut)));
        // A list of 2³⁰ structures; a text of 2⁶³ bytes.
        assert_eq!(walk(&[0x19, 0xFC, 0x80, 0x80, 0x80, 0x80, 4, 0, 0], []), Err(Wrong::Cut));
        assert_eq!(walk(&[0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], []), Err(Wrong::Lying));
        assert_eq!(walk(&[0x1C; 1000], []), Err(Wrong::Lying));
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_through(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((length, _)) = walk(&bytes, [1]) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
