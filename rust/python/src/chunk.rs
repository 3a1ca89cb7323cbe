//! A chunk on its way from Python.

use dynamo_backend_handoff::chunk;
use dynamo_backend_worker::{CompletionUsage, DynamoError, FinishReason, LLMEngineOutput};
use serde_json::Value;

/// What seldom comes in a chunk of tokens, or all of a raw engine's chunk.
#[derive(Default)]
pub(crate) struct Rare {
    pub(crate) output: LLMEngineOutput,
    pub(crate) raw: Option<Value>,
}

/// A chunk as it is read under the GIL: small. The rest of its way to an output needs no GIL. What
/// seldom comes is in an output of its own.
pub(crate) type Chunk = chunk::Chunk<FinishReason, CompletionUsage, Rare>;

/// What a stream hands over.
pub(crate) type Item = Result<Chunk, Box<DynamoError>>;

/// One that ends its stream, because nobody wants more.
pub(crate) fn cancelled() -> Chunk {
    Chunk {
        finish_reason: Some(FinishReason::Cancelled),
        ..Chunk::default()
    }
}

pub(crate) fn into_output(chunk: Chunk) -> LLMEngineOutput {
    let rare = chunk.rare.map(|rare| rare.output).unwrap_or_default();
    LLMEngineOutput {
        token_ids: chunk.token_ids.into_vec(),
        index: chunk.index,
        finish_reason: chunk.finish_reason,
        log_probs: chunk.log_probs,
        cum_log_probs: chunk.cum_log_probs,
        completion_usage: chunk.usage.map(|usage| *usage).or(rare.completion_usage),
        ..rare
    }
}

pub(crate) fn into_raw(chunk: Chunk) -> Value {
    chunk.rare.and_then(|rare| rare.raw).unwrap_or_default()
}
