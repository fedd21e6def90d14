//! Records that were split, and their fields.

use std::ops::Range;

/// Records: bytes, and where in them the fields are.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) bytes: Vec<u8>,
    pub(super) fields: Vec<Field>,
    /// The line on which each record begins.
    pub(super) lines: Vec<u64>,
}

/// Where a field is, and whether it was quoted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Field {
    start: u32,
    /// The highest bit says that it was quoted.
    end: u32,
}

const QUOTED: u32 = 1 << 31;

impl Field {
    /// # Panics
    /// Never: a batch ends long before 2 GiB, see `MAX_BATCH` and `Limits::record`.
    pub(super) fn new(start: usize, end: usize, quoted: bool) -> Self {
        debug_assert!(end < QUOTED as usize, "a batch of 2 GiB");
        Self { start: start as u32, end: end as u32 | if quoted { QUOTED } else { 0 } }
    }

    pub(super) fn is_quoted(self) -> bool {
        self.end & QUOTED != 0
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end()
    }

    fn end(self) -> usize {
        (self.end & !QUOTED) as usize
    }
}

/// Fields that are known to be text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts<'a> {
    text: &'a str,
    records: &'a Records,
    width: usize,
}

impl Records {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
        self.lines.clear();
    }

    /// How many complete records there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The line on which the record at `row` begins.
    pub(super) fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// The bytes of a field.
    pub(super) fn bytes_of(&self, field: Field) -> &[u8] {
        &self.bytes[field.range()]
    }

    /// The fields as text, `width` to a record; else the first field that is not valid UTF-8.
    pub(super) fn texts(&self, width: usize) -> Result<Texts<'_>, usize> {
        // Fields are cut at ASCII characters: bytes that are text are text in each field, but for a character whose
        // bytes are in two fields, which the characters between them make invalid.
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Ok(Texts { text, records: self, width }),
            Err(error) => Err(self.fields.partition_point(|field| field.end() <= error.valid_up_to())),
        }
    }
}

impl<'a> Texts<'a> {
    pub(super) fn num_rows(&self) -> usize {
        self.records.len()
    }

    /// A field, and whether it was quoted.
    pub(super) fn field(&self, row: usize, column: usize) -> (&'a str, bool) {
        let field = self.records.fields[row * self.width + column];
        (&self.text[field.range()], field.is_quoted())
    }

    /// The bytes of a field, quoted or not.
    pub(super) fn bytes(&self, row: usize, column: usize) -> &'a [u8] {
        let field = self.records.fields[row * self.width + column];
        &self.text.as_bytes()[field.range()]
    }

    /// The line on which the record at `row` begins.
    pub(super) fn line(&self, row: usize) -> u64 {
        self.records.line(row)
    }
}
