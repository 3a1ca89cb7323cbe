//! For models whose media are encoded by a worker of their own.
//!
//! A frontend sends a request that has images or the like to an encode worker first
//! ([`DisaggregationMode::Encode`](crate::DisaggregationMode::Encode)). What the last chunk of that
//! has in `encoder_result`, an object of whatever keys the engines agree on, comes with the request
//! to the workers that generate, which are configured with `route_to_encoder`. Where the encode
//! worker failed, or is not there, the request comes without it, and with the media that it came
//! with: an engine that can encodes them itself.
//!
//! ```
//! use dynamo_backend_worker::encoding::{encoder_chunk, require_encoder_result};
//! use dynamo_backend_worker::{DynamoError, LLMEngineOutput, PreprocessedRequest};
//! use serde_json::json;
//!
//! /// Of an encode engine: the one chunk of its answer.
//! fn encode(request: &PreprocessedRequest) -> LLMEngineOutput {
//!     let media = request.multi_modal_data.iter().flat_map(|media| media.values());
//!     encoder_chunk(json!({ "embeddings": media.map(Vec::len).sum::<usize>() }))
//! }
//!
//! /// Of an engine that generates: what it takes over.
//! fn embeddings(request: &PreprocessedRequest) -> Result<u64, DynamoError> {
//!     Ok(require_encoder_result(request)?["embeddings"].as_u64().unwrap_or_default())
//! }
//! ```

use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use serde_json::{Map, Value};

use crate::error::invalid_argument;

/// The chunk of an encode engine: its last one, and mostly its only one. `result` is a JSON object.
pub fn encoder_chunk(result: Value) -> LLMEngineOutput {
    LLMEngineOutput {
        encoder_result: Some(result),
        ..LLMEngineOutput::stop()
    }
}

/// What the encode worker made; an `InvalidArgument` where the request has nothing of it.
pub fn require_encoder_result(
    request: &PreprocessedRequest,
) -> Result<&Map<String, Value>, DynamoError> {
    match &request.encoder_result {
        Some(Value::Object(result)) => Ok(result),
        Some(_) => Err(invalid_argument(
            "encoder_result: what the encode worker made is no JSON object",
        )),
        None => Err(invalid_argument(
            "encoder_result: the request has none: no encode worker served it before it came to this \
             engine; serve one with disaggregation_mode Encode beside it, and send requests with media \
             through a frontend that knows both",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::{BackendError, kind};

    fn request(encoder_result: Option<Value>) -> PreprocessedRequest {
        let mut request: PreprocessedRequest =
            serde_json::from_value(json!({"token_ids": [1]})).unwrap();
        request.encoder_result = encoder_result;
        request
    }

    #[test]
    fn a_result_is_an_object() {
        let given = request(Some(json!({"handle": 7})));
        assert_eq!(require_encoder_result(&given).unwrap()["handle"], 7);
        for (given, said) in [(None, "has none"), (Some(json!([7])), "no JSON object")] {
            let error = require_encoder_result(&request(given)).unwrap_err();
            assert_eq!(kind(&error), BackendError::InvalidArgument);
            assert!(error.message().contains(said), "{error}");
        }
    }
}
