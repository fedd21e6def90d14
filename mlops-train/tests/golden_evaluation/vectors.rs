//! The vectors as they are stored.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
pub(crate) struct Vectors {
    pub(crate) classification: Vec<Classes>,
    pub(crate) regression: Vec<Numbers>,
    pub(crate) curves: Vec<Curves>,
    pub(crate) rankings: Vec<Ranking>,
    pub(crate) agreements: Vec<Agreeing>,
    pub(crate) clusterings: Vec<Points>,
}

#[derive(Deserialize)]
pub(crate) struct Classes {
    pub(crate) name: String,
    pub(crate) classes: usize,
    pub(crate) truth: Vec<f64>,
    pub(crate) scores: Vec<f64>,
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) confusion: Vec<Vec<f64>>,
    pub(crate) expected: Map<String, Value>,
}

#[derive(Deserialize)]
pub(crate) struct Numbers {
    pub(crate) name: String,
    pub(crate) truth: Vec<f64>,
    pub(crate) answer: Vec<f64>,
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) expected: Map<String, Value>,
}

#[derive(Deserialize)]
pub(crate) struct Curves {
    pub(crate) name: String,
    pub(crate) truth: Vec<f64>,
    pub(crate) scores: Vec<f64>,
    pub(crate) weights: Option<Vec<f64>>,
    #[serde(flatten)]
    pub(crate) curves: BTreeMap<String, Vec<Vec<Option<f64>>>>,
}

#[derive(Deserialize)]
pub(crate) struct Ranking {
    pub(crate) name: String,
    pub(crate) width: usize,
    pub(crate) relevance: Vec<f64>,
    pub(crate) scores: Vec<f64>,
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) expected: Map<String, Value>,
}

#[derive(Deserialize)]
pub(crate) struct Agreeing {
    pub(crate) name: String,
    pub(crate) truth: Vec<f64>,
    pub(crate) groups: Vec<f64>,
    pub(crate) expected: Map<String, Value>,
}

#[derive(Deserialize)]
pub(crate) struct Points {
    pub(crate) name: String,
    pub(crate) width: usize,
    pub(crate) points: Vec<f64>,
    pub(crate) labels: Vec<f64>,
    pub(crate) expected: Map<String, Value>,
}

pub(crate) fn vectors() -> &'static Vectors {
    static VECTORS: OnceLock<Vectors> = OnceLock::new();
    VECTORS.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sklearn/evaluation.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    })
}
