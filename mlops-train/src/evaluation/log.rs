use mlops_core::{Metric, Result, RunEntry, RunId, Tracker};

use super::Evaluation;
use crate::metrics::{
    Accuracy, AveragePrecision, F1, Mae, Mape, Mse, MulticlassAverage, MulticlassRocAuc, Precision, R2, Recall, Rmse,
};

impl Evaluation {
    /// The metrics as entries of a run, under the names that MLflow's `evaluate` logs them by
    /// (`accuracy_score`, `precision_recall_auc`, `root_mean_squared_error`); those that it does not
    /// know go by their own. What is not defined is left out.
    ///
    /// MLflow's other numbers come with them: `example_count`, the counts of the confusion matrix of two
    /// classes, sum and mean of a number to predict.
    pub fn entries(&self, step: i64) -> Vec<RunEntry> {
        let of = |name: &str, value: f64| RunEntry::metric(name, value, step);
        let mut entries = vec![of("example_count", self.rows as f64)];
        for value in &self.metrics {
            if let Some(number) = value.value {
                entries.push(of(self.mlflow_name(&value.metric), number));
            }
        }
        let p = self.predictions();
        if self.task.is_quantity() {
            let sum: f64 = (0..p.num_rows()).map(|row| p.weight(row) * p.target[row]).sum();
            entries.push(of("sum_on_target", sum));
            entries.push(of("mean_on_target", sum / p.num_rows() as f64));
        } else if let (Some(matrix), 2) = (&self.confusion, p.width()) {
            entries.push(of("true_negatives", matrix.get(0, 0)));
            entries.push(of("false_positives", matrix.get(0, 1)));
            entries.push(of("false_negatives", matrix.get(1, 0)));
            entries.push(of("true_positives", matrix.get(1, 1)));
        }
        entries
    }

    /// MLflow averages several classes by their rows, and calls the average precision an area.
    fn mlflow_name<'a>(&self, metric: &'a str) -> &'a str {
        let roc_auc = MulticlassRocAuc::ovr().with_average(MulticlassAverage::Weighted);
        let names: [(&dyn Metric, &'static str); 13] = [
            (&Accuracy, "accuracy_score"),
            (&AveragePrecision, "precision_recall_auc"),
            (&F1::binary(), "f1_score"),
            (&F1::weighted(), "f1_score"),
            (&Mae, "mean_absolute_error"),
            (&Mape, "mean_absolute_percentage_error"),
            (&Mse, "mean_squared_error"),
            (&Precision::binary(), "precision_score"),
            (&Precision::weighted(), "precision_score"),
            (&R2, "r2_score"),
            (&Recall::binary(), "recall_score"),
            (&Recall::weighted(), "recall_score"),
            (&Rmse, "root_mean_squared_error"),
        ];
        let two = self.predictions().width() == 2;
        match metric {
            // Beside the binary value, the weighted one keeps its own name.
            "f1_weighted" | "precision_weighted" | "recall_weighted" if two => metric,
            name if name == roc_auc.name() && !two => "roc_auc",
            name => names.iter().find(|(metric, _)| metric.name() == name).map_or(metric, |(_, mlflow)| mlflow),
        }
    }

    /// Logs [the metrics](Self::entries) to a run, and keeps `evaluation.json` and `evaluation.html`
    /// with it.
    ///
    /// # Errors
    /// As [`Tracker::log`] and [`Tracker::log_artifact`].
    pub async fn log(&self, tracker: &dyn Tracker, run: &RunId, step: i64) -> Result<()> {
        tracker.log(run, &self.entries(step)).await?;
        tracker.log_artifact(run, "evaluation.json", self.to_json()?.into()).await?;
        tracker.log_artifact(run, "evaluation.html", self.to_html().into()).await
    }
}
