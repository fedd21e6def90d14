//! How a file is written, told from its beginning.

use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::Csv;
use super::infer::Seen;
use super::parse::Nulls;
use super::reader::{open_text, read_some};
use super::records::Records;
use super::tokens::{Full, Limits, Tokenizer};
use crate::source::found::Found;

/// How a CSV file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Dialect {
    /// What is between two fields.
    pub delimiter: char,
    /// What is around a field that holds delimiters or ends of lines; NUL if nothing is.
    pub quote: char,
    /// Whether the first record names the columns.
    pub header: bool,
}

/// Bytes that are looked at.
const SAMPLE: usize = 64 << 10;
/// Records that are looked at, in each of the dialects that are tried.
const RECORDS: usize = 200;
/// The likeliest first.
const DELIMITERS: [char; 4] = [',', '\t', ';', '|'];
const QUOTES: [char; 2] = ['"', '\''];

impl Dialect {
    pub(super) fn delimiter_byte(&self) -> Result<u8> {
        let byte = ascii(self.delimiter).filter(|d| *d != 0 && ascii(self.quote) != Some(*d));
        byte.ok_or_else(|| {
            Error::config(format!(
                "{:?} can't be between fields: choose one ASCII character, not a quote or an end of line",
                self.delimiter
            ))
        })
    }

    pub(super) fn quote_byte(&self) -> Result<Option<u8>> {
        let byte = ascii(self.quote).ok_or_else(|| {
            Error::config(format!(
                "{:?} can't be around fields: choose one ASCII character that is no end of line, or '\\0' for none",
                self.quote
            ))
        })?;
        Ok((byte != 0).then_some(byte))
    }

    /// The dialect of `files`: what `csv` says, and what the first file that is not empty shows.
    pub(super) fn of(csv: &Csv, files: &[Found]) -> Result<Self> {
        if let (Some(delimiter), Some(quote), Some(header)) = (csv.delimiter, csv.quote, csv.header) {
            return Ok(Self { delimiter, quote, header });
        }
        let mut sample = vec![0; SAMPLE];
        for file in files {
            let mut input = open_text(file, csv)?;
            let read = read_some(&mut input, &mut sample).map_err(|error| file.cannot_read(error))?;
            if read > 0 {
                return Ok(Self::sniff(csv, &sample[..read], read < SAMPLE));
            }
        }
        Ok(Self::sniff(csv, &[], true))
    }

    fn sniff(csv: &Csv, sample: &[u8], is_whole: bool) -> Self {
        let quotes = csv.quote.map_or_else(|| QUOTES.to_vec(), |quote| vec![quote]);
        let delimiters = csv.delimiter.map_or_else(|| DELIMITERS.to_vec(), |delimiter| vec![delimiter]);
        let mut best: Option<(Reading, char, char)> = None;
        for quote in quotes {
            for delimiter in &delimiters {
                let Some(reading) = Reading::of(sample, is_whole, *delimiter, quote) else { continue };
                if best.as_ref().is_none_or(|(best, ..)| reading.is_better_than(best)) {
                    best = Some((reading, *delimiter, quote));
                }
            }
        }
        let (records, delimiter, quote) = match best {
            Some((reading, delimiter, quote)) => (reading.records, delimiter, quote),
            None => (Vec::new(), csv.delimiter.unwrap_or(','), csv.quote.unwrap_or('"')),
        };
        let header = csv.header.unwrap_or_else(|| has_header(&records, &Nulls::new(&csv.nulls)));
        Self { delimiter, quote, header }
    }
}

fn ascii(character: char) -> Option<u8> {
    u8::try_from(character).ok().filter(|byte| byte.is_ascii() && !matches!(byte, b'\n' | b'\r'))
}

/// A sample, read in one dialect.
struct Reading {
    records: Vec<Vec<String>>,
    /// How many records have as many fields as the first one.
    even: usize,
    quoted: usize,
}

impl Reading {
    fn of(sample: &[u8], is_whole: bool, delimiter: char, quote: char) -> Option<Self> {
        let quote = ascii(quote).filter(|quote| *quote != 0);
        let mut tokenizer = Tokenizer::new(ascii(delimiter)?, quote, Limits { record: SAMPLE, columns: SAMPLE });
        let (mut rest, mut buffer) = (sample, Records::default());
        let mut reading = Self { records: Vec::new(), even: 0, quoted: 0 };
        while !rest.is_empty() && reading.records.len() < RECORDS {
            // Records of any width are counted, so each is read as the first one.
            tokenizer.width = None;
            let taken =
                tokenizer.feed(rest, &mut buffer, Full { rows: 1, bytes: usize::MAX, fields: usize::MAX }).ok()?;
            rest = &rest[taken..];
            if rest.is_empty() && is_whole && buffer.len() == 0 {
                tokenizer.width = None;
                // A quote that is never closed ends what can be read.
                let _ = tokenizer.finish(&mut buffer);
            }
            reading.take(&mut buffer);
        }
        (!reading.records.is_empty()).then_some(reading)
    }

    fn take(&mut self, buffer: &mut Records) {
        if buffer.len() == 0 {
            return;
        }
        let bytes = |field: &super::records::Field| {
            (String::from_utf8_lossy(buffer.bytes_of(*field)).into_owned(), field.is_quoted())
        };
        let record: Vec<(String, bool)> = buffer.fields.iter().map(bytes).collect();
        self.quoted += record.iter().filter(|(_, quoted)| *quoted).count();
        let record: Vec<String> = record.into_iter().map(|(text, _)| text).collect();
        self.even += usize::from(self.records.first().is_none_or(|first| first.len() == record.len()));
        self.records.push(record);
        buffer.clear();
    }

    /// More fields than one, evenly; quotes that are used count as evidence. Those that are tried
    /// first win when nothing tells them apart.
    fn is_better_than(&self, other: &Self) -> bool {
        let rank = |reading: &Self| {
            let share = reading.even * 1000 / reading.records.len();
            let splits = reading.records[0].len() > 1 && share >= 500;
            (splits, if splits { share } else { 0 }, reading.quoted)
        };
        rank(self) > rank(other)
    }
}

/// Whether the first record differs from those below it as names differ from values: no column of
/// numbers, dates or flags begins with one. Without any such column, it has names.
fn has_header(records: &[Vec<String>], nulls: &Nulls) -> bool {
    let Some((first, below)) = records.split_first() else { return true };
    let mut values_on_top = 0;
    for (column, top) in first.iter().enumerate() {
        let mut seen = Seen::default();
        let texts = below.iter().filter_map(|record| record.get(column)).map(|text| text.trim_ascii());
        texts.filter(|text| !nulls.contains(text)).for_each(|text| seen.see(text));
        if seen == Seen::default() || seen.is_text() || nulls.contains(top.trim_ascii()) {
            continue;
        }
        seen.see(top.trim_ascii());
        if seen.is_text() {
            return true;
        }
        values_on_top += 1;
    }
    values_on_top == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_are_told_from_the_text() {
        for (text, delimiter, quote, header) in [
            ("a,b\n1,2\n", ',', '"', true),
            ("a;b\n1,5;2,5\n2,5;3,5\n", ';', '"', true),
            ("a\tb\n1,5\tx\n", '\t', '"', true),
            ("a|b|c\n1|2|3\n", '|', '"', true),
            ("1,2.5\n3,4.5\n", ',', '"', false),
            ("x,2013-01-01\ny,2013-01-02\n", ',', '"', false),
            ("name\nDoe, John\nRoe, Jane\n", ',', '"', true),
            ("name,place\nJohn,York\n", ',', '"', true),
            ("id,2013\n1,5\n", ',', '"', true),
            ("a,b\n'x,1',2\n'y,1',3\n", ',', '\'', true),
            ("a,b\nit's,2\nO'Hara,3\n", ',', '"', true),
            ("a;b\n\"1;2\";3\n", ';', '"', true),
            ("1,2", ',', '"', true),
            ("", ',', '"', true),
            ("a,b,c\n1,2,3\n4,5\n", ',', '"', true),
        ] {
            let dialect = Dialect::sniff(&Csv::default(), text.as_bytes(), true);
            assert_eq!(dialect, Dialect { delimiter, quote, header }, "{text:?}");
        }
        let explicit = Csv::default().with_delimiter(',').with_header(false);
        let dialect = Dialect::sniff(&explicit, b"a;b\n1;2\n", true);
        assert_eq!(dialect, Dialect { delimiter: ',', quote: '"', header: false });
    }
}
