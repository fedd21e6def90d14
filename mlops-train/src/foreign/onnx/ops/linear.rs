//! Linear models of `ai.onnx.ml`.

use mlops_core::{Error, Result};

use super::post::{Labels, Post, greatest, scores};
use super::{Call, Run};
use crate::foreign::onnx::tensor::Tensor;

pub(super) fn compile(op: &str, call: Call<'_>) -> Result<Option<Run>> {
    Ok(Some(match op {
        "LinearClassifier" => classifier(call)?,
        "LinearRegressor" => {
            let linear = Linear::read(call, call.int("targets", 1)?.try_into().unwrap_or(0))?;
            let post = Post::read(call)?;
            Box::new(move |inputs| {
                let x = inputs.get(0)?;
                let mut out = linear.scores(x)?;
                out.chunks_exact_mut(linear.outputs).for_each(|row| post.apply(row));
                Ok(vec![scores(out, linear.outputs, x)?])
            })
        }
        _ => return Ok(None),
    }))
}

#[derive(Debug)]
struct Linear {
    /// A row an output.
    coefficients: Vec<f64>,
    /// One an output, or none.
    intercepts: Vec<f64>,
    outputs: usize,
    width: usize,
}

impl Linear {
    fn read(call: Call<'_>, outputs: usize) -> Result<Self> {
        let (coefficients, intercepts) = (call.numbers("coefficients")?, call.numbers("intercepts")?);
        let fits = outputs > 0
            && coefficients.len().is_multiple_of(outputs)
            && (intercepts.is_empty() || intercepts.len() == outputs);
        if !fits {
            let (coefficients, intercepts) = (coefficients.len(), intercepts.len());
            return Err(Error::corrupt(format!(
                "{coefficients} coefficients and {intercepts} intercepts for {outputs} outputs"
            )));
        }
        let width = coefficients.len() / outputs;
        Ok(Self { coefficients, intercepts, outputs, width })
    }

    /// The outputs, row by row.
    fn scores(&self, x: &Tensor) -> Result<Vec<f64>> {
        let (rows, width) = x.rows()?;
        if width != self.width || width == 0 {
            return Err(Error::corrupt(format!("{} coefficients an output for {width} columns", self.width)));
        }
        let numbers = x.data.numbers()?;
        let mut out = Vec::with_capacity(rows * self.outputs);
        for row in numbers.chunks_exact(width) {
            for (output, coefficients) in self.coefficients.chunks_exact(width).enumerate() {
                let sum: f64 = row.iter().zip(coefficients).map(|(x, c)| x * c).sum();
                out.push(sum + self.intercepts.get(output).copied().unwrap_or(0.0));
            }
        }
        Ok(out)
    }
}

fn classifier(call: Call<'_>) -> Result<Run> {
    let labels = Labels::read(call, "classlabels_ints", "classlabels_strings")?;
    let post = Post::read(call)?;
    let linear = Linear::read(call, call.numbers("intercepts")?.len().max(1))?;
    let one_for_two = linear.outputs == 1 && labels.len() == 2;
    if !one_for_two && linear.outputs != labels.len() {
        return Err(Error::corrupt(format!("{} outputs for {} classes", linear.outputs, labels.len())));
    }
    Ok(Box::new(move |inputs| {
        let x = inputs.get(0)?;
        let mut out = linear.scores(x)?;
        if one_for_two {
            out = out.iter().flat_map(|score| [-score, *score]).collect();
        }
        let width = labels.len();
        let chosen: Vec<usize> = out.chunks_exact(width).map(greatest).collect();
        out.chunks_exact_mut(width).for_each(|row| post.apply(row));
        Ok(vec![labels.pick(&chosen), scores(out, width, x)?])
    }))
}
