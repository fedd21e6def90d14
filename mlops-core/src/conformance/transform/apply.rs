//! A fitted transform gives what it declares, however the rows come.

use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;

use super::TransformerSubject;
use super::compare::{apply_checked, assert_same, must};
use crate::columns::find_column;
use crate::{Error, ErrorKind, transform_table};

pub(super) fn declared_schema(subject: &TransformerSubject) {
    must("apply", apply_checked("the training rows", subject.fit().as_ref(), &subject.batch()));
}

pub(super) fn pieces_as_whole(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let whole = must("apply", transform_table(fitted.as_ref(), &subject.data));
    for size in [1, 7, 1000] {
        let pieces = must("cut the rows", subject.data.rebatch(size));
        let pieces = must("apply to pieces", transform_table(fitted.as_ref(), &pieces));
        let (pieces, whole) = (must("join", pieces.to_batch()), must("join", whole.to_batch()));
        assert_same(&format!("pieces of {size} rows"), &pieces, &whole);
    }
}

pub(super) fn rows_as_batches(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let input = subject.batch();
    let rows = must("bind to rows", fitted.rows(input.schema_ref()));
    assert_eq!(rows.is_some(), subject.has_rows, "whether it works row by row is declared otherwise");
    must("apply", apply_checked("the training rows", fitted.as_ref(), &input));
    if let Some(rows) = rows {
        let error = rows.apply_row(&[], &mut Vec::new()).err();
        let empty = input.num_columns() == 0;
        assert!(empty || error.is_some_and(|e| e.kind() == ErrorKind::Schema), "a row without cells is accepted");
    }
}

pub(super) fn empty_batch(subject: &TransformerSubject) {
    let fitted = subject.fit();
    must("apply", apply_checked("no rows", fitted.as_ref(), &subject.batch().slice(0, 0)));
}

pub(super) fn permuted_columns(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let input = subject.batch();
    let reversed: Vec<usize> = (0..input.num_columns()).rev().collect();
    let reversed = must("reverse the columns", input.project(&reversed).map_err(Error::from));
    let expected = must("apply", fitted.apply(input));
    let actual = must("apply", apply_checked("reversed columns", fitted.as_ref(), &reversed));
    let names = expected.schema_ref().fields().iter().map(|field| field.name());
    let order = names.map(|name| find_column(actual.schema_ref(), name));
    let order: Vec<usize> = must("find the columns again", order.collect());
    assert_eq!(actual.num_columns(), expected.num_columns(), "another number of columns");
    assert_same("reversed columns", &must("reorder", actual.project(&order).map_err(Error::from)), &expected);
}

pub(super) fn shared_batch(subject: &TransformerSubject) {
    let fitted = subject.fit();
    let held = subject.batch();
    let rows: UInt32Array = (0..held.num_rows() as u32).collect();
    let copy = must("copy the rows", take_record_batch(&held, &rows).map_err(Error::from));
    must("apply", fitted.apply(held.clone()));
    assert_eq!(held, copy, "a batch that somebody else holds was changed");
    let owned = must("apply", fitted.apply(copy));
    assert_same("a batch that nobody else holds", &owned, &must("apply", fitted.apply(held)));
}

pub(super) fn without_target(subject: &TransformerSubject) {
    let Ok(target) = subject.data.target() else { return };
    let fitted = subject.fit();
    let i = must("find the target", find_column(subject.data.schema(), target.name()));
    let mut batch = subject.batch();
    batch.remove_column(i);
    must("apply without the target", apply_checked("no target", fitted.as_ref(), &batch));
}
