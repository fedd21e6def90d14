use mlops_core::{Error, Model, Result};
use serde_json::{Value as Json, json};

use crate::foreign::export::{Target, categorical, iterations, trees_of};
use crate::trees::{CodeSet, Link, Split, Step, Test, Tree, TreeModel};

/// The parent of a root.
const NOBODY: usize = i32::MAX as usize;

/// Writes a model of trees as XGBoost's JSON, which `xgboost.Booster(model_file=…)` loads.
///
/// XGBoost predicts the same for inputs that are `f32`, up to the rounding of its `f32` sums. A
/// forest that votes becomes a regression of the second class's probability, or of all classes'
/// (several targets) before they are brought to a sum of 1.
///
/// # Errors
/// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for a model of something else than
/// trees, for splits that take zeros as missing, and for classes by one logistic each.
///
/// # Example
/// ```
/// use mlops_core::Model;
/// use mlops_train::{Import, foreign};
/// # let file = b"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\n\
/// #     objective=regression\nfeature_names=wind\nfeature_infos=[0:9]\n\n\
/// #     Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=5\ndecision_type=2\n\
/// #     left_child=-1\nright_child=-2\nleaf_value=-1 1\n\nend of trees\n";
/// # let model = Import::new().lightgbm(file)?;
/// let json = foreign::to_xgboost(&model)?;
/// let again = Import::new().xgboost(json.as_bytes())?;
/// let batch = arrow::array::record_batch!(("wind", Float64, [3.0, 7.0]))?;
/// assert_eq!(again.predict(&batch)?, model.predict(&batch)?);
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub fn to_xgboost(model: &dyn Model) -> Result<String> {
    let model = trees_of(model)?;
    let iterations = iterations(&model);
    let outputs = model.trees().num_outputs();
    let width = model.signature().inputs.len();
    let codes = categorical(&iterations, width);
    let kinds: Vec<&str> = codes.iter().map(|codes| if *codes { "c" } else { "float" }).collect();
    let names = model.signature().input_names();
    let trees = iterations.iter().flatten().enumerate();
    let trees: Vec<Json> = trees.map(|(i, tree)| write_tree(i, tree, width)).collect::<Result<_>>()?;
    let groups: Vec<usize> = (0..trees.len()).map(|tree| tree % outputs).collect();
    let ends: Vec<usize> = (0..=iterations.len()).map(|i| i * outputs).collect();
    let (objective, parameters) = objective(&model)?;
    let document = json!({
        "learner": {
            "attributes": {},
            "feature_names": names,
            "feature_types": kinds,
            "gradient_booster": {
                "model": {
                    "gbtree_model_param": { "num_parallel_tree": "1", "num_trees": trees.len().to_string() },
                    "iteration_indptr": ends,
                    "tree_info": groups,
                    "trees": trees,
                },
                "name": "gbtree",
            },
            "learner_model_param": parameters,
            "objective": objective,
        },
        "version": [2, 1, 0],
    });
    Ok(serde_json::to_string(&document)?)
}

/// The objective, and what the learner is told of it.
fn objective(model: &TreeModel) -> Result<(Json, Json)> {
    let outputs = model.trees().num_outputs();
    let regression = |name: &str| json!({ "name": name, "reg_loss_param": { "scale_pos_weight": "1" } });
    let classes = outputs.to_string();
    // The base is in the trees, so that it is no `f32`; this one adds nothing.
    let (objective, base, classes, targets) = match Target::of(model) {
        Target::Logistic => (regression("binary:logistic"), "5E-1", 0, 1),
        Target::Logistics => {
            return Err(Error::unsupported("XGBoost has no objective of one logistic a class: write ONNX or LightGBM"));
        }
        Target::Number(Link::Exp) => {
            (json!({ "name": "count:poisson", "poisson_regression_param": { "max_delta_step": "0.7" } }), "1E0", 0, 1)
        }
        Target::Number(Link::Logistic) => (regression("reg:logistic"), "5E-1", 0, 1),
        Target::Number(_) | Target::Probabilities => (regression("reg:squarederror"), "0E0", 0, outputs),
        Target::Softmax => {
            let objective = json!({ "name": "multi:softprob", "softmax_multiclass_param": { "num_class": classes } });
            (objective, "0E0", outputs, 1)
        }
    };
    let parameters = json!({
        "base_score": base,
        "boost_from_average": "0",
        "num_class": classes.to_string(),
        "num_feature": model.signature().inputs.len().to_string(),
        "num_target": targets.to_string(),
    });
    Ok((objective, parameters))
}

/// The smallest `f32` above `threshold`: an `f32` is at most the one where it is below the other.
fn above(threshold: f64) -> f32 {
    let rounded = threshold as f32;
    if f64::from(rounded) > threshold { rounded } else { rounded.next_up() }
}

/// A property a column.
#[derive(Debug, Default)]
struct Columns {
    lefts: Vec<i64>,
    rights: Vec<i64>,
    parents: Vec<usize>,
    features: Vec<usize>,
    conditions: Vec<f32>,
    default_lefts: Vec<u8>,
    kinds: Vec<u8>,
    covers: Vec<f64>,
    gains: Vec<f64>,
    set_nodes: Vec<usize>,
    set_starts: Vec<usize>,
    set_sizes: Vec<usize>,
    codes: Vec<usize>,
}

fn write_tree(number: usize, tree: &Tree, width: usize) -> Result<Json> {
    let mut columns = Columns { parents: vec![NOBODY; tree.branches.len()], ..Columns::default() };
    for (node, branch) in tree.branches.iter().enumerate() {
        columns.covers.push(branch.cover);
        columns.gains.push(branch.gain);
        match &branch.step {
            Step::Leaf(leaf) => columns.leaf(tree.values[*leaf] as f32),
            Step::Split(split) => columns.split(node, split)?,
        }
    }
    let nodes = tree.branches.len().to_string();
    Ok(json!({
        "base_weights": vec![0.0; tree.branches.len()],
        "categories": columns.codes,
        "categories_nodes": columns.set_nodes,
        "categories_segments": columns.set_starts,
        "categories_sizes": columns.set_sizes,
        "default_left": columns.default_lefts,
        "id": number,
        "left_children": columns.lefts,
        "loss_changes": columns.gains,
        "parents": columns.parents,
        "right_children": columns.rights,
        "split_conditions": columns.conditions,
        "split_indices": columns.features,
        "split_type": columns.kinds,
        "sum_hessian": columns.covers,
        "tree_param": {
            "num_deleted": "0",
            "num_feature": width.to_string(),
            "num_nodes": nodes,
            "size_leaf_vector": "1",
        },
    }))
}

impl Columns {
    fn leaf(&mut self, value: f32) {
        self.push([-1, -1], 0, value, false, 0);
    }

    fn push(&mut self, [left, right]: [i64; 2], feature: usize, condition: f32, default_left: bool, kind: u8) {
        self.lefts.push(left);
        self.rights.push(right);
        self.features.push(feature);
        self.conditions.push(condition);
        self.default_lefts.push(u8::from(default_left));
        self.kinds.push(kind);
    }

    fn split(&mut self, node: usize, split: &Split) -> Result<()> {
        if split.zero_is_missing {
            return Err(Error::unsupported("a split that takes zeros as missing has no form in XGBoost's JSON"));
        }
        split.children.iter().for_each(|child| self.parents[*child] = node);
        let [first, second] = split.children.map(|child| child as i64);
        match &split.test {
            Test::AtMost(threshold) => {
                // Nothing is at most NaN, nor below the least number.
                let condition = if threshold.is_nan() { f32::MIN } else { above(*threshold) };
                if !condition.is_finite() && threshold.is_finite() {
                    return Err(Error::unsupported(format!("a threshold of {threshold:e} is no f32 of XGBoost")));
                }
                // JSON has no infinity; nothing that is an `f32` lies beyond its range.
                let condition = condition.clamp(f32::MIN, f32::MAX);
                self.push([first, second], split.feature, condition, split.missing_left, 0);
            }
            Test::In { codes, unknown_left } => {
                // What is in the set goes right there, what is unknown left.
                let (left, right) = if *unknown_left { (first, second) } else { (second, first) };
                let default_left = split.missing_left == *unknown_left;
                self.set_nodes.push(node);
                self.set_starts.push(self.codes.len());
                self.codes.extend((0..codes.words().len() * 32).filter(|code| is_in(codes, *code) != *unknown_left));
                self.set_sizes.push(self.codes.len() - self.set_starts[self.set_starts.len() - 1]);
                self.push([left, right], split.feature, 0.0, default_left, 1);
            }
        }
        Ok(())
    }
}

fn is_in(codes: &CodeSet, code: usize) -> bool {
    CodeSet::look_up(codes.words(), code as f64) == Some(true)
}
