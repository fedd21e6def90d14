//! Damage, other types, extreme values and leaks are refused by name.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Schema};

use super::TransformerSubject;
use super::compare::{applies_or_names, apply_checked, assert_names, fits_or_names, must, replace};
use crate::columns::is_text;
use crate::{Error, ErrorKind, Role, Run, Table};

pub(super) fn damaged_state(subject: &TransformerSubject) {
    use serde_json::{Value as Json, json};
    const MOST_PLACES: usize = 100;
    let artifact = must("save", subject.fit().save());
    let mut places = Vec::new();
    pointers(&artifact.state, String::new(), &mut places);
    for place in places.iter().take(MOST_PLACES) {
        for damage in [Json::Null, json!(-1), json!(1e300), json!("damaged"), json!([]), json!({})] {
            let mut damaged = artifact.clone();
            let Some(slot) = damaged.state.pointer_mut(place) else { continue };
            *slot = damage;
            match subject.codecs.transform(&damaged) {
                // Another state of the right form can't be told from the one that was written.
                Ok(loaded) => drop(loaded.apply(subject.batch())),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "damage at '{place}': {error:?}"),
            }
        }
    }
}

pub(super) fn pointers(state: &serde_json::Value, here: String, places: &mut Vec<String>) {
    match state {
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| pointers(item, format!("{here}/{i}"), places));
        }
        serde_json::Value::Object(items) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            items.iter().for_each(|(key, item)| pointers(item, format!("{here}/{}", escaped(key)), places));
        }
        _ => {}
    }
    places.push(here);
}

pub(super) fn missing_column(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let batch = subject.batch();
    for i in subject.needed(fitted.as_ref()) {
        let name = subject.data.schema().field(i).name().clone();
        let others: Vec<usize> = (0..batch.num_columns()).filter(|other| *other != i).collect();
        let without = must("leave out a column", batch.project(&others).map_err(Error::from));
        for error in [
            fitted.output_schema(without.schema_ref()).err(),
            fitted.apply(without.clone()).err(),
            fitted.rows(without.schema_ref()).err(),
            subject
                .recipe
                .fit(&Table::from_batch(without.clone()).with_roles(subject.data.roles()), &Run::default())
                .err(),
        ] {
            let error = error.unwrap_or_else(|| panic!("a row without '{name}' is accepted"));
            assert_names("a missing column", &error, ErrorKind::Schema, &name);
        }
    }
}

pub(super) fn other_types(subject: &TransformerSubject) {
    use DataType as D;
    let fitted = subject.fit();
    let batch = subject.batch();
    let types = [D::Binary, D::Boolean, D::Date32, D::Float32, D::Float64, D::Int64, D::LargeUtf8, D::UInt64, D::Utf8];
    for i in subject.needed(fitted.as_ref()) {
        let name = subject.data.schema().field(i).name().clone();
        for data_type in &types {
            let other = replace(&batch, i, new_null_array(data_type, batch.num_rows()));
            let what = format!("'{name}' as {data_type}");
            let refused = |error: &Error| {
                let known = matches!(error.kind(), ErrorKind::Data | ErrorKind::Schema | ErrorKind::Unsupported);
                assert!(known && error.to_string().contains(&name), "{what}: {error:?}");
            };
            match fitted.output_schema(other.schema_ref()) {
                Err(error) => {
                    refused(&error);
                    assert!(fitted.apply(other.clone()).is_err(), "{what}: applied in spite of its schema");
                }
                // Binary can't be read cell by cell, so only what is declared is compared.
                Ok(declared) if *data_type == D::Binary => match fitted.apply(other) {
                    Ok(output) => {
                        assert_eq!(
                            output.schema_ref().fields().len(),
                            declared.fields().len(),
                            "{what}: other columns"
                        );
                    }
                    Err(error) => refused(&error),
                },
                Ok(_) => drop(apply_checked(&what, fitted.as_ref(), &other).map_err(|error| refused(&error))),
            }
        }
    }
}

pub(super) fn leak(subject: &TransformerSubject) {
    let fitted = subject.fit();
    for i in subject.needed(fitted.as_ref()) {
        let name = subject.data.schema().field(i).name();
        let data = must("declare an outcome", subject.data.clone().with_role(name, Role::Outcome));
        let error = subject
            .recipe
            .fit(&data, &Run::default())
            .err()
            .unwrap_or_else(|| panic!("the outcome '{name}' was learned from"));
        assert_names("an outcome", &error, ErrorKind::Leak, name);
        assert_eq!(subject.recipe.fit_transform(&data, &Run::default()).err().map(|e| e.kind()), Some(ErrorKind::Leak));
    }
}

pub(super) fn null_columns(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let batch = subject.batch();
    for i in subject.needed(fitted.as_ref()) {
        let name = batch.schema().field(i).name().clone();
        let nulls = new_null_array(batch.column(i).data_type(), batch.num_rows());
        let data = subject.with_column(i, nulls);
        let what = format!("'{name}' all null");
        applies_or_names(&what, fitted.as_ref(), &must("join", data.to_batch()), &name);
        fits_or_names(&what, subject, &data, &name);
    }
}

pub(super) fn extreme_numbers(subject: &TransformerSubject) {
    const EXTREMES: [f64; 8] =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324];
    let fitted = subject.fit();
    let batch = subject.batch();
    for i in subject.needed(fitted.as_ref()) {
        let (name, data_type) = (batch.schema().field(i).name().clone(), batch.column(i).data_type().clone());
        if !data_type.is_floating() {
            continue;
        }
        let numbers = must("read numbers", cast(batch.column(i), &DataType::Float64).map_err(Error::from));
        let numbers = numbers.as_primitive::<Float64Type>();
        let mixed = |row: usize| EXTREMES.get(row % 11).copied().or_else(|| numbers.iter().nth(row).flatten());
        let mixed: ArrayRef = Arc::new((0..batch.num_rows()).map(mixed).collect::<Float64Array>());
        let data = subject.with_column(i, must("cast back", cast(&mixed, &data_type).map_err(Error::from)));
        let what = format!("'{name}' with NaN and infinities");
        applies_or_names(&what, fitted.as_ref(), &must("join", data.to_batch()), &name);
        fits_or_names(&what, subject, &data, &name);
        let nan: ArrayRef = Arc::new(Float64Array::from_value(f64::NAN, batch.num_rows()));
        let nan = subject.with_column(i, must("cast back", cast(&nan, &data_type).map_err(Error::from)));
        fits_or_names(&format!("'{name}' all NaN"), subject, &nan, &name);
    }
}

pub(super) fn unseen_categories(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let batch = subject.batch();
    for i in subject.needed(fitted.as_ref()) {
        let (name, data_type) = (batch.schema().field(i).name().clone(), batch.column(i).data_type().clone());
        let unseen: ArrayRef = match &data_type {
            text if is_text(text) => Arc::new(StringArray::from(vec!["never seen before: \u{fffd}"; batch.num_rows()])),
            integer if integer.is_integer() => Arc::new(Float64Array::from_value(119.0, batch.num_rows())),
            _ => continue,
        };
        let unseen = must("cast", cast(&unseen, &data_type).map_err(Error::from));
        applies_or_names(&format!("'{name}' unseen"), fitted.as_ref(), &replace(&batch, i, unseen), &name);
    }
}

pub(super) fn no_rows(subject: &TransformerSubject) {
    let empty = Table::from_batch(subject.batch().slice(0, 0)).with_roles(subject.data.roles());
    let nothing =
        must("make a table", Table::new(Arc::clone(subject.data.schema()), [])).with_roles(subject.data.roles());
    for data in [empty, nothing] {
        match subject.recipe.fit(&data, &Run::default()) {
            Ok(fitted) => drop(must("apply", apply_checked("fitted on no rows", fitted.as_ref(), &subject.batch()))),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Data, "fitted on no rows: {error:?}"),
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(3));
    let bare = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options);
    let bare = must("make rows without columns", bare.map_err(Error::from));
    if let Ok(output) = subject.fit().apply(bare) {
        assert_eq!(output.num_rows(), 3, "rows without columns were lost");
    }
}
