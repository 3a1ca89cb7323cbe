//! The comma-separated list of endpoint types, and the model type it stands for.
//!
//! Dynamo has more of them. Those that are known and refused have no engine: what `generate` makes
//! is chunks of tokens, and a frontend would take a card of theirs for more.

use dynamo_llm::model_type::ModelType;
use dynamo_runtime::error::DynamoError;

use crate::error::invalid_argument;

const TYPES: &[(&str, ModelType)] = &[
    ("chat", ModelType::Chat),
    ("completions", ModelType::Completions),
];

const WITHOUT_ENGINE: &[&str] = &["embedding", "embeddings", "tensor"];

/// Reads the list: each part trimmed, in any case, empty parts skipped.
pub(crate) fn parse_endpoint_types(text: &str) -> Result<ModelType, DynamoError> {
    let mut types = ModelType::empty();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let is_part = |name: &str| name.eq_ignore_ascii_case(part);
        let known = TYPES.iter().find(|(name, _)| is_part(name));
        types |= known.map(|(_, value)| *value).ok_or_else(|| {
            refused(&if is_part("prefill") {
                format!("'{part}' is a worker's disaggregation_mode, and no type of an endpoint")
            } else if WITHOUT_ENGINE.iter().any(|name| is_part(name)) {
                format!("'{part}' cannot be served: an engine here makes tokens")
            } else {
                format!("'{part}' is unknown")
            })
        })?;
    }
    if types.is_empty() {
        return Err(refused(&format!("'{text}' names no type")));
    }
    Ok(types)
}

fn refused(what: &str) -> DynamoError {
    let accepted = TYPES.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    invalid_argument(format!(
        "endpoint_types: {what}; accepted: {}",
        accepted.join(", ")
    ))
}
