//! What a request may ask for that an echo does not have: refused, never left aside.
//!
//! How tokens are chosen is not among it: an echo has one candidate, which whatever temperature,
//! seed or penalty leaves as likely as it is.

use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use serde_json::Value;

use crate::error::invalid_argument;

pub(super) fn refuse_unsupported(request: &PreprocessedRequest) -> Result<(), DynamoError> {
    let sampling = &request.sampling_options;
    let output = &request.output_options;
    let asked_for = [
        ("n", sampling.n.is_some_and(|n| n > 1)),
        ("best_of", sampling.best_of.is_some_and(|best| best > 1)),
        ("use_beam_search", sampling.use_beam_search == Some(true)),
        (
            "length_penalty",
            sampling.length_penalty.is_some_and(|by| by != 1.0),
        ),
        ("guided_decoding", sampling.guided_decoding.is_some()),
        (
            "max_thinking_tokens",
            request.stop_conditions.max_thinking_tokens.is_some(),
        ),
        ("prompt_logprobs", output.prompt_logprobs.is_some()),
        ("formatted_prompt", output.formatted_prompt == Some(true)),
        ("prompt_embeds", request.prompt_embeds.is_some()),
        (
            "multi_modal_data",
            request
                .multi_modal_data
                .as_ref()
                .is_some_and(|data| !data.is_empty()),
        ),
    ];
    let named = asked_for.into_iter().find(|(_, is_asked)| *is_asked);
    match named.map(|(name, _)| name).or_else(|| passed_on(request)) {
        None => Ok(()),
        Some(name) => Err(invalid_argument(format!(
            "{name} is asked for, which the echo engine does not have; leave it out"
        ))),
    }
}

/// An option that the frontend passes on without reading it.
fn passed_on(request: &PreprocessedRequest) -> Option<&str> {
    let options = request.extra_args.as_ref()?.get("sampling_options")?;
    let asks = |(name, value): &(&String, &Value)| match value {
        Value::Null => false,
        Value::Bool(true) if *name == "detokenize" => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        _ => true,
    };
    options
        .as_object()?
        .iter()
        .find(asks)
        .map(|(name, _)| name.as_str())
}
