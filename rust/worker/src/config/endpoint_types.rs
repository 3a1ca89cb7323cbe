//! The comma-separated list of endpoint types, and the model type it stands for.
//!
//! Which of them a worker may have follows from what its engine takes: for any other pair a frontend
//! has no way from a client to the worker, and would not list the model.

use dynamo_llm::model_type::{ModelInput, ModelType};
use dynamo_runtime::error::DynamoError;

use crate::error::invalid_argument;

/// Tokens are what chats and completions are made into, and nothing else here.
const OF_TOKENS: &[(&str, ModelType)] = &[
    ("chat", ModelType::Chat),
    ("completions", ModelType::Completions),
];

const OF_TEXT: &[(&str, ModelType)] = &[
    ("chat", ModelType::Chat),
    ("completions", ModelType::Completions),
    ("embedding", ModelType::Embedding),
    ("images", ModelType::Images),
    ("videos", ModelType::Videos),
    ("audios", ModelType::Audios),
    ("classify", ModelType::Classify),
    ("pooling", ModelType::Pooling),
    ("rerank", ModelType::Rerank),
];

const OF_TENSORS: &[(&str, ModelType)] = &[("tensor", ModelType::TensorBased)];

const INPUTS: [ModelInput; 3] = [ModelInput::Tokens, ModelInput::Text, ModelInput::Tensor];

/// Other names that are understood.
const ALSO: &[(&str, &str)] = &[
    ("embeddings", "embedding"),
    ("image", "images"),
    ("video", "videos"),
    ("audio", "audios"),
];

/// Reads the list of a worker that takes `input`: each part trimmed, in any case, empty parts skipped.
pub(crate) fn parse_endpoint_types(
    input: ModelInput,
    text: &str,
) -> Result<ModelType, DynamoError> {
    let mut types = ModelType::empty();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        types |= find(input, part).ok_or_else(|| {
            let elsewhere = INPUTS
                .into_iter()
                .find(|other| find(*other, part).is_some());
            let what = match elsewhere {
                Some(other) => format!("'{part}' is for model_input '{other}'"),
                None if part.eq_ignore_ascii_case("prefill") => {
                    format!(
                        "'{part}' is a worker's disaggregation_mode, and no type of an endpoint"
                    )
                }
                None => format!("'{part}' is unknown"),
            };
            refused(input, &what)
        })?;
    }
    if types.is_empty() {
        return Err(refused(input, &format!("'{text}' names no type")));
    }
    Ok(types)
}

fn of(input: ModelInput) -> &'static [(&'static str, ModelType)] {
    match input {
        ModelInput::Tokens => OF_TOKENS,
        ModelInput::Text => OF_TEXT,
        ModelInput::Tensor => OF_TENSORS,
    }
}

fn find(input: ModelInput, part: &str) -> Option<ModelType> {
    let is_part = |name: &str| name.eq_ignore_ascii_case(part);
    let also = ALSO.iter().find(|(name, _)| is_part(name));
    let is_meant = |name: &str| also.map_or_else(|| is_part(name), |(_, meant)| *meant == name);
    of(input)
        .iter()
        .find(|(name, _)| is_meant(name))
        .map(|(_, value)| *value)
}

fn refused(input: ModelInput, what: &str) -> DynamoError {
    let accepted = of(input).iter().map(|(name, _)| *name).collect::<Vec<_>>();
    invalid_argument(format!(
        "endpoint_types: {what}; accepted: {}, as model_input is '{input}'",
        accepted.join(", ")
    ))
}
