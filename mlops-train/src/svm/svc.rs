use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::progress::Progress;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Named, Result, RowModel, Run, Signature, Table, Task, Trainer,
    predict_dense,
};
use serde::{Deserialize, Serialize};

use super::coupling::couple;
use super::kernel::Kernel;
use super::model::{Likeness, VECTORS, Vectors, check};
use super::smo::Problem;
use crate::members::room;
use crate::training::TrainingSet;
use crate::wrap::platt::{Point, Sigmoid};

/// Classes by support vectors, with probabilities: scikit-learn's `SVC(probability=True)`.
///
/// One machine for each pair of classes, by sequential minimal optimisation as in libsvm; kernel rows are
/// computed on all cores, and the last used of them kept in up to 200 MB. Decisions become probabilities by
/// Platt's sigmoid, fitted on what machines say of the folds they have not seen ([`cv`](Self::cv) more fits),
/// and those of pairs become those of classes by pairwise coupling (Wu, Lin and Weng 2004). The class is the
/// most probable one. Between n² and n³ operations for n rows: for tens of thousands of rows, not more.
/// Rows count by their weight. Scale the features first (`StandardScaler`).
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table, Trainer};
/// use mlops_train::Svc;
///
/// let batch = arrow::array::record_batch!(
///     ("x", Float64, [0.0, 0.1, 0.2, 3.0, 3.1, 3.2]),
///     ("high", Boolean, [false, false, false, true, true, true])
/// )?;
/// let data = Table::from_batch(batch.clone()).with_role("high", Role::Target)?;
/// let model = Svc::new().fit(&data, &Run::default())?;
/// assert_eq!(model.predict(&batch)?.column(0), batch.column(1));
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Svc {
    /// What a row on the wrong side costs.
    pub c: f64,
    /// How alike two rows are.
    pub kernel: Kernel,
    /// By how much the optimum may be missed.
    pub tol: f64,
    /// How many folds the probabilities are fitted on, at least 2.
    pub cv: usize,
    /// At most so many steps; ten million, or a hundred a row if that is more, if `None`.
    pub max_iter: Option<usize>,
}

impl Default for Svc {
    fn default() -> Self {
        Self { c: 1.0, kernel: Kernel::RbfScale, tol: 1e-3, cv: 5, max_iter: None }
    }
}

impl Named for Svc {
    const KIND: &'static str = "svc";
}

/// The rows of two classes, and which side they are on.
struct Pair {
    rows: Vec<u32>,
    /// 1 for the first class, -1 for the second.
    signs: Vec<f64>,
}

impl Pair {
    fn of(target: &[usize], first: usize, second: usize) -> Self {
        let rows: Vec<u32> =
            (0..target.len()).filter(|row| [first, second].contains(&target[*row])).map(|row| row as u32).collect();
        let signs = rows.iter().map(|row| if target[*row as usize] == first { 1.0 } else { -1.0 }).collect();
        Self { rows, signs }
    }

    fn keep(&self, keep: impl Fn(usize) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.rows.len()).filter(|i| keep(*i)).collect();
        let rows = kept.iter().map(|i| self.rows[*i]).collect();
        Self { rows, signs: kept.iter().map(|i| self.signs[*i]).collect() }
    }

    /// The fold of each row: every class is dealt out in turn.
    fn folds(&self, k: usize) -> Vec<usize> {
        let mut dealt = [0; 2];
        let deal = |sign: &f64| {
            let dealt = &mut dealt[usize::from(*sign > 0.0)];
            *dealt += 1;
            (*dealt - 1) % k
        };
        self.signs.iter().map(deal).collect()
    }
}

impl Svc {
    /// With scikit-learn's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another cost of rows on the wrong side.
    #[must_use]
    pub fn with_c(mut self, c: f64) -> Self {
        self.c = c;
        self
    }

    /// With another kernel.
    #[must_use]
    pub fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// With another number of folds for the probabilities.
    #[must_use]
    pub fn with_cv(mut self, cv: usize) -> Self {
        self.cv = cv;
        self
    }

    /// With another tolerance.
    #[must_use]
    pub fn with_tol(mut self, tol: f64) -> Self {
        self.tol = tol;
        self
    }

    /// As [`Trainer::fit`], with the type of the model.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; [`ErrorKind::Config`](mlops_core::ErrorKind::Config) for settings out of range.
    pub fn learn(&self, data: &Table, run: &Run) -> Result<SvcModel> {
        run.check()?;
        check(self.c, self.tol, self.kernel)?;
        if self.cv < 2 {
            return Err(Error::config(format!("probabilities from {} folds: at least 2 are needed", self.cv)));
        }
        run.install(|| self.learn_here(data, run))?
    }

    fn learn_here(&self, data: &Table, run: &Run) -> Result<SvcModel> {
        let set = TrainingSet::read_finite(data)?;
        let (classes, target) = set.classes("a support vector classification")?;
        let classes = classes.len();
        if u32::try_from(set.rows).is_err() {
            return Err(Error::unsupported("too many rows for support vectors"));
        }
        let kernel = self.kernel.fixed(&set.matrix, set.width());
        let likeness = Likeness { kernel, matrix: &set.matrix, width: set.width() };
        let pairs = (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j)));
        let progress = Progress::start("fit: pairs of classes", Some((classes * (classes - 1) / 2) as u64));
        let (mut coefficients, mut machines) = (Vec::new(), Vec::new());
        for (first, second) in pairs {
            let pair = Pair::of(target, first, second);
            let (of_rows, constant) = self.solve(&set, &likeness, &pair, run)?;
            let sigmoid = self.calibrate(&set, &likeness, &pair, run)?;
            coefficients.push(of_rows);
            machines.push(Machine { constant, sigmoid });
            progress.advance(1);
        }
        let vectors = Vectors::of(&likeness, &coefficients);
        Ok(SvcModel { signature: set.signature, vectors, machines })
    }

    /// The coefficient of every row of the set, and the constant.
    fn solve(&self, set: &TrainingSet, likeness: &Likeness<'_>, pair: &Pair, run: &Run) -> Result<(Vec<f64>, f64)> {
        let mut of_rows = vec![0.0; set.rows];
        // A class that is missing is never chosen, as in libsvm.
        let both = pair.signs.iter().any(|s| *s > 0.0) && pair.signs.iter().any(|s| *s < 0.0);
        if !both {
            return Ok((of_rows, pair.signs.first().copied().unwrap_or(0.0)));
        }
        // The other classes' rows are no part of it.
        let matrix: Vec<f64> = pair.rows.iter().flat_map(|row| set.row(*row as usize)).copied().collect();
        let of_pair = Likeness { kernel: likeness.kernel, matrix: &matrix, width: likeness.width };
        let problem = Problem {
            // There are no more of them than rows, which were counted in 32 bits.
            rows: (0..pair.rows.len() as u32).collect(),
            signs: pair.signs.clone(),
            linear: vec![-1.0; pair.rows.len()],
            limits: pair.rows.iter().map(|row| self.c * set.weight(*row as usize)).collect(),
            kernel: &|row| of_pair.of(row),
            diagonal: of_pair.diagonal(),
        };
        let solution = problem.solve(self.tol, self.max_iter, run)?;
        for ((row, sign), alpha) in pair.rows.iter().zip(&pair.signs).zip(&solution.alpha) {
            of_rows[*row as usize] = sign * alpha;
        }
        Ok((of_rows, -solution.rho))
    }

    /// The sigmoid for what machines say of the rows they were not fitted on.
    fn calibrate(&self, set: &TrainingSet, likeness: &Likeness<'_>, pair: &Pair, run: &Run) -> Result<Sigmoid> {
        let folds = pair.folds(self.cv);
        let mut points: Vec<Point> = Vec::with_capacity(pair.rows.len());
        for fold in 0..self.cv {
            run.check()?;
            let (train, test) = (pair.keep(|i| folds[i] != fold), pair.keep(|i| folds[i] == fold));
            if test.rows.is_empty() {
                continue;
            }
            let (of_rows, constant) = self.solve(set, likeness, &train, run)?;
            let vectors = Vectors::of(likeness, &[of_rows]);
            for (row, sign) in test.rows.iter().zip(&test.signs) {
                let mut decision = [constant];
                vectors.add_to(set.row(*row as usize), &mut decision);
                points.push((decision[0], *sign > 0.0, set.weight(*row as usize)));
            }
        }
        Ok(Sigmoid::fit(&points))
    }
}

impl Trainer for Svc {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

/// What decides between two classes, besides the vectors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    constant: f64,
    /// The probability of the first class from the decision.
    sigmoid: Sigmoid,
}

/// A fitted [`Svc`].
#[derive(Clone, Debug)]
pub struct SvcModel {
    signature: Signature,
    vectors: Vectors,
    /// One for each pair of classes: 0 and 1, 0 and 2, … 1 and 2, …
    machines: Vec<Machine>,
}

impl SvcModel {
    /// What each machine says of a row: above 0 for the first class of its pair; pairs are in the order 0
    /// and 1, 0 and 2, … 1 and 2, … Libsvm's decision values.
    pub fn decide(&self, row: &[f64]) -> Vec<f64> {
        let mut decisions: Vec<f64> = self.machines.iter().map(|machine| machine.constant).collect();
        self.vectors.add_to(row, &mut decisions);
        decisions
    }

    /// How many rows of training are kept.
    pub fn num_vectors(&self) -> usize {
        self.vectors.len()
    }
}

impl Model for SvcModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        predict_dense(&self.signature, self, batch)
    }

    fn dense(&self) -> Option<&dyn Dense> {
        Some(self)
    }

    fn row(&self) -> Option<&dyn RowModel> {
        None
    }

    fn save(&self) -> Result<Artifact> {
        let state =
            State { signature: self.signature.clone(), kernel: self.vectors.kernel, machines: self.machines.clone() };
        Ok(Artifact::of::<Self>(&state)?.with_blob(VECTORS, self.vectors.write()?))
    }
}

impl Dense for SvcModel {
    /// Allocates nothing up to 10 classes, small buffers beyond.
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        let (mut few, mut many) = ([0.0; 45], Vec::new());
        let decisions = room(&mut few, &mut many, self.machines.len());
        decisions.iter_mut().zip(&self.machines).for_each(|(decision, machine)| *decision = machine.constant);
        self.vectors.add_to(row, decisions);
        decisions.iter_mut().zip(&self.machines).for_each(|(decision, machine)| {
            *decision = machine.sigmoid.at(*decision);
        });
        couple(decisions, scores);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    kernel: Kernel,
    machines: Vec<Machine>,
}

impl Load for SvcModel {
    const KIND: &'static str = "svc_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, kernel, machines } = artifact.state()?;
        let Task::Classification { classes } = &signature.task else {
            return Err(Error::corrupt("a support vector classification answers classes"));
        };
        let pairs = classes.len() * (classes.len() - 1) / 2;
        let finite = |machine: &Machine| machine.constant.is_finite() && machine.sigmoid.is_finite();
        if machines.len() != pairs || !machines.iter().all(finite) {
            return Err(Error::corrupt("support vectors need a machine for each pair of classes"));
        }
        let vectors = Vectors::read(artifact.blob(VECTORS)?, kernel, signature.inputs.len(), pairs)?;
        Ok(Self { signature, vectors, machines })
    }
}
