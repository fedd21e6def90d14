//! Checks a file against a suite of expectations.
//!
//! ```text
//! cargo run --release --example validate -- FILE --suite FILE [--quarantine OUT] [--json OUT] [--html OUT]
//!     [--reference PROFILE] [--now MOMENT]
//! cargo run --release --example validate -- FILE... --suggest OUT
//! ```
//!
//! FILE is Parquet, CSV, JSON lines or Arrow IPC, by its name. The exit code is 0 if it is as expected, warnings included; 1
//! if a check failed that is more than a warning; 2 if that could not be found out: the file can't be
//! read, the suite makes no sense, a report can't be written.
//!
//! With `--suggest` a suite is drafted instead, from the profiles of the files, the earliest first.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use futures::channel::mpsc::unbounded;
use mlops::core::ResultExt;
use mlops::data::expect::{Expectations, REASONS, Suggest, ValidationReport};
use mlops::data::profile::Profile;
use mlops::data::source::open;
use mlops::prelude::*;

const USAGE: &str = "usage: validate FILE --suite FILE [--quarantine OUT] [--json OUT] [--html OUT] [--reference PROFILE] [--now MOMENT]
       validate FILE... --suggest OUT";

#[derive(Debug, Default)]
struct Arguments {
    files: Vec<PathBuf>,
    suite: Option<PathBuf>,
    quarantine: Option<PathBuf>,
    json: Option<PathBuf>,
    html: Option<PathBuf>,
    reference: Option<PathBuf>,
    now: Option<String>,
    suggest: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => run(&arguments).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| Error::config(format!("{word} needs a value\n{USAGE}")));
            match word.as_str() {
                "--suite" => arguments.suite = Some(value()?.into()),
                "--quarantine" => arguments.quarantine = Some(value()?.into()),
                "--json" => arguments.json = Some(value()?.into()),
                "--html" => arguments.html = Some(value()?.into()),
                "--reference" => arguments.reference = Some(value()?.into()),
                "--now" => arguments.now = Some(value()?),
                "--suggest" => arguments.suggest = Some(value()?.into()),
                option if option.starts_with("--") => {
                    return Err(Error::config(format!("{option} is no option\n{USAGE}")));
                }
                file => arguments.files.push(file.into()),
            }
        }
        Ok(arguments)
    }
}

/// Whether the file is as expected.
async fn run(arguments: &Arguments) -> Result<bool> {
    let (file, suite) = match (arguments.files.as_slice(), &arguments.suite, &arguments.suggest) {
        ([_, ..], None, Some(out)) => return suggest(arguments, out).await.map(|()| true),
        ([file], Some(suite), None) => (file, suite),
        _ => return Err(Error::config(USAGE)),
    };
    let mut expectations = Expectations::from_file(suite)?;
    if let Some(now) = &arguments.now {
        expectations = expectations.with_now(now);
    }
    if let Some(reference) = &arguments.reference {
        let profile = fs::read_to_string(reference).context("file", reference.display())?;
        expectations = expectations.with_reference(&Profile::from_json(&profile)?);
    }
    let source = open(file.as_path())?;
    let report = match &arguments.quarantine {
        Some(out) => quarantine(&expectations, source.as_ref(), out).await?,
        None => expectations.check_source(source.as_ref()).await?,
    };
    print!("{report}");
    println!("{}", if report.is_passed() { "passed" } else { "FAILED" });
    if let Some(out) = &arguments.json {
        fs::write(out, serde_json::to_string_pretty(&report)?).context("file", out.display())?;
    }
    if let Some(out) = &arguments.html {
        let title = format!("{} against {}", file.display(), suite.display());
        fs::write(out, report.to_html(&title)).context("file", out.display())?;
    }
    Ok(report.is_passed())
}

/// Drafts a suite from the files: what is usual from the profile of each, relations from the rows of
/// the last.
async fn suggest(arguments: &Arguments, out: &Path) -> Result<()> {
    let mut profiles = Vec::new();
    let mut last = None;
    for file in &arguments.files {
        let table = open(file.as_path())?.read().await?;
        profiles.push(Profile::of(&table)?);
        last = Some(table);
    }
    let mut suggest = Suggest::from_deliveries(&profiles)?;
    if let Some(table) = last {
        suggest = suggest.with_rows(&table)?;
    }
    if let Some(now) = &arguments.now {
        suggest = suggest.with_now(now);
    }
    let expectations = suggest.expectations()?;
    let checks: usize = expectations.columns.iter().map(|column| column.checks.len()).sum();
    expectations.to_file(out)?;
    println!("{checks} checks of {} columns in {}", expectations.columns.len(), out.display());
    Ok(())
}

/// Checks the source and writes the rows that are set aside, with their reasons, in the same pass. The
/// file is there when all of it is.
async fn quarantine(expectations: &Expectations, source: &dyn DataSource, out: &Path) -> Result<ValidationReport> {
    let (schema, sink) = (with_reasons(&source.schema().await?), mlops::data::sink::open(out, true)?);
    let (sender, rows) = unbounded::<Result<RecordBatch>>();
    let writer = tokio::spawn(async move { sink.write(schema, rows.boxed()).await });
    let aside = sender.clone();
    let report = expectations
        .split_source(source, move |screened| {
            if let Some(rows) = screened.quarantined {
                aside.unbounded_send(Ok(rows)).map_err(|_| Error::data("the quarantine can't be written"))?;
            }
            Ok(())
        })
        .await;
    if report.is_err() {
        // The writer may be gone already, and then there is nothing to undo.
        drop(sender.unbounded_send(Err(Error::new(ErrorKind::Cancelled, "the check was cut short"))));
    }
    drop(sender);
    let written = writer.await.map_err(|e| Error::internal("the task that writes failed").with_source(e))?;
    match (report, written) {
        (Err(error), Err(aborted)) if aborted.kind() == ErrorKind::Cancelled => Err(error),
        // What went wrong with the file comes first: it is why the rows were not taken.
        (_, Err(error)) => Err(error),
        (report, Ok(_)) => report,
    }
}

fn with_reasons(schema: &SchemaRef) -> SchemaRef {
    let mut fields = schema.fields().to_vec();
    fields.push(Arc::new(arrow::datatypes::Field::new(REASONS, arrow::datatypes::DataType::Utf8, false)));
    Arc::new(arrow::datatypes::Schema::new(fields))
}
