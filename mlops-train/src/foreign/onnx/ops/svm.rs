//! Support vector machines, as libsvm trains them.

use mlops_core::{Error, Result};

use super::post::{Labels, Post, greatest, scores};
use super::{Call, Run};
use crate::foreign::onnx::tensor::Tensor;

pub(super) fn compile(op: &str, call: Call<'_>) -> Result<Option<Run>> {
    Ok(Some(match op {
        "SVMClassifier" => classifier(call)?,
        "SVMRegressor" => regressor(call)?,
        _ => return Ok(None),
    }))
}

#[derive(Clone, Copy, Debug)]
enum Kernel {
    Linear,
    Poly,
    Rbf,
    Sigmoid,
}

/// Support vectors and how they are compared with a row.
#[derive(Debug)]
struct Machine {
    kernel: Kernel,
    gamma: f64,
    coef0: f64,
    degree: f64,
    vectors: Vec<f64>,
    count: usize,
    width: usize,
}

impl Machine {
    fn read(call: Call<'_>, count: usize) -> Result<Self> {
        let kernel = match call.text("kernel_type", "LINEAR")?.as_ref() {
            "LINEAR" => Kernel::Linear,
            "POLY" => Kernel::Poly,
            "RBF" => Kernel::Rbf,
            "SIGMOID" => Kernel::Sigmoid,
            other => return Err(Error::unsupported(format!("kernel '{other}'"))),
        };
        let parameters = call.numbers("kernel_params")?;
        let parameter = |i: usize| parameters.get(i).copied().unwrap_or(0.0);
        let vectors = call.numbers("support_vectors")?;
        if count == 0 || !vectors.len().is_multiple_of(count) || vectors.is_empty() {
            return Err(Error::unsupported(format!(
                "{} numbers of {count} support vectors: machines with vectors are taken",
                vectors.len()
            )));
        }
        let width = vectors.len() / count;
        let (gamma, coef0, degree) = (parameter(0), parameter(1), parameter(2));
        Ok(Self { kernel, gamma, coef0, degree, vectors, count, width })
    }

    /// The kernel of a row and each vector.
    fn compare(&self, row: &[f64], out: &mut [f64]) {
        for (vector, out) in self.vectors.chunks_exact(self.width).zip(out) {
            let pairs = row.iter().zip(vector);
            let dot = || -> f64 { row.iter().zip(vector).map(|(a, b)| a * b).sum() };
            *out = match self.kernel {
                Kernel::Linear => dot(),
                Kernel::Poly => (self.gamma * dot() + self.coef0).powf(self.degree),
                Kernel::Rbf => (-self.gamma * pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>()).exp(),
                Kernel::Sigmoid => (self.gamma * dot() + self.coef0).tanh(),
            };
        }
    }

    /// The rows of a tensor of the right width.
    fn rows(&self, x: &Tensor) -> Result<Vec<f64>> {
        let (_, width) = x.rows()?;
        if width != self.width {
            return Err(Error::corrupt(format!("support vectors of {} numbers for {width} columns", self.width)));
        }
        x.data.numbers()
    }
}

fn regressor(call: Call<'_>) -> Result<Run> {
    let machine = Machine::read(call, call.int("n_supports", 0)?.try_into().unwrap_or(0))?;
    let (coefficients, rho) = (call.numbers("coefficients")?, call.numbers("rho")?);
    let post = Post::read(call)?;
    let one_class = call.int("one_class", 0)? != 0;
    let &[rho] = rho.as_slice() else { return Err(Error::corrupt(format!("{} values of rho", rho.len()))) };
    if coefficients.len() != machine.count {
        return Err(Error::corrupt(format!("{} coefficients for {} vectors", coefficients.len(), machine.count)));
    }
    Ok(Box::new(move |inputs| {
        let x = inputs.get(0)?;
        let mut kernels = vec![0.0; machine.count];
        let score = |row: &[f64]| {
            machine.compare(row, &mut kernels);
            let sum = coefficients.iter().zip(&kernels).map(|(a, b)| a * b).sum::<f64>() + rho;
            let mut score = [sum];
            post.apply(&mut score);
            if one_class { score[0].signum() } else { score[0] }
        };
        let out = machine.rows(x)?.chunks_exact(machine.width).map(score).collect();
        Ok(vec![scores(out, 1, x)?])
    }))
}

/// One machine for each pair of classes, and what makes probabilities of their decisions.
#[derive(Debug)]
struct Pairs {
    machine: Machine,
    /// Where the vectors of each class start, and where the last ends.
    starts: Vec<usize>,
    /// A row of one number a vector for each other class.
    coefficients: Vec<f64>,
    rho: Vec<f64>,
    /// Empty for a machine without probabilities.
    prob_a: Vec<f64>,
    prob_b: Vec<f64>,
}

impl Pairs {
    fn read(call: Call<'_>, classes: usize) -> Result<Self> {
        let mut starts = vec![0];
        for count in call.counts("vectors_per_class")? {
            let end = starts[starts.len() - 1];
            starts.push(count.checked_add(end).ok_or_else(|| Error::corrupt("vectors without end"))?);
        }
        let count = starts[starts.len() - 1];
        let machine = Machine::read(call, count)?;
        let pairs = Self {
            machine,
            starts,
            coefficients: call.numbers("coefficients")?,
            rho: call.numbers("rho")?,
            prob_a: call.numbers("prob_a")?,
            prob_b: call.numbers("prob_b")?,
        };
        let expected = classes * classes.saturating_sub(1) / 2;
        let fits = classes >= 2
            && pairs.starts.len() == classes + 1
            && pairs.coefficients.len() == count * (classes - 1)
            && pairs.rho.len() == expected
            && pairs.prob_a.len() == pairs.prob_b.len()
            && (pairs.prob_a.is_empty() || pairs.prob_a.len() == expected);
        if fits { Ok(pairs) } else { Err(Error::corrupt(format!("the parameters do not fit {classes} classes"))) }
    }

    /// What each pair decides, and how many decisions each class wins.
    fn decide(&self, kernels: &[f64], decisions: &mut Vec<f64>, votes: &mut [f64]) {
        decisions.clear();
        votes.fill(0.0);
        let part = |row: usize, class: usize| -> f64 {
            let range = self.starts[class]..self.starts[class + 1];
            let coefficients = &self.coefficients[row * self.machine.count..][range.clone()];
            coefficients.iter().zip(&kernels[range]).map(|(a, b)| a * b).sum()
        };
        for i in 0..votes.len() {
            for j in i + 1..votes.len() {
                let sum = part(j - 1, i) + part(i, j) + self.rho[decisions.len()];
                votes[if sum > 0.0 { i } else { j }] += 1.0;
                decisions.push(sum);
            }
        }
    }

    /// Platt's probabilities of the pairs, coupled (Wu, Lin and Weng 2004, as libsvm does it).
    fn probabilities(&self, decisions: &[f64], classes: usize) -> Vec<f64> {
        let mut pairwise = vec![0.0; classes * classes];
        let mut pair = 0;
        for i in 0..classes {
            for j in i + 1..classes {
                let p = 1.0 / (1.0 + (decisions[pair] * self.prob_a[pair] + self.prob_b[pair]).exp());
                let p = p.clamp(1e-7, 1.0 - 1e-7);
                (pairwise[i * classes + j], pairwise[j * classes + i]) = (p, 1.0 - p);
                pair += 1;
            }
        }
        couple(&pairwise, classes)
    }
}

fn couple(pairwise: &[f64], k: usize) -> Vec<f64> {
    let r = |i: usize, j: usize| pairwise[i * k + j];
    let q = |t: usize, j: usize| {
        if t == j { (0..k).filter(|j| *j != t).map(|j| r(j, t) * r(j, t)).sum() } else { -r(j, t) * r(t, j) }
    };
    let q: Vec<f64> = (0..k * k).map(|i| q(i / k, i % k)).collect();
    let mut p = vec![1.0 / k as f64; k];
    let mut qp = vec![0.0; k];
    for _ in 0..k.max(100) {
        for t in 0..k {
            qp[t] = (0..k).map(|j| q[t * k + j] * p[j]).sum();
        }
        let mut pqp: f64 = p.iter().zip(&qp).map(|(p, qp)| p * qp).sum();
        let error = qp.iter().map(|qp| (qp - pqp).abs()).fold(0.0, f64::max);
        if error < 0.005 / k as f64 {
            break;
        }
        for t in 0..k {
            let step = (pqp - qp[t]) / q[t * k + t];
            p[t] += step;
            pqp = (pqp + step * (step * q[t * k + t] + 2.0 * qp[t])) / (1.0 + step) / (1.0 + step);
            for j in 0..k {
                qp[j] = (qp[j] + step * q[t * k + j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
    p
}

fn classifier(call: Call<'_>) -> Result<Run> {
    let labels = Labels::read(call, "classlabels_ints", "classlabels_strings")?;
    let pairs = Pairs::read(call, labels.len())?;
    let post = Post::read(call)?;
    let classes = labels.len();
    Ok(Box::new(move |inputs| {
        let x = inputs.get(0)?;
        let (mut kernels, mut votes) = (vec![0.0; pairs.machine.count], vec![0.0; classes]);
        let (mut decisions, mut chosen, mut out) = (Vec::new(), Vec::new(), Vec::new());
        for row in pairs.machine.rows(x)?.chunks_exact(pairs.machine.width) {
            pairs.machine.compare(row, &mut kernels);
            pairs.decide(&kernels, &mut decisions, &mut votes);
            chosen.push(greatest(&votes));
            let start = out.len();
            match decisions.as_slice() {
                decisions if !pairs.prob_a.is_empty() => out.extend(pairs.probabilities(decisions, classes)),
                [decision] => out.extend([*decision, -decision]),
                decisions => out.extend(decisions),
            }
            post.apply(&mut out[start..]);
        }
        let width = if chosen.is_empty() { classes } else { out.len() / chosen.len() };
        Ok(vec![labels.pick(&chosen), scores(out, width, x)?])
    }))
}
