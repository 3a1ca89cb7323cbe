//! The first item of a prefill's stream, in which a frontend looks for what is handed over.
//!
//! It takes `disaggregated_params` from the first item and from no other. An engine may give the
//! token first and the parameters with its last chunk: then the two travel as one.

use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::error::DynamoError;

use crate::error::unknown;

/// Of the stream of one prefill, until its first item is out.
#[derive(Default)]
pub(crate) struct Handover {
    held: Option<LLMEngineOutput>,
}

impl Handover {
    /// The first item, once `chunk` completes it; an error where the engine hands nothing over.
    pub(super) fn with(
        &mut self,
        mut chunk: LLMEngineOutput,
        engine_name: &str,
    ) -> Option<Result<LLMEngineOutput, DynamoError>> {
        if let Some(held) = self.held.take() {
            chunk.token_ids.splice(0..0, held.token_ids);
            chunk.completion_usage = chunk.completion_usage.or(held.completion_usage);
            // Of a prefill's token these reach nobody.
            (chunk.log_probs, chunk.top_logprobs) = (None, None);
        }
        match &chunk.finish_reason {
            _ if chunk.disaggregated_params.is_some() => Some(Ok(chunk)),
            None => {
                self.held = Some(chunk);
                None
            }
            Some(FinishReason::Length) => Some(Err(unknown(format!(
                "{engine_name} ended a prefill without disaggregated_params, so that nothing could \
                 be decoded; its last chunk must have them, or the worker another \
                 disaggregation_mode than Prefill"
            )))),
            // The output ended with its first token, or failed: there is nothing to decode.
            Some(_) => Some(Ok(chunk)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(id: u32) -> LLMEngineOutput {
        LLMEngineOutput {
            token_ids: vec![id],
            log_probs: Some(vec![-0.5]),
            ..Default::default()
        }
    }

    fn params() -> LLMEngineOutput {
        LLMEngineOutput {
            disaggregated_params: Some(json!({"blocks": 3})),
            ..LLMEngineOutput::length()
        }
    }

    #[test]
    fn parameters_that_come_behind_the_token_travel_with_it() {
        let mut handover = Handover::default();
        assert!(handover.with(token(5), "Fake").is_none());
        let item = handover.with(params(), "Fake").unwrap().unwrap();
        assert_eq!(item.token_ids, [5]);
        assert_eq!(item.disaggregated_params, params().disaggregated_params);
        assert_eq!(item.log_probs, None);
    }

    #[test]
    fn parameters_that_come_first_are_not_held_back() {
        let early = LLMEngineOutput {
            finish_reason: None,
            ..params()
        };
        let item = Handover::default().with(early, "Fake").unwrap().unwrap();
        assert_eq!(item.finish_reason, None);
    }

    #[test]
    fn an_output_that_ended_with_its_first_token_is_not_decoded() {
        let mut handover = Handover::default();
        assert!(handover.with(token(5), "Fake").is_none());
        let last = handover.with(LLMEngineOutput::stop(), "Fake").unwrap();
        assert_eq!(last.unwrap().token_ids, [5]);
    }

    #[test]
    fn an_engine_that_hands_nothing_over_is_named() {
        let mut handover = Handover::default();
        assert!(handover.with(token(5), "Fake").is_none());
        let end = handover.with(LLMEngineOutput::length(), "Fake").unwrap();
        let message = end.unwrap_err().to_string();
        assert!(
            message.contains("Fake ended a prefill without disaggregated_params"),
            "{message}"
        );
    }
}
