//! The last chunk of an encode worker, in which a frontend looks for what was encoded.
//!
//! Where it does not find that, it has the media encoded by the workers behind, and says so in its own
//! log only: an engine that forgot it would never be noticed.

use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::error::DynamoError;

use crate::error::unknown;

/// The error of a last chunk that hands nothing over, though it did not fail.
pub(super) fn missing(chunk: &LLMEngineOutput, engine: &str) -> Option<DynamoError> {
    let has_ended_well = !matches!(
        chunk.finish_reason,
        None | Some(FinishReason::Error(_) | FinishReason::Cancelled)
    );
    let is_there = matches!(&chunk.encoder_result, Some(result) if result.is_object());
    (has_ended_well && !is_there).then(|| {
        unknown(format!(
            "{engine} ended without an encoder_result that is an object; its last chunk must have it, \
             or the worker another disaggregation_mode than Encode"
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::encoding::encoder_chunk;

    #[test]
    fn only_a_good_end_without_a_result_is_an_error() {
        for chunk in [
            encoder_chunk(json!({"handle": 1})),
            LLMEngineOutput::cancelled(),
            LLMEngineOutput::error("no picture".into()),
            LLMEngineOutput::default(),
        ] {
            assert!(missing(&chunk, "Fake").is_none());
        }
        for chunk in [LLMEngineOutput::stop(), encoder_chunk(json!([1]))] {
            let error = missing(&chunk, "Fake").unwrap();
            let expected = "Fake ended without an encoder_result";
            assert!(error.message().starts_with(expected), "{error}");
        }
    }
}
