//! A graph as a list of steps over numbered values.

use std::collections::HashMap;
use std::fmt;

use mlops_core::{Error, Result};

use super::ops::{Call, Inputs, Run, compile};
use super::proto::{Model, Node, ValueInfo};
use super::tensor::Tensor;

/// The most elements that one evaluation may compute; more is a mistake of the file.
const MOST_ELEMENTS: usize = 1 << 26;

/// A graph that can be evaluated.
pub(super) struct Program {
    steps: Vec<Step>,
    /// By the number of the value: what is known before any row.
    constants: Vec<Option<Tensor>>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

struct Step {
    name: String,
    op: String,
    inputs: Vec<Option<usize>>,
    outputs: Vec<Option<usize>>,
    run: Run,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.steps).finish()
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}' {:?} -> {:?}", self.op, self.name, self.inputs, self.outputs)
    }
}

/// What a graph takes that it does not bring itself.
pub(super) fn open_inputs(model: &Model) -> impl Iterator<Item = &ValueInfo> {
    let graph = &model.graph;
    graph.inputs.iter().filter(|input| !graph.initializers.iter().any(|(name, _)| *name == input.name))
}

/// The nodes that some output needs, in the order of the file, which must be that of the data.
fn needed<'a>(model: &'a Model, outputs: &[&str]) -> Result<Vec<&'a Node>> {
    let mut wanted: std::collections::HashSet<&str> = outputs.iter().copied().collect();
    let mut nodes = Vec::new();
    for node in model.graph.nodes.iter().rev() {
        if node.outputs.iter().any(|name| wanted.contains(name.as_str())) {
            wanted.extend(node.inputs.iter().map(String::as_str));
            nodes.push(node);
        }
    }
    nodes.reverse();
    Ok(nodes)
}

impl Program {
    /// Compiles what `outputs` need, and computes what hangs on no input.
    pub(super) fn new(model: &Model, outputs: &[&str]) -> Result<Self> {
        let mut program = Self { steps: Vec::new(), constants: Vec::new(), inputs: Vec::new(), outputs: Vec::new() };
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for (name, tensor) in &model.graph.initializers {
            numbers.insert(name, program.constants.len());
            program.constants.push(Some(tensor.clone()));
        }
        for input in open_inputs(model) {
            if numbers.insert(&input.name, program.constants.len()).is_some() {
                return Err(Error::corrupt(format!("two values are called '{}'", input.name)));
            }
            program.inputs.push(program.constants.len());
            program.constants.push(None);
        }
        let mut budget = MOST_ELEMENTS;
        for node in needed(model, outputs)? {
            program.add(model, node, &mut numbers, &mut budget).map_err(|e| blame(e, &node.name, &node.op))?;
        }
        for output in outputs {
            let number = numbers.get(output).copied();
            program.outputs.push(number.ok_or_else(|| Error::corrupt(format!("nothing gives output '{output}'")))?);
        }
        Ok(program)
    }

    fn add<'a>(
        &mut self,
        model: &Model,
        node: &'a Node,
        numbers: &mut HashMap<&'a str, usize>,
        budget: &mut usize,
    ) -> Result<()> {
        let domain = if node.domain == "ai.onnx" { "" } else { node.domain.as_str() };
        let opset = model.opsets.get(domain).or_else(|| model.opsets.get("ai.onnx")).copied().unwrap_or(1);
        let run = compile(Call { node, opset })?;
        let input = |name: &String| match numbers.get(name.as_str()) {
            _ if name.is_empty() => Ok(None),
            Some(number) => Ok(Some(*number)),
            None => Err(Error::corrupt(format!("input '{name}' is given by no node before this one"))),
        };
        let inputs = node.inputs.iter().map(input).collect::<Result<Vec<_>>>()?;
        let mut outputs = Vec::new();
        for name in &node.outputs {
            outputs.push(if name.is_empty() { None } else { Some(self.constants.len()) });
            if name.is_empty() {
                continue;
            }
            if numbers.insert(name, self.constants.len()).is_some() {
                return Err(Error::corrupt(format!("two values are called '{name}'")));
            }
            self.constants.push(None);
        }
        let step = Step { name: node.name.clone(), op: node.op.clone(), inputs, outputs, run };
        if step.inputs.iter().flatten().all(|number| self.constants[*number].is_some()) {
            let mut values = Vec::new();
            step.evaluate(&self.constants, &[], &mut values, budget)?;
            values.into_iter().for_each(|(number, tensor)| self.constants[number] = Some(tensor));
        } else {
            self.steps.push(step);
        }
        Ok(())
    }

    /// The outputs for a tensor an input.
    pub(super) fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let mut values: Vec<Option<Tensor>> = vec![None; self.constants.len()];
        self.inputs.iter().zip(inputs).for_each(|(number, tensor)| values[*number] = Some(tensor));
        let mut budget = MOST_ELEMENTS;
        let mut given = Vec::new();
        for step in &self.steps {
            let evaluated = step.evaluate(&self.constants, &values, &mut given, &mut budget);
            evaluated.map_err(|e| blame(e, &step.name, &step.op))?;
            given.drain(..).for_each(|(number, tensor)| values[number] = Some(tensor));
        }
        let output = |number: &usize| values[*number].clone().or_else(|| self.constants[*number].clone());
        let outputs = self
            .outputs
            .iter()
            .map(|number| output(number).ok_or_else(|| Error::internal("an output without a value")));
        outputs.collect()
    }
}

impl Step {
    fn evaluate(
        &self,
        constants: &[Option<Tensor>],
        values: &[Option<Tensor>],
        given: &mut Vec<(usize, Tensor)>,
        budget: &mut usize,
    ) -> Result<()> {
        let value = |number: usize| constants[number].as_ref().or_else(|| values.get(number)?.as_ref());
        let inputs = Inputs(self.inputs.iter().map(|number| number.and_then(value)).collect());
        for (number, tensor) in self.outputs.iter().zip((self.run)(&inputs)?) {
            let left = budget.checked_sub(tensor.data.len());
            *budget =
                left.ok_or_else(|| Error::corrupt(format!("the graph computes more than {MOST_ELEMENTS} elements")))?;
            given.extend(number.map(|number| (number, tensor)));
        }
        Ok(())
    }
}

fn blame(error: Error, name: &str, op: &str) -> Error {
    error.with_context("operator", op).with_context("node", name)
}
