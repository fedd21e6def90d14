//! The wire format of protocol buffers: fields of a number and a value, in any order.
//!
//! A reader borrows; what it gives is never longer than the bytes behind it.

use mlops_core::{Error, Result};

/// A field as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'a> {
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
    Fixed64([u8; 8]),
    Varint(u64),
}

/// The fields of a message.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

fn cut_off() -> Error {
    Error::corrupt("the ONNX file is cut off, or is no ONNX file: a field is longer than the bytes behind it")
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::corrupt("the ONNX file has a number of more than 64 bits"))
    }

    fn field(&mut self) -> Result<(u32, Field<'a>)> {
        let tag = self.varint()?;
        let number =
            u32::try_from(tag >> 3).map_err(|_| Error::corrupt("the ONNX file has a field beyond all numbers"))?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.array()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| cut_off())?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(self.array()?),
            kind => return Err(Error::corrupt(format!("the ONNX file has a field of wire type {kind}"))),
        };
        Ok((number, field))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Field<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Error::corrupt("the ONNX file has a number where a text or a message belongs")),
        }
    }

    pub(super) fn text(self) -> Result<&'a str> {
        str::from_utf8(self.bytes()?)
            .map_err(|e| Error::corrupt("the ONNX file has a name that is not UTF-8").with_source(e))
    }

    pub(super) fn int(self) -> Result<i64> {
        match self {
            Self::Varint(value) => Ok(value as i64),
            _ => Err(Error::corrupt("the ONNX file has something else where a whole number belongs")),
        }
    }

    pub(super) fn float(self) -> Result<f32> {
        match self {
            Self::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(Error::corrupt("the ONNX file has something else where a float belongs")),
        }
    }

    /// Whole numbers, packed or one of several.
    pub(super) fn push_ints(self, ints: &mut Vec<i64>) -> Result<()> {
        match self {
            Self::Bytes(bytes) => {
                let mut fields = Fields::new(bytes);
                while !fields.rest.is_empty() {
                    ints.push(fields.varint()? as i64);
                }
                Ok(())
            }
            one => {
                ints.push(one.int()?);
                Ok(())
            }
        }
    }

    /// Floats, packed or one of several.
    pub(super) fn push_floats(self, floats: &mut Vec<f32>) -> Result<()> {
        match self {
            Self::Bytes(bytes) => {
                floats.extend(exact(bytes)?.iter().map(|bytes| f32::from_le_bytes(*bytes)));
                Ok(())
            }
            one => {
                floats.push(one.float()?);
                Ok(())
            }
        }
    }

    /// Doubles, packed or one of several.
    pub(super) fn push_doubles(self, doubles: &mut Vec<f64>) -> Result<()> {
        match self {
            Self::Bytes(bytes) => doubles.extend(exact(bytes)?.iter().map(|bytes| f64::from_le_bytes(*bytes))),
            Self::Fixed64(bytes) => doubles.push(f64::from_le_bytes(bytes)),
            _ => return Err(Error::corrupt("the ONNX file has something else where a double belongs")),
        }
        Ok(())
    }
}

fn exact<const N: usize>(bytes: &[u8]) -> Result<&[[u8; N]]> {
    let (numbers, rest) = bytes.as_chunks();
    if rest.is_empty() { Ok(numbers) } else { Err(cut_off()) }
}

/// A message being written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn int(&mut self, number: u32, value: i64) {
        self.varint(u64::from(number) << 3);
        self.varint(value as u64);
    }

    #[cfg(test)]
    pub(super) fn float(&mut self, number: u32, value: f32) {
        self.varint(u64::from(number) << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.varint(u64::from(number) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, number: u32, text: &str) {
        self.bytes(number, text.as_bytes());
    }

    pub(super) fn message(&mut self, number: u32, message: &Self) {
        self.bytes(number, &message.0);
    }

    #[cfg(test)]
    pub(super) fn floats(&mut self, number: u32, values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.bytes(number, &bytes);
    }

    pub(super) fn doubles(&mut self, number: u32, values: &[f64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.bytes(number, &bytes);
    }

    pub(super) fn ints(&mut self, number: u32, values: &[i64]) {
        let mut packed = Self::default();
        values.iter().for_each(|value| packed.varint(*value as u64));
        self.message(number, &packed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut message = Message::default();
        message.int(1, -5);
        message.float(2, 1.5);
        message.ints(3, &[1, -1, 300]);
        message.floats(4, &[0.5, f32::INFINITY]);
        message.text(5, "input");
        let bytes = message.into_bytes();
        let fields: Vec<_> = Fields::new(&bytes).map(Result::unwrap).collect();
        assert_eq!((fields[0].0, fields[0].1.int().unwrap()), (1, -5));
        assert_eq!(fields[1].1.float().unwrap(), 1.5);
        let (mut ints, mut floats) = (Vec::new(), Vec::new());
        fields[2].1.push_ints(&mut ints).unwrap();
        fields[3].1.push_floats(&mut floats).unwrap();
        assert_eq!((ints, floats), (vec![1, -1, 300], vec![0.5, f32::INFINITY]));
        assert_eq!(fields[4].1.text().unwrap(), "input");
        for length in 1..bytes.len() {
            let _ = Fields::new(&bytes[..length]).try_for_each(|field| field.map(|_| ()));
        }
        assert!(Fields::new(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).any(|f| f.is_err()));
        assert!(Fields::new(&[0xff; 20]).any(|field| field.is_err()));
    }
}
