//! Operators that move elements and look at none.

use mlops_core::{Error, Result};

use super::broadcast::{common, strides, walk};
use super::{Call, Inputs, Run, of_first, one};
use crate::foreign::onnx::tensor::{Data, Tensor, count, resolve};

pub(super) fn compile(op: &str, call: Call<'_>) -> Result<Option<Run>> {
    Ok(Some(match op {
        "Constant" => {
            let tensor = constant(call)?;
            one(move |_| Ok(tensor.clone()))?
        }
        "ConstantOfShape" => {
            let value = match call.tensor("value")? {
                Some(value) => value,
                None => Tensor::f32(vec![1], vec![0.0])?,
            };
            one(move |inputs| {
                let shape = sizes(&inputs.get(0)?.ints()?)?;
                let total = count(&shape)?;
                if value.data.len() != 1 {
                    return Err(Error::corrupt("the value is not one element"));
                }
                Tensor::new(shape, value.data.pick((0..total).map(|_| 0)))
            })?
        }
        "Shape" => of_first(|x| Tensor::i64(vec![x.shape.len()], x.shape.iter().map(|dim| *dim as i64).collect()))?,
        "Size" => of_first(|x| Tensor::i64(Vec::new(), vec![x.data.len() as i64]))?,
        "Reshape" => {
            let (fixed, zero_is_zero) = (call.ints("shape")?, call.int("allowzero", 0)? != 0);
            one(move |inputs| {
                let wanted = match inputs.find(1) {
                    Some(shape) => shape.ints()?,
                    None => fixed.clone(),
                };
                reshape(inputs.get(0)?, &wanted, zero_is_zero)
            })?
        }
        "Flatten" => {
            let axis = call.int("axis", 1)?;
            of_first(move |x| {
                let axis = if axis == x.shape.len() as i64 { x.shape.len() } else { x.axis(axis)? };
                let (before, after) = x.shape.split_at(axis);
                Tensor::new(vec![before.iter().product(), after.iter().product()], x.data.clone())
            })?
        }
        "Squeeze" | "Unsqueeze" => squeeze(call, op == "Unsqueeze")?,
        "Transpose" => {
            let order = call.ints("perm")?;
            of_first(move |x| transpose(x, &order))?
        }
        "Concat" => {
            let axis = call.int("axis", 1)?;
            one(move |inputs| concat(&inputs.all()?, axis))?
        }
        "Split" => {
            let (axis, sizes, parts) = (call.int("axis", 0)?, call.ints("split")?, call.node.outputs.len());
            Box::new(move |inputs| split(inputs, axis, &sizes, parts))
        }
        "Expand" => one(|inputs| {
            let x = inputs.get(0)?;
            let shape = common(&x.shape, &sizes(&inputs.get(1)?.ints()?)?)?;
            repeat(x, shape)
        })?,
        "Tile" => one(|inputs| tile(inputs.get(0)?, &sizes(&inputs.get(1)?.ints()?)?))?,
        _ => return Ok(None),
    }))
}

/// A shape that was computed.
pub(super) fn sizes(dims: &[i64]) -> Result<Vec<usize>> {
    let size = |dim: &i64| usize::try_from(*dim).map_err(|_| Error::corrupt(format!("a dimension of {dim}")));
    dims.iter().map(size).collect()
}

fn constant(call: Call<'_>) -> Result<Tensor> {
    if let Some(tensor) = call.tensor("value")? {
        return Ok(tensor);
    }
    if call.has("value_float") {
        return Tensor::f32(Vec::new(), vec![call.float("value_float", 0.0)?]);
    }
    if call.has("value_int") {
        return Tensor::i64(Vec::new(), vec![call.int("value_int", 0)?]);
    }
    if call.has("value_string") {
        return Tensor::new(Vec::new(), Data::Text(vec![call.text("value_string", "")?]));
    }
    Ok(Tensor::list(if call.has("value_floats") {
        Data::F32(call.floats("value_floats")?)
    } else if call.has("value_ints") {
        Data::I64(call.ints("value_ints")?)
    } else if call.has("value_strings") {
        Data::Text(call.texts("value_strings")?)
    } else {
        return Err(Error::corrupt("the constant has no value"));
    }))
}

/// 0 keeps a dimension, -1 is what the others leave.
fn reshape(x: &Tensor, wanted: &[i64], zero_is_zero: bool) -> Result<Tensor> {
    let wrong = || Error::corrupt(format!("shape {:?} can't become {wanted:?}", x.shape));
    let mut open = None;
    let mut shape = Vec::with_capacity(wanted.len());
    for (i, dim) in wanted.iter().enumerate() {
        shape.push(match *dim {
            0 if !zero_is_zero => *x.shape.get(i).ok_or_else(wrong)?,
            -1 if open.is_none() => {
                open = Some(i);
                1
            }
            dim => usize::try_from(dim).map_err(|_| wrong())?,
        });
    }
    let known = count(&shape)?;
    if let Some(open) = open {
        if known == 0 || !x.data.len().is_multiple_of(known) {
            return Err(wrong());
        }
        shape[open] = x.data.len() / known;
    }
    Tensor::new(shape, x.data.clone())
}

/// The axes are an attribute, or since a later version an input.
fn squeeze(call: Call<'_>, opposite: bool) -> Result<Run> {
    let fixed = call.ints("axes")?;
    one(move |inputs| {
        let x = inputs.get(0)?;
        let axes = match inputs.find(1) {
            Some(axes) => axes.ints()?,
            None => fixed.clone(),
        };
        let rank = x.shape.len() + if opposite { axes.len() } else { 0 };
        let axes: Vec<usize> = axes.into_iter().map(|axis| resolve(axis, rank)).collect::<Result<_>>()?;
        if opposite {
            let mut old = x.shape.iter();
            let dim = |axis| if axes.contains(&axis) { Some(1) } else { old.next().copied() };
            let shape = (0..rank).map_while(dim).collect();
            return Tensor::new(shape, x.data.clone());
        }
        let goes = |axis: usize, dim: usize| if axes.is_empty() { dim == 1 } else { axes.contains(&axis) };
        let kept = x.shape.iter().enumerate().filter(|(axis, dim)| !goes(*axis, **dim));
        Tensor::new(kept.map(|(_, dim)| *dim).collect(), x.data.clone())
    })
}

fn transpose(x: &Tensor, order: &[i64]) -> Result<Tensor> {
    let rank = x.shape.len();
    let order: Vec<usize> = if order.is_empty() {
        (0..rank).rev().collect()
    } else {
        order.iter().map(|axis| resolve(*axis, rank)).collect::<Result<_>>()?
    };
    if order.len() != rank || !(0..rank).all(|axis| order.contains(&axis)) {
        return Err(Error::corrupt(format!("{order:?} is no order of {rank} axes")));
    }
    let old = strides(&x.shape);
    let shape: Vec<usize> = order.iter().map(|axis| x.shape[*axis]).collect();
    let steps: Vec<usize> = order.iter().map(|axis| old[*axis]).collect();
    let places = walk(&shape, &steps);
    Tensor::new(shape, x.data.pick(places.into_iter()))
}

pub(super) fn concat(tensors: &[&Tensor], axis: i64) -> Result<Tensor> {
    let first = tensors.first().ok_or_else(|| Error::corrupt("nothing to concatenate"))?;
    let axis = first.axis(axis)?;
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for tensor in tensors {
        let same = |i: usize| i == axis || tensor.shape[i] == shape[i];
        if tensor.shape.len() != shape.len() || !(0..shape.len()).all(same) || tensor.data.kind() != first.data.kind() {
            return Err(Error::corrupt(format!(
                "tensors of shape {:?} and {:?}, of {:?} and {:?}, can't be concatenated",
                first.shape,
                tensor.shape,
                first.data.kind(),
                tensor.data.kind()
            )));
        }
        shape[axis] += tensor.shape[axis];
    }
    count(&shape)?;
    let outer: usize = shape[..axis].iter().product();
    let widths: Vec<usize> = tensors.iter().map(|tensor| tensor.data.len().checked_div(outer).unwrap_or(0)).collect();
    macro_rules! join {
        ($($kind:ident),*) => {
            match &first.data {
                $(Data::$kind(_) => {
                    let mut out = Vec::with_capacity(outer * widths.iter().sum::<usize>());
                    for row in 0..outer {
                        for (tensor, width) in tensors.iter().zip(&widths) {
                            if let Data::$kind(values) = &tensor.data {
                                out.extend_from_slice(&values[row * width..][..*width]);
                            }
                        }
                    }
                    Data::$kind(out)
                })*
            }
        };
    }
    Tensor::new(shape, join!(Bool, F32, F64, I32, I64, Text))
}

fn split(inputs: &Inputs<'_>, axis: i64, fixed: &[i64], parts: usize) -> Result<Vec<Tensor>> {
    let x = inputs.get(0)?;
    let axis = x.axis(axis)?;
    let given = match inputs.find(1) {
        Some(sizes) => sizes.ints()?,
        None => fixed.to_vec(),
    };
    let even = x.shape[axis].div_ceil(parts.max(1));
    let lengths = if given.is_empty() {
        (0..parts).map(|i| even.min(x.shape[axis].saturating_sub(i * even))).collect()
    } else {
        sizes(&given)?
    };
    if lengths.iter().try_fold(0usize, |sum, length| sum.checked_add(*length)) != Some(x.shape[axis]) {
        return Err(Error::corrupt(format!("parts of {lengths:?} of an axis of {}", x.shape[axis])));
    }
    let inner: usize = x.shape[axis + 1..].iter().product();
    let outer: usize = x.shape[..axis].iter().product();
    let mut start = 0;
    let part = |length: usize| {
        let mut shape = x.shape.clone();
        shape[axis] = length;
        let from = start * inner;
        start += length;
        let places = (0..outer).flat_map(|o| {
            let row = o * x.shape[axis] * inner + from;
            row..row + length * inner
        });
        Tensor::new(shape, x.data.pick(places))
    };
    lengths.into_iter().map(part).collect()
}

fn repeat(x: &Tensor, shape: Vec<usize>) -> Result<Tensor> {
    let places = super::broadcast::Places::new(&x.shape, &shape);
    let total = count(&shape)?;
    Tensor::new(shape, x.data.pick((0..total).map(|i| places.at(i))))
}

fn tile(x: &Tensor, times: &[usize]) -> Result<Tensor> {
    if times.len() != x.shape.len() {
        return Err(Error::corrupt(format!("{} repetitions of {} axes", times.len(), x.shape.len())));
    }
    let dims = x.shape.iter().zip(times).map(|(dim, times)| dim.checked_mul(*times));
    let shape = dims.collect::<Option<Vec<usize>>>().ok_or_else(|| Error::corrupt("a tile without end"))?;
    count(&shape)?;
    let old = strides(&x.shape);
    let new = strides(&shape);
    let place = |i: usize| (0..shape.len()).map(|axis| i / new[axis] % shape[axis] % x.shape[axis] * old[axis]).sum();
    let total = count(&shape)?;
    let data = x.data.pick((0..total).map(place));
    Tensor::new(shape, data)
}
