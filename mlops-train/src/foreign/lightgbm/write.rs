use std::fmt::{Display, Write as _};

use mlops_core::{Domain, Error, Model, Result, Signature};

use crate::foreign::export::{Target, categorical, iterations, trees_of};
use crate::trees::{Link, Split, Step, Test, Tree, TreeModel};

/// Writes a model of trees as LightGBM's text, which `lightgbm.Booster(model_file=…)` loads.
///
/// LightGBM predicts the same, up to the rounding of `f64`. A forest that votes has no objective
/// there: LightGBM's raw sum is the probability of the second class, or those of all classes before
/// they are brought to a sum of 1. Spaces in feature names become underscores.
///
/// # Errors
/// [`ErrorKind::Unsupported`](mlops_core::ErrorKind::Unsupported) for a model of something else than
/// trees, and for a split of codes that sends missing values where no unknown code goes.
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
/// let text = foreign::to_lightgbm(&model)?;
/// let again = Import::new().lightgbm(text.as_bytes())?;
/// let batch = arrow::array::record_batch!(("wind", Float64, [3.0, 7.0]))?;
/// assert_eq!(again.predict(&batch)?, model.predict(&batch)?);
/// # Ok::<(), mlops_core::Error>(())
/// ```
pub fn to_lightgbm(model: &dyn Model) -> Result<String> {
    let model = trees_of(model)?;
    let iterations = iterations(&model);
    let trees: Vec<String> = (iterations.iter().flatten().enumerate())
        .map(|(i, tree)| write_tree(i, tree, model.trees().has_stats()))
        .collect::<Result<_>>()?;
    let codes = categorical(&iterations, model.signature().inputs.len());
    let mut text = header(&model, &codes);
    let _ = writeln!(text, "tree_sizes={}\n", spaced(trees.iter().map(String::len)));
    text.extend(trees);
    text.push_str(
        "end of trees\n\nfeature_importances:\n\nparameters:\n\nend of parameters\n\npandas_categorical:null\n",
    );
    Ok(text)
}

fn header(model: &TreeModel, codes: &[bool]) -> String {
    let Signature { inputs, .. } = model.signature();
    let outputs = model.trees().num_outputs();
    let objective = match Target::of(model) {
        Target::Number(Link::Exp) => "objective=poisson\n".to_owned(),
        Target::Number(Link::Logistic) => "objective=cross_entropy\n".to_owned(),
        Target::Number(_) => "objective=regression\n".to_owned(),
        Target::Logistic => "objective=binary sigmoid:1\n".to_owned(),
        Target::Logistics => format!("objective=multiclassova num_class:{outputs} sigmoid:1\n"),
        Target::Softmax => format!("objective=multiclass num_class:{outputs}\n"),
        Target::Probabilities => String::new(),
    };
    let names = inputs.iter().map(|input| input.name.split_whitespace().collect::<Vec<_>>().join("_"));
    let infos = inputs.iter().zip(codes).map(|(input, codes)| match input.domain {
        Domain::Range { min, max } if !codes => format!("[{min:?}:{max:?}]"),
        _ if *codes => "0:1".to_owned(),
        _ => "[-inf:inf]".to_owned(),
    });
    format!(
        "tree\nversion=v4\nnum_class={outputs}\nnum_tree_per_iteration={outputs}\nlabel_index=0\n\
         max_feature_idx={}\n{objective}feature_names={}\nfeature_infos={}\n",
        inputs.len() - 1,
        spaced(names),
        spaced(infos),
    )
}

fn spaced(values: impl IntoIterator<Item: Display>) -> String {
    let mut text = String::new();
    for value in values {
        let _ = write!(text, "{}{value}", if text.is_empty() { "" } else { " " });
    }
    text
}

/// The columns of a tree's block; splits and leaves are numbered apart, in the order of the branches.
#[derive(Debug, Default)]
struct Columns {
    features: Vec<usize>,
    gains: Vec<f64>,
    thresholds: Vec<f64>,
    decisions: Vec<u8>,
    lefts: Vec<i64>,
    rights: Vec<i64>,
    internal_counts: Vec<f64>,
    leaf_counts: Vec<f64>,
    set_ends: Vec<usize>,
    words: Vec<u32>,
}

fn write_tree(number: usize, tree: &Tree, stats: bool) -> Result<String> {
    let mut columns = Columns { set_ends: vec![0], ..Columns::default() };
    let (mut splits, mut leaves) = (0, 0);
    let numbers: Vec<i64> = (tree.branches.iter())
        .map(|branch| {
            let count = if matches!(branch.step, Step::Leaf(_)) { &mut leaves } else { &mut splits };
            *count += 1;
            if matches!(branch.step, Step::Leaf(_)) { -*count } else { *count - 1 }
        })
        .collect();
    let mut values = Vec::new();
    for branch in &tree.branches {
        match &branch.step {
            Step::Leaf(leaf) => {
                values.push(tree.values[*leaf]);
                columns.leaf_counts.push(branch.cover.round());
            }
            Step::Split(split) => {
                columns.internal_counts.push(branch.cover.round());
                columns.gains.push(branch.gain);
                columns.push(split, &numbers)?;
            }
        }
    }
    Ok(columns.write(number, &values, stats))
}

impl Columns {
    fn push(&mut self, split: &Split, numbers: &[i64]) -> Result<()> {
        let [mut left, mut right] = split.children.map(|child| numbers[child]);
        self.features.push(split.feature);
        match &split.test {
            Test::AtMost(threshold) => {
                self.thresholds.push(*threshold);
                let missing = if split.zero_is_missing { 1 } else { 2 };
                self.decisions.push(missing << 2 | u8::from(split.missing_left) << 1);
            }
            Test::In { codes, unknown_left } => {
                if split.missing_left != *unknown_left || split.zero_is_missing {
                    return Err(Error::unsupported(
                        "a split of codes that sends missing values elsewhere than unknown codes has no form in \
                         LightGBM's text: write ONNX or XGBoost's JSON",
                    ));
                }
                // Unknown codes go right there; here they may go left.
                if *unknown_left {
                    (left, right) = (right, left);
                }
                self.thresholds.push((self.set_ends.len() - 1) as f64);
                self.decisions.push(1);
                self.words.extend(codes.words().iter().map(|word| if *unknown_left { !word } else { *word }));
                self.set_ends.push(self.words.len());
            }
        }
        self.lefts.push(left);
        self.rights.push(right);
        Ok(())
    }

    fn write(&self, number: usize, values: &[f64], stats: bool) -> String {
        let sets = self.set_ends.len() - 1;
        let exact = |values: &[f64]| spaced(values.iter().map(|value| format!("{value:?}")));
        let mut text = format!("Tree={number}\nnum_leaves={}\nnum_cat={sets}\n", values.len());
        let mut line = |key: &str, value: String| {
            let _ = writeln!(text, "{key}={value}");
        };
        if values.len() > 1 {
            line("split_feature", spaced(&self.features));
            line("split_gain", exact(&self.gains));
            line("threshold", exact(&self.thresholds));
            line("decision_type", spaced(&self.decisions));
            line("left_child", spaced(&self.lefts));
            line("right_child", spaced(&self.rights));
        }
        line("leaf_value", exact(values));
        if stats {
            line("leaf_count", spaced(&self.leaf_counts));
            line("internal_count", spaced(&self.internal_counts));
        }
        if sets > 0 {
            line("cat_boundaries", spaced(&self.set_ends));
            line("cat_threshold", spaced(&self.words));
        }
        text.push_str("is_linear=0\nshrinkage=1\n\n\n");
        text
    }
}
