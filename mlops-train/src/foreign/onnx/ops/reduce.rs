//! Operators along an axis.

use mlops_core::{Error, Result};

use super::{Call, Inputs, Run, of_first, one};
use crate::foreign::onnx::tensor::{Data, Tensor, count, resolve};
use crate::trees::softmax;

pub(super) fn compile(op: &str, call: Call<'_>) -> Result<Option<Run>> {
    if let Some(fold) = fold(op) {
        return reduce(call, fold).map(Some);
    }
    Ok(Some(match op {
        "ArgMax" | "ArgMin" => arg(call, op == "ArgMin")?,
        "Softmax" | "LogSoftmax" => shares(call, op == "LogSoftmax")?,
        "CumSum" => {
            let (exclusive, reverse) = (call.int("exclusive", 0)? != 0, call.int("reverse", 0)? != 0);
            one(move |inputs| sums(inputs, exclusive, reverse))?
        }
        "TopK" => {
            let (axis, largest) = (call.int("axis", -1)?, call.int("largest", 1)? != 0);
            Box::new(move |inputs| top(inputs, axis, largest))
        }
        _ => return Ok(None),
    }))
}

/// A tensor seen as lines along an axis: those before it, its length, those after it.
fn lines(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// The elements of each line along an axis.
fn for_each_line(x: &[f64], shape: &[usize], axis: usize, mut each: impl FnMut(usize, &mut [f64])) {
    let (outer, length, inner) = lines(shape, axis);
    let mut line = vec![0.0; length];
    for o in 0..outer {
        for i in 0..inner {
            line.iter_mut().enumerate().for_each(|(k, cell)| *cell = x[(o * length + k) * inner + i]);
            each(o * inner + i, &mut line);
        }
    }
}

type Fold = fn(&[f64]) -> f64;

fn fold(op: &str) -> Option<Fold> {
    Some(match op {
        "ReduceSum" => |x| x.iter().sum(),
        "ReduceMean" => |x| x.iter().sum::<f64>() / x.len() as f64,
        "ReduceMax" => |x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "ReduceMin" => |x| x.iter().copied().fold(f64::INFINITY, f64::min),
        "ReduceProd" => |x| x.iter().product(),
        "ReduceSumSquare" => |x| x.iter().map(|x| x * x).sum(),
        "ReduceL1" => |x| x.iter().map(|x| x.abs()).sum(),
        "ReduceL2" => |x| x.iter().map(|x| x * x).sum::<f64>().sqrt(),
        "ReduceLogSum" => |x| x.iter().sum::<f64>().ln(),
        "ReduceLogSumExp" => |x| {
            let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if max.is_finite() { x.iter().map(|x| (x - max).exp()).sum::<f64>().ln() + max } else { max }
        },
        _ => return None,
    })
}

/// The axes are an attribute, or since a later version an input.
fn reduce(call: Call<'_>, fold: Fold) -> Result<Run> {
    let (axes, keep) = (call.ints("axes")?, call.int("keepdims", 1)? != 0);
    let nothing_if_none = call.int("noop_with_empty_axes", 0)? != 0;
    one(move |inputs| {
        let x = inputs.get(0)?;
        let axes = match inputs.find(1) {
            Some(axes) => axes.ints()?,
            None => axes.clone(),
        };
        if axes.is_empty() && nothing_if_none {
            return Ok(x.clone());
        }
        let rank = x.shape.len();
        let mut reduced = vec![axes.is_empty(); rank];
        for axis in axes {
            reduced[resolve(axis, rank)?] = true;
        }
        reduce_by(x, &reduced, keep, fold)
    })
}

/// Brings the reduced axes to the end, and folds what are lines then.
fn reduce_by(x: &Tensor, reduced: &[bool], keep: bool, fold: Fold) -> Result<Tensor> {
    let kept = (0..x.shape.len()).filter(|axis| !reduced[*axis]);
    let order: Vec<usize> = kept.chain((0..x.shape.len()).filter(|axis| reduced[*axis])).collect();
    let length = (0..x.shape.len()).filter(|axis| reduced[*axis]).map(|axis| x.shape[axis]).product::<usize>();
    let numbers = x.data.numbers()?;
    let strides = super::broadcast::strides(&x.shape);
    let in_place = order.is_sorted();
    let turned: Vec<f64> = if in_place {
        numbers
    } else {
        let (shape, steps): (Vec<usize>, Vec<usize>) =
            order.iter().map(|axis| (x.shape[*axis], strides[*axis])).unzip();
        super::broadcast::walk(&shape, &steps).into_iter().map(|place| numbers[place]).collect()
    };
    let dims = x.shape.iter().zip(reduced);
    let shape: Vec<usize> = if keep {
        dims.map(|(dim, reduced)| if *reduced { 1 } else { *dim }).collect()
    } else {
        dims.filter(|(_, reduced)| !**reduced).map(|(dim, _)| *dim).collect()
    };
    let folded = match length {
        0 => vec![fold(&[]); count(&shape)?],
        length => turned.chunks_exact(length).map(fold).collect(),
    };
    Tensor::new(shape, Data::F64(folded))?.cast(x.data.kind())
}

/// Without an axis of the length it had.
fn without(shape: &[usize], axis: usize, keep: bool) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if keep {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    shape
}

fn arg(call: Call<'_>, least: bool) -> Result<Run> {
    let (axis, keep) = (call.int("axis", 0)?, call.int("keepdims", 1)? != 0);
    let last = call.int("select_last_index", 0)? != 0;
    of_first(move |x| {
        let axis = x.axis(axis)?;
        if x.shape[axis] == 0 {
            return Err(Error::corrupt("the greatest of nothing"));
        }
        let shape = without(&x.shape, axis, keep);
        let mut found = vec![0; count(&shape)?];
        for_each_line(&x.data.numbers()?, &x.shape, axis, |i, line| {
            let mut best = 0;
            for (k, x) in line.iter().enumerate() {
                let better = if least { *x < line[best] } else { *x > line[best] };
                if better || (last && *x == line[best]) {
                    best = k;
                }
            }
            found[i] = best as i64;
        });
        Tensor::i64(shape, found)
    })
}

/// Before version 13 all axes from the given one on are one.
fn shares(call: Call<'_>, logarithm: bool) -> Result<Run> {
    let old = call.opset < 13;
    let axis = call.int("axis", if old { 1 } else { -1 })?;
    of_first(move |x| {
        let axis = x.axis(axis)?;
        let merged = [x.shape[..axis].iter().product(), x.shape[axis..].iter().product()];
        let (shape, axis) = if old { (merged.as_slice(), 1) } else { (x.shape.as_slice(), axis) };
        let (_, length, inner) = lines(shape, axis);
        let mut out = vec![0.0; x.data.len()];
        for_each_line(&x.data.numbers()?, shape, axis, |i, line| {
            softmax(line);
            let start = i / inner * length * inner + i % inner;
            for (k, share) in line.iter().enumerate() {
                out[start + k * inner] = if logarithm { share.ln() } else { *share };
            }
        });
        Tensor::new(x.shape.clone(), Data::F64(out))?.cast(x.data.kind())
    })
}

fn sums(inputs: &Inputs<'_>, exclusive: bool, reverse: bool) -> Result<Tensor> {
    let x = inputs.get(0)?;
    let axis = inputs.get(1)?.ints()?;
    let axis = x.axis(*axis.first().ok_or_else(|| Error::corrupt("no axis"))?)?;
    let (_, length, inner) = lines(&x.shape, axis);
    let mut out = vec![0.0; x.data.len()];
    for_each_line(&x.data.numbers()?, &x.shape, axis, |i, line| {
        let start = i / inner * length * inner + i % inner;
        let mut sum = 0.0;
        for k in 0..length {
            let k = if reverse { length - 1 - k } else { k };
            out[start + k * inner] = if exclusive { sum } else { sum + line[k] };
            sum += line[k];
        }
    });
    Tensor::new(x.shape.clone(), Data::F64(out))?.cast(x.data.kind())
}

/// The greatest or least elements in order, and where they were; equal ones in the order of places.
fn top(inputs: &Inputs<'_>, axis: i64, largest: bool) -> Result<Vec<Tensor>> {
    let x = inputs.get(0)?;
    let axis = x.axis(axis)?;
    let (_, length, inner) = lines(&x.shape, axis);
    let wanted = inputs.get(1)?.ints()?.first().and_then(|k| usize::try_from(*k).ok()).filter(|k| *k <= length);
    let wanted = wanted.ok_or_else(|| Error::corrupt("more elements are wanted than there are"))?;
    let mut shape = x.shape.clone();
    shape[axis] = wanted;
    let (mut places, mut found) = (vec![0; count(&shape)?], vec![0i64; count(&shape)?]);
    let mut order: Vec<usize> = Vec::new();
    for_each_line(&x.data.numbers()?, &x.shape, axis, |i, line| {
        order.clear();
        order.extend(0..length);
        order.sort_by(|a, b| if largest { line[*b].total_cmp(&line[*a]) } else { line[*a].total_cmp(&line[*b]) });
        let (outer, inside) = (i / inner, i % inner);
        for (k, from) in order.iter().take(wanted).enumerate() {
            let to = (outer * wanted + k) * inner + inside;
            places[to] = (outer * length + from) * inner + inside;
            found[to] = *from as i64;
        }
    });
    let values = Tensor::new(shape.clone(), x.data.pick(places.into_iter()))?;
    Ok(vec![values, Tensor::i64(shape, found)?])
}
