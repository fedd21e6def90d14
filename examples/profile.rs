//! What is in a file: a table for the terminal and, if asked for, a web page, JSON and a draft of a schema.
//!
//! ```text
//! cargo run --release --example profile -- FILE [--html OUT] [--json OUT] [--schema OUT] [--target COLUMN]
//! ```
//!
//! `FILE` is CSV, Parquet, JSON lines or Arrow IPC by its name, or a pattern such as `data/*.parquet`. With a target, columns are compared by pair as
//! well, and those that give it away are named. The exit code is 2 if the file can't be read.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::process::ExitCode;

use mlops::core::{Role, Scan};
use mlops::data::Profile;
use mlops::data::profile::{RelationOptions, Relations};
use mlops::data::source::open;
use mlops::prelude::*;

const USAGE: &str = "usage: profile FILE [--html OUT] [--json OUT] [--schema OUT] [--target COLUMN]";

#[derive(Default)]
struct Arguments {
    file: String,
    html: Option<String>,
    json: Option<String>,
    schema: Option<String>,
    target: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::of(std::env::args().skip(1)) {
        Ok(arguments) => run(&arguments).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let source = open(&arguments.file)?;
    let mut profile = Profile::of_source(source.as_ref(), Scan::all()).await?;
    let mut document = profile.document();
    if let Some(target) = &arguments.target {
        profile = profile.with_role(target, Role::Target)?;
        let options = RelationOptions::default().with_target(target);
        let relations = Relations::of_source(source.as_ref(), Scan::all(), &options).await?;
        document = profile.document().with_relations(&relations);
    }
    print!("{}", profile.summary().with_alerts(document.alerts.clone()));
    if let Some(out) = &arguments.html {
        let page = profile.summary().with_alerts(document.alerts.clone()).to_html(&source.name());
        write(out, &page)?;
    }
    if let Some(out) = &arguments.json {
        write(out, &document.to_json()?)?;
    }
    if let Some(out) = &arguments.schema {
        profile.expectations().to_file(out)?;
    }
    Ok(())
}

fn write(out: &str, text: &str) -> Result<()> {
    std::fs::write(out, text).map_err(|e| Error::from(e).with_context("file", out))
}

impl Arguments {
    fn of(mut given: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = Self::default();
        while let Some(argument) = given.next() {
            let option = match argument.as_str() {
                "--html" => &mut arguments.html,
                "--json" => &mut arguments.json,
                "--schema" => &mut arguments.schema,
                "--target" => &mut arguments.target,
                other if other.starts_with("--") => {
                    return Err(Error::config(format!("there is no option {other}; {USAGE}")));
                }
                _ if arguments.file.is_empty() => {
                    arguments.file = argument;
                    continue;
                }
                other => return Err(Error::config(format!("one file at a time, not also '{other}'; {USAGE}"))),
            };
            let value = given.next();
            *option = Some(value.ok_or_else(|| Error::config(format!("{argument} needs a value; {USAGE}")))?);
        }
        if arguments.file.is_empty() { Err(Error::config(USAGE)) } else { Ok(arguments) }
    }
}
