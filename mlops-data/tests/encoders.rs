//! What LabelEncoder refuses; its agreement with scikit-learn is in `sklearn_agreement`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use mlops_core::{ErrorKind, Role, Run, Table, Transformer};
use mlops_data::transform::{LabelDecoder, LabelEncoder, OrdinalEncoder};

#[test]
fn labels_are_of_the_target_and_of_known_classes() {
    let table = |cells: Vec<Option<i64>>| {
        let cells: ArrayRef = Arc::new(Int64Array::from(cells));
        Table::from_batch(RecordBatch::try_from_iter_with_nullable([("y", cells, true)]).unwrap())
    };
    let role = |table: Table| table.with_role("y", Role::Target).unwrap();
    let refused = |table: Table| LabelEncoder::new().fit(&table, &Run::default()).unwrap_err().kind();
    assert_eq!(refused(table(vec![Some(1)])), ErrorKind::Schema);
    assert_eq!(refused(role(table(vec![Some(1), None]))), ErrorKind::Data);
    assert_eq!(refused(role(table(Vec::new()))), ErrorKind::Data);

    let fitted = LabelEncoder::new().fit(&role(table(vec![Some(7), Some(-7)])), &Run::default()).unwrap();
    let error = fitted.apply(table(vec![Some(7), Some(8)]).to_batch().unwrap()).unwrap_err();
    assert!(error.kind() == ErrorKind::Data && error.to_string().contains('8'), "{error}");
    let encoded = fitted.apply(table(vec![Some(7), None]).to_batch().unwrap()).unwrap();
    let encoded = encoded.column(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
    assert_eq!(encoded, [Some(1), None]);

    let ordinal = OrdinalEncoder::on(["y"]).fit(&table(vec![Some(1)]), &Run::default()).unwrap();
    assert_eq!(LabelDecoder::of(ordinal.as_ref()).unwrap_err().kind(), ErrorKind::Config);
}
