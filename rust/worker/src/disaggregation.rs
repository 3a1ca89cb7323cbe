//! For engines that prefill in one worker and decode in another.
//!
//! The frontend sends a request to a prefill worker first, and then to a decode worker, in one of
//! two ways. They depend on whether the prefill engine's [`EngineConfig`](crate::EngineConfig) has
//! `bootstrap_host` and `bootstrap_port`:
//!
//! - without them, one after the other: what the prefill's last chunk has in
//!   `disaggregated_params` comes with the decode's request, as a [`PrefillResult`];
//! - with them, both at once: both requests have the same [`BootstrapInfo`], by which the two
//!   engines meet.
//!
//! ```
//! use dynamo_backend_worker::disaggregation::{
//!     prefill_chunk, prefill_request, require_prefill_result,
//! };
//! use dynamo_backend_worker::{DynamoError, LLMEngineOutput, PreprocessedRequest, is_probe};
//! use serde_json::json;
//!
//! /// Of a prefill engine: the one chunk of its answer.
//! fn prefill(request: PreprocessedRequest) -> Result<LLMEngineOutput, DynamoError> {
//!     let request = prefill_request(request)?;
//!     let blocks = request.token_ids.len() / 16;
//!     Ok(prefill_chunk([42], json!({ "blocks": blocks })))
//! }
//!
//! /// Of a decode engine: what it takes over. A probe of the canary has no peer.
//! fn blocks(request: &PreprocessedRequest) -> Result<u64, DynamoError> {
//!     if is_probe(request) {
//!         return Ok(0);
//!     }
//!     let params = &require_prefill_result(request)?.disaggregated_params;
//!     Ok(params["blocks"].as_u64().unwrap_or_default())
//! }
//! ```

pub use dynamo_llm::protocols::common::preprocessor::{BootstrapInfo, PrefillResult};

use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use serde_json::Value;

use crate::error::invalid_argument;

/// The request as a prefill engine serves it: for exactly one token.
///
/// A frontend sends `max_tokens` 1 but leaves `min_tokens` as the client gave it. An
/// `InvalidArgument` where the request was prefilled already.
pub fn prefill_request(
    mut request: PreprocessedRequest,
) -> Result<PreprocessedRequest, DynamoError> {
    if request.prefill_result.is_some() {
        return Err(invalid_argument(
            "prefill_result: the request was prefilled already and is for a decode engine, but \
             came to a prefill engine; serve each engine in the disaggregation mode that is its own",
        ));
    }
    let stop = &mut request.stop_conditions;
    stop.max_tokens = Some(1);
    stop.min_tokens = stop.min_tokens.map(|min| min.min(1));
    Ok(request)
}

/// The chunk of a prefill that hands over to the decode worker.
///
/// It is the last one of its stream; a token that came before it travels with it. Its finish reason
/// is `length`; with any other the frontend would take the request for finished, answer the client
/// with the prefill's tokens, and ask no decode worker. That is right for an engine whose first
/// token is the end of the output: it yields a plain last chunk. Otherwise only the decode's tokens
/// reach the client.
pub fn prefill_chunk(
    token_ids: impl Into<Vec<u32>>,
    disaggregated_params: Value,
) -> LLMEngineOutput {
    LLMEngineOutput {
        token_ids: token_ids.into(),
        disaggregated_params: Some(disaggregated_params),
        ..LLMEngineOutput::length()
    }
}

/// What the prefill worker answered; an `InvalidArgument` where the request has nothing of it.
pub fn require_prefill_result(
    request: &PreprocessedRequest,
) -> Result<&PrefillResult, DynamoError> {
    request.prefill_result.as_ref().ok_or_else(|| {
        let why = match request.bootstrap_info {
            Some(_) => {
                "the request has bootstrap_info in its place, as the prefill engine advertises a \
                 bootstrap server; this decode engine takes disaggregated_params"
            }
            None => NO_PEER,
        };
        invalid_argument(format!("prefill_result: {why}"))
    })
}

/// Where prefill and decode meet; an `InvalidArgument` where the request does not say.
pub fn require_bootstrap_info(
    request: &PreprocessedRequest,
) -> Result<&BootstrapInfo, DynamoError> {
    request.bootstrap_info.as_ref().ok_or_else(|| {
        let why = match request.prefill_result {
            Some(_) => {
                "the request has a prefill_result in its place, as the prefill engine advertises \
                 no bootstrap server; set bootstrap_host and bootstrap_port in its EngineConfig"
            }
            None => NO_PEER,
        };
        invalid_argument(format!("bootstrap_info: {why}"))
    })
}

const NO_PEER: &str = "the request has none: no prefill worker served it before it came to this \
                       engine; send it through a frontend that knows both, or serve the engine \
                       with disaggregation_mode Aggregated";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::{BackendError, kind};

    fn request(more: Value) -> PreprocessedRequest {
        let mut request = json!({"token_ids": [1, 2], "stop_conditions": {}});
        let (into, from) = (request.as_object_mut().unwrap(), more);
        into.extend(from.as_object().unwrap().clone());
        serde_json::from_value(request).unwrap()
    }

    fn prefilled() -> PreprocessedRequest {
        request(json!({"prefill_result": {"disaggregated_params": {"blocks": 3}}}))
    }

    fn bootstrapped() -> PreprocessedRequest {
        request(json!({"bootstrap_info": {
            "bootstrap_host": "127.0.0.1", "bootstrap_port": 9, "bootstrap_room": 7,
        }}))
    }

    fn refused<T: std::fmt::Debug>(answer: Result<T, DynamoError>, part: &str) {
        let error = answer.unwrap_err();
        assert_eq!(kind(&error), BackendError::InvalidArgument);
        assert!(error.message().contains(part), "{error}");
    }

    #[test]
    fn a_prefill_makes_one_token() {
        for (min, clamped) in [(None, None), (Some(0), Some(0)), (Some(9), Some(1))] {
            let given = request(json!({"stop_conditions": {"max_tokens": 64, "min_tokens": min}}));
            let stop = prefill_request(given).unwrap().stop_conditions;
            assert_eq!((stop.max_tokens, stop.min_tokens), (Some(1), clamped));
        }
        // At a bootstrap server prefill and decode both have it.
        assert!(prefill_request(bootstrapped()).is_ok());
    }

    #[test]
    fn a_request_for_the_other_mode_is_refused() {
        refused(prefill_request(prefilled()), "for a decode engine");
        for part in ["prefill_result: ", "no prefill worker"] {
            refused(require_prefill_result(&request(json!({}))), part);
        }
        for part in ["bootstrap_info: ", "no prefill worker"] {
            refused(require_bootstrap_info(&request(json!({}))), part);
        }
        refused(
            require_prefill_result(&bootstrapped()),
            "takes disaggregated_params",
        );
        refused(require_bootstrap_info(&prefilled()), "set bootstrap_host");
    }

    #[test]
    fn a_decode_takes_over_what_the_prefill_handed_out() {
        let request = prefilled();
        let result = require_prefill_result(&request).unwrap();
        assert_eq!(result.disaggregated_params, json!({"blocks": 3}));
        let request = bootstrapped();
        let info = require_bootstrap_info(&request).unwrap();
        assert_eq!((info.bootstrap_port, info.bootstrap_room), (9, 7));
    }

    #[test]
    fn the_chunk_of_a_prefill_does_not_look_finished() {
        let chunk = prefill_chunk([5], json!({"blocks": 3}));
        assert_eq!(chunk.token_ids, [5]);
        assert_eq!(
            chunk.finish_reason,
            Some(dynamo_llm::protocols::common::FinishReason::Length)
        );
    }
}
