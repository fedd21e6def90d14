//! Trainers, metrics, cross-validation and model selection for `mlops`.
