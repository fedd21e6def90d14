use std::io::Write as _;

use mlops_core::{Classes, InferResponse, Output, Result, Signature, Task, group};
use serde::Serialize;

use super::datatype::Datatype;
use super::request::Outputs;

/// Writes the answer to a request, in one buffer.
///
/// A score that is not a number, for which JSON has no form, is null.
///
/// # Errors
/// None that is not a bug: writing into memory does not fail.
pub(crate) fn write_answer(
    model: &str,
    version: &str,
    id: Option<&str>,
    outputs: &Outputs,
    answer: &InferResponse,
) -> Result<Vec<u8>> {
    let mut json = Vec::with_capacity(256 + answer.scores.len() * 22);
    json.extend_from_slice(br#"{"model_name":"#);
    serde_json::to_writer(&mut json, model)?;
    json.extend_from_slice(br#","model_version":"#);
    serde_json::to_writer(&mut json, version)?;
    if let Some(id) = id {
        json.extend_from_slice(br#","id":"#);
        serde_json::to_writer(&mut json, id)?;
    }
    json.extend_from_slice(br#","outputs":["#);
    for (i, output) in outputs.0.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        write_output(&mut json, output, &answer.signature, &answer.scores)?;
    }
    json.extend_from_slice(b"]}");
    Ok(json)
}

fn write_output(json: &mut Vec<u8>, output: &Output, signature: &Signature, scores: &[f64]) -> Result<()> {
    let width = signature.num_scores().max(1);
    let rows = scores.chunks_exact(width);
    let datatype = Datatype::of_column(&output.data_type).name();
    write!(json, r#"{{"name":"{}","shape":[{}"#, output.name, rows.len())?;
    if let Some(width) = output.width {
        write!(json, ",{width}")?;
    }
    write!(json, r#"],"datatype":"{datatype}","data":["#)?;
    match (&signature.task, output.name) {
        (Task::Classification { classes }, "predict") => {
            write_labels(json, classes, rows.map(|row| signature.decision.choose(row)))?;
        }
        (Task::Classification { .. }, "predict_set") => {
            let from = signature.decision.set_from.unwrap_or_default();
            write_each(json, scores.iter().map(|p| *p >= from))?;
        }
        (Task::Clustering { .. }, "predict") => write_each(json, rows.map(group))?,
        (Task::Interval { .. }, "predict") => write_each(json, rows.map(|row| row[0]))?,
        (Task::Interval { .. }, _) => write_each(json, rows.flat_map(|row| [row[1], row[2]]))?,
        _ => write_each(json, scores.iter().copied())?,
    }
    json.extend_from_slice(b"]}");
    Ok(())
}

fn write_each(json: &mut Vec<u8>, values: impl Iterator<Item = impl Serialize>) -> Result<()> {
    for (i, value) in values.enumerate() {
        if i > 0 {
            json.push(b',');
        }
        serde_json::to_writer(&mut *json, &value)?;
    }
    Ok(())
}

fn write_labels(json: &mut Vec<u8>, classes: &Classes, chosen: impl Iterator<Item = usize>) -> Result<()> {
    match classes {
        Classes::Bool => write_each(json, chosen.map(|class| class == 1)),
        Classes::Int(classes) => write_each(json, chosen.map(|class| classes[class])),
        Classes::Text(classes) => write_each(json, chosen.map(|class| classes[class].as_str())),
        _ => write_each(json, chosen.map(|class| classes.name(class))),
    }
}
