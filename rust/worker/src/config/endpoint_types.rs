//! The comma-separated list of endpoint types, and the model type it stands for.

use dynamo_llm::model_type::ModelType;
use dynamo_runtime::error::DynamoError;

use crate::error::invalid_argument;

const TYPES: &[(&str, ModelType)] = &[
    ("chat", ModelType::Chat),
    ("completions", ModelType::Completions),
    ("embedding", ModelType::Embedding),
    ("embeddings", ModelType::Embedding),
    ("tensor", ModelType::TensorBased),
    ("prefill", ModelType::Prefill),
];

/// Reads the list: each part trimmed, in any case, empty parts skipped.
pub(crate) fn parse_endpoint_types(text: &str) -> Result<ModelType, DynamoError> {
    let mut types = ModelType::empty();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        types |= TYPES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(part))
            .map(|(_, value)| *value)
            .ok_or_else(|| refused(&format!("'{part}' is unknown")))?;
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
