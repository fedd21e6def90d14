//! Models that LightGBM, XGBoost and ONNX's converters wrote, against what those libraries answer.
//!
//! `tests/golden/foreign/gen.py` makes the files.
#![cfg(feature = "foreign")]

mod golden;
mod hostile;
mod onnx;
#[cfg(feature = "forest")]
mod peers;
mod trees;
