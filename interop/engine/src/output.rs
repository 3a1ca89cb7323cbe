//! What an engine of the reference gives in one turn, as a chunk.

use dynamo_backend_common as reference;
use dynamo_backend_common::{CompletionUsage, LLMEngineOutput};
use dynamo_engine::serde_json::{self, Map, Value};
use dynamo_engine::{Chunk, Error, Finish, FinishReason, StopReason, TopLogprob, Usage};

/// A part of an answer.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    Chunk(Chunk),
    Last(Finish),
}

/// What a chunk has fields for; the rest crosses as JSON.
const FIELDS: [&str; 9] = [
    "token_ids",
    "text",
    "index",
    "log_probs",
    "cum_log_probs",
    "top_logprobs",
    "finish_reason",
    "stop_reason",
    "completion_usage",
];

/// The part of an answer that `output` is.
///
/// Lost is what no field and no key has: several stop tokens as one reason, the bytes of a likely
/// token, and of the usage all details but the cached tokens.
pub(crate) fn part(output: LLMEngineOutput) -> Result<Part, Error> {
    let chunk = Chunk {
        more: more(&output)?,
        text: output.text,
        token_ids: output.token_ids,
        index: output.index,
        log_probs: output.log_probs,
        cum_log_prob: output.cum_log_probs,
        top_logprobs: output.top_logprobs.map(top_logprobs),
        usage: output.completion_usage.as_ref().map(usage),
        stop_reason: output.stop_reason.and_then(stop_reason),
    };
    Ok(match output.finish_reason {
        None => Part::Chunk(chunk),
        Some(reason) => Part::Last(Finish {
            reason: finish_reason(reason),
            chunk,
        }),
    })
}

fn more(output: &LLMEngineOutput) -> Result<Map<String, Value>, Error> {
    let has_more = output.tokens.is_some()
        || output.content_parts.is_some()
        || output.disaggregated_params.is_some()
        || output.encoder_result.is_some()
        || output.worker_trace_link.is_some()
        || output.extra_args.is_some()
        || output.engine_data.is_some()
        || output.routing_data.is_some()
        || output.jailed_text.is_some()
        || output.output_type != Default::default();
    if !has_more {
        return Ok(Map::new());
    }
    match serde_json::to_value(output) {
        Ok(Value::Object(mut keys)) => {
            keys.retain(|key, value| !value.is_null() && !FIELDS.contains(&key.as_str()));
            Ok(keys)
        }
        Ok(_) => Err(Error::unknown("an output of the engine is no object")),
        Err(error) => Err(Error::unknown(format!("an output of the engine: {error}"))),
    }
}

fn usage(usage: &CompletionUsage) -> Usage {
    let details = usage.prompt_tokens_details.as_ref();
    Usage {
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
        cached_tokens: details.and_then(|details| details.cached_tokens),
    }
}

fn top_logprobs(tokens: Vec<Vec<reference::TopLogprob>>) -> Vec<Vec<TopLogprob>> {
    let likeliest = |likeliest: Vec<reference::TopLogprob>| {
        likeliest
            .into_iter()
            .map(|candidate| TopLogprob {
                rank: candidate.rank,
                token_id: candidate.token_id,
                logprob: candidate.logprob,
                token: candidate.token,
            })
            .collect()
    };
    tokens.into_iter().map(likeliest).collect()
}

fn stop_reason(reason: reference::StopReason) -> Option<StopReason> {
    match reason {
        reference::StopReason::String(text) => Some(StopReason::String(text)),
        reference::StopReason::Int(token) => Some(StopReason::Token(token)),
        reference::StopReason::IntArray(_) => None,
    }
}

fn finish_reason(reason: reference::FinishReason) -> FinishReason {
    match reason {
        reference::FinishReason::EoS => FinishReason::Eos,
        reference::FinishReason::Length => FinishReason::Length,
        reference::FinishReason::Stop => FinishReason::Stop,
        reference::FinishReason::Cancelled => FinishReason::Cancelled,
        reference::FinishReason::ContentFilter => FinishReason::ContentFilter,
        reference::FinishReason::Error(message) => FinishReason::Error(message),
    }
}

#[cfg(test)]
mod tests {
    use dynamo_backend_common::{LLMEngineOutputExt, PromptTokensDetails};
    use serde_json::json;

    use super::*;

    fn chunk(output: LLMEngineOutput) -> Chunk {
        match part(output).unwrap() {
            Part::Chunk(chunk) => chunk,
            Part::Last(finish) => panic!("the last part: {finish:?}"),
        }
    }

    #[test]
    fn tokens_alone_need_no_json() {
        let output = reference::chunk::token(7);
        assert_eq!(chunk(output), Chunk::tokens([7]));
    }

    #[test]
    fn an_empty_text_is_a_text() {
        let output = LLMEngineOutput {
            text: Some(String::new()),
            ..reference::chunk::token(7)
        };
        let chunk = chunk(output);
        assert_eq!((chunk.text, chunk.more), (Some(String::new()), Map::new()));
    }

    #[test]
    fn what_has_no_field_crosses_as_json_beside_the_fields() {
        let output = LLMEngineOutput {
            text: Some("seven".to_owned()),
            index: Some(1),
            log_probs: Some(vec![-0.5]),
            disaggregated_params: Some(json!({"room": 3})),
            ..reference::chunk::token(7)
        };
        let chunk = chunk(output);
        assert_eq!(
            (chunk.index, chunk.text.as_deref()),
            (Some(1), Some("seven"))
        );
        assert_eq!(chunk.log_probs, Some(vec![-0.5]));
        let more = json!({"output_type": "text", "disaggregated_params": {"room": 3}});
        assert_eq!(Value::Object(chunk.more), more);
    }

    #[test]
    fn the_last_part_has_its_reason_and_its_usage() {
        let usage = CompletionUsage {
            prompt_tokens_details: Some(PromptTokensDetails {
                cached_tokens: Some(4),
                ..Default::default()
            }),
            ..reference::usage(6, 2)
        };
        let output = LLMEngineOutput {
            stop_reason: Some(reference::StopReason::Int(2)),
            ..LLMEngineOutput::stop().with_usage(usage)
        };
        let Part::Last(finish) = part(output).unwrap() else {
            panic!("not the last part")
        };
        assert_eq!(finish.reason, FinishReason::Stop);
        assert_eq!(finish.chunk.stop_reason, Some(StopReason::Token(2)));
        let usage = Usage {
            prompt_tokens: 6,
            completion_tokens: 2,
            cached_tokens: Some(4),
        };
        assert_eq!(finish.chunk.usage, Some(usage));
    }

    #[test]
    fn a_failure_keeps_its_message() {
        let output = LLMEngineOutput::error("out of memory".to_owned());
        let Part::Last(finish) = part(output).unwrap() else {
            panic!("not the last part")
        };
        assert_eq!(
            finish.reason,
            FinishReason::Error("out of memory".to_owned())
        );
    }
}
