//! Preparation of numbers, row by row.

use mlops_core::{Error, Result};

use super::{Call, Run, of_first, one};
use crate::foreign::onnx::tensor::{Data, Kind, Tensor};

pub(super) fn compile(op: &str, call: Call<'_>) -> Result<Option<Run>> {
    Ok(Some(match op {
        "Scaler" => {
            let (offset, scale) = (call.floats("offset")?, call.floats("scale")?);
            of_first(move |x| by_column(x, &offset, &scale, |x, offset, scale| (x - offset) * scale))?
        }
        "Normalizer" => {
            let norm: Norm = match call.text("norm", "MAX")?.as_ref() {
                "L1" => |row| row.iter().map(|x| x.abs()).sum(),
                "L2" => |row| row.iter().map(|x| x * x).sum::<f32>().sqrt(),
                "MAX" => |row| row.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                other => return Err(Error::unsupported(format!("norm '{other}'"))),
            };
            of_first(move |x| normalise(x, norm))?
        }
        "Binarizer" => {
            let threshold = call.float("threshold", 0.0)?;
            of_first(move |x| {
                let values = x.floats()?.into_iter().map(|x| if x > threshold { 1.0 } else { 0.0 });
                Tensor::f32(x.shape.clone(), values.collect())?.cast(x.data.kind())
            })?
        }
        "Imputer" => impute(call)?,
        "FeatureVectorizer" => one(|inputs| {
            let columns: Vec<Tensor> = inputs
                .all()?
                .into_iter()
                .map(|x| {
                    let (rows, width) = x.rows()?;
                    Tensor::f32(vec![rows, width], x.floats()?)
                })
                .collect::<Result<_>>()?;
            super::shape::concat(&columns.iter().collect::<Vec<_>>(), 1)
        })?,
        _ => return Ok(None),
    }))
}

type Norm = fn(&[f32]) -> f32;

/// One parameter a column, or one for all.
fn by_column(x: &Tensor, offset: &[f32], scale: &[f32], f: fn(f32, f32, f32) -> f32) -> Result<Tensor> {
    let (_, width) = x.rows()?;
    let fits = |values: &[f32]| values.len() == 1 || values.len() == width;
    if !fits(offset) || !fits(scale) {
        let (offsets, scales) = (offset.len(), scale.len());
        return Err(Error::corrupt(format!("{offsets} offsets and {scales} scales for {width} columns")));
    }
    let at = |values: &[f32], column: usize| if values.len() == 1 { values[0] } else { values[column] };
    let mut values = x.floats()?;
    if width > 0 {
        for row in values.chunks_exact_mut(width) {
            row.iter_mut().enumerate().for_each(|(i, x)| *x = f(*x, at(offset, i), at(scale, i)));
        }
    }
    Tensor::f32(x.shape.clone(), values)
}

fn normalise(x: &Tensor, norm: Norm) -> Result<Tensor> {
    let (_, width) = x.rows()?;
    let mut values = x.floats()?;
    if width > 0 {
        for row in values.chunks_exact_mut(width) {
            let norm = norm(row);
            if norm != 0.0 {
                row.iter_mut().for_each(|x| *x /= norm);
            }
        }
    }
    Tensor::f32(x.shape.clone(), values)
}

fn impute(call: Call<'_>) -> Result<Run> {
    let (floats, ints) = (call.floats("imputed_value_floats")?, call.ints("imputed_value_int64s")?);
    let missing = call.float("replaced_value_float", 0.0)?;
    let missing_int = call.int("replaced_value_int64", 0)?;
    of_first(move |x| {
        let (_, width) = x.rows()?;
        let count = if matches!(x.data, Data::I64(_)) { ints.len() } else { floats.len() };
        if count != 1 && count != width {
            return Err(Error::corrupt(format!("{count} values for {width} columns")));
        }
        let column = |i: usize| if count == 1 { 0 } else { i % width };
        match &x.data {
            Data::I64(values) => {
                let filled =
                    values.iter().enumerate().map(|(i, x)| if *x == missing_int { ints[column(i)] } else { *x });
                Tensor::i64(x.shape.clone(), filled.collect())
            }
            _ => {
                let is_missing = |x: f32| x == missing || (x.is_nan() && missing.is_nan());
                let values = x.floats()?.into_iter().enumerate();
                let filled = values.map(|(i, x)| if is_missing(x) { floats[column(i)] } else { x });
                Tensor::f32(x.shape.clone(), filled.collect())?.cast(match x.data.kind() {
                    Kind::F64 => Kind::F64,
                    _ => Kind::F32,
                })
            }
        }
    })
}
