//! Bytes to records of fields: RFC 4180, read as liberally as it can be read without guessing.

use std::ops::Range;

/// A record longer than this is taken for a quote that is never closed.
pub(super) const MAX_RECORD: usize = 64 << 20;

/// Records, their fields one after the other, each followed by one ASCII character.
#[derive(Debug, Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    /// Where each field ends.
    ends: Vec<usize>,
    /// Whether each field was quoted.
    quoted: Vec<bool>,
    /// The line on which each record begins.
    lines: Vec<u64>,
}

/// Fields that are known to be text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts<'a> {
    text: &'a str,
    records: &'a Records,
    width: usize,
}

/// Splits bytes, as they come, into records.
///
/// Lines end with LF, CRLF or CR; empty lines are skipped. A field that begins with a quote goes on
/// to the next single quote, over delimiters and lines; two quotes in it are one. Quotes elsewhere
/// are ordinary characters.
#[derive(Clone, Debug)]
pub(super) struct Tokenizer {
    delimiter: u8,
    /// How many fields a record must have, once that is known.
    pub(super) width: Option<usize>,
    state: State,
    line: u64,
    /// Whether the last byte was a carriage return that ended a line.
    after_return: bool,
    record_line: u64,
    record_bytes: usize,
    fields: usize,
    in_quotes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    BeforeRecord,
    BeforeField,
    Plain,
    Quoted,
    AfterQuote,
}

/// Bytes that are no CSV, and the line where the record begins.
#[derive(Debug, PartialEq)]
pub(super) enum Malformed {
    Long { line: u64 },
    Ragged { line: u64, fields: usize },
    Unclosed { line: u64 },
}

impl Tokenizer {
    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            width: None,
            state: State::BeforeRecord,
            line: 1,
            after_return: false,
            record_line: 1,
            record_bytes: 0,
            fields: 0,
            in_quotes: false,
        }
    }

    /// Reads `input` until there are `rows` records; says how many bytes it took.
    pub(super) fn feed(&mut self, input: &[u8], records: &mut Records, rows: usize) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < input.len() && records.len() < rows {
            let before = at;
            let byte = input[at];
            match self.state {
                State::BeforeRecord => {
                    at += self.begin_record(byte);
                    if self.state == State::BeforeField {
                        at += self.plain_record(&input[at..], records)?;
                    }
                }
                State::BeforeField if byte == b'"' => {
                    (self.state, self.in_quotes) = (State::Quoted, true);
                    at += 1;
                }
                State::BeforeField => self.state = State::Plain,
                State::Plain => {
                    let run = run_of(&input[at..], |b| b == self.delimiter || b == b'\n' || b == b'\r');
                    records.bytes.extend_from_slice(&input[at..at + run]);
                    at += run;
                    if let Some(byte) = input.get(at) {
                        self.end_field(records);
                        if *byte != self.delimiter {
                            self.after_return = *byte == b'\r';
                            self.end_record(records)?;
                            self.line += 1;
                        }
                        at += 1;
                    }
                }
                State::Quoted => {
                    let run = run_of(&input[at..], |b| b == b'"');
                    self.line += input[at..at + run].iter().filter(|b| **b == b'\n').count() as u64;
                    records.bytes.extend_from_slice(&input[at..at + run]);
                    at += run;
                    if at < input.len() {
                        self.state = State::AfterQuote;
                        at += 1;
                    }
                }
                State::AfterQuote if byte == b'"' => {
                    records.bytes.push(b'"');
                    self.state = State::Quoted;
                    at += 1;
                }
                State::AfterQuote => self.state = State::Plain,
            }
            self.record_bytes += at - before;
            if self.record_bytes > MAX_RECORD {
                return Err(Malformed::Long { line: self.record_line });
            }
        }
        Ok(at)
    }

    /// Ends the last record, which needs no end of line.
    pub(super) fn finish(&mut self, records: &mut Records) -> Result<(), Malformed> {
        match self.state {
            State::BeforeRecord => Ok(()),
            State::Quoted => Err(Malformed::Unclosed { line: self.record_line }),
            State::AfterQuote | State::BeforeField | State::Plain => {
                self.end_field(records);
                self.end_record(records)
            }
        }
    }

    /// Skips an end of line, else begins a record; says how many bytes it took.
    fn begin_record(&mut self, byte: u8) -> usize {
        let after_return = std::mem::take(&mut self.after_return);
        self.record_bytes = 0;
        match byte {
            b'\n' if after_return => 1,
            b'\n' | b'\r' => {
                self.after_return = byte == b'\r';
                self.line += 1;
                1
            }
            _ => {
                (self.state, self.record_line) = (State::BeforeField, self.line);
                0
            }
        }
    }

    /// The short way through a record that has no quotes and ends in `input`; says how many bytes it
    /// took, 0 if it is none.
    fn plain_record(&mut self, input: &[u8], records: &mut Records) -> Result<usize, Malformed> {
        let (start, before) = (records.bytes.len(), records.ends.len());
        for (i, byte) in input.iter().enumerate() {
            let taken = match *byte {
                b if b == self.delimiter => {
                    records.ends.push(start + i);
                    continue;
                }
                b'\n' => i + 1,
                b'\r' if input.get(i + 1) == Some(&b'\n') => i + 2,
                b'\r' | b'"' => break,
                _ => continue,
            };
            records.ends.push(start + i);
            records.bytes.extend_from_slice(&input[..=i]);
            records.quoted.resize(records.ends.len(), false);
            self.fields = records.ends.len() - before;
            self.end_record(records)?;
            self.line += 1;
            return Ok(taken);
        }
        records.ends.truncate(before);
        Ok(0)
    }

    fn end_field(&mut self, records: &mut Records) {
        records.ends.push(records.bytes.len());
        records.bytes.push(self.delimiter);
        records.quoted.push(std::mem::take(&mut self.in_quotes));
        self.fields += 1;
        self.state = State::BeforeField;
    }

    fn end_record(&mut self, records: &mut Records) -> Result<(), Malformed> {
        let fields = std::mem::take(&mut self.fields);
        self.state = State::BeforeRecord;
        if *self.width.get_or_insert(fields) != fields {
            return Err(Malformed::Ragged { line: self.record_line, fields });
        }
        records.lines.push(self.record_line);
        Ok(())
    }
}

/// How many bytes come before the first one that `stops`.
fn run_of(bytes: &[u8], stops: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| stops(*byte)).unwrap_or(bytes.len())
}

impl Records {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.quoted.clear();
        self.lines.clear();
    }

    /// How many complete records there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// How many bytes they have.
    pub(super) fn num_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The line on which the record at `row` begins.
    pub(super) fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// The fields as text, `width` to a record; else the first field that is not valid UTF-8.
    pub(super) fn texts(&self, width: usize) -> Result<Texts<'_>, usize> {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Ok(Texts { text, records: self, width }),
            Err(error) => Err(self.ends.partition_point(|end| *end <= error.valid_up_to())),
        }
    }

    fn range(&self, field: usize) -> Range<usize> {
        let start = if field == 0 { 0 } else { self.ends[field - 1] + 1 };
        start..self.ends[field]
    }
}

impl<'a> Texts<'a> {
    pub(super) fn num_rows(&self) -> usize {
        self.records.len()
    }

    /// A field, and whether it was quoted.
    pub(super) fn field(&self, row: usize, column: usize) -> (&'a str, bool) {
        let field = row * self.width + column;
        (&self.text[self.records.range(field)], self.records.quoted[field])
    }

    /// The line on which the record at `row` begins.
    pub(super) fn line(&self, row: usize) -> u64 {
        self.records.line(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of `input`, fed in pieces of `piece` bytes, with their lines.
    fn read(input: &str, piece: usize) -> Result<Vec<(u64, Vec<String>)>, Malformed> {
        let (mut tokenizer, mut records) = (Tokenizer::new(b','), Records::default());
        for piece in input.as_bytes().chunks(piece) {
            assert_eq!(tokenizer.feed(piece, &mut records, usize::MAX)?, piece.len());
        }
        tokenizer.finish(&mut records)?;
        let width = tokenizer.width.unwrap_or(0);
        let texts = records.texts(width).unwrap();
        let row = |row| (texts.line(row), (0..width).map(|c| texts.field(row, c).0.to_owned()).collect());
        Ok((0..texts.num_rows()).map(row).collect())
    }

    fn rows(expected: &[(u64, &[&str])]) -> Vec<(u64, Vec<String>)> {
        expected.iter().map(|(line, row)| (*line, row.iter().map(|f| (*f).to_owned()).collect())).collect()
    }

    #[test]
    fn reads_quotes_and_every_end_of_line_in_any_pieces() {
        let input = "a,b\r\n\"x,1\",\"two\nlines\"\n\n\r\n\"say \"\"hi\"\"\",\rplain\"q,\"\"\r1,\"q\"x";
        let expected = rows(&[
            (1, &["a", "b"]),
            (2, &["x,1", "two\nlines"]),
            (6, &["say \"hi\"", ""]),
            (7, &["plain\"q", ""]),
            (8, &["1", "qx"]),
        ]);
        for piece in 1..input.len() {
            assert_eq!(read(input, piece).unwrap(), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn says_where_records_are_ragged_or_never_end() {
        assert_eq!(read("a,b\n1,2\n3\n", 3), Err(Malformed::Ragged { line: 3, fields: 1 }));
        assert_eq!(read("a,b\n\"1\n2\",2,3", 100), Err(Malformed::Ragged { line: 2, fields: 3 }));
        assert_eq!(read("a,b\n1,\"2\n\n", 4), Err(Malformed::Unclosed { line: 2 }));
        let endless = format!("a\n\"{}", "x".repeat(MAX_RECORD));
        assert_eq!(read(&endless, 1 << 16), Err(Malformed::Long { line: 2 }));
    }

    #[test]
    fn a_character_cut_by_a_delimiter_is_no_text() {
        let (mut tokenizer, mut records) = (Tokenizer::new(b','), Records::default());
        tokenizer.feed(b"a,b\n\xC3,\xA9\n", &mut records, 9).unwrap();
        assert_eq!(records.texts(2).unwrap_err(), 2);
        records.clear();
        tokenizer.feed(b"a,b\n1,\xFF2\n", &mut records, 9).unwrap();
        assert_eq!(records.texts(2).unwrap_err(), 3);
    }
}
