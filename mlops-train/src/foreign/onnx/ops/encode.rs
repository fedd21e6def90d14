//! Texts and codes.

use std::collections::HashMap;
use std::sync::Arc;

use mlops_core::{Error, Result};

use super::{Call, Run, of_first, one};
use crate::foreign::onnx::tensor::{Data, Tensor, count};

pub(super) fn compile(op: &str, call: Call<'_>) -> Result<Option<Run>> {
    Ok(Some(match op {
        "ArrayFeatureExtractor" => one(|inputs| extract(inputs.get(0)?, inputs.get(1)?))?,
        "CategoryMapper" => category_mapper(call)?,
        "LabelEncoder" => label_encoder(call)?,
        "OneHotEncoder" => one_hot(call)?,
        // The names of the scores are the classes of the model; see `roles.rs`.
        "ZipMap" => of_first(|x| Ok(x.clone()))?,
        _ => return Ok(None),
    }))
}

/// Columns by their numbers; a list is one row.
fn extract(x: &Tensor, columns: &Tensor) -> Result<Tensor> {
    let last = x.shape.last().copied().ok_or_else(|| Error::corrupt("no axis to extract from"))?;
    let chosen = columns.ints()?;
    let chosen: Option<Vec<usize>> = chosen.iter().map(|i| usize::try_from(*i).ok().filter(|i| *i < last)).collect();
    let chosen = chosen.ok_or_else(|| Error::corrupt(format!("columns {:?} of {last}", columns.data)))?;
    let mut shape = x.shape.clone();
    if shape.len() == 1 {
        shape.insert(0, 1);
    }
    let rows: usize = shape[..shape.len() - 1].iter().product();
    let end = shape.len() - 1;
    shape[end] = chosen.len();
    count(&shape)?;
    let places = (0..rows).flat_map(|row| chosen.iter().map(move |column| row * last + column));
    Tensor::new(shape, x.data.pick(places))
}

/// A cell as a key: floats are equal that are the same bits, but NaN is NaN and -0 is 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Bits(u32),
    Int(i64),
    Text(Arc<str>),
}

fn float_key(x: f32) -> Key {
    Key::Bits(if x.is_nan() {
        f32::NAN.to_bits()
    } else if x == 0.0 {
        0
    } else {
        x.to_bits()
    })
}

fn keys(data: &Data) -> Result<Vec<Key>> {
    Ok(match data {
        Data::F32(values) => values.iter().map(|x| float_key(*x)).collect(),
        Data::F64(values) => values.iter().map(|x| float_key(*x as f32)).collect(),
        Data::I32(values) => values.iter().map(|x| Key::Int(i64::from(*x))).collect(),
        Data::I64(values) => values.iter().map(|x| Key::Int(*x)).collect(),
        Data::Text(values) => values.iter().map(|x| Key::Text(Arc::clone(x))).collect(),
        Data::Bool(_) => return Err(Error::unsupported("bools as keys")),
    })
}

/// Looks up every element; what is unknown has the last of the values.
fn mapper(from: &Data, mut values: Data, otherwise: &Data) -> Result<Run> {
    let keys_of = keys(from)?;
    if keys_of.len() != values.len() {
        return Err(Error::corrupt(format!("{} keys for {} values", keys_of.len(), values.len())));
    }
    let unknown = values.len();
    match (&mut values, otherwise) {
        (Data::F32(values), Data::F32(last)) => values.extend(last),
        (Data::I64(values), Data::I64(last)) => values.extend(last),
        (Data::Text(values), Data::Text(last)) => values.extend(last.iter().cloned()),
        _ => return Err(Error::corrupt("the default is of another type than the values")),
    }
    // The first of equal keys counts.
    let mut places = HashMap::with_capacity(unknown);
    keys_of.into_iter().enumerate().for_each(|(i, key)| {
        places.entry(key).or_insert(i);
    });
    of_first(move |x| {
        let found = keys(&x.data)?.into_iter().map(|key| places.get(&key).copied().unwrap_or(unknown));
        Tensor::new(x.shape.clone(), values.pick(found))
    })
}

fn category_mapper(call: Call<'_>) -> Result<Run> {
    let (texts, ints) = (call.texts("cats_strings")?, call.ints("cats_int64s")?);
    let to_int =
        mapper(&Data::Text(texts.clone()), Data::I64(ints.clone()), &Data::I64(vec![call.int("default_int64", -1)?]))?;
    let to_text =
        mapper(&Data::I64(ints), Data::Text(texts), &Data::Text(vec![call.text("default_string", "_Unused")?]))?;
    Ok(Box::new(
        move |inputs| if matches!(inputs.get(0)?.data, Data::Text(_)) { to_int(inputs) } else { to_text(inputs) },
    ))
}

/// Version 1 has a list of classes, later ones lists of keys and values, version 4 tensors of them.
fn label_encoder(call: Call<'_>) -> Result<Run> {
    if call.has("classes_strings") {
        let classes = call.texts("classes_strings")?;
        let places = (0..classes.len() as i64).collect();
        let to_int =
            mapper(&Data::Text(classes.clone()), Data::I64(places), &Data::I64(vec![call.int("default_int64", -1)?]))?;
        let places = Data::I64((0..classes.len() as i64).collect());
        let to_text = mapper(&places, Data::Text(classes), &Data::Text(vec![call.text("default_string", "_Unused")?]))?;
        return Ok(Box::new(move |inputs| {
            if matches!(inputs.get(0)?.data, Data::Text(_)) { to_int(inputs) } else { to_text(inputs) }
        }));
    }
    let list = |what: &str| -> Result<Data> {
        if let Some(tensor) = call.tensor(&format!("{what}_tensor"))? {
            return Ok(match tensor.data {
                Data::F64(values) => Data::F32(values.into_iter().map(|x| x as f32).collect()),
                Data::I32(values) => Data::I64(values.into_iter().map(i64::from).collect()),
                other => other,
            });
        }
        Ok(if call.has(&format!("{what}_strings")) {
            Data::Text(call.texts(&format!("{what}_strings"))?)
        } else if call.has(&format!("{what}_int64s")) {
            Data::I64(call.ints(&format!("{what}_int64s"))?)
        } else {
            Data::F32(call.floats(&format!("{what}_floats"))?)
        })
    };
    let values = list("values")?;
    let otherwise = match (call.tensor("default_tensor")?, &values) {
        (Some(tensor), values) => tensor.data.cast(values.kind())?,
        (None, Data::Text(_)) => Data::Text(vec![call.text("default_string", "_Unused")?]),
        (None, Data::I64(_)) => Data::I64(vec![call.int("default_int64", -1)?]),
        (None, _) => Data::F32(vec![call.float("default_float", -0.0)?]),
    };
    mapper(&list("keys")?, values, &otherwise)
}

/// A column of 0 and 1 a category, as the last dimension.
fn one_hot(call: Call<'_>) -> Result<Run> {
    let texts = call.texts("cats_strings")?;
    let categories = if texts.is_empty() { Data::I64(call.ints("cats_int64s")?) } else { Data::Text(texts) };
    let zeros = call.int("zeros", 1)? != 0;
    let width = categories.len();
    let mut places = HashMap::with_capacity(width);
    keys(&categories)?.into_iter().enumerate().for_each(|(i, key)| {
        places.entry(key).or_insert(i);
    });
    of_first(move |x| {
        let data = match &x.data {
            Data::Text(_) => x.data.clone(),
            numbers => numbers.cast(crate::foreign::onnx::tensor::Kind::I64)?,
        };
        let shape = [x.shape.as_slice(), &[width]].concat();
        let mut hot = vec![0.0; count(&shape)?];
        for (i, key) in keys(&data)?.into_iter().enumerate() {
            match places.get(&key) {
                Some(place) => hot[i * width + place] = 1.0,
                None if zeros => {}
                None => return Err(Error::data(format!("{key:?} is none of the {width} categories"))),
            }
        }
        Tensor::f32(shape, hot)
    })
}
