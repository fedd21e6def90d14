//! Several steps over the same rows, whose outputs stand side by side.

mod column_transformer;
mod combined;
mod feature_union;

pub use self::column_transformer::{ColumnTransformer, Remainder};
pub(super) use self::combined::Combined;
pub use self::feature_union::FeatureUnion;
