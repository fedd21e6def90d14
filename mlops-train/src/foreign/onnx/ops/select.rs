//! Operators that pick elements by their places.

use mlops_core::{Error, Result};

use super::{Call, Inputs, Run, one};
use crate::foreign::onnx::tensor::{Tensor, count, resolve};

pub(super) fn compile(op: &str, call: Call<'_>) -> Result<Option<Run>> {
    let axis = call.int("axis", if op == "OneHot" { -1 } else { 0 });
    Ok(Some(match op {
        "Gather" => {
            let axis = axis?;
            one(move |inputs| gather(inputs.get(0)?, inputs.get(1)?, axis))?
        }
        "GatherElements" => {
            let axis = axis?;
            one(move |inputs| gather_elements(inputs.get(0)?, inputs.get(1)?, axis))?
        }
        "OneHot" => {
            let axis = axis?;
            one(move |inputs| one_hot(inputs, axis))?
        }
        "Slice" => {
            let fixed = (call.ints("starts")?, call.ints("ends")?, call.ints("axes")?);
            one(move |inputs| slice(inputs, &fixed))?
        }
        _ => return Ok(None),
    }))
}

/// A place that may be counted from the end.
fn place(index: i64, length: usize) -> Result<usize> {
    resolve(index, length).map_err(|_| Error::data(format!("place {index} of {length}")))
}

fn gather(x: &Tensor, indices: &Tensor, axis: i64) -> Result<Tensor> {
    let axis = x.axis(axis)?;
    let length = x.shape[axis];
    let chosen: Vec<usize> = indices.ints()?.into_iter().map(|i| place(i, length)).collect::<Result<_>>()?;
    let outer: usize = x.shape[..axis].iter().product();
    let inner: usize = x.shape[axis + 1..].iter().product();
    let shape = [&x.shape[..axis], &indices.shape, &x.shape[axis + 1..]].concat();
    count(&shape)?;
    let places = (0..outer).flat_map(|o| {
        chosen.iter().flat_map(move |k| {
            let start = (o * length + k) * inner;
            start..start + inner
        })
    });
    Tensor::new(shape, x.data.pick(places))
}

fn gather_elements(x: &Tensor, indices: &Tensor, axis: i64) -> Result<Tensor> {
    let axis = x.axis(axis)?;
    let fits = |i: usize| i == axis || indices.shape[i] <= x.shape[i];
    if indices.shape.len() != x.shape.len() || !(0..x.shape.len()).all(fits) {
        return Err(Error::corrupt(format!("places of shape {:?} in a tensor of shape {:?}", indices.shape, x.shape)));
    }
    let (old, new) = (super::broadcast::strides(&x.shape), super::broadcast::strides(&indices.shape));
    let mut places = Vec::with_capacity(indices.data.len());
    for (i, k) in indices.ints()?.into_iter().enumerate() {
        let k = place(k, x.shape[axis])?;
        let along = |d: usize| if d == axis { k } else { i / new[d] % indices.shape[d] };
        places.push((0..x.shape.len()).map(|d| along(d) * old[d]).sum());
    }
    Tensor::new(indices.shape.clone(), x.data.pick(places.into_iter()))
}

fn one_hot(inputs: &Inputs<'_>, axis: i64) -> Result<Tensor> {
    let (indices, depth, values) = (inputs.get(0)?, inputs.get(1)?, inputs.get(2)?);
    let depth = depth.data.numbers()?.first().copied().filter(|depth| *depth >= 1.0 && *depth < 1e7);
    let depth = depth.ok_or_else(|| Error::corrupt("a depth that is none"))? as usize;
    let axis = resolve(axis, indices.shape.len() + 1)?;
    if values.data.len() != 2 {
        return Err(Error::corrupt("the values of off and on are not two"));
    }
    let mut shape = indices.shape.clone();
    shape.insert(axis, depth);
    let total = count(&shape)?;
    let inner: usize = indices.shape[axis..].iter().product();
    let chosen = indices.data.numbers()?;
    let is_on = |i: usize| {
        let (rest, inside) = (i / inner, i % inner);
        let k = chosen[rest / depth * inner + inside];
        let k = if k < 0.0 { k + depth as f64 } else { k };
        usize::from(k == (rest % depth) as f64)
    };
    Tensor::new(shape, values.data.pick((0..total).map(is_on)))
}

/// Before version 10 starts, ends and axes are attributes, later inputs, with steps.
fn slice(inputs: &Inputs<'_>, fixed: &(Vec<i64>, Vec<i64>, Vec<i64>)) -> Result<Tensor> {
    let x = inputs.get(0)?;
    let ints = |i: usize, otherwise: &[i64]| match inputs.find(i) {
        Some(tensor) => tensor.ints(),
        None => Ok(otherwise.to_vec()),
    };
    let (starts, ends) = (ints(1, &fixed.0)?, ints(2, &fixed.1)?);
    let all: Vec<i64> = (0..starts.len() as i64).collect();
    let axes = ints(3, if fixed.2.is_empty() { &all } else { &fixed.2 })?;
    let steps = ints(4, &vec![1; starts.len()])?;
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(Error::corrupt("as many starts as ends, axes and steps are needed"));
    }
    let mut chosen: Vec<Vec<usize>> = x.shape.iter().map(|dim| (0..*dim).collect()).collect();
    for (i, axis) in axes.into_iter().enumerate() {
        let axis = x.axis(axis)?;
        chosen[axis] = range(starts[i], ends[i], steps[i], x.shape[axis])?;
    }
    let strides = super::broadcast::strides(&x.shape);
    let mut places = vec![0];
    for (chosen, stride) in chosen.iter().zip(strides) {
        places = places.iter().flat_map(|start| chosen.iter().map(move |k| start + k * stride)).collect();
    }
    Tensor::new(chosen.iter().map(Vec::len).collect(), x.data.pick(places.into_iter()))
}

/// The places from `start` to before `end`, both counted from the end if negative, and within the axis.
fn range(start: i64, end: i64, step: i64, length: usize) -> Result<Vec<usize>> {
    let length = length as i64;
    let from_start = |place: i64| if place < 0 { place.saturating_add(length) } else { place };
    let (start, end) = (from_start(start), from_start(end));
    match step {
        1.. => {
            let (start, end) = (start.clamp(0, length), end.clamp(0, length));
            Ok((start..end).step_by(usize::try_from(step).unwrap_or(usize::MAX)).map(|k| k as usize).collect())
        }
        0 => Err(Error::corrupt("a step of 0")),
        _ => {
            let (start, end) = (start.clamp(-1, length - 1), end.clamp(-1, length - 1));
            let step = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
            Ok((end + 1..=start).rev().step_by(step).map(|k| k as usize).collect())
        }
    }
}
