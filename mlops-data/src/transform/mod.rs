//! How data becomes features: the transformers.
//!
//! A transformer is a recipe: plain data, named as in scikit-learn. Fitting it on a
//! [`Table`](mlops_core::Table) gives a [`Transform`](mlops_core::Transform), which prepares batches
//! and single rows alike, is written down as JSON that anything can read, and read back through
//! [`codecs`](crate::codecs).
//!
//! | recipe | does | learns |
//! | --- | --- | --- |
//! | [`SimpleImputer`] | fills missing values | means, medians, modes |
//! | [`MissingIndicator`] | says where values are missing | which columns miss some |
//! | [`StandardScaler`] | centres and scales numbers | means and deviations |
//! | [`MinMaxScaler`] | maps the range of numbers onto another | extremes |
//! | [`MaxAbsScaler`] | divides numbers by the largest | extremes |
//! | [`RobustScaler`] | centres and scales numbers, unmoved by outliers | quantiles |
//! | [`Normalizer`] | scales each row to length 1 | nothing |
//! | [`Clip`] | keeps numbers between limits (winsorising) | quantiles, if asked |
//! | [`PowerTransformer`] | makes numbers look normally distributed | a power |
//! | [`QuantileTransformer`] | maps numbers onto their ranks | quantiles |
//! | [`Binarizer`] | tells numbers above a threshold from others | nothing |
//! | [`KBinsDiscretizer`] | cuts numbers into bins | edges |
//! | [`PolynomialFeatures`] | multiplies columns with each other | nothing |
//! | [`SplineTransformer`] | bends a column into several | knots |
//! | [`Cyclical`] | puts numbers that come round on a circle | nothing |
//! | [`Pca`], [`TruncatedSvd`] | combine columns into fewer | eigenvectors |
//! | [`OneHotEncoder`] | makes a 0/1 column of each category | categories |
//! | [`OrdinalEncoder`] | numbers categories | categories |
//! | [`Clip`] | keeps numbers between limits | quantiles, if asked |
//! | [`TargetEncoder`] | encodes categories by the target | means of the target |
//! | [`FeatureHasher`] | hashes categories into a fixed number of columns | nothing |
//! | [`LabelEncoder`] | numbers the classes of the target | classes |
//! | [`DateParts`] | takes dates and timestamps apart | nothing |
//! | [`ColumnTransformer`] | prepares groups of columns, each in its own way | what its parts do |
//! | [`FeatureUnion`] | prepares the same columns in several ways | what its parts do |
//! | [`Derive`] | computes a column from others | nothing |
//! | [`FunctionTransformer`] | computes several columns | nothing |
//! | [`Lag`] | looks up earlier values of the same key | the last values of every key |
//! | [`Rolling`] | sums up earlier values of the same key | the last values of every key |
//! | [`Deduplicate`] | keeps one training row of each key | nothing |
//! | [`RandomOverSampler`] | repeats training rows of rare classes | nothing |
//! | [`RandomUnderSampler`] | leaves out training rows of frequent classes | nothing |
//! | [`Smote`] | makes training rows of rare classes, between others | nothing |
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
//! use mlops_data::transform::{SimpleImputer, OneHotEncoder, StandardScaler};
//! # use arrow::array::record_batch;
//! let table = Table::from_batch(record_batch!(
//!     ("distance", Float64, [Some(187.0), None, Some(2475.0)]),
//!     ("carrier", Utf8, ["B6", "UA", "UA"])
//! )?);
//! let recipe = Pipeline::new()
//!     .then(SimpleImputer::median(["distance"]))
//!     .then(StandardScaler::on(["distance"]))
//!     .then(OneHotEncoder::on(["carrier"]));
//! let (fitted, features) = recipe.fit_transform(&table, &Run::default())?;
//! assert_eq!(features.schema().fields().len(), 3);
//!
//! let again = mlops_core::Codecs::default().with(mlops_data::codecs()).transform(&fitted.save()?)?;
//! assert_eq!(again.apply(table.to_batch()?)?, features.to_batch()?);
//! # Ok::<(), mlops_core::Error>(())
//! ```

mod b_spline;
mod bin_edges;
mod binarizer;
mod bins;
mod calendar;
mod clip;
mod coded;
pub(crate) mod columns;
mod compose;
mod cyclical;
mod date;
mod derive;
mod eigen;
mod events;
mod function;
mod groups;
mod hash;
mod impute;
mod index;
mod label;
pub(crate) mod learn;
mod likelihood;
mod max_abs;
mod min_max;
mod missing;
mod normal;
mod normalizer;
mod one_hot;
mod ordinal;
mod pca;
mod polynomial;
mod power;
mod products;
mod quantile;
mod quantiles;
mod ranks;
mod robust;
mod row_expr;
mod rows;
mod scale;
mod select;
mod spline;
mod target;
mod truncated_svd;
mod wide;

use mlops_core::Codecs;

pub use self::binarizer::Binarizer;
pub use self::bins::{BinStrategy, Encode, KBinsDiscretizer};
pub use self::clip::{Clip, Limits};
use self::columns::Fitted;
pub use self::compose::{ColumnTransformer, FeatureUnion, Remainder};
pub use self::cyclical::Cyclical;
pub use self::date::{DateParts, Part};
pub use self::derive::Derive;
pub use self::events::{Lag, Rolling, Statistic, Window};
pub use self::function::FunctionTransformer;
pub use self::hash::FeatureHasher;
pub use self::impute::{EmptyColumns, SimpleImputer, Strategy};
pub use self::label::{LabelDecoder, LabelEncoder};
pub use self::max_abs::MaxAbsScaler;
pub use self::min_max::MinMaxScaler;
pub use self::missing::MissingIndicator;
pub use self::normalizer::{Norm, Normalizer};
pub use self::one_hot::{DropCategory, Frequency, HandleUnknown, OneHotEncoder};
pub use self::ordinal::OrdinalEncoder;
pub use self::pca::{Components, Pca};
pub use self::polynomial::PolynomialFeatures;
pub use self::power::{PowerMethod, PowerTransformer};
pub use self::quantile::{OutputDistribution, QuantileTransformer};
pub use self::quantiles::QuantileMethod;
pub use self::robust::RobustScaler;
pub use self::rows::{Deduplicate, Keep, RandomOverSampler, RandomUnderSampler, SamplingStrategy, Smote};
pub use self::scale::StandardScaler;
pub use self::select::{Select, SelectMode};
pub use self::spline::{Extrapolation, Knots, SplineTransformer};
pub use self::target::{Smooth, TargetEncoder};
pub use self::truncated_svd::TruncatedSvd;
use self::wide::Wide;

/// All recipes and fitted transforms of this module.
pub(crate) fn codecs() -> Codecs {
    Codecs::empty()
        .with_transformer::<Clip>()
        .with_transformer::<DateParts>()
        .with_composite_transformer(ColumnTransformer::KIND, ColumnTransformer::read)
        .with_composite_transformer(FeatureUnion::KIND, FeatureUnion::read)
        .with_transformer::<Deduplicate>()
        .with_transformer::<Derive>()
        .with_transformer::<SimpleImputer>()
        .with_transformer::<OneHotEncoder>()
        .with_transformer::<OrdinalEncoder>()
        .with_transformer::<Binarizer>()
        .with_transformer::<Cyclical>()
        .with_transformer::<KBinsDiscretizer>()
        .with_transformer::<MaxAbsScaler>()
        .with_transformer::<MinMaxScaler>()
        .with_transformer::<MissingIndicator>()
        .with_transformer::<Normalizer>()
        .with_transformer::<Pca>()
        .with_transformer::<PolynomialFeatures>()
        .with_transformer::<PowerTransformer>()
        .with_transformer::<QuantileTransformer>()
        .with_transformer::<RobustScaler>()
        .with_transformer::<SplineTransformer>()
        .with_transformer::<TruncatedSvd>()
        .with_transformer::<FeatureHasher>()
        .with_transformer::<FunctionTransformer>()
        .with_transformer::<LabelEncoder>()
        .with_transformer::<Lag>()
        .with_transformer::<RandomOverSampler>()
        .with_transformer::<RandomUnderSampler>()
        .with_transformer::<Smote>()
        .with_transformer::<Rolling>()
        .with_transformer::<Select>()
        .with_transformer::<StandardScaler>()
        .with_transformer::<TargetEncoder>()
        .with_transform::<Fitted<clip::ClippedColumn>>()
        .with_transform::<Fitted<date::SplitColumn>>()
        .with_transform::<compose::Combined>()
        .with_transform::<derive::Derived>()
        .with_transform::<events::History>()
        .with_transform::<hash::Hashed>()
        .with_transform::<label::Labels>()
        .with_transform::<Fitted<impute::ImputedColumn>>()
        .with_transform::<Fitted<one_hot::OneHotColumn>>()
        .with_transform::<Fitted<ordinal::OrdinalColumn>>()
        .with_transform::<Fitted<binarizer::BinarizedColumn>>()
        .with_transform::<Fitted<bins::BinnedColumn>>()
        .with_transform::<Fitted<cyclical::CircledColumn>>()
        .with_transform::<Fitted<max_abs::MaxAbsColumn>>()
        .with_transform::<Fitted<min_max::MinMaxColumn>>()
        .with_transform::<Fitted<missing::IndicatedColumn>>()
        .with_transform::<Fitted<power::PoweredColumn>>()
        .with_transform::<Fitted<quantile::MappedColumn>>()
        .with_transform::<Fitted<robust::RobustColumn>>()
        .with_transform::<Fitted<spline::SplinedColumn>>()
        .with_transform::<Wide<normalizer::NormalizedRow>>()
        .with_transform::<Wide<pca::Rotated>>()
        .with_transform::<Wide<polynomial::Products>>()
        .with_transform::<Wide<truncated_svd::Projected>>()
        .with_transform::<select::Selected>()
        .with_transform::<Fitted<scale::ScaledColumn>>()
        .with_transform::<Fitted<target::EncodedColumn>>()
}
