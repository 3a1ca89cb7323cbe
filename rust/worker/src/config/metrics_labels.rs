//! Which names an operator's metrics labels may have.

use std::collections::HashSet;

use dynamo_runtime::error::DynamoError;
use dynamo_runtime::metrics::prometheus_names::labels;

use crate::error::invalid_argument;

/// Set by the runtime on every metric, or by the request metrics themselves.
const TAKEN: [&str; 5] = [
    labels::NAMESPACE,
    labels::COMPONENT,
    labels::ENDPOINT,
    labels::WORKER_ID,
    "error_type",
];

/// Checks the names before anything is loaded; the runtime would refuse them after that.
pub(super) fn check(metrics_labels: &[(String, String)]) -> Result<(), DynamoError> {
    let mut seen = HashSet::new();
    for (name, _) in metrics_labels {
        let why = if !is_label_name(name) {
            "is no label name; accepted: letters, digits and underscores, not beginning with a \
             digit or with two underscores"
        } else if TAKEN.contains(&name.as_str()) {
            "is a label that the worker's metrics have already; choose another"
        } else if !seen.insert(name) {
            "is there twice; give each label one value"
        } else {
            continue;
        };
        return Err(invalid_argument(format!("metrics_labels: '{name}' {why}")));
    }
    Ok(())
}

fn is_label_name(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.starts_with("__")
        && name.bytes().all(word)
        && name
            .bytes()
            .next()
            .is_some_and(|first| !first.is_ascii_digit())
}
