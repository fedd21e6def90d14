//! How data becomes features: the transformers.
//!
//! A transformer is a recipe: plain data, named as in scikit-learn. Fitting it on a
//! [`Table`](mlops_core::Table) gives a [`Transform`](mlops_core::Transform), which prepares batches
//! and single rows alike, is written down as JSON that anything can read, and read back through
//! [`codecs`](crate::codecs).
//!
//! | recipe | does | learns |
//! | --- | --- | --- |
//! | [`Impute`] | fills missing values | means, medians, modes |
//! | [`StandardScaler`] | centres and scales numbers | means and deviations |
//! | [`Clip`] | keeps numbers between limits | quantiles, if asked |
//! | [`OneHot`] | makes a 0/1 column of each category | categories |
//! | [`Ordinal`] | numbers categories | categories |
//! | [`TargetEncoder`] | encodes categories by the target | means of the target |
//! | [`DateParts`] | takes dates and timestamps apart | nothing |
//! | [`Derive`] | computes a column from others | nothing |
//! | [`Select`] | chooses columns | nothing |
//!
//! What all of them keep to:
//!
//! - **Named columns are replaced where they stand**, all others pass through.
//! - **Computed numbers are `Float64`**, so a row served alone gets the same bits as in a batch.
//! - **What is learned does not depend on batches, threads or the order of rows**, bit for bit: sums
//!   are exact, ties are broken by value.
//! - **No leak**: a recipe that reads a target or outcome is refused when it is fitted
//!   ([`ErrorKind::Leak`](mlops_core::ErrorKind::Leak)).
//! - **What was learned can be read**: `fitted.save()?.state` is JSON.
//!
//! ```
//! use mlops_core::{Pipeline, Run, Table, Transformer};
//! use mlops_data::transform::{Impute, OneHot, StandardScaler};
//! # use arrow::array::record_batch;
//! let table = Table::from_batch(record_batch!(
//!     ("distance", Float64, [Some(187.0), None, Some(2475.0)]),
//!     ("carrier", Utf8, ["B6", "UA", "UA"])
//! )?);
//! let recipe = Pipeline::new()
//!     .then(Impute::median(["distance"]))
//!     .then(StandardScaler::on(["distance"]))
//!     .then(OneHot::on(["carrier"]));
//! let (fitted, features) = recipe.fit_transform(&table, &Run::default())?;
//! assert_eq!(features.schema().fields().len(), 3);
//!
//! let again = mlops_core::Codecs::default().with(mlops_data::codecs()).transform(&fitted.save()?)?;
//! assert_eq!(again.apply(table.to_batch()?)?, features.to_batch()?);
//! # Ok::<(), mlops_core::Error>(())
//! ```

mod calendar;
mod clip;
pub(crate) mod columns;
mod date;
mod derive;
mod groups;
mod impute;
pub(crate) mod learn;
mod one_hot;
mod ordinal;
mod row_expr;
mod scale;
mod select;
mod target;

use mlops_core::Codecs;

pub use self::clip::{Clip, Limits};
use self::columns::Fitted;
pub use self::date::{DateParts, Part};
pub use self::derive::Derive;
pub use self::impute::{EmptyColumns, Impute, Strategy};
pub use self::one_hot::{DropCategory, Frequency, HandleUnknown, OneHot};
pub use self::ordinal::Ordinal;
pub use self::scale::StandardScaler;
pub use self::select::{Select, SelectMode};
pub use self::target::{Smooth, TargetEncoder};

/// All recipes and fitted transforms of this module.
pub(crate) fn codecs() -> Codecs {
    Codecs::empty()
        .with_transformer::<Clip>()
        .with_transformer::<DateParts>()
        .with_transformer::<Derive>()
        .with_transformer::<Impute>()
        .with_transformer::<OneHot>()
        .with_transformer::<Ordinal>()
        .with_transformer::<Select>()
        .with_transformer::<StandardScaler>()
        .with_transformer::<TargetEncoder>()
        .with_transform::<Fitted<clip::ClippedColumn>>()
        .with_transform::<Fitted<date::SplitColumn>>()
        .with_transform::<derive::Derived>()
        .with_transform::<Fitted<impute::ImputedColumn>>()
        .with_transform::<Fitted<one_hot::OneHotColumn>>()
        .with_transform::<Fitted<ordinal::OrdinalColumn>>()
        .with_transform::<select::Selected>()
        .with_transform::<Fitted<scale::ScaledColumn>>()
        .with_transform::<Fitted<target::EncodedColumn>>()
}
