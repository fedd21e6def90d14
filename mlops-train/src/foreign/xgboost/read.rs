use mlops_core::{Error, Result};

use super::objective::Objective;
use super::value::{Value, wrong};
use super::{tree, ubj};
use crate::foreign::import::{Feature, Import};
use crate::trees::{Layout, TreeEnsemble, TreeModel};

pub(crate) fn read(bytes: &[u8], import: &Import) -> Result<TreeModel> {
    let document = if is_json(bytes) { Value::from_json(bytes)? } else { ubj::parse(bytes)? };
    let learner = document.get("learner")?;
    let parameters = learner.get("learner_model_param")?;
    let targets = if parameters.find("num_target").is_some() { parameters.count("num_target")? } else { 1 };
    let outputs = parameters.count("num_class")?.max(targets).max(1);
    let objective = Objective::read(learner.get("objective")?.text("name")?, outputs)?;
    let features = features(learner, parameters.count("num_feature")?, bytes.len())?;
    let signature = import.signature(features, objective.answer)?;
    let base = base_scores(parameters, outputs)?;
    let base = base.into_iter().map(|score| objective.margin(score)).collect::<Result<_>>()?;
    let (model, drop) = booster(learner.get("gradient_booster")?)?;
    let groups = model.numbers("tree_info")?;
    let trees = model.list("trees")?;
    if trees.len() != groups.len() || drop.is_some_and(|weights| weights.len() != trees.len()) {
        return Err(Error::corrupt("the trees of the XGBoost model are not as many as their groups or weights"));
    }
    let mut ensemble = TreeEnsemble::new(Layout::sum(base)).with_stats();
    for (i, (document, group)) in trees.iter().zip(groups).enumerate() {
        let mut tree = tree::read(document, signature.inputs.len()).map_err(|e| e.with_context("tree", i))?;
        if let Some(weights) = drop {
            tree.values.iter_mut().for_each(|value| *value *= weights[i]);
        }
        ensemble.push(&tree, *group as usize)?;
    }
    TreeModel::new(signature, ensemble, objective.link)
}

/// JSON has a quote, a brace or nothing but white space after the first brace, UBJSON a length.
fn is_json(bytes: &[u8]) -> bool {
    let rest = bytes.trim_ascii_start().strip_prefix(b"{").unwrap_or_default();
    matches!(rest.trim_ascii_start(), [] | [b'"' | b'}', ..])
}

fn features(learner: &Value, count: usize, size: usize) -> Result<Vec<Feature>> {
    let names = if learner.find("feature_names").is_some() { learner.list("feature_names")? } else { &[] };
    // A file need not name its features; a number alone must not take much more memory than the file.
    if names.is_empty() && count <= 4096.max(size) {
        return Ok((0..count).map(Feature::numbered).collect());
    }
    if names.len() != count {
        return Err(wrong("feature_names", &format!("a list of {count} names, but has {}", names.len())));
    }
    let feature = |(i, name): (usize, &Value)| match name {
        Value::Text(name) => Ok(Feature { name: name.clone(), ..Feature::numbered(i) }),
        _ => Err(wrong("feature_names", "a list of texts")),
    };
    names.iter().enumerate().map(feature).collect()
}

/// A number for all outputs, or one for each.
fn base_scores(parameters: &Value, outputs: usize) -> Result<Vec<f64>> {
    let text = parameters.text("base_score")?;
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let scores: Option<Vec<f64>> = inner.split(',').map(|score| score.trim().parse().ok()).collect();
    match scores.as_deref() {
        Some([score]) => Ok(vec![*score; outputs]),
        Some(scores) if scores.len() == outputs => Ok(scores.to_vec()),
        _ => Err(wrong("base_score", &format!("a number, or {outputs} of them"))),
    }
}

/// The trees, and what each is multiplied by.
fn booster(booster: &Value) -> Result<(&Value, Option<&[f64]>)> {
    match booster.text("name")? {
        "gbtree" => Ok((booster.get("model")?, None)),
        "dart" => Ok((booster.get("gbtree")?.get("model")?, Some(booster.numbers("weight_drop")?))),
        other => Err(Error::unsupported(format!(
            "XGBoost booster '{other}': trees are read (gbtree, dart); a linear booster is a linear model of ours"
        ))),
    }
}
