use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use mlops_core::{
    Artifact, Classes, Codecs, Dense, Error, InputColumn, Load, Model, Result, ResultExt as _, RowModel, Signature,
    Task,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::graph::Program;
use super::probe::{Seen, probe};
use super::proto;
use super::roles::{Answer, Group, Outputs, classes, in_order};
use super::tensor::{Data, Kind, Tensor};
use crate::foreign::import::Import;

/// The blob of the file.
const FILE: &str = "model.onnx";
/// Rows that are evaluated together.
const ROWS_A_TASK: usize = 512;

/// A tabular ONNX graph as a model; [`Import::onnx`] reads one.
///
/// The graph is evaluated here, by operators that take floats as `f32` where the file does. A batch is
/// answered on all cores, 512 rows a task. The label is the graph's own; where its scores are no
/// probabilities (a support vector machine without them, say) the label has probability 1.
#[derive(Clone)]
pub struct OnnxModel {
    signature: Signature,
    import: Import,
    bytes: Arc<[u8]>,
    producer: String,
    program: Arc<Program>,
    groups: Vec<Group>,
    outputs: Outputs,
    labels: Labels,
    /// Whether the scores are the probabilities.
    has_shares: bool,
}

/// A tensor that the graph takes or gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphValue {
    /// The graph's own name of it.
    pub name: String,
    /// The inputs or outputs of the [`Signature`] that it carries, in order.
    pub columns: Vec<String>,
}

/// The classes of the graph and where they stand in the signature.
#[derive(Clone, Debug, Default, PartialEq)]
struct Labels {
    ints: HashMap<i64, usize>,
    texts: HashMap<Arc<str>, usize>,
    /// By the place of a score.
    order: Vec<usize>,
}

pub(crate) fn read(bytes: &[u8], import: &Import) -> Result<OnnxModel> {
    let file = proto::Model::read(bytes)?;
    let groups = Group::all(&file, import)?;
    let outputs = Outputs::of(&file, import)?;
    let program = Program::new(&file, &outputs.names())?;
    let seen = probe(&program, &groups, outputs.scores.is_some())?;
    let (task, labels) = task(&file, import, &outputs, &seen)?;
    let has_shares = seen.are_shares && seen.width.is_none_or(|width| width == labels.order.len() || width == 1);
    if outputs.answer == Answer::Classes && outputs.label.is_none() && !has_shares {
        return Err(Error::unsupported(
            "the scores of the graph are no probabilities, and it gives no labels: add a softmax to it",
        ));
    }
    let signature = Signature::new(inputs(&groups)?, task);
    let (import, producer) = (import.clone(), file.producer);
    Ok(OnnxModel {
        signature,
        import,
        bytes: bytes.into(),
        producer,
        program: Arc::new(program),
        groups,
        outputs,
        labels,
        has_shares: has_shares && seen.width.is_some(),
    })
}

fn inputs(groups: &[Group]) -> Result<Vec<InputColumn>> {
    let mut seen = std::collections::BTreeSet::new();
    let mut inputs = Vec::new();
    for group in groups {
        let (data_type, nullable) = match group.kind {
            Kind::Bool => (DataType::Boolean, false),
            Kind::F32 => (DataType::Float32, true),
            Kind::F64 => (DataType::Float64, true),
            Kind::I32 => (DataType::Int32, false),
            Kind::I64 => (DataType::Int64, false),
            Kind::Text => (DataType::Utf8, false),
        };
        for name in &group.columns {
            if !seen.insert(name) {
                return Err(Error::config(format!(
                    "two features are called '{name}': give them other names with `Import::with_features`"
                )));
            }
            inputs.push(InputColumn::new(name, data_type.clone(), nullable));
        }
    }
    Ok(inputs)
}

fn task(file: &proto::Model, import: &Import, outputs: &Outputs, seen: &Seen) -> Result<(Task, Labels)> {
    let unknown = || Error::config("the file does not say how many scores it gives: no made-up row could be answered");
    match outputs.answer {
        Answer::Number => match seen.width.ok_or_else(unknown)? {
            1 => Ok((Task::Regression, Labels::default())),
            width => Err(Error::unsupported(format!(
                "the graph gives {width} numbers a row: if they are classes, name them with `Import::with_classes`"
            ))),
        },
        Answer::Clusters => {
            let clusters = seen.width.ok_or_else(unknown)?;
            if !(1..=Task::MAX_CLUSTERS).contains(&clusters) {
                return Err(Error::corrupt(format!("{clusters} clusters")));
            }
            Ok((Task::Clustering { clusters }, Labels::default()))
        }
        Answer::Classes => {
            let named = match (classes(file, outputs), &import.classes, seen.width) {
                (Some(named), ..) => named,
                (None, Some(classes), _) => Data::I64((0..classes.len() as i64).collect()),
                (None, None, Some(width @ 1..=Classes::MAX)) => Data::I64((0..width.max(2) as i64).collect()),
                _ => return Err(Error::config("the file names no classes: name them with `Import::with_classes`")),
            };
            let (own, by_place) = in_order(&named)?;
            let task = import.task(crate::foreign::import::Answer::Classes(own.len()))?;
            let mut order = vec![0; by_place.len()];
            if import.classes.is_some() {
                // The caller's are in the order of the file.
                order = (0..by_place.len()).collect();
            } else {
                by_place.iter().enumerate().for_each(|(place, at)| order[*at] = place);
            }
            let labels = Labels::new(&named, order)?;
            match (task, import.classes.is_some()) {
                (Task::Classification { .. }, false) => Ok((Task::Classification { classes: own }, labels)),
                (task, _) => Ok((task, labels)),
            }
        }
    }
}

impl Labels {
    fn new(named: &Data, order: Vec<usize>) -> Result<Self> {
        let mut labels = Self { order, ..Self::default() };
        match named {
            Data::Text(texts) => labels.texts = texts.iter().cloned().zip(labels.order.iter().copied()).collect(),
            numbers => {
                if let Data::I64(ints) = numbers.cast(Kind::I64)? {
                    labels.ints = ints.into_iter().zip(labels.order.iter().copied()).collect();
                }
            }
        }
        if labels.ints.len() + labels.texts.len() != labels.order.len() {
            return Err(Error::corrupt("two classes of the graph have the same label"));
        }
        Ok(labels)
    }

    /// The classes of a tensor of labels.
    fn find(&self, given: &Tensor) -> Result<Vec<usize>> {
        let unknown = |label: String| Error::corrupt(format!("the graph gave '{label}', which is none of its classes"));
        match &given.data {
            Data::Text(texts) => texts
                .iter()
                .map(|text| self.texts.get(text).copied().ok_or_else(|| unknown(text.to_string())))
                .collect(),
            numbers => match numbers.cast(Kind::I64)? {
                Data::I64(ints) => {
                    ints.iter().map(|int| self.ints.get(int).copied().ok_or_else(|| unknown(int.to_string()))).collect()
                }
                _ => Err(Error::internal("a cast gave another kind")),
            },
        }
    }
}

impl fmt::Debug for OnnxModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("OnnxModel");
        shown.field("producer", &self.producer).field("signature", &self.signature).field("program", &self.program);
        shown.finish_non_exhaustive()
    }
}

/// The chosen classes, if the graph chooses, and the scores of the signature.
type Scored = (Option<Vec<usize>>, Vec<f64>);

impl OnnxModel {
    /// What made the file, as it says.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// The file.
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the graph itself takes: tensors of one or several inputs of the signature.
    pub fn graph_inputs(&self) -> Vec<GraphValue> {
        let value = |group: &Group| GraphValue { name: group.name.clone(), columns: group.columns.clone() };
        self.groups.iter().map(value).collect()
    }

    /// What the graph itself gives, as far as it is used: the label or prediction, then the scores.
    pub fn graph_outputs(&self) -> Vec<GraphValue> {
        let names = self.signature.output_names();
        let value = |name: &String, column: &str| GraphValue { name: name.clone(), columns: vec![column.to_owned()] };
        let label = self.outputs.label.iter().map(|name| value(name, names[0]));
        let last = names.last().copied().unwrap_or("predict");
        label.chain(self.outputs.scores.iter().map(|name| value(name, last))).collect()
    }

    /// The tensors of rows that the signature has checked.
    fn tensors(&self, batch: &RecordBatch) -> Result<Vec<Tensor>> {
        let mut columns = batch.columns();
        let tensor = |group: &Group| {
            let (own, rest) = columns.split_at(group.columns.len());
            columns = rest;
            group.tensor(batch.num_rows(), group_data(group.kind, own))
        };
        self.groups.iter().map(tensor).collect()
    }

    fn score(&self, batch: &RecordBatch) -> Result<Scored> {
        let rows = batch.num_rows();
        let mut given = self.program.run(self.tensors(batch)?)?;
        let scores = if self.outputs.scores.is_some() { given.pop() } else { None };
        let scores = scores.map(|scores| scores.data.numbers()).transpose()?;
        let label = given.pop();
        let is_classes = matches!(self.signature.task, Task::Classification { .. });
        let width = self.signature.num_scores();
        if !is_classes && scores.as_ref().is_some_and(|scores| scores.len() != rows * width) {
            return Err(Error::corrupt(format!("the graph gave other scores than {width} for each of {rows} rows")));
        }
        match (&self.signature.task, scores) {
            (Task::Classification { classes }, scores) => self.classify(rows, classes.len(), label, scores),
            (Task::Clustering { .. }, Some(distances)) => Ok((None, distances.into_iter().map(|x| -x).collect())),
            (_, Some(numbers)) => Ok((None, numbers)),
            (_, None) => Err(Error::internal("a graph without outputs")),
        }
    }

    fn classify(&self, rows: usize, width: usize, label: Option<Tensor>, scores: Option<Vec<f64>>) -> Result<Scored> {
        let chosen = label.map(|label| self.labels.find(&label)).transpose()?;
        if chosen.as_ref().is_some_and(|chosen| chosen.len() != rows) {
            return Err(Error::corrupt(format!("the graph gave other labels than one for each of {rows} rows")));
        }
        let mut shares = vec![0.0; rows * width];
        match (&chosen, scores) {
            (_, Some(scores)) if self.has_shares && scores.len() == rows => {
                shares.chunks_exact_mut(2).zip(scores).for_each(|(row, p)| row.copy_from_slice(&[1.0 - p, p]));
            }
            (_, Some(scores)) if self.has_shares && scores.len() == rows * width => {
                for (row, scores) in shares.chunks_exact_mut(width).zip(scores.chunks_exact(width)) {
                    scores.iter().zip(&self.labels.order).for_each(|(score, place)| row[*place] = *score);
                }
            }
            (Some(chosen), _) => {
                shares.chunks_exact_mut(width).zip(chosen).for_each(|(row, place)| row[*place] = 1.0);
            }
            (None, _) => return Err(Error::corrupt("the graph gave other scores than its classes have")),
        }
        Ok((chosen, shares))
    }
}

/// The columns of a group as one tensor's elements, row by row; a null float is NaN.
fn group_data(kind: Kind, columns: &[ArrayRef]) -> Data {
    fn rows<T: Clone>(mut columns: Vec<Vec<T>>) -> Vec<T> {
        if columns.len() < 2 {
            return columns.pop().unwrap_or_default();
        }
        (0..columns[0].len()).flat_map(|row| columns.iter().map(move |column| column[row].clone())).collect()
    }
    fn floats<T: ArrowPrimitiveType>(column: &ArrayRef, nan: T::Native) -> Vec<T::Native> {
        let column = column.as_primitive::<T>();
        if column.null_count() == 0 {
            column.values().to_vec()
        } else {
            column.iter().map(|x| x.unwrap_or(nan)).collect()
        }
    }
    let columns = columns.iter();
    match kind {
        Kind::Bool => Data::Bool(rows(columns.map(|c| c.as_boolean().values().iter().collect()).collect())),
        Kind::F32 => Data::F32(rows(columns.map(|c| floats::<Float32Type>(c, f32::NAN)).collect())),
        Kind::F64 => Data::F64(rows(columns.map(|c| floats::<Float64Type>(c, f64::NAN)).collect())),
        Kind::I32 => Data::I32(rows(columns.map(|c| floats::<Int32Type>(c, 0)).collect())),
        Kind::I64 => Data::I64(rows(columns.map(|c| floats::<Int64Type>(c, 0)).collect())),
        Kind::Text => {
            let texts =
                |c: &ArrayRef| c.as_string::<i32>().iter().map(|text| text.unwrap_or_default().into()).collect();
            Data::Text(rows(columns.map(texts).collect()))
        }
    }
}

impl Model for OnnxModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = self.signature.check(batch)?;
        let starts: Vec<usize> = (0..batch.num_rows()).step_by(ROWS_A_TASK).collect();
        let score = |start: &usize| {
            let rows = batch.slice(*start, ROWS_A_TASK.min(batch.num_rows() - start));
            self.score(&rows).context("first row", start + 1)
        };
        let scored = starts.par_iter().map(score).collect::<Result<Vec<Scored>>>()?;
        let scores = scored.iter().flat_map(|(_, scores)| scores.iter().copied()).collect();
        let answer = self.signature.answer(scores)?;
        let Task::Classification { classes } = &self.signature.task else { return Ok(answer) };
        if self.outputs.label.is_none() {
            return Ok(answer);
        }
        let chosen: Vec<usize> = scored.iter().flat_map(|(chosen, _)| chosen.iter().flatten().copied()).collect();
        let mut columns = answer.columns().to_vec();
        columns[0] = classes.labels(&chosen);
        Ok(RecordBatch::try_new(answer.schema(), columns)?)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        None
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn save(&self) -> Result<Artifact> {
        let Import { classes, features } = self.import.clone();
        let state = State { signature: self.signature.clone(), classes, features };
        Ok(Artifact::of::<Self>(&state)?.with_blob(FILE, self.bytes.to_vec()))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<Classes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    features: Option<Vec<String>>,
}

impl Load for OnnxModel {
    const KIND: &'static str = "onnx_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, classes, features } = artifact.state()?;
        let model = read(artifact.blob(FILE)?, &Import { classes, features }).map_err(|e| {
            if e.kind() == mlops_core::ErrorKind::Config { Error::corrupt(e.to_string()).with_source(e) } else { e }
        })?;
        if model.signature != signature {
            return Err(Error::corrupt("the signature of the ONNX model is not that of its graph"));
        }
        Ok(model)
    }
}
