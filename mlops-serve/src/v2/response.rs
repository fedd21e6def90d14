use std::io::Write as _;

use mlops_core::{Classes, InferResponse, Result, Signature, Task};

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

fn write_output(json: &mut Vec<u8>, output: &str, signature: &Signature, scores: &[f64]) -> Result<()> {
    let width = signature.num_scores();
    let rows = scores.len() / width.max(1);
    match &signature.task {
        Task::Classification { .. } if output == "predict_proba" => {
            write!(json, r#"{{"name":"{output}","shape":[{rows},{width}],"datatype":"FP64","data":["#)?;
            write_floats(json, scores)?;
        }
        Task::Classification { classes } => {
            let datatype = Datatype::of_classes(classes).name();
            write!(json, r#"{{"name":"{output}","shape":[{rows}],"datatype":"{datatype}","data":["#)?;
            write_labels(json, classes, scores)?;
        }
        _ => {
            write!(json, r#"{{"name":"{output}","shape":[{rows}],"datatype":"FP64","data":["#)?;
            write_floats(json, scores)?;
        }
    }
    json.extend_from_slice(b"]}");
    Ok(())
}

fn write_floats(json: &mut Vec<u8>, numbers: &[f64]) -> Result<()> {
    for (i, number) in numbers.iter().enumerate() {
        if i > 0 {
            json.push(b',');
        }
        serde_json::to_writer(&mut *json, number)?;
    }
    Ok(())
}

fn write_labels(json: &mut Vec<u8>, classes: &Classes, scores: &[f64]) -> Result<()> {
    for (i, row) in scores.chunks_exact(classes.len().max(1)).enumerate() {
        if i > 0 {
            json.push(b',');
        }
        let class = Signature::choose(row);
        match classes {
            Classes::Bool => json.extend_from_slice(if class == 1 { b"true" } else { b"false" }),
            Classes::Int(classes) => serde_json::to_writer(&mut *json, &classes[class])?,
            _ => serde_json::to_writer(&mut *json, &classes.name(class))?,
        }
    }
    Ok(())
}
