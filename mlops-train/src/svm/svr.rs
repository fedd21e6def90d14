use std::sync::Arc;

use arrow::array::RecordBatch;
use mlops_core::{
    Artifact, Codecs, Dense, Error, Load, Model, Named, Result, RowModel, Run, Signature, Table, Task, Trainer,
    predict_dense,
};
use serde::{Deserialize, Serialize};

use super::kernel::Kernel;
use super::model::{Likeness, VECTORS, Vectors, check};
use super::smo::Problem;
use crate::training::TrainingSet;

/// A number by support vectors, where errors up to `epsilon` do not count: scikit-learn's `SVR`.
///
/// Sequential minimal optimisation as in libsvm, with kernel rows computed on all cores and the last used of
/// them kept in up to 200 MB. Between n² and n³ operations for n rows: for tens of thousands of rows, not
/// more. Rows count by their weight. Scale the features first (`StandardScaler`).
///
/// # Example
/// ```
/// use mlops_core::{Role, Run, Table};
/// use mlops_train::{Kernel, Svr};
///
/// let batch = arrow::array::record_batch!(("x", Float64, [0.0, 1.0, 2.0, 3.0]), ("y", Float64, [1.0, 3.0, 5.0, 7.0]))?;
/// let data = Table::from_batch(batch).with_role("y", Role::Target)?;
/// let model = Svr::new().with_kernel(Kernel::Linear).with_c(100.0).learn(&data, &Run::default())?;
/// assert!((model.decide(&[10.0]) - 21.0).abs() < 1.0);
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Svr {
    /// What an error beyond `epsilon` costs.
    pub c: f64,
    /// An error of at most this costs nothing.
    pub epsilon: f64,
    /// How alike two rows are.
    pub kernel: Kernel,
    /// By how much the optimum may be missed.
    pub tol: f64,
    /// At most so many steps; ten million, or a hundred a row if that is more, if `None`.
    pub max_iter: Option<usize>,
}

impl Default for Svr {
    fn default() -> Self {
        Self { c: 1.0, epsilon: 0.1, kernel: Kernel::RbfScale, tol: 1e-3, max_iter: None }
    }
}

impl Named for Svr {
    const KIND: &'static str = "svr";
}

impl Svr {
    /// With scikit-learn's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another cost of errors.
    #[must_use]
    pub fn with_c(mut self, c: f64) -> Self {
        self.c = c;
        self
    }

    /// With another size of errors that cost nothing.
    #[must_use]
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// With another kernel.
    #[must_use]
    pub fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
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
    pub fn learn(&self, data: &Table, run: &Run) -> Result<SvrModel> {
        run.check()?;
        check(self.c, self.tol, self.kernel)?;
        if !(self.epsilon.is_finite() && self.epsilon >= 0.0) {
            return Err(Error::config(format!("epsilon = {}: it must be at least 0", self.epsilon)));
        }
        run.install(|| self.learn_here(data, run))?
    }

    fn learn_here(&self, data: &Table, run: &Run) -> Result<SvrModel> {
        let set = TrainingSet::read_finite(data)?;
        let target = set.numbers("a support vector regression")?;
        let kernel = self.kernel.fixed(&set.matrix, set.width());
        let likeness = Likeness { kernel, matrix: &set.matrix, width: set.width() };
        let rows = u32::try_from(set.rows).map_err(|_| Error::unsupported("too many rows for support vectors"))?;
        // A variable for being too low, and one for being too high.
        let both = |sign: f64| target.iter().map(move |y| self.epsilon - sign * y);
        let limits = |_| (0..set.rows).map(|row| self.c * set.weight(row));
        let problem = Problem {
            rows: (0..rows).chain(0..rows).collect(),
            signs: [1.0, -1.0].into_iter().flat_map(|sign| std::iter::repeat_n(sign, set.rows)).collect(),
            linear: both(1.0).chain(both(-1.0)).collect(),
            limits: [0, 1].into_iter().flat_map(limits).collect(),
            kernel: &|row| likeness.of(row),
            diagonal: likeness.diagonal(),
        };
        let solution = problem.solve(self.tol, self.max_iter, run)?;
        let (low, high) = solution.alpha.split_at(set.rows);
        let coefficients = low.iter().zip(high).map(|(low, high)| low - high).collect();
        let vectors = Vectors::of(&likeness, &[coefficients]);
        Ok(SvrModel { signature: set.signature, vectors, constant: -solution.rho })
    }
}

impl Trainer for Svr {
    fn fit(&self, data: &Table, run: &Run) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(self.learn(data, run)?))
    }
}

/// A fitted [`Svr`].
#[derive(Clone, Debug)]
pub struct SvrModel {
    signature: Signature,
    vectors: Vectors,
    constant: f64,
}

impl SvrModel {
    /// The answer for one row.
    pub fn decide(&self, row: &[f64]) -> f64 {
        let mut score = [self.constant];
        self.vectors.add_to(row, &mut score);
        score[0]
    }

    /// How many rows of training are kept.
    pub fn num_vectors(&self) -> usize {
        self.vectors.len()
    }
}

impl Model for SvrModel {
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
        let state = State { signature: self.signature.clone(), kernel: self.vectors.kernel, constant: self.constant };
        Ok(Artifact::of::<Self>(&state)?.with_blob(VECTORS, self.vectors.write()?))
    }
}

impl Dense for SvrModel {
    fn score_row(&self, row: &[f64], scores: &mut [f64]) {
        scores[0] = self.decide(row);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    signature: Signature,
    kernel: Kernel,
    constant: f64,
}

impl Load for SvrModel {
    const KIND: &'static str = "svr_model";
    const VERSION: u32 = 1;

    fn load(artifact: &Artifact, _: &Codecs) -> Result<Self> {
        let State { signature, kernel, constant } = artifact.state()?;
        if signature.task != Task::Regression || !constant.is_finite() {
            return Err(Error::corrupt("a support vector regression answers a number"));
        }
        let vectors = Vectors::read(artifact.blob(VECTORS)?, kernel, signature.inputs.len(), 1)?;
        Ok(Self { signature, vectors, constant })
    }
}
