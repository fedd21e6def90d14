//! Arrays of numbers as safetensors: a length, a JSON header, the numbers in little endian. What
//! Python reads with `safetensors.numpy.load`, and a reader that trusts no length.

use std::collections::BTreeMap;

use mlops_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// A one-dimensional array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tensor {
    F64(Vec<f64>),
    U32(Vec<u32>),
}

#[derive(Serialize, Deserialize)]
struct Description {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl Tensor {
    fn describe(&self, start: usize) -> Description {
        let (dtype, len, width) = match self {
            Self::F64(values) => ("F64", values.len(), 8),
            Self::U32(values) => ("U32", values.len(), 4),
        };
        Description { dtype: dtype.to_owned(), shape: vec![len], data_offsets: [start, start + len * width] }
    }

    fn append(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::F64(values) => values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes())),
            Self::U32(values) => values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes())),
        }
    }

    pub(crate) fn into_f64(self) -> Result<Vec<f64>> {
        match self {
            Self::F64(values) => Ok(values),
            Self::U32(_) => Err(Error::corrupt("a tensor is U32, F64 was expected")),
        }
    }

    pub(crate) fn into_u32(self) -> Result<Vec<u32>> {
        match self {
            Self::U32(values) => Ok(values),
            Self::F64(_) => Err(Error::corrupt("a tensor is F64, U32 was expected")),
        }
    }
}

/// Writes tensors; the wide ones first, so that all are aligned.
pub(crate) fn write(tensors: &[(&str, Tensor)]) -> Result<Vec<u8>> {
    let mut header = BTreeMap::new();
    let mut end = 0;
    for (name, tensor) in tensors {
        let description = tensor.describe(end);
        end = description.data_offsets[1];
        header.insert(*name, description);
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&header);
    tensors.iter().for_each(|(_, tensor)| tensor.append(&mut bytes));
    Ok(bytes)
}

/// Reads tensors of the kinds that [`write`] writes.
pub(crate) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    let damaged = |what: &str| Error::corrupt(format!("not safetensors as mlops writes them: {what}"));
    let (length, rest) = bytes.split_first_chunk().ok_or_else(|| damaged("no header length"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| damaged("the header length"))?;
    let (header, data) = rest.split_at_checked(length).ok_or_else(|| damaged("the header is cut off"))?;
    let header: BTreeMap<String, Description> =
        serde_json::from_slice(header).map_err(|e| damaged("the header is not JSON").with_source(e))?;
    let read = |(name, description): (String, Description)| {
        let [start, end] = description.data_offsets;
        let data = data.get(start..end).ok_or_else(|| damaged("a tensor lies outside of the data"))?;
        let tensor = match description.dtype.as_str() {
            "F64" => Tensor::F64(data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()),
            "U32" => Tensor::U32(data.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()),
            _ => return Err(damaged("a type other than F64 and U32")),
        };
        let described = tensor.describe(start);
        if described.shape != description.shape || described.data_offsets != description.data_offsets {
            return Err(damaged("a shape does not fit its data"));
        }
        Ok((name, tensor))
    };
    header.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Vec<u8> {
        write(&[("x", Tensor::F64(vec![1.5, f64::NAN, -0.0])), ("n", Tensor::U32(vec![7, u32::MAX]))]).unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let mut tensors = read(&sample()).unwrap();
        assert_eq!(tensors.remove("n").unwrap().into_u32().unwrap(), [7, u32::MAX]);
        let x = tensors.remove("x").unwrap().into_f64().unwrap();
        assert_eq!(x.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), [1.5, f64::NAN, -0.0].map(f64::to_bits));
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(at in 0usize..150, value: u8, cut in 0usize..150) {
            let mut bytes = sample();
            let length = bytes.len();
            bytes[at % length] = value;
            bytes.truncate(length - cut % length);
            let _ = read(&bytes);
        }
    }
}
