//! What an engine says of its metrics.

use serde_json::{Map, Value, json};

/// What an engine's `setup_metrics` gets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricsContext {
    /// Canonical id of the model.
    pub model: String,
    /// Component that the worker belongs to.
    pub component: String,
    /// How long `start` took, in seconds.
    pub model_load_seconds: f64,
    /// Names and values of the labels that the worker's gauges have, for metrics of the engine's own.
    pub labels: Vec<(String, String)>,
}

impl MetricsContext {
    pub(crate) fn of(context: &Map<String, Value>) -> Self {
        let text = |key: &str| context.get(key).and_then(Value::as_str).unwrap_or_default();
        let labels = context.get("labels").and_then(Value::as_object);
        let labels = labels
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
        Self {
            model: text("model").to_owned(),
            component: text("component").to_owned(),
            model_load_seconds: context
                .get("model_load_seconds")
                .and_then(Value::as_f64)
                .unwrap_or_default(),
            labels: labels.collect(),
        }
    }
}

/// What an engine's `setup_metrics` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// The data-parallel ranks of which it will push snapshots: of those that its configuration has,
    /// each once.
    pub dp_ranks: Vec<u32>,
    /// Whether it has metrics of its own, which `metrics_text` makes.
    pub text: bool,
}

impl Metrics {
    pub(crate) fn json(self) -> Value {
        json!({"dp_ranks": self.dp_ranks, "text": self.text})
    }
}
