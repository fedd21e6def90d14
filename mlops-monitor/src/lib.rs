//! Drift detection, quality with delayed labels, alerts and reports for `mlops`.
