//! Expectations as files that people read and edit.

use std::fmt::Write as _;
use std::path::Path;

use mlops_core::{Error, Result, ResultExt};
use serde::Serialize;

use super::{Column, ColumnCheck, Dependency, Expectations, Key, RowCheck, RowCount};

/// The largest file that is read.
const MOST_BYTES: u64 = 64 << 20;

const HEAD: &str = "\
# What data must look like. Edit it; what is not known here is refused with its place.
# severity: \"fail\" refuses the data, \"quarantine\" sets the row aside, \"warn\" only tells.
# tolerance: the share of rows that may fail before the check does; no row is then set aside.
";

impl Expectations {
    /// The expectations as TOML: one check a line, with what it means beside it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for a value that TOML does not have.
    ///
    /// # Example
    /// ```
    /// use mlops_core::col;
    /// use mlops_data::expect::{Column, Expectations};
    ///
    /// let expectations = Expectations::new([Column::number("distance").never_null().within(0.0..5000.0).or_warn()])
    ///     .row("arrives after departing", col("arr_time").gt_eq(col("dep_time")));
    /// let file = expectations.to_toml()?;
    /// assert!(file.contains(r#"condition = "arr_time >= dep_time""#));
    /// assert_eq!(Expectations::from_toml(&file)?, expectations);
    ///
    /// let error = Expectations::from_toml("[[columns]]\nname = \"distance\"\nkin = \"number\"\n").unwrap_err();
    /// assert!(error.to_string().contains("line 3") && error.to_string().contains("kin"));
    /// # Ok::<(), mlops_core::Error>(())
    /// ```
    pub fn to_toml(&self) -> Result<String> {
        let mut file = format!("{HEAD}version = {}\n\n", self.version);
        if let Some(now) = &self.now {
            put(&mut file, "now", now, Some("what the freshness of data is measured against"))?;
        }
        put(
            &mut file,
            "extra_columns",
            &self.extra_columns,
            Some("columns that are not named here: allow, refuse or warn"),
        )?;
        if let Some(RowCount { range, severity }) = &self.row_count {
            file.push_str("\n[row_count]\n");
            put(&mut file, "range", range, Some(&format!("row count {range}")))?;
            optional(&mut file, "severity", severity.as_ref())?;
        }
        for column in &self.columns {
            put_column(&mut file, column)?;
        }
        for RowCheck { name, condition, severity, tolerance } in &self.rows {
            file.push_str("\n[[rows]]\n");
            put(&mut file, "name", name, None)?;
            put(&mut file, "condition", &super::write_condition(condition), Some("true or null in every row"))?;
            optional(&mut file, "severity", severity.as_ref())?;
            optional(&mut file, "tolerance", tolerance.as_ref())?;
        }
        for Key { columns, severity, tolerance } in &self.keys {
            file.push_str("\n[[keys]]\n");
            put(&mut file, "columns", columns, Some("together they come once; none stands for all columns"))?;
            optional(&mut file, "severity", severity.as_ref())?;
            optional(&mut file, "tolerance", tolerance.as_ref())?;
        }
        for Dependency { from, to, severity, tolerance } in &self.dependencies {
            file.push_str("\n[[dependencies]]\n");
            put(&mut file, "from", from, Some("rows that agree in these"))?;
            put(&mut file, "to", to, Some("agree in this one"))?;
            optional(&mut file, "severity", severity.as_ref())?;
            optional(&mut file, "tolerance", tolerance.as_ref())?;
        }
        Ok(file)
    }

    /// Reads what [`to_toml`](Self::to_toml) writes, and what people make of it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](mlops_core::ErrorKind::Config) naming the line and column of what is no
    /// TOML, not known here or no condition; [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported)
    /// for a later version.
    pub fn from_toml(text: &str) -> Result<Self> {
        let read = toml::from_str(text);
        let read: Self = read.map_err(|e| {
            Error::config(format!("these are no expectations: {}", e.to_string().trim_end())).with_source(e)
        })?;
        read.check_version()?;
        Ok(read)
    }

    /// The expectations as JSON, of the same form as in TOML.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](mlops_core::ErrorKind::Internal) if they can't be written.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| Error::internal("expectations are not JSON").with_source(e))
    }

    /// Reads what [`to_json`](Self::to_json) writes, and what people make of it.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml).
    pub fn from_json(text: &str) -> Result<Self> {
        let read = serde_json::from_str(text);
        let read: Self = read.map_err(|e| Error::config(format!("these are no expectations: {e}")).with_source(e))?;
        read.check_version()?;
        Ok(read)
    }

    /// Reads a file, as JSON if its name ends in `.json`, else as TOML.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml), and if the file can't be read or is larger than 64 MiB.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let read = || {
            let bytes = std::fs::metadata(path)?.len();
            if bytes > MOST_BYTES {
                return Err(Error::config(format!(
                    "{bytes} bytes are too many for a file of expectations: is it the data?"
                )));
            }
            let text = String::from_utf8(std::fs::read(path)?)
                .map_err(|e| Error::config("the file is not UTF-8 text: is it the data?").with_source(e))?;
            if is_json(path) { Self::from_json(&text) } else { Self::from_toml(&text) }
        };
        read().context("file", path.display())
    }

    /// Writes a file that [`from_file`](Self::from_file) reads. What stood there before is replaced
    /// when all is written.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn to_file(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let write = || {
            let text = if is_json(path) { self.to_json()? } else { self.to_toml()? };
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(format!(".{}.tmp", std::process::id()));
            let temporary = path.with_file_name(name);
            std::fs::write(&temporary, text)?;
            Ok(std::fs::rename(&temporary, path)?)
        };
        let written: Result<()> = write();
        written.context("file", path.display())
    }
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn put_column(file: &mut String, column: &Column) -> Result<()> {
    let Column { name, kind, optional, checks } = column;
    file.push_str("\n[[columns]]\n");
    put(file, "name", name, None)?;
    put(file, "kind", kind, None)?;
    if *optional {
        put(file, "optional", optional, Some("it may be missing"))?;
    }
    if checks.is_empty() {
        return Ok(());
    }
    file.push_str("checks = [\n");
    for check in checks {
        // Writing into a String can't fail.
        let _ = writeln!(file, "    {}, # {}", value(check)?, comment(check));
    }
    file.push_str("]\n");
    Ok(())
}

fn put<T: Serialize + ?Sized>(file: &mut String, key: &str, what: &T, meaning: Option<&str>) -> Result<()> {
    let _ = match meaning {
        Some(meaning) => writeln!(file, "{key} = {} # {}", value(what)?, one_line(meaning)),
        None => writeln!(file, "{key} = {}", value(what)?),
    };
    Ok(())
}

fn optional<T: Serialize>(file: &mut String, key: &str, what: Option<&T>) -> Result<()> {
    what.map_or(Ok(()), |what| put(file, key, what, None))
}

/// A value on one line.
fn value<T: Serialize + ?Sized>(what: &T) -> Result<String> {
    let mut text = String::new();
    what.serialize(toml::ser::ValueSerializer::new(&mut text))
        .map_err(|e| Error::config(format!("the expectations can't be written as TOML: {e}")).with_source(e))?;
    Ok(text)
}

fn comment(check: &ColumnCheck) -> String {
    one_line(&format!("{check}, or {}", check.severity()))
}

/// A comment ends with its line, and holds no control characters.
fn one_line(text: &str) -> String {
    const SHOWN: usize = 80;
    text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
