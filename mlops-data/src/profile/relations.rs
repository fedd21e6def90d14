use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use futures::TryStreamExt;
use mlops_core::columns::{find_column, is_numeric, is_text, numbers, texts};
use mlops_core::random::SplitMix64;
use mlops_core::sketch::CoMoments;
use mlops_core::{Accumulator, DataSource, Error, Result, ResultExt, Role, Scan, Table};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::association::{Cells, Relation, relation};
use super::{Alert, AlertKind};
use mlops_core::report::number;

const VERSION: u32 = 1;
/// From here on one column all but gives another away.
const LEAK: f64 = 0.95;
const SAME: f64 = 0.999;

/// What [`Relations`] looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RelationOptions {
    /// The columns; all that can be compared if `None`.
    pub columns: Option<Vec<String>>,
    /// The column that the others are to predict; of a table, the one with that role if `None`.
    pub target: Option<String>,
    /// At most so many columns, since the work grows with the square of their number; the target is
    /// always among them, later ones are left out.
    pub max_columns: usize,
    /// How many rows are drawn for what can't be folded: rank correlation and categories.
    pub sample: usize,
}

impl Default for RelationOptions {
    fn default() -> Self {
        Self { columns: None, target: None, max_columns: 32, sample: 4096 }
    }
}

impl RelationOptions {
    /// Only these columns.
    #[must_use]
    pub fn with_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// The column that the others are to predict.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// At most so many columns.
    #[must_use]
    pub fn with_max_columns(mut self, columns: usize) -> Self {
        self.max_columns = columns;
        self
    }

    /// With so many sampled rows.
    #[must_use]
    pub fn with_sample(mut self, rows: usize) -> Self {
        self.sample = rows;
        self
    }
}

/// How columns hang together, and how well each tells the target: what a [`Profile`](super::Profile)
/// leaves out because it costs by pair.
///
/// | pair | measure | from |
/// | --- | --- | --- |
/// | numbers | Pearson's correlation | all rows, exactly ([`CoMoments`]) |
/// | numbers | Spearman's rank correlation | the sample |
/// | categories | Cramér's V, corrected for bias (Bergsma 2013) | the sample |
/// | number and category | correlation ratio, corrected (epsilon², Kelley 1935) | the sample |
/// | any | mutual information in nats, corrected (Miller 1955), of at most 16 bins or categories each | the sample |
///
/// Numbers are numbers, booleans, dates and times; categories are texts. A row is drawn by a hash of
/// its position in this fold, so batches and threads leave no trace; merging draws from both parts.
///
/// # Cost
/// One pass, about 15 ns a row and pair of numbers; 5.7 KiB a pair and 16 bytes a cell of the sample.
///
/// # Example
/// ```
/// use mlops_core::Table;
/// use mlops_data::profile::{RelationOptions, Relations};
/// # let batch = arrow::array::record_batch!(
/// #     ("km", Float64, [1.0, 2.0, 3.0, 4.0]), ("miles", Float64, [0.62, 1.24, 1.86, 2.49]))?;
/// let relations = Relations::of(&Table::from_batch(batch), &RelationOptions::default())?;
/// assert!(relations.between("km", "miles").unwrap().pearson.unwrap() > 0.999);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relations {
    version: u32,
    rows: u64,
    kept: usize,
    target: Option<usize>,
    columns: Vec<Compared>,
    left_out: Vec<String>,
    pairs: Vec<CoMoments>,
    /// Drawn rows by ascending key, at most `kept`.
    sample: Vec<Drawn>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Compared {
    name: String,
    data_type: DataType,
    is_category: bool,
}

/// A row of the sample: numbers by their bits, categories by their hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Drawn {
    key: u64,
    cells: Vec<Option<u64>>,
}

impl Relations {
    /// The relations between the columns of `table`, on all cores.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](mlops_core::ErrorKind::Schema) for a column that does not exist or can't
    /// be compared.
    pub fn of(table: &Table, options: &RelationOptions) -> Result<Self> {
        let with_role = || table.schema().fields().iter().find(|field| table.roles().of(field.name()) == Role::Target);
        let target = options.target.clone().or_else(|| with_role().map(|field| field.name().clone()));
        let mut relations = Self::empty(table.schema(), &RelationOptions { target, ..options.clone() })?;
        table.batches().iter().try_for_each(|batch| relations.update(batch))?;
        Ok(relations)
    }

    /// The relations between the columns that `scan` gives of `source`, in bounded memory.
    ///
    /// # Errors
    /// As [`of`](Self::of) and [`DataSource::scan`].
    pub async fn of_source<S: DataSource + ?Sized>(source: &S, scan: Scan, options: &RelationOptions) -> Result<Self> {
        let schema = scan.schema(&*source.schema().await?).context("source", source.name())?;
        let mut relations = Self::empty(&schema, options)?;
        let mut batches = source.scan(scan).await?;
        while let Some(batch) = batches.try_next().await? {
            relations = off_thread(relations, batch).await.context("source", source.name())?;
        }
        Ok(relations)
    }

    /// The relations of no rows yet.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn empty(schema: &Schema, options: &RelationOptions) -> Result<Self> {
        let named: Vec<&Field> = match &options.columns {
            Some(names) => {
                names.iter().map(|name| Ok(schema.field(find_column(schema, name)?))).collect::<Result<_>>()?
            }
            None => {
                schema.fields().iter().map(AsRef::as_ref).filter(|field| kind(field.data_type()).is_some()).collect()
            }
        };
        let target = options.target.as_ref().map(|name| find_column(schema, name)).transpose()?;
        let target = target.map(|at| schema.field(at));
        let mut columns: Vec<&Field> = target.into_iter().collect();
        columns.extend(named.into_iter().filter(|field| Some(*field) != target));
        let left_out = columns.split_off(columns.len().min(options.max_columns.max(1)));
        let columns = columns.into_iter().map(Compared::of).collect::<Result<Vec<_>>>()?;
        let pairs = columns.len() * columns.len().saturating_sub(1) / 2;
        Ok(Self {
            version: VERSION,
            rows: 0,
            kept: options.sample,
            target: target.map(|_| 0),
            columns,
            left_out: left_out.into_iter().map(|field| field.name().clone()).collect(),
            pairs: vec![CoMoments::default(); pairs],
            sample: Vec::new(),
        })
    }

    /// The names of the columns that were left out because there are too many.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Every pair of columns, the target's first.
    pub fn all(&self) -> Vec<Relation> {
        let cells: Vec<Cells> = (0..self.columns.len()).map(|c| self.cells(c)).collect();
        let pairs: Vec<(usize, usize, usize)> = self.indices().collect();
        pairs.into_par_iter().map(|(at, i, j)| self.relation(at, (i, &cells[i]), (j, &cells[j]))).collect()
    }

    /// How each column is related to the target, the closest first; empty without a target.
    pub fn to_target(&self) -> Vec<Relation> {
        let Some(target) = self.target else { return Vec::new() };
        let target = &self.columns[target].name;
        let mut relations: Vec<Relation> =
            self.all().into_iter().filter(|pair| pair.left == *target || pair.right == *target).collect();
        relations.sort_by(|a, b| b.strength().total_cmp(&a.strength()));
        relations
    }

    /// How two columns are related, in either order; none if one of them was not looked at.
    pub fn between(&self, one: &str, other: &str) -> Option<Relation> {
        let at = |name: &str| self.columns.iter().position(|column| column.name == name);
        let (i, j) = (at(one)?.min(at(other)?), at(one)?.max(at(other)?));
        let (pair, ..) = self.indices().find(|(_, left, right)| (*left, *right) == (i, j))?;
        Some(self.relation(pair, (i, &self.cells(i)), (j, &self.cells(j))))
    }

    /// Columns that give the target away, and pairs of which one can go.
    pub fn alerts(&self) -> Vec<Alert> {
        let target = self.target.map(|target| self.columns[target].name.as_str());
        let pairs = self.all();
        let alert = |pair: &Relation| {
            let strength = pair.strength();
            if target == Some(pair.left.as_str()) && strength >= LEAK {
                return Some(Alert {
                    column: pair.right.clone(),
                    kind: AlertKind::Leak,
                    message: format!("it tells the target '{}' nearly for certain ({})", pair.left, number(strength)),
                    remedy: "if it is known only after the event, give it Role::Outcome".to_owned(),
                });
            }
            let same = pair.pearson.is_some_and(|r| r.abs() >= SAME) && target != Some(pair.left.as_str());
            same.then(|| Alert {
                column: pair.right.clone(),
                kind: AlertKind::Duplicate,
                message: format!("it moves with '{}' (correlation {})", pair.left, number(pair.pearson.unwrap_or(1.0))),
                remedy: "leave one of them out with Select::drop".to_owned(),
            })
        };
        pairs.iter().filter_map(alert).collect()
    }

    /// As JSON, to be stored, read back and continued.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](mlops_core::ErrorKind::Internal) if it can't be written.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal("relations are not JSON").with_source(e))
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for a later version,
    /// [`ErrorKind::Corrupt`](mlops_core::ErrorKind::Corrupt) if it is something else.
    pub fn from_json(json: &str) -> Result<Self> {
        let read: Self = serde_json::from_str(json)
            .map_err(|e| Error::corrupt(format!("these are no stored relations: {e}")).with_source(e))?;
        if read.version > VERSION {
            return Err(Error::unsupported(format!(
                "the relations were written in format version {}, this build reads up to {VERSION}: update mlops",
                read.version
            )));
        }
        let width = read.columns.len();
        let sound = read.pairs.len() == width * width.saturating_sub(1) / 2
            && read.target.is_none_or(|target| target < width)
            && read.sample.len() <= read.kept
            && read.sample.is_sorted()
            && read.sample.iter().all(|row| row.cells.len() == width);
        if sound { Ok(read) } else { Err(Error::corrupt("the stored relations contradict themselves")) }
    }

    /// The pairs with their columns, in order.
    fn indices(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let width = self.columns.len();
        (0..width).flat_map(move |i| (i + 1..width).map(move |j| (i, j))).enumerate().map(|(at, (i, j))| (at, i, j))
    }

    fn cells(&self, column: usize) -> Cells {
        Cells::of(self.columns[column].is_category, self.sample.iter().map(|row| row.cells[column]))
    }

    fn relation(&self, pair: usize, (i, left): (usize, &Cells), (j, right): (usize, &Cells)) -> Relation {
        let names = (self.columns[i].name.clone(), self.columns[j].name.clone());
        relation(names, left, right, self.pairs[pair].correlation())
    }

    /// Draws rows of a batch: those with the least keys of all so far.
    fn draw(&mut self, columns: &[Column]) {
        let rows = columns.first().map_or(0, Column::len);
        let limit = if self.sample.len() < self.kept { u64::MAX } else { self.sample.last().map_or(0, |row| row.key) };
        for row in 0..rows {
            let key = SplitMix64::new(self.rows + row as u64).next_u64();
            if key <= limit {
                self.sample.push(Drawn { key, cells: columns.iter().map(|column| column.cell(row)).collect() });
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        self.sample.sort_unstable();
        self.sample.truncate(self.kept);
    }
}

impl Accumulator for Relations {
    type Output = Self;

    /// Takes in a batch that has these columns.
    fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = self.columns.par_iter().map(|column| column.read(batch)).collect::<Result<Vec<_>>>()?;
        let indices: Vec<_> = self.indices().collect();
        self.pairs.par_iter_mut().zip(indices).for_each(|(pair, (_, i, j))| {
            if let (Column::Numbers(x), Column::Numbers(y)) = (&columns[i], &columns[j]) {
                pair.update_slices(x, y);
            }
        });
        self.draw(&columns);
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Takes in the relations of other rows of the same columns.
    fn merge(&mut self, other: Self) -> Result<()> {
        if self.columns != other.columns || self.target != other.target {
            let names =
                |relations: &Self| relations.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>().join(", ");
            return Err(Error::schema(format!(
                "relations of [{}] can't take in those of [{}]: look at the same columns",
                names(self),
                names(&other)
            )));
        }
        self.rows += other.rows;
        self.kept = self.kept.min(other.kept);
        self.pairs.iter_mut().zip(&other.pairs).for_each(|(mine, theirs)| mine.merge(theirs));
        self.sample.extend(other.sample);
        self.settle();
        Ok(())
    }

    fn finish(self) -> Result<Self> {
        Ok(self)
    }
}

async fn off_thread(mut relations: Relations, batch: RecordBatch) -> Result<Relations> {
    let (done, result) = futures::channel::oneshot::channel();
    rayon::spawn(move || {
        // Who waits no longer has dropped the work.
        let _ = done.send(relations.update(&batch).map(|()| relations));
    });
    result.await.map_err(|e| Error::internal("the computation of relations was lost").with_source(e))?
}

/// A column of a batch: what is missing is NaN, or none.
enum Column {
    Categories(Vec<Option<u64>>),
    Numbers(Vec<f64>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Categories(categories) => categories.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    fn cell(&self, row: usize) -> Option<u64> {
        match self {
            Self::Categories(categories) => categories[row],
            Self::Numbers(numbers) => Some(numbers[row]).filter(|x| x.is_finite()).map(|x| (x + 0.0).to_bits()),
        }
    }
}

/// Whether values of a type are categories or numbers, or can't be compared.
fn kind(data_type: &DataType) -> Option<bool> {
    let plain = super::column::plain(data_type);
    let number = is_numeric(plain) || plain.is_temporal() && !matches!(plain, DataType::Interval(_));
    is_text(plain).then_some(true).or_else(|| number.then_some(false))
}

impl Compared {
    fn of(field: &Field) -> Result<Self> {
        let (name, data_type) = (field.name().clone(), field.data_type().clone());
        let Some(is_category) = kind(&data_type) else {
            return Err(Error::schema(format!(
                "column '{name}' is {data_type}, which can't be compared: name numbers, dates, booleans and texts only"
            )));
        };
        Ok(Self { name, data_type, is_category })
    }

    fn read(&self, batch: &RecordBatch) -> Result<Column> {
        let column = batch.column(find_column(batch.schema_ref(), &self.name)?);
        if *column.data_type() != self.data_type {
            return Err(Error::schema(format!(
                "column '{}' is {}, but was {}: look at each table by itself",
                self.name,
                column.data_type(),
                self.data_type
            )));
        }
        if self.is_category {
            let texts = texts(column, &self.name)?;
            return Ok(Column::Categories(
                texts.iter().map(|text| text.map(|text| xxh3_64(text.as_bytes()))).collect(),
            ));
        }
        let column: ArrayRef = match super::column::plain(&self.data_type) {
            plain if plain.is_temporal() => {
                let ticks = cast(&cast(column, plain)?, &DataType::Int64)?;
                cast(&ticks.as_primitive::<Int64Type>(), &DataType::Float64)?
            }
            plain => cast(column, plain)?,
        };
        let numbers = numbers(&column, &self.name)?;
        Ok(Column::Numbers(numbers.iter().map(|x| x.unwrap_or(f64::NAN)).collect()))
    }
}

/// Codes of values, in the order of the values.
pub(super) fn codes(values: impl Iterator<Item = u64>) -> BTreeMap<u64, u64> {
    values.fold(BTreeMap::new(), |mut counts, value| {
        *counts.entry(value).or_default() += 1;
        counts
    })
}
