//! Several byte strings in one input: a tag, a length and the bytes, again and again. Whatever the
//! bytes, they are parts, so that no mutation is lost on the framing.

use arbitrary::{Result, Unstructured};

/// One of the byte strings of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it stands for, as the target says.
    pub tag: u8,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Part {
    /// A part.
    pub fn new(tag: u8, bytes: impl Into<Vec<u8>>) -> Self {
        Self { tag, bytes: bytes.into() }
    }

    /// The bytes as text, what is none replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The parts of an input; the last one ends where the input does.
pub fn split(data: &[u8]) -> Vec<Part> {
    let mut data = Unstructured::new(data);
    let mut parts = Vec::new();
    while let Ok(part) = next(&mut data) {
        parts.push(part);
    }
    parts
}

fn next(data: &mut Unstructured<'_>) -> Result<Part> {
    if data.is_empty() {
        return Err(arbitrary::Error::NotEnoughData);
    }
    let (tag, length) = (data.arbitrary()?, data.arbitrary::<u16>()?);
    let length = data.len().min(length.into());
    Ok(Part::new(tag, data.bytes(length)?))
}

/// The input that has these parts; a part keeps its first 65,535 bytes.
pub fn join(parts: &[Part]) -> Vec<u8> {
    let mut data = Vec::new();
    for part in parts {
        let length = part.bytes.len().min(usize::from(u16::MAX));
        data.push(part.tag);
        data.extend((length as u16).to_le_bytes());
        data.extend(&part.bytes[..length]);
    }
    data
}
