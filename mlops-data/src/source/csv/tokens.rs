//! Bytes to records of fields: RFC 4180, read as liberally as it can be read without guessing.

use memchr::{memchr, memchr_iter};

use super::records::{Field, Records};
use super::scan::{Hits, Needles};

/// What a record may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    /// Bytes; one that is longer is taken for a quote that is never closed.
    pub(super) record: usize,
    /// Fields.
    pub(super) columns: usize,
}

/// Bytes and fields after which a batch is full, however few its rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full {
    pub(super) rows: usize,
    pub(super) bytes: usize,
    pub(super) fields: usize,
}

impl Full {
    pub(super) fn is_reached(&self, records: &Records) -> bool {
        // A batch without a record would look like the end of the file.
        let enough = records.bytes.len() >= self.bytes || records.fields.len() >= self.fields;
        records.len() >= self.rows || (enough && records.len() > 0)
    }
}

/// Splits bytes, as they come, into records.
///
/// Lines end with LF, CRLF or CR; empty lines are skipped. A field that begins with a quote goes on
/// to the next single quote, over delimiters and lines; two quotes in it are one. Quotes elsewhere
/// are ordinary characters.
#[derive(Clone, Debug)]
pub(super) struct Tokenizer {
    delimiter: u8,
    /// What a field is quoted by; the delimiter if nothing is, which no field begins with.
    quote: u8,
    needles: Needles,
    limits: Limits,
    /// How many fields a record must have, once that is known.
    pub(super) width: Option<usize>,
    state: State,
    line: u64,
    /// Whether the last byte was a carriage return that ended a line.
    after_return: bool,
    record_line: u64,
    record_bytes: usize,
    fields: usize,
    field_start: usize,
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
    Wide { line: u64 },
}

impl Tokenizer {
    pub(super) fn new(delimiter: u8, quote: Option<u8>, limits: Limits) -> Self {
        let quote = quote.unwrap_or(delimiter);
        Self {
            delimiter,
            quote,
            needles: Needles::new([delimiter, quote, b'\n', b'\r']),
            limits,
            width: None,
            state: State::BeforeRecord,
            line: 1,
            after_return: false,
            record_line: 1,
            record_bytes: 0,
            fields: 0,
            field_start: 0,
            in_quotes: false,
        }
    }

    /// Reads `input` until the batch is full; says how many bytes it took.
    pub(super) fn feed(&mut self, input: &[u8], records: &mut Records, full: Full) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < input.len() && !(self.state == State::BeforeRecord && full.is_reached(records)) {
            if self.state == State::BeforeRecord {
                at += self.begin_record(&input[at..], records, full)?;
                continue;
            }
            let taken = self.step(&input[at..], records)?;
            at += taken;
            self.record_bytes += taken;
            if self.record_bytes > self.limits.record {
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
                self.end_field(records)?;
                self.end_record(records)
            }
        }
    }

    /// Skips ends of lines and reads whole records that are easy; begins one that is not. Says how many bytes
    /// it took.
    fn begin_record(&mut self, input: &[u8], records: &mut Records, full: Full) -> Result<usize, Malformed> {
        let skipped = usize::from(std::mem::take(&mut self.after_return) && input[0] == b'\n');
        let taken = skipped + self.whole_records(&input[skipped..], records, full)?;
        if taken == 0 && input[0] == b'\r' {
            // An empty line, or the half of its end that is here.
            self.after_return = true;
            self.line += 1;
            return Ok(1);
        }
        if taken == 0 {
            (self.state, self.record_line, self.record_bytes) = (State::BeforeField, self.line, 0);
            self.field_start = records.bytes.len();
        }
        Ok(taken)
    }

    /// The short way through records that end in `input` and in which no quote is escaped; says how many bytes
    /// it took.
    fn whole_records(&mut self, input: &[u8], records: &mut Records, full: Full) -> Result<usize, Malformed> {
        let base = records.bytes.len();
        let mut hits = Hits::new(self.needles, input);
        // Where the record begins, the field begins, and how many fields and lines were before the record.
        let (mut record, mut field, mut before) = (0, 0, records.fields.len());
        let mut lines = 0;
        while let Some(at) = hits.next() {
            let byte = input[at];
            if byte == self.delimiter {
                records.fields.push(Field::new(base + field, base + at, false));
                field = at + 1;
                continue;
            }
            let mut end = at;
            let mut quoted = false;
            if byte == self.quote {
                if at != field {
                    // An ordinary character.
                    continue;
                }
                let Some(close) = memchr(self.quote, &input[at + 1..]).map(|length| at + 1 + length) else { break };
                match input.get(close + 1) {
                    Some(b) if *b == self.delimiter => {
                        records.fields.push(Field::new(base + at + 1, base + close, true));
                        lines += memchr_iter(b'\n', &input[at + 1..close]).count() as u64;
                        field = close + 2;
                        hits.go_to(field);
                        continue;
                    }
                    Some(b'\n' | b'\r') => {
                        lines += memchr_iter(b'\n', &input[at + 1..close]).count() as u64;
                        field = at + 1;
                        (end, quoted) = (close, true);
                    }
                    _ => break,
                }
            }
            // The end of a line, which begins at `end`, or after it if a quote is there.
            let stop = end + usize::from(quoted);
            let next = match (input[stop], input.get(stop + 1)) {
                (b'\n', _) => stop + 1,
                (_, Some(b'\n')) => stop + 2,
                (_, Some(_)) => stop + 1,
                (_, None) => break,
            };
            if !quoted && stop == record {
                // An empty line.
                self.line += 1;
            } else {
                records.fields.push(Field::new(base + field, base + end, quoted));
                self.fields = records.fields.len() - before;
                self.record_line = self.line;
                if next - record > self.limits.record {
                    return Err(Malformed::Long { line: self.line });
                }
                if self.fields > self.limits.columns {
                    return Err(Malformed::Wide { line: self.line });
                }
                self.end_record(records)?;
                self.line += lines + 1;
                before = records.fields.len();
            }
            (record, field, lines) = (next, next, 0);
            if next != at + 1 {
                hits.go_to(next);
            }
            // The bytes are kept at the end, all at once.
            if records.len() >= full.rows || records.fields.len() >= full.fields || base + next >= full.bytes {
                break;
            }
        }
        records.fields.truncate(before);
        records.bytes.extend_from_slice(&input[..record]);
        Ok(record)
    }

    /// Reads on in a record; says how many bytes it took.
    fn step(&mut self, input: &[u8], records: &mut Records) -> Result<usize, Malformed> {
        let byte = input[0];
        match self.state {
            State::BeforeField if byte == self.quote && self.quote != self.delimiter => {
                (self.state, self.in_quotes) = (State::Quoted, true);
                Ok(1)
            }
            State::BeforeRecord | State::BeforeField => {
                self.state = State::Plain;
                Ok(0)
            }
            State::Plain => self.plain(input, records),
            State::Quoted => {
                let run = memchr(self.quote, input).unwrap_or(input.len());
                self.line += memchr_iter(b'\n', &input[..run]).count() as u64;
                records.bytes.extend_from_slice(&input[..run]);
                if run == input.len() {
                    return Ok(run);
                }
                self.state = State::AfterQuote;
                Ok(run + 1)
            }
            State::AfterQuote if byte == self.quote => {
                records.bytes.push(self.quote);
                self.state = State::Quoted;
                Ok(1)
            }
            State::AfterQuote => {
                self.state = State::Plain;
                Ok(0)
            }
        }
    }

    fn plain(&mut self, input: &[u8], records: &mut Records) -> Result<usize, Malformed> {
        let run = memchr::memchr3(self.delimiter, b'\n', b'\r', input).unwrap_or(input.len());
        records.bytes.extend_from_slice(&input[..run]);
        let Some(byte) = input.get(run) else { return Ok(run) };
        self.end_field(records)?;
        if *byte != self.delimiter {
            self.after_return = *byte == b'\r';
            self.end_record(records)?;
            self.line += 1;
        }
        Ok(run + 1)
    }

    fn end_field(&mut self, records: &mut Records) -> Result<(), Malformed> {
        let quoted = std::mem::take(&mut self.in_quotes);
        records.fields.push(Field::new(self.field_start, records.bytes.len(), quoted));
        // Two halves of a character in two fields must not become one.
        records.bytes.push(b'\n');
        self.field_start = records.bytes.len();
        self.fields += 1;
        self.state = State::BeforeField;
        if self.fields > self.limits.columns { Err(Malformed::Wide { line: self.record_line }) } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { record: 1 << 20, columns: 100 };
    const ALL: Full = Full { rows: usize::MAX, bytes: usize::MAX, fields: usize::MAX };

    /// The records of `input`, fed in pieces of `piece` bytes, with their lines.
    fn read(input: &str, piece: usize) -> Result<Vec<(u64, Vec<String>)>, Malformed> {
        let (mut tokenizer, mut records) = (Tokenizer::new(b',', Some(b'"'), LIMITS), Records::default());
        for piece in input.as_bytes().chunks(piece) {
            let mut at = 0;
            while at < piece.len() {
                at += tokenizer.feed(&piece[at..], &mut records, ALL)?;
            }
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
        let input = "a,b\r\n\"x,1\",\"two\nlines\"\n\n\r\n\"say \"\"hi\"\"\",\rplain\"q,\"\"\r1,\"q\"x\n\"\",\"\"\r\n,\n\r\r\nü,\"ü\"";
        let expected = rows(&[
            (1, &["a", "b"]),
            (2, &["x,1", "two\nlines"]),
            (6, &["say \"hi\"", ""]),
            (7, &["plain\"q", ""]),
            (8, &["1", "qx"]),
            (9, &["", ""]),
            (10, &["", ""]),
            (13, &["ü", "ü"]),
        ]);
        for piece in 1..=input.len() {
            assert_eq!(read(input, piece).unwrap(), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn says_where_records_are_ragged_or_never_end() {
        assert_eq!(read("a,b\n1,2\n3\n", 3), Err(Malformed::Ragged { line: 3, fields: 1 }));
        for piece in [1, 100] {
            assert_eq!(read("a,b\n\"1\n2\",2,3", piece), Err(Malformed::Ragged { line: 2, fields: 3 }));
            assert_eq!(read("a,b\n1,\"2\n\n", piece), Err(Malformed::Unclosed { line: 2 }));
        }
        for (endless, error) in [
            (format!("a\n\"{}", "x".repeat(LIMITS.record)), Malformed::Long { line: 2 }),
            (format!("a\n{}\n", "x".repeat(LIMITS.record)), Malformed::Long { line: 2 }),
            (format!("a\n{}\n", ",".repeat(100)), Malformed::Wide { line: 2 }),
        ] {
            for piece in [1 << 16, 1 << 22] {
                assert_eq!(read(&endless, piece).as_ref(), Err(&error));
            }
        }
    }

    #[test]
    fn a_character_cut_by_a_delimiter_is_no_text() {
        let (mut tokenizer, mut records) = (Tokenizer::new(b',', None, LIMITS), Records::default());
        tokenizer.feed(b"a,b\n\xC3,\xA9\n", &mut records, ALL).unwrap();
        assert_eq!(records.texts(2).unwrap_err(), 2);
        records.clear();
        tokenizer.feed(b"1,\xFF2\n", &mut records, ALL).unwrap();
        assert_eq!(records.texts(2).unwrap_err(), 1);
        records.clear();
        tokenizer.feed(b"a,\"b\n", &mut records, ALL).unwrap();
        assert_eq!(records.texts(2).unwrap().field(0, 1), ("\"b", false));
    }
}
