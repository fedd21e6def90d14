use arrow::array::RecordBatch;
use mlops_core::columns::is_numeric;
use mlops_core::{Error, InputColumn, Result, Signature, Value};

use super::datatype::Datatype;
use super::tensor::{Tensor, short};
use crate::cells::{Kind, batch, column};

/// The tensors of a request, in their places as the inputs of a model.
#[derive(Debug)]
pub(crate) struct Bound<'a> {
    columns: Vec<Column<'a>>,
    rows: usize,
}

/// The elements of a tensor that are the column of an input: every `stride`-th from `start`.
#[derive(Clone, Copy, Debug)]
struct Column<'a> {
    tensor: &'a Tensor<'a>,
    start: usize,
    stride: usize,
}

impl<'a> Column<'a> {
    fn cell(&self, row: usize) -> Value<'a> {
        self.tensor.value(self.start + row * self.stride)
    }
}

impl<'a> Bound<'a> {
    /// How many rows there are.
    pub(crate) fn num_rows(&self) -> usize {
        self.rows
    }

    /// The cells of the first row.
    ///
    /// # Panics
    /// If there is no row.
    pub(crate) fn first_row(&self) -> Vec<Value<'a>> {
        self.columns.iter().map(|column| column.cell(0)).collect()
    }

    /// All rows as a batch with the columns of `signature`.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](mlops_core::ErrorKind::Data) for a value that its input can't hold.
    pub(crate) fn batch(&self, signature: &Signature) -> Result<RecordBatch> {
        let inputs = signature.inputs.iter().zip(&self.columns);
        let columns = inputs.map(|(input, bound)| column(input, (0..self.rows).map(|row| bound.cell(row))));
        batch(signature, columns.collect::<Result<_>>()?, self.rows)
    }
}

/// Puts tensors in their places: one tensor an input, found by name; or one tensor with a column
/// for each input, in order.
///
/// # Errors
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a tensor that is missing, unknown, there
/// twice, or of another datatype or shape than its input.
pub(crate) fn bind<'a>(signature: &Signature, tensors: &'a [Tensor<'a>]) -> Result<Bound<'a>> {
    if let [matrix] = tensors
        && is_matrix(signature, matrix)
    {
        return bind_matrix(signature, matrix);
    }
    if tensors.len() != signature.inputs.len() {
        return Err(misfit(signature, tensors));
    }
    let mut columns = Vec::with_capacity(tensors.len());
    let mut rows = None;
    for (i, input) in signature.inputs.iter().enumerate() {
        // Callers mostly keep the order of the metadata.
        let in_place = tensors.get(i).filter(|tensor| tensor.name == input.name);
        let tensor = in_place.or_else(|| tensors.iter().find(|tensor| tensor.name == input.name));
        let tensor = tensor.ok_or_else(|| misfit(signature, tensors))?;
        let given = check_column(input, tensor)?;
        if *rows.get_or_insert(given) != given {
            return Err(Error::schema(format!(
                "input '{}' has {given} rows, the inputs before it have {}",
                input.name,
                rows.unwrap_or_default()
            )));
        }
        columns.push(Column { tensor, start: 0, stride: 1 });
    }
    Ok(Bound { columns, rows: rows.unwrap_or(1) })
}

/// Whether a lone tensor is a table of all inputs: of rank 2, and not one column by the name of an
/// input.
fn is_matrix(signature: &Signature, tensor: &Tensor<'_>) -> bool {
    let inputs = &signature.inputs;
    let [_, width] = tensor.shape.dims() else { return false };
    let can_be = match inputs.as_slice() {
        [] => false,
        [_] => true,
        inputs => inputs.iter().all(|input| is_numeric(&input.data_type)),
    };
    can_be && !(*width == 1 && inputs.iter().any(|input| input.name == tensor.name))
}

fn bind_matrix<'a>(signature: &Signature, tensor: &'a Tensor<'a>) -> Result<Bound<'a>> {
    let (rows, width) = match tensor.shape.dims() {
        [rows, width] if *width == signature.inputs.len() as u64 => (*rows, signature.inputs.len()),
        dims => {
            return Err(Error::schema(format!(
                "tensor '{}' has the shape {dims:?}; the model takes {} columns: {}",
                short(&tensor.name),
                signature.inputs.len(),
                takes(signature)
            )));
        }
    };
    for input in &signature.inputs {
        let kind = Kind::of(&input.data_type);
        let text = tensor.datatype() == Datatype::Bytes;
        if kind.is_some_and(|kind| (kind == Kind::Text) != text) {
            return Err(wrong_datatype(input, tensor));
        }
    }
    // The data has rows × width elements, so the number of rows fits.
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let columns = (0..width).map(|start| Column { tensor, start, stride: width }).collect();
    Ok(Bound { columns, rows })
}

/// The number of rows of a tensor that is given for `input`.
fn check_column(input: &InputColumn, tensor: &Tensor<'_>) -> Result<usize> {
    if Kind::of(&input.data_type).is_some_and(|kind| !tensor.datatype().fits(kind)) {
        return Err(wrong_datatype(input, tensor));
    }
    match tensor.shape.dims() {
        // The data has as many elements, so the number fits.
        [rows] | [rows, 1] => Ok(usize::try_from(*rows).unwrap_or(usize::MAX)),
        dims => {
            Err(Error::schema(format!("input '{}' has the shape {dims:?}: give [n] or [n, 1] for n rows", input.name)))
        }
    }
}

fn wrong_datatype(input: &InputColumn, tensor: &Tensor<'_>) -> Error {
    Error::schema(format!(
        "input '{}' is {}, given was {}",
        input.name,
        Datatype::of_column(&input.data_type).name(),
        tensor.datatype().name()
    ))
}

/// Why the tensors are not the inputs: the first that is unknown, there twice or missing.
fn misfit(signature: &Signature, tensors: &[Tensor<'_>]) -> Error {
    for (i, tensor) in tensors.iter().enumerate() {
        if !signature.inputs.iter().any(|input| input.name == tensor.name) {
            return Error::schema(format!("no input '{}'; the model takes {}", short(&tensor.name), takes(signature)));
        }
        if tensors[..i].iter().any(|earlier| earlier.name == tensor.name) {
            return Error::schema(format!("input '{}' is there twice", tensor.name));
        }
    }
    let is_missing = |input: &&InputColumn| !tensors.iter().any(|tensor| tensor.name == input.name);
    let missing = signature.inputs.iter().filter(is_missing).map(|input| input.name.as_str());
    let missing: Vec<&str> = missing.take(12).collect();
    Error::schema(format!("input '{}' is missing; the model takes {}", missing.join("', '"), takes(signature)))
}

/// The inputs and their datatypes in one line, cut after a dozen.
fn takes(signature: &Signature) -> String {
    const SHOWN: usize = 12;
    let input = |input: &InputColumn| format!("{} {}", input.name, Datatype::of_column(&input.data_type).name());
    let mut inputs: Vec<String> = signature.inputs.iter().take(SHOWN).map(input).collect();
    if signature.inputs.len() > SHOWN {
        inputs.push(format!("… {} more", signature.inputs.len() - SHOWN));
    }
    inputs.join(", ")
}
