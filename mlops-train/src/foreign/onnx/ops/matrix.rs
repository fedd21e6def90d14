//! Products of matrices.

use mlops_core::{Error, Result};

use super::broadcast::{Places, common};
use super::{Call, Run, one};
use crate::foreign::onnx::tensor::{Data, Tensor};

/// The most multiplications of one product; more is a mistake of the file.
const MOST: usize = 1 << 32;

pub(super) fn compile(op: &str, call: Call<'_>) -> Result<Option<Run>> {
    Ok(Some(match op {
        "MatMul" => one(|inputs| product(inputs.get(0)?, inputs.get(1)?, false, false))?,
        "Gemm" => {
            let (alpha, beta) = (call.float("alpha", 1.0)?, call.float("beta", 1.0)?);
            let (turn_a, turn_b) = (call.int("transA", 0)? != 0, call.int("transB", 0)? != 0);
            one(move |inputs| {
                let product = product(inputs.get(0)?, inputs.get(1)?, turn_a, turn_b)?;
                add_scaled(product, inputs.find(2), alpha.into(), beta.into())
            })?
        }
        _ => return Ok(None),
    }))
}

/// Rows and columns, which may be exchanged.
fn dims(tensor: &Tensor, turned: bool) -> Result<(usize, usize)> {
    match (tensor.shape.as_slice(), turned) {
        ([rows, columns], false) | ([columns, rows], true) => Ok((*rows, *columns)),
        (shape, _) => Err(Error::unsupported(format!("a product of tensors of shape {shape:?}: matrices are taken"))),
    }
}

fn product(a: &Tensor, b: &Tensor, turn_a: bool, turn_b: bool) -> Result<Tensor> {
    // A list is a row on the left, a column on the right, and leaves no dimension behind.
    if a.shape.len() == 1 || b.shape.len() == 1 {
        let as_matrix = |tensor: &Tensor, shape: Vec<usize>| Tensor { shape, data: tensor.data.clone() };
        let left = if a.shape.len() == 1 { &as_matrix(a, vec![1, a.shape[0]]) } else { a };
        let right = if b.shape.len() == 1 { &as_matrix(b, vec![b.shape[0], 1]) } else { b };
        let mut product = product(left, right, turn_a, turn_b)?;
        if b.shape.len() == 1 {
            product.shape.pop();
        }
        if a.shape.len() == 1 {
            product.shape.remove(0);
        }
        return Ok(product);
    }
    let ((rows, inner), (other, columns)) = (dims(a, turn_a)?, dims(b, turn_b)?);
    if inner != other {
        return Err(Error::corrupt(format!("a product of matrices of shape {:?} and {:?}", a.shape, b.shape)));
    }
    let size = rows.checked_mul(inner).and_then(|size| size.checked_mul(columns));
    size.filter(|size| *size <= MOST)
        .ok_or_else(|| Error::unsupported(format!("a product of {rows} x {inner} x {columns} multiplications")))?;
    let data = match (&a.data, &b.data) {
        (Data::F32(a), Data::F32(b)) => Data::F32(multiply(a, b, (rows, inner, columns), turn_a, turn_b)),
        (Data::F64(a), Data::F64(b)) => Data::F64(multiply(a, b, (rows, inner, columns), turn_a, turn_b)),
        (a, b) => return Err(Error::unsupported(format!("a product of {:?} and {:?}", a.kind(), b.kind()))),
    };
    Tensor::new(vec![rows, columns], data)
}

fn multiply<T>(a: &[T], b: &[T], (rows, inner, columns): (usize, usize, usize), turn_a: bool, turn_b: bool) -> Vec<T>
where
    T: Copy + Default + std::ops::Mul<Output = T> + std::ops::AddAssign,
{
    let mut out = vec![T::default(); rows * columns];
    if out.is_empty() {
        return out;
    }
    for (row, out) in out.chunks_exact_mut(columns).enumerate() {
        for k in 0..inner {
            let x = if turn_a { a[k * rows + row] } else { a[row * inner + k] };
            if turn_b {
                out.iter_mut().enumerate().for_each(|(column, out)| *out += x * b[column * inner + k]);
            } else {
                out.iter_mut().zip(&b[k * columns..][..columns]).for_each(|(out, b)| *out += x * *b);
            }
        }
    }
    out
}

/// `alpha * product + beta * c`
fn add_scaled(mut product: Tensor, c: Option<&Tensor>, alpha: f64, beta: f64) -> Result<Tensor> {
    let shape = product.shape.clone();
    let places = match c {
        Some(c) if common(&shape, &c.shape)? != shape => {
            return Err(Error::corrupt("the third matrix has another shape"));
        }
        Some(c) => Places::new(&c.shape, &shape),
        None => Places::One,
    };
    match (&mut product.data, c.map(|c| &c.data)) {
        (Data::F32(values), None) => values.iter_mut().for_each(|x| *x *= alpha as f32),
        (Data::F64(values), None) => values.iter_mut().for_each(|x| *x *= alpha),
        (Data::F32(values), Some(Data::F32(c))) => {
            values.iter_mut().enumerate().for_each(|(i, x)| *x = alpha as f32 * *x + beta as f32 * c[places.at(i)]);
        }
        (Data::F64(values), Some(Data::F64(c))) => {
            values.iter_mut().enumerate().for_each(|(i, x)| *x = alpha * *x + beta * c[places.at(i)]);
        }
        _ => return Err(Error::corrupt("matrices of different elements")),
    }
    Ok(product)
}
