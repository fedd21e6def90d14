//! The package format, version 1: a directory of files that another program can read, and never
//! code.
//!
//! ```text
//! manifest.json             what the package is, and every other file with size and digest
//! model.json                the fitted graph
//! drift.json                what normal data looked like   (may be absent)
//! explainer.json            explains the answers           (may be absent)
//! samples/inputs.arrow      rows …
//! samples/expected.arrow    … and the answers they must get
//! blobs/<digest>            large or binary parts of the components, each once
//! ```
//!
//! - A **digest** is BLAKE3 over the bytes of a file, as 64 lower-case hexadecimal digits: what
//!   `b3sum` prints.
//! - `manifest.json` is one line, `{"blake3":"<digest of the record>","record":<record>}` and a
//!   line break, without other white space. The record is [`Manifest`]: `format` (1), `name`,
//!   `signature`, `metadata`, `environment`, and `files`, a list of `{"path", "size", "blake3"}`
//!   sorted by path.
//! - `model.json`, `drift.json` and `explainer.json` are each a component: `{"kind", "version",
//!   "state", "blobs": {<name>: <digest>}, "parts": [<component>, …]}`; `blobs` and `parts` are
//!   absent when empty. `state` is the component's own JSON.
//! - `samples/*.arrow` are Arrow IPC streams of one batch, uncompressed.
//!
//! Nothing in a path comes from a user: a component's name for a blob is a key in JSON, and the
//! file is called by its digest. So no path can lead out of the directory.
//!
//! Reading checks, in this order: the size and the digest of the manifest's record; its format;
//! that the listed files are ones that a package has and within [`Limits`]; that nothing is missing
//! and nothing else is there; the size and digest of every file; and only then parses them. The
//! signature of the model must be the manifest's, every blob must belong to a component, and the
//! samples must get the same answers again. A changed byte anywhere is an
//! [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) that names the file.

mod component;
mod directory;
mod files;
mod limits;
mod manifest;
mod samples;

pub use directory::{read_package, write_package};
pub use files::PackageFiles;
pub use limits::Limits;
pub use manifest::{FileEntry, Manifest};
pub(crate) use manifest::{check_format, damaged};
