//! What is in the columns of all files, read side by side.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use arrow::datatypes::DataType;
use memchr::memchr;
use mlops_core::Result;
use rayon::prelude::*;

use super::Csv;
use super::dialect::Dialect;
use super::encoding::Encoding;
use super::infer::Seen;
use super::parse::Nulls;
use super::reader::RecordReader;
use super::records::Records;
use crate::source::found::Found;

/// Bytes below which a file is not cut into parts.
const PART: u64 = 8 << 20;

/// The narrowest types that hold every value of `files`. One pass over all of them.
pub(super) fn infer(csv: &Csv, dialect: &Dialect, files: &[Found]) -> Result<Vec<DataType>> {
    let seen: Vec<Result<Vec<Seen>>> = files.par_iter().map(|file| survey_file(csv, dialect, file)).collect();
    let seen = seen.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(merged(seen).into_iter().map(Seen::data_type).collect())
}

fn merged(parts: Vec<Vec<Seen>>) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::new();
    for seen in parts {
        all.resize(seen.len(), Seen::default());
        all.iter_mut().zip(seen).for_each(|(all, seen)| all.merge(seen));
    }
    all
}

fn survey_file(csv: &Csv, dialect: &Dialect, file: &Found) -> Result<Vec<Seen>> {
    let reader = RecordReader::open(file, csv, dialect)?;
    match survey_parts(csv, dialect, file, reader.names()) {
        Some(seen) => Ok(seen),
        None => survey(csv, reader),
    }
}

fn survey(csv: &Csv, mut reader: RecordReader) -> Result<Vec<Seen>> {
    const ROWS: usize = 4096;
    let nulls = Nulls::new(&csv.nulls);
    let mut seen = vec![Seen::default(); reader.names().len()];
    let mut open: Vec<usize> = (0..seen.len()).filter(|c| !csv.types.contains_key(&reader.names()[*c])).collect();
    let mut records = Records::default();
    loop {
        let texts = reader.read(&mut records, ROWS)?;
        if texts.num_rows() == 0 {
            return Ok(seen);
        }
        for column in &open {
            let seen = &mut seen[*column];
            for row in 0..texts.num_rows() {
                let (text, _) = texts.field(row, *column);
                let trimmed = text.trim_ascii();
                if !nulls.contains(trimmed) && (trimmed.len() == text.len() || !nulls.contains(text)) {
                    seen.see(trimmed);
                }
            }
        }
        open.retain(|column| !seen[*column].is_settled());
    }
}

/// Reads the parts of a large file at once, where nothing but an end of line ends a record: in a
/// local file without compression, another encoding or any quote. `None` if it is no such file, or if
/// something is wrong in it, which is told better by reading it from its beginning.
fn survey_parts(csv: &Csv, dialect: &Dialect, file: &Found, names: &[String]) -> Option<Vec<Seen>> {
    if csv.encoding != Encoding::Utf8 {
        return None;
    }
    let length = file.length().ok()?;
    let parts = (length / PART).min(4 * rayon::current_num_threads() as u64);
    if parts < 2 {
        return None;
    }
    let start = header_length(file, dialect)?;
    let mut cuts = vec![start];
    for part in 1..parts {
        cuts.push(line_after(file, (length / parts * part).max(start))?);
    }
    cuts.push(length);
    let part = |cut: &[u64]| survey_part(csv, dialect, file, names, cut[0], cut[1]);
    cuts.par_windows(2).map(part).collect::<Option<Vec<_>>>().map(merged)
}

/// Where the records begin, if the file is text as it is and its first line ends as most do.
fn header_length(file: &Found, dialect: &Dialect) -> Option<u64> {
    let mut line = Vec::new();
    BufReader::new(file.open_local().ok()??).take(PART).read_until(b'\n', &mut line).ok()?;
    let is_compressed = line.starts_with(&[0x1F, 0x8B]) || line.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]);
    let mark = if line.starts_with(&[0xEF, 0xBB, 0xBF]) { 3 } else { 0 };
    let text = line[mark..].strip_suffix(b"\n")?;
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if is_compressed || text.is_empty() || text.contains(&b'\r') {
        return None;
    }
    Some(if dialect.header { line.len() } else { mark } as u64)
}

/// Where the first line begins after `place`.
fn line_after(file: &Found, place: u64) -> Option<u64> {
    let mut local = file.open_local().ok()??;
    local.seek(SeekFrom::Start(place)).ok()?;
    let (mut buffer, mut at) = (vec![0; 64 << 10], place);
    loop {
        let read = local.read(&mut buffer).ok()?;
        match memchr(b'\n', &buffer[..read]) {
            Some(end) => return Some(at + end as u64 + 1),
            None if read == 0 => return Some(at),
            None => at += read as u64,
        }
    }
}

fn survey_part(
    csv: &Csv,
    dialect: &Dialect,
    file: &Found,
    names: &[String],
    start: u64,
    end: u64,
) -> Option<Vec<Seen>> {
    if start >= end {
        return Some(vec![Seen::default(); names.len()]);
    }
    let mut local = file.open_local().ok()??;
    local.seek(SeekFrom::Start(start)).ok()?;
    let quote = dialect.quote_byte().ok()?;
    let input = Unquoted { input: local.take(end - start), quote };
    let reader = RecordReader::within(&file.name, Box::new(input), csv, dialect, names).ok()?;
    survey(csv, reader).ok()
}

/// A part of a file, which must have no quotes.
struct Unquoted {
    input: io::Take<File>,
    quote: Option<u8>,
}

impl Read for Unquoted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        match self.quote {
            Some(quote) if memchr(quote, &buffer[..read]).is_some() => Err(io::ErrorKind::InvalidData.into()),
            _ => Ok(read),
        }
    }
}
