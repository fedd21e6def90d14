use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema};
use mlops_core::{
    Artifact, Codecs, Dense, Error, InputColumn, Load, Model, Recipe, Result, ResultExt, Role, RowModel, Run, Scratch,
    Signature, Spec, Table, Task, Trainer, Value, score_row,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::members::{
    Members, corrupt, fit_folds, gather, load_parts, plain_folds, read_settings, room, signature_on, takes_rows,
};
use crate::training::Labels;

/// Several recipes whose answers another recipe learns to combine: scikit-learn's
/// `StackingClassifier` and `StackingRegressor`.
///
/// What the last recipe learns from is what each member says of rows it has not seen: every member is
/// fitted once a fold and once on all rows. Its features are the members' probabilities (for two
/// classes that of the second) or numbers; with [`passthrough`](Self::with_passthrough) the features of
/// the table too. Cost: `members · (cv + 1) + 1` fits.
///
/// # Example
/// ```
/// # #[cfg(feature = "linear")] {
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::{LinearRegression, Ridge, Stacking};
///
/// let batch = arrow::array::record_batch!(
///     ("km", Float64, [1.0, 2.0, 4.0, 5.0, 7.0, 8.0]),
///     ("minutes", Float64, [5.0, 7.0, 11.0, 13.0, 17.0, 19.0])
/// )?;
/// let trips = Table::from_batch(batch.clone()).with_role("minutes", Role::Target)?;
/// let recipe = Stacking::new(LinearRegression::new()).with(Ridge::new(1.0)).with(LinearRegression::new()).with_cv(3);
/// let model = recipe.fit(&trips, &Run::default())?;
/// assert_eq!(model.predict(&batch)?.num_rows(), 6);
/// # }
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Stacking {
    members: Vec<Box<dyn Trainer>>,
    final_estimator: Box<dyn Trainer>,
    cv: usize,
    passthrough: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    members: Vec<Spec>,
    final_estimator: Spec,
    #[serde(default = "five")]
    cv: usize,
    #[serde(default)]
    passthrough: bool,
}

fn five() -> usize {
    5
}

impl Stacking {
    pub(crate) const KIND: &'static str = "stacking";

    /// Combining by `final_estimator`; without members yet, five folds.
    pub fn new(final_estimator: impl Trainer) -> Self {
        let final_estimator = Box::new(final_estimator);
        Self { members: Vec::new(), final_estimator, cv: five(), passthrough: false }
    }

    /// With a member.
    #[must_use]
    pub fn with(mut self, member: impl Trainer) -> Self {
        self.members.push(Box::new(member));
        self
    }

    /// With another number of folds, at least 2.
    #[must_use]
    pub fn with_cv(mut self, cv: usize) -> Self {
        self.cv = cv;
        self
    }

    /// Whether the last recipe learns from the features of the table as well.
    #[must_use]
    pub fn with_passthrough(mut self, passthrough: bool) -> Self {
        self.passthrough = passthrough;
        self
    }

    pub(crate) fn read(settings: &Json, codecs: &Codecs) -> Result<Box<dyn Trainer>> {
        let Settings { members, final_estimator, cv, passthrough } = read_settings(settings, "stacking")?;
        let members = members.iter().map(|member| codecs.trainer(member)).collect::<Result<_>>()?;
        Ok(Box::new(Self { members, final_estimator: codecs.trainer(&final_estimator)?, cv, passthrough }))
    }

    /// The scores of every member for the rows of `data`, which it has not seen.
    fn scores(&self, data: &Table, labels: &Labels, run: &Run) -> Result<Vec<Vec<f64>>> {
        let folds = plain_folds(labels, data.num_rows(), self.cv)?;
        let of_member = |(i, member): (usize, &dyn Trainer)| {
            let fits = fit_folds(member, data, &labels.task, folds.clone(), run);
            let fits = fits.context("member", format!("{}: {}", i + 1, member.kind()))?;
            Ok(gather(&fits, data.num_rows(), labels.task.num_scores()))
        };
        self.members.iter().map(AsRef::as_ref).enumerate().map(of_member).collect()
    }
}

impl Recipe for Stacking {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn settings(&self) -> Result<Json> {
        let members = self.members.iter().map(|member| member.to_spec()).collect::<Result<_>>()?;
        let settings = Settings {
            members,
            final_estimator: self.final_estimator.to_spec()?,
            cv: self.cv,
            passthrough: self.passthrough,
        };
        Ok(serde_json::to_value(settings)?)
    }
}

impl Trainer for Stacking {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        run.check()?;
        if self.members.is_empty() {
            return Err(Error::config("stacking without members: add at least one"));
        }
        let labels = Labels::read(data)?;
        let scores = self.scores(data, &labels, run)?;
        let mut models = Vec::with_capacity(self.members.len());
        for (i, member) in self.members.iter().enumerate() {
            run.check()?;
            models.push(member.fit(data, run).context("member", format!("{}: {}", i + 1, member.kind()))?);
        }
        let features: Vec<String> = match self.passthrough {
            true => data.features().iter().map(|field| field.name().clone()).collect(),
            false => Vec::new(),
        };
        let columns = Columns::of(&self.members, &labels.task);
        let last = {
            let rows = columns.table(data, &features, &scores)?;
            self.final_estimator.fit(&rows, run).context("final estimator", self.final_estimator.kind())?
        };
        StackingModel::new(models, last, columns, |inputs| Ok(signature_on(inputs, labels.task, data)))
            .map(|model| Arc::new(model) as _)
    }
}

/// The columns that the scores of the members make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    names: Vec<String>,
    /// How many of them each member makes.
    each: usize,
    /// Which of the scores of a member is the first that is used.
    first: usize,
}

impl Columns {
    /// The probability of one of two classes says what that of the other is.
    fn of(members: &[Box<dyn Trainer>], task: &Task) -> Self {
        let width = task.num_scores();
        let first = usize::from(matches!(task, Task::Classification { .. }) && width == 2);
        let name = |i: usize, kind: &str, score: usize| match task {
            Task::Classification { classes } => format!("{} {kind}: {}", i + 1, classes.name(score)),
            _ => format!("{} {kind}", i + 1),
        };
        let names = members.iter().enumerate().flat_map(|(i, member)| {
            let kind = member.kind();
            (first..width).map(move |score| name(i, kind, score))
        });
        Self { names: names.collect(), each: width - first, first }
    }

    /// What the members say, as columns.
    fn arrays(&self, scores: &[Vec<f64>]) -> Vec<ArrayRef> {
        let width = self.first + self.each;
        let column = |scores: &Vec<f64>, score: usize| -> ArrayRef {
            Arc::new(scores.iter().skip(score).step_by(width).copied().collect::<Float64Array>())
        };
        let of_member = |scores| (self.first..width).map(move |score| column(scores, score));
        scores.iter().flat_map(of_member).collect()
    }

    /// The rows that the last recipe learns from: scores, features, target and weight.
    fn table(&self, data: &Table, features: &[String], scores: &[Vec<f64>]) -> Result<Table> {
        let kept = |role: Role| move |name: &&String| data.roles().of(name) == role;
        let names: Vec<&String> = data.schema().fields().iter().map(|field| field.name()).collect();
        let others =
            names.iter().copied().filter(kept(Role::Target)).chain(names.iter().copied().filter(kept(Role::Weight)));
        let mut fields: Vec<Field> = self.names.iter().map(|name| Field::new(name, DataType::Float64, false)).collect();
        let mut columns = self.arrays(scores);
        for name in features.iter().chain(others) {
            let index = data.schema().index_of(name)?;
            fields.push(data.schema().field(index).clone());
            columns.push(data.column(name)?);
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|e| Error::schema("a feature has the name of a member's answer: rename it").with_source(e))?;
        Ok(Table::from_batch(batch).with_roles(data.roles()).with_rows_of(data).with_fitted_on(data.fitted_on()))
    }
}

/// A fitted [`Stacking`].
#[derive(Debug)]
pub struct StackingModel {
    members: Members,
    last: Arc<dyn Model>,
    columns: Columns,
    signature: Signature,
    /// For each input of the last model, where it comes from.
    sources: Vec<Source>,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Input(usize),
    Score { member: usize, score: usize },
}

impl StackingModel {
    fn new(
        models: Vec<Arc<dyn Model>>,
        last: Arc<dyn Model>,
        columns: Columns,
        signature: impl FnOnce(Vec<InputColumn>) -> Result<Signature>,
    ) -> Result<Self> {
        if models.is_empty() || columns.names.len() != models.len() * columns.each {
            return Err(Error::config("the columns and the members of a stack do not fit together"));
        }
        let width = columns.first + columns.each;
        if models.iter().any(|model| model.signature().num_scores() != width) {
            return Err(Error::config("the members predict different things"));
        }
        // The last model may take features that no member does.
        let (members, mut inputs) = Members::new(models)?;
        let mut sources = Vec::new();
        for input in &last.signature().inputs {
            sources.push(match columns.names.iter().position(|name| *name == input.name) {
                Some(at) => Source::Score { member: at / columns.each, score: columns.first + at % columns.each },
                None => Source::Input(match inputs.iter().position(|column| column.name == input.name) {
                    Some(at) => at,
                    None => {
                        inputs.push(input.clone());
                        inputs.len() - 1
                    }
                }),
            });
        }
        let signature = signature(inputs)?;
        if signature.task != last.signature().task {
            return Err(Error::config("the last recipe of a stack predicts something else than the members"));
        }
        Ok(Self { members, last, columns, signature, sources })
    }

    /// The members.
    pub fn models(&self) -> &[Arc<dyn Model>] {
        self.members.models()
    }

    /// The model that combines them.
    pub fn last(&self) -> &Arc<dyn Model> {
        &self.last
    }
}

impl Model for StackingModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = self.signature.check(batch)?;
        let models = self.members.models().len();
        let scores = (0..models).map(|i| self.members.scores(i, &batch)).collect::<Result<Vec<_>>>()?;
        let fields = self.columns.names.iter().map(|name| Arc::new(Field::new(name, DataType::Float64, false)));
        let fields: Vec<_> = fields.chain(batch.schema().fields().iter().cloned()).collect();
        let columns = self.columns.arrays(&scores).into_iter().chain(batch.columns().iter().cloned()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        self.last.predict(&RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        None
    }

    fn row(&self) -> Option<&dyn RowModel> {
        (self.members.take_rows() && takes_rows(self.last.as_ref())).then_some(self as _)
    }

    fn save(&self) -> Result<Artifact> {
        let state = State { signature: self.signature.clone(), columns: self.columns.clone() };
        let artifact = self.members.save_into(Artifact::of::<Self>(&state)?)?;
        Ok(artifact.with_part(self.last.save()?))
    }
}

impl RowModel for StackingModel {
    /// Allocates nothing up to 64 scores of members and inputs of the last model, two small buffers beyond.
    fn score_row(&self, row: &[Value<'_>], scratch: &mut Scratch, scores: &mut [f64]) -> Result<()> {
        let (mut few, mut many) = ([0.0; 64], Vec::new());
        let width = self.columns.first + self.columns.each;
        let said = room(&mut few, &mut many, width * self.members.models().len());
        self.members.each_score(row, scratch, |i, answer| said[i * width..][..width].copy_from_slice(answer))?;
        let (mut few, mut many) = ([Value::Null; 64], Vec::new());
        let cells = room(&mut few, &mut many, self.sources.len());
        for (cell, source) in cells.iter_mut().zip(&self.sources) {
            *cell = match source {
                Source::Input(at) => row[*at],
                Source::Score { member, score } => Value::Float(said[member * width + score]),
            };
        }
        match score_row(self.last.as_ref(), cells, scratch, scores)? {
            Some(()) => Ok(()),
            None => Err(Error::unsupported("the last model of a stack takes batches only")),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    columns: Columns,
}

impl Load for StackingModel {
    const KIND: &'static str = "stacking_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, codecs: &Codecs) -> Result<Self> {
        let State { signature, columns } = artifact.state()?;
        let mut models = load_parts(artifact, codecs)?;
        let last = models.pop().ok_or_else(|| Error::corrupt("a stack without a last model"))?;
        let same = |inputs| match inputs == signature.inputs {
            true => Ok(signature),
            false => Err(Error::corrupt("the inputs of a stack are not those of its members")),
        };
        Self::new(models, last, columns, same).map_err(corrupt)
    }
}
