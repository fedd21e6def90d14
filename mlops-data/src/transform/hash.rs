use std::num::NonZeroU32;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use mlops_core::columns::{find_column, is_numeric, is_text, numbers, texts};
use mlops_core::{
    Artifact, Codecs, Error, Learner, Load, Named, Result, Roles, RowTransform, Transform, Transformer, Value,
};
use serde::{Deserialize, Serialize};

use super::columns::{check_width, distinct, number_field, owned};
use super::learn::{check_columns, ready};

/// Hashes columns into a fixed number of columns (scikit-learn's `FeatureHasher`), for categories that
/// are too many, or that nobody can list.
///
/// A text `v` of column `c` counts as the feature `c=v` of value 1, a number or boolean as the feature
/// `c` of its value; null counts as nothing. A feature is added to the output that its hash
/// (MurmurHash3 x86 32-bit of its name, seed 0) falls to, subtracted where the hash is negative, unless
/// [`without_alternate_sign`](Self::without_alternate_sign): so collisions cancel out on average. The
/// numbers are those of scikit-learn with `input_type="dict"`.
///
/// The columns are replaced by `hash_0`, `hash_1` and so on, behind the others. Nothing is learned, and
/// nothing kept in memory.
///
/// # Errors
/// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column of another type, or outputs whose
/// names exist.
///
/// # Example
/// ```
/// use std::num::NonZeroU32;
/// use mlops_core::{Run, Table, Transformer};
/// use mlops_data::transform::FeatureHasher;
/// # use arrow::array::{AsArray, record_batch};
/// # use arrow::datatypes::Float64Type;
/// let table = Table::from_batch(record_batch!(("sku", Utf8, ["A-1", "B-2", "A-1"]))?);
/// let recipe = FeatureHasher::on(["sku"]).with_features(NonZeroU32::new(4).unwrap());
/// let (_, hashed) = recipe.fit_transform(&table, &Run::default())?;
/// let batch = hashed.to_batch()?;
/// let row = |row: usize| batch.columns().iter().map(|c| c.as_primitive::<Float64Type>().value(row)).collect::<Vec<_>>();
/// assert_eq!(row(0), row(2));
/// assert_eq!(row(0).iter().map(|x| x.abs()).sum::<f64>(), 1.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FeatureHasher {
    /// The columns to hash.
    pub columns: Vec<String>,
    /// How many outputs there are.
    pub n_features: NonZeroU32,
    /// Whether features of negative hash are subtracted.
    pub alternate_sign: bool,
    /// What the outputs are called, before `_` and their number.
    pub prefix: String,
}

impl Default for FeatureHasher {
    fn default() -> Self {
        const FEATURES: NonZeroU32 = NonZeroU32::new(64).expect("64 is not 0");
        Self { columns: Vec::new(), n_features: FEATURES, alternate_sign: true, prefix: "hash".to_owned() }
    }
}

impl FeatureHasher {
    /// Hashes these columns.
    pub fn on<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: owned(columns), ..Self::default() }
    }

    /// Into so many outputs, 64 unless said otherwise.
    #[must_use]
    pub fn with_features(mut self, n_features: NonZeroU32) -> Self {
        self.n_features = n_features;
        self
    }

    /// Adds every feature, whatever the sign of its hash.
    #[must_use]
    pub fn without_alternate_sign(mut self) -> Self {
        self.alternate_sign = false;
        self
    }

    /// Calls the outputs `<prefix>_0` and so on.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The output and the sign of a feature with this hash.
    fn place(&self, hash: u32) -> (usize, f64) {
        let signed = hash as i32;
        let sign = if self.alternate_sign && signed < 0 { -1.0 } else { 1.0 };
        // The remainder of 2^31 is the same either way; scikit-learn avoids it, as it has no i32 for it.
        ((signed.unsigned_abs() % self.n_features) as usize, sign)
    }
}

impl Named for FeatureHasher {
    const KIND: &'static str = "feature_hasher";
}

impl Transformer for FeatureHasher {
    fn learner(&self, schema: &Schema, roles: &Roles) -> Result<Option<Learner>> {
        check_columns(schema, roles, &self.columns)?;
        ready(schema, &self.columns, Hashed(self.clone()))
    }
}

/// MurmurHash3 x86 32-bit (Austin Appleby, in the public domain) of pieces that are read as one text of
/// up to any length.
fn murmur3(pieces: &[&str]) -> u32 {
    let mix = |block: u32| block.wrapping_mul(0xCC9E_2D51).rotate_left(15).wrapping_mul(0x1B87_3593);
    let (mut hash, mut block, mut len) = (0u32, 0u32, 0u32);
    for byte in pieces.iter().flat_map(|piece| piece.bytes()) {
        block |= u32::from(byte) << (8 * (len % 4));
        len = len.wrapping_add(1);
        if len % 4 == 0 {
            hash = (hash ^ mix(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xE654_6B64);
            block = 0;
        }
    }
    hash ^= mix(block) ^ len;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85EB_CA6B);
    hash = (hash ^ hash >> 13).wrapping_mul(0xC2B2_AE35);
    hash ^ hash >> 16
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hashed(FeatureHasher);

impl Hashed {
    fn output(&self) -> Vec<FieldRef> {
        let name = |i| format!("{}_{i}", self.0.prefix);
        (0..self.0.n_features.get()).map(|i| Arc::new(number_field(name(i), false))).collect()
    }

    fn check(field: &Field) -> Result<()> {
        if is_numeric(field.data_type()) || is_text(field.data_type()) {
            return Ok(());
        }
        Err(Error::schema(format!(
            "column '{}' is {}, but texts and numbers are hashed: convert it, or leave it out",
            field.name(),
            field.data_type()
        )))
    }

    /// Adds the features of a column to the outputs.
    fn add(&self, column: &ArrayRef, name: &str, outputs: &mut [Vec<f64>]) -> Result<()> {
        if is_text(column.data_type()) {
            for (row, text) in texts(column, name)?.iter().enumerate() {
                if let Some(text) = text {
                    let (place, sign) = self.0.place(murmur3(&[name, "=", text]));
                    outputs[place][row] += sign;
                }
            }
            return Ok(());
        }
        let (place, sign) = self.0.place(murmur3(&[name]));
        for (sum, x) in outputs[place].iter_mut().zip(numbers(column, name)?.iter()) {
            *sum += sign * x.unwrap_or(0.0);
        }
        Ok(())
    }

    /// The columns that pass through.
    fn others(&self, input: &Schema) -> Vec<usize> {
        (0..input.fields().len()).filter(|i| !self.0.columns.contains(input.field(*i).name())).collect()
    }
}

impl Transform for Hashed {
    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        for name in &self.0.columns {
            Self::check(input.field(find_column(input, name)?))?;
        }
        let mut fields: Vec<FieldRef> =
            self.others(input).into_iter().map(|i| Arc::clone(&input.fields()[i])).collect();
        fields.extend(self.output());
        distinct(fields.iter().map(|field| field.name().as_str()))?;
        Ok(Arc::new(Schema::new_with_metadata(fields, input.metadata().clone())))
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let schema = self.output_schema(batch.schema_ref())?;
        let mut outputs = vec![vec![0.0; batch.num_rows()]; self.0.n_features.get() as usize];
        for name in &self.0.columns {
            self.add(batch.column(find_column(batch.schema_ref(), name)?), name, &mut outputs)?;
        }
        let others = self.others(batch.schema_ref()).into_iter().map(|i| Arc::clone(batch.column(i)));
        let outputs = outputs.into_iter().map(|output| Arc::new(Float64Array::from(output)) as ArrayRef);
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema, others.chain(outputs).collect(), &options)?)
    }

    fn rows(&self, input: &Schema) -> Result<Option<Arc<dyn RowTransform>>> {
        self.output_schema(input)?;
        let place = |name: &String| Ok((find_column(input, name)?, name.clone()));
        let columns = self.0.columns.iter().map(place).collect::<Result<_>>()?;
        Ok(Some(Arc::new(Row {
            recipe: self.0.clone(),
            width: input.fields().len(),
            columns,
            others: self.others(input),
        })))
    }

    fn save(&self) -> Result<Artifact> {
        Artifact::of::<Self>(self)
    }
}

impl Load for Hashed {
    const KIND: &'static str = FeatureHasher::KIND;
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        artifact.state()
    }
}

#[derive(Debug)]
struct Row {
    recipe: FeatureHasher,
    width: usize,
    columns: Vec<(usize, String)>,
    others: Vec<usize>,
}

impl RowTransform for Row {
    fn apply_row<'a>(&'a self, input: &[Value<'a>], output: &mut Vec<Value<'a>>) -> Result<()> {
        check_width(input, self.width)?;
        output.extend(self.others.iter().map(|i| input[*i]));
        let start = output.len();
        output.resize(start + self.recipe.n_features.get() as usize, Value::Float(0.0));
        for (i, name) in &self.columns {
            let (hash, value) = match input[*i] {
                Value::Null => continue,
                Value::Text(text) => (murmur3(&[name, "=", text]), 1.0),
                number => (murmur3(&[name]), number.to_f64()),
            };
            let (place, sign) = self.recipe.place(hash);
            if let Value::Float(sum) = &mut output[start + place] {
                *sum += sign * value;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_published_ones() {
        // From the test vectors of Wikipedia's article on MurmurHash, seed 0.
        assert_eq!(murmur3(&[""]), 0);
        assert_eq!(murmur3(&["test"]), 0xba6b_d213);
        assert_eq!(murmur3(&["Hello, ", "world!"]), 0xc036_3e43);
        assert_eq!(murmur3(&["The quick brown fox jumps over the lazy dog"]), 0x2e4f_f723);
    }
}
