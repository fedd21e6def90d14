use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind as IoKind, Write};
use std::path::{Path, PathBuf};

use mlops_core::{Accumulator, Error, Result, ResultExt, check_name};
use rayon::prelude::*;

use super::Profile;

const SUFFIX: &str = ".profile.json";

/// Profiles of periods, such as days, in a directory: one file each, written once.
///
/// To append a period touches no other, so history neither costs nor is at risk; a week or a year is
/// merged when it is asked for.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::profile::{Profile, ProfileStore};
/// # let dir = tempfile::tempdir()?;
/// # let day = Table::from_batch(arrow::array::record_batch!(("n", Int32, [1, 2, 3]))?);
/// let store = ProfileStore::at(dir.path());
/// store.append("2013-01-01", &Profile::of(&day)?)?;
/// store.append("2013-01-02", &Profile::of(&day)?)?;
/// assert_eq!(store.periods()?, ["2013-01-01", "2013-01-02"]);
/// assert_eq!(store.merged("2013-01-01"..="2013-01-31")?.unwrap().rows(), 6);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileStore {
    directory: PathBuf,
}

impl ProfileStore {
    /// The profiles in `directory`, which is made with the first one.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Keeps the profile of one period. Periods are ordered by their names as texts, so dates are
    /// best written year first. The file has its name once it is whole and on disk.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](mlops_core::ErrorKind::Conflict) if that period is there already,
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for a name that is none.
    pub fn append(&self, period: &str, profile: &Profile) -> Result<()> {
        let path = self.path(period)?;
        fs::create_dir_all(&self.directory).map_err(|e| failed(e, &self.directory))?;
        let part = self.directory.join(format!(".{period}.{}.part", std::process::id()));
        let written = write(&part, profile.to_json()?.as_bytes()).and_then(|()| publish(&part, &path, period));
        // Whatever became of it, the temporary name is of no use any more.
        let removed = fs::remove_file(&part).map_err(|e| failed(e, &part));
        written.and(removed)
    }

    /// The periods that are kept, in order.
    ///
    /// # Errors
    /// If the directory can't be read.
    pub fn periods(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(e) if e.kind() == IoKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| failed(e, &self.directory))?,
        };
        let mut periods = Vec::new();
        for entry in entries {
            let name = entry.map_err(|e| failed(e, &self.directory))?.file_name();
            let period = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).filter(|name| !name.starts_with('.'));
            periods.extend(period.map(str::to_owned));
        }
        periods.sort_unstable();
        Ok(periods)
    }

    /// The profile of one period.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](mlops_core::ErrorKind::NotFound) if it is not there,
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) if it is damaged.
    pub fn read(&self, period: &str) -> Result<Profile> {
        let path = self.path(period)?;
        let json = fs::read_to_string(&path).map_err(|e| match e.kind() {
            IoKind::InvalidData => Error::corrupt("the stored profile is not text").with_source(e),
            _ => failed(e, &path),
        });
        json.and_then(|json| Profile::from_json(&json)).context("profile", path.display())
    }

    /// The profile of all periods in a range of names, on all cores; none if there is no period.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) if the columns
    /// changed from one period to another.
    pub fn merged<'a>(&self, range: impl std::ops::RangeBounds<&'a str>) -> Result<Option<Profile>> {
        let periods: Vec<String> = self.periods()?.into_iter().filter(|period| contains(&range, period)).collect();
        Self::merge_all(&periods, |period| self.read(period).context("period", period))
    }

    /// Merges in a tree whose shape depends on the number of profiles alone, so neither threads nor
    /// timing show.
    fn merge_all(periods: &[String], read: impl Fn(&String) -> Result<Profile> + Sync) -> Result<Option<Profile>> {
        const TOGETHER: usize = 16;
        let merged = periods.par_chunks(TOGETHER).map(|periods| {
            let mut all: Option<Profile> = None;
            for period in periods {
                let next = read(period)?;
                match &mut all {
                    Some(all) => all.merge(next).context("period", period)?,
                    None => all = Some(next),
                }
            }
            Ok(all)
        });
        let merged: Vec<Option<Profile>> = merged.collect::<Result<_>>()?;
        let mut merged = merged.into_iter().flatten();
        let Some(mut all) = merged.next() else { return Ok(None) };
        merged.try_for_each(|next| all.merge(next))?;
        Ok(Some(all))
    }

    fn path(&self, period: &str) -> Result<PathBuf> {
        check_name("period", period)?;
        Ok(self.directory.join(format!("{period}{SUFFIX}")))
    }
}

fn contains<'a>(range: &impl std::ops::RangeBounds<&'a str>, period: &str) -> bool {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let after = match range.start_bound() {
        Included(start) => period >= *start,
        Excluded(start) => period > *start,
        Unbounded => true,
    };
    after
        && match range.end_bound() {
            Included(end) => period <= *end,
            Excluded(end) => period < *end,
            Unbounded => true,
        }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = OpenOptions::new().write(true).create(true).truncate(true).open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|e| failed(e, path))
}

/// Gives a whole file its name, if nothing has it: a second link fails where a rename would replace.
fn publish(part: &Path, path: &Path, period: &str) -> Result<()> {
    fs::hard_link(part, path).map_err(|e| match e.kind() {
        IoKind::AlreadyExists => Error::new(
            mlops_core::ErrorKind::Conflict,
            format!(
                "the profile of '{period}' is kept already and is never replaced: choose another name for this one"
            ),
        ),
        _ => failed(e, path),
    })?;
    // The name is on disk once its directory is.
    match path.parent().map(File::open) {
        Some(Ok(directory)) => directory.sync_all().map_err(|e| failed(e, path)),
        _ => Ok(()),
    }
}

fn failed(error: std::io::Error, path: &Path) -> Error {
    Error::from(error).with_context("file", path.display())
}
