use std::collections::{BTreeMap, HashSet};

use mlops_core::{Error, ErrorKind, Result, RunEntry, RunId, RunRecord, RunStatus};
use serde::{Deserialize, Serialize};

use crate::{Digest, sealed};

/// The version of the lines that are written.
pub(super) const FORMAT: u32 = 1;

/// One line of a run's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    /// The end.
    Ended { status: RunStatus, end_ms: i64 },
    /// A file was kept.
    Kept { path: String, size: u64, blake3: Digest },
    /// What one call logged.
    Logged { entries: Vec<RunEntry> },
    /// The first line.
    Started { format: u32, id: RunId, experiment: String, name: String, start_ms: i64 },
}

/// Hands the lines in `bytes` to `take` and gives how many bytes they have. What is left is a line
/// that was being written when the program died: it was never acknowledged.
///
/// # Errors
/// `Corrupt` for a line that is damaged otherwise, and what `take` says.
pub(super) fn read_lines(bytes: &[u8], mut take: impl FnMut(Line) -> Result<()>) -> Result<usize> {
    let mut read = 0;
    for (i, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let is_last = read + line.len() == bytes.len();
        let told = |e: Error| match e.kind() {
            ErrorKind::Corrupt => Error::corrupt(format!(
                "line {} at byte {read} is damaged: restore the file from a copy, or remove the line",
                i + 1
            ))
            .with_source(e),
            _ => e.with_context("line", i + 1),
        };
        match sealed::open(line) {
            Err(_) if is_last && is_torn(line) => break,
            line => take(line.map_err(told)?)?,
        }
        read += line.len();
    }
    Ok(read)
}

/// A program that dies leaves the beginning of a line; a power cut also zeros, which JSON never has.
fn is_torn(line: &[u8]) -> bool {
    !line.ends_with(b"\n") || line.contains(&0)
}

/// What a writer has to know of a run: what it can't contradict.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Known {
    pub(super) started: bool,
    pub(super) ended: Option<RunStatus>,
    pub(super) params: BTreeMap<String, String>,
    pub(super) files: BTreeMap<String, Kept>,
}

/// The content of a kept file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) size: u64,
    pub(super) blake3: Digest,
}

impl Known {
    /// Takes in a line that was written.
    pub(super) fn take(&mut self, line: &Line) -> Result<()> {
        match line {
            Line::Started { .. } if self.started => return Err(out_of_place("a run starts twice")),
            Line::Started { format, .. } if *format == 0 || *format > FORMAT => {
                return Err(Error::unsupported(format!(
                    "the run is in format {format}, this build reads formats 1 to {FORMAT}: update mlops"
                )));
            }
            Line::Started { .. } => self.started = true,
            _ if !self.started => return Err(out_of_place("the first line does not start a run")),
            Line::Ended { status, .. } => self.ended = Some(*status),
            Line::Kept { path, size, blake3 } => {
                self.files.insert(path.clone(), Kept { size: *size, blake3: *blake3 });
            }
            Line::Logged { entries } => {
                for entry in entries {
                    if let RunEntry::Param { key, value } = entry {
                        self.params.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether more may be logged.
    pub(super) fn check_open(&self) -> Result<()> {
        match self.ended {
            None => Ok(()),
            Some(status) => Err(Error::new(
                ErrorKind::Conflict,
                format!("the run has ended ({status:?}): start another one to log more"),
            )),
        }
    }

    /// Whether `entries` contradict no parameter, nor each other.
    pub(super) fn check(&self, entries: &[RunEntry]) -> Result<()> {
        let mut new: BTreeMap<&str, &str> = BTreeMap::new();
        for entry in entries {
            let RunEntry::Param { key, value } = entry else { continue };
            let set = self.params.get(key).map(String::as_str).or_else(|| new.get(key.as_str()).copied());
            match set {
                Some(set) if set != value => {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        format!(
                            "parameter '{key}' is {set:?} and can't become {value:?}: start another run, or use a tag"
                        ),
                    ));
                }
                _ => new.insert(key, value),
            };
        }
        Ok(())
    }
}

fn out_of_place(what: &str) -> Error {
    Error::corrupt(format!("{what}: restore the file from a copy"))
}

/// Everything that lines say of a run; `None` if not even the first one was acknowledged.
pub(super) fn read_run(bytes: &[u8]) -> Result<Option<(RunRecord, Known)>> {
    let mut known = Known::default();
    let mut record = None;
    let mut points = HashSet::new();
    read_lines(bytes, |line| {
        known.take(&line)?;
        match line {
            Line::Started { id, experiment, name, start_ms, .. } => {
                record = Some(RunRecord::started(id, experiment, name, start_ms));
            }
            line => {
                if let Some(record) = &mut record {
                    add(record, &mut points, line);
                }
            }
        }
        Ok(())
    })?;
    let Some(mut record) = record else { return Ok(None) };
    record.artifacts = known.files.keys().cloned().collect();
    Ok(Some((record, known)))
}

/// What tells one point from another: repeated, it counts once.
type PointKey = (String, i64, i64, u64);

fn add(record: &mut RunRecord, points: &mut HashSet<PointKey>, line: Line) {
    let entries = match line {
        Line::Ended { status, end_ms } => {
            record.status = status;
            record.end_ms = Some(end_ms);
            return;
        }
        Line::Logged { entries } => entries,
        Line::Kept { .. } | Line::Started { .. } => return,
    };
    for entry in entries {
        match entry {
            RunEntry::Metric(point) => {
                let key = (point.key.clone(), point.step, point.timestamp_ms, point.value.to_bits());
                if points.insert(key) {
                    record.metrics.push(point);
                }
            }
            RunEntry::Param { key, value } => {
                record.params.insert(key, value);
            }
            RunEntry::Tag { key, value } => {
                record.tags.insert(key, value);
            }
            // `RunEntry` may grow; a line with more than these is refused when it is parsed.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn started() -> Line {
        Line::Started { format: FORMAT, id: RunId("r".into()), experiment: "e".into(), name: "n".into(), start_ms: 1 }
    }

    fn file(lines: &[Line]) -> Vec<u8> {
        lines.iter().flat_map(|line| sealed::seal(line).unwrap()).collect()
    }

    fn params(value: &str) -> Line {
        Line::Logged { entries: vec![RunEntry::param("depth", value), RunEntry::metric("auc", f64::NAN, 1)] }
    }

    #[test]
    fn a_torn_end_is_left_out_and_everything_before_is_read() {
        let (first, all) = (file(&[started()]), file(&[started(), params("3")]));
        for cut in first.len()..all.len() {
            let (record, known) = read_run(&all[..cut]).unwrap().unwrap();
            assert!(record.params.is_empty() && known.params.is_empty(), "{cut}");
        }
        assert_eq!(read_run(&all).unwrap().unwrap().0.params["depth"], "3");
        assert!((0..first.len()).all(|cut| read_run(&first[..cut]).unwrap().is_none()));
    }

    #[test]
    fn zeros_at_the_end_are_torn_and_other_damage_is_not() {
        let mut all = file(&[started(), params("3")]);
        let last = all.len() - 10;
        all[last] = 0;
        assert!(read_run(&all).unwrap().unwrap().0.params.is_empty());
        all[last] = b'!';
        let error = read_run(&all).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains("line 2"), "{error}");
        let mut middle = file(&[started(), params("3"), params("3")]);
        middle[last] = 0;
        assert_eq!(read_run(&middle).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn lines_in_a_wrong_order_and_newer_formats_are_refused() {
        assert_eq!(read_run(&file(&[params("3")])).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(read_run(&file(&[started(), started()])).unwrap_err().kind(), ErrorKind::Corrupt);
        let newer =
            Line::Started { format: 2, id: RunId("r".into()), experiment: "e".into(), name: "n".into(), start_ms: 1 };
        assert_eq!(read_run(&file(&[newer])).unwrap_err().kind(), ErrorKind::Unsupported);
        let unknown = sealed::seal(&serde_json::json!({"line": "paused"})).unwrap();
        let bytes = [file(&[started()]), unknown].concat();
        assert_eq!(read_run(&bytes).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn a_parameter_is_set_once() {
        let mut known = Known::default();
        known.take(&started()).unwrap();
        known.take(&params("3")).unwrap();
        known.check(&[RunEntry::param("depth", 3)]).unwrap();
        assert_eq!(known.check(&[RunEntry::param("depth", 4)]).unwrap_err().kind(), ErrorKind::Conflict);
        let twice = [RunEntry::param("a", 1), RunEntry::param("a", 2)];
        assert_eq!(known.check(&twice).unwrap_err().kind(), ErrorKind::Conflict);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n')], 0..400),
            place in any::<prop::sample::Index>(),
        ) {
            let _ = read_run(&bytes);
            let mut lines = file(&[started(), params("3"), Line::Ended { status: RunStatus::Finished, end_ms: 2 }]);
            let place = place.index(lines.len());
            lines.splice(place..place, bytes);
            let _ = read_run(&lines);
        }
    }
}
