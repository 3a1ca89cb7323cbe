//! The labels by which one worker's metrics are told from another's.

use dynamo_runtime::component::Endpoint;
use dynamo_runtime::metrics::MetricsHierarchy;
use dynamo_runtime::metrics::prometheus_names::{labels, sanitize_prometheus_label};

/// Those that the runtime gives a metric of the endpoint, and the two of the model.
pub(crate) fn of_worker(
    endpoint: &Endpoint,
    model: &str,
    model_name: &str,
) -> Vec<(String, String)> {
    let id = endpoint.id();
    let names = [
        (labels::NAMESPACE, id.namespace),
        (labels::COMPONENT, id.component),
        (labels::ENDPOINT, id.name),
    ];
    let mut found: Vec<(String, String)> = names
        .into_iter()
        .filter_map(|(name, value)| {
            Some((name.to_owned(), sanitize_prometheus_label(&value).ok()?))
        })
        .collect();
    if let Some(id) = endpoint.connection_id() {
        found.push((labels::WORKER_ID.to_owned(), format!("{id:x}")));
    }
    found.push((labels::MODEL.to_owned(), model.to_owned()));
    found.push((labels::MODEL_NAME.to_owned(), model_name.to_owned()));
    found
}
