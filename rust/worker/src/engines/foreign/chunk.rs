//! A chunk that an engine lends, as the worker's own.

use std::slice;

use dynamo_engine_abi as abi;
use dynamo_engine_abi::{FinishReason as Raw, StopKind, chunk_has as has};
use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::llm_backend::{
    ContentPart, LLMEngineOutput, OutputType, TopLogprob,
};
use dynamo_protocols::types::{CompletionUsage, PromptTokensDetails, StopReason};
use serde::Deserialize;
use serde_json::Value;

use super::lent::{Wrong, bytes, null, optional, text};

/// The chunk that `lent` describes.
///
/// # Safety
///
/// A pointer in it that is not null points to as many as the chunk says.
pub(super) unsafe fn read(lent: &abi::Chunk) -> Result<LLMEngineOutput, Wrong> {
    let token_ids = unsafe { lent.token_ids.get() };
    let token_ids = token_ids.ok_or_else(|| null("token_ids", lent.token_ids.len))?;
    let mut chunk = LLMEngineOutput {
        token_ids: token_ids.to_vec(),
        ..Default::default()
    };
    let is_plain = lent.has == 0 && lent.finish_reason == Raw::NONE && lent.json.is_none();
    if is_plain && lent.stop_kind == StopKind::NONE && lent.text.is_none() {
        return Ok(chunk);
    }
    if !lent.json.is_none() {
        add_rest(&mut chunk, unsafe { bytes("json", lent.json) }?)?;
    }
    chunk.text = unsafe { optional("text", lent.text) }?.map(str::to_owned);
    chunk.finish_reason = unsafe { finish_reason(lent) }?;
    chunk.stop_reason = unsafe { stop_reason(lent) }?;
    let set = |bit| lent.has & bit != 0;
    chunk.index = set(has::INDEX).then_some(lent.index);
    chunk.cum_log_probs = set(has::CUM_LOG_PROB).then_some(lent.cum_log_prob);
    if set(has::LOG_PROBS) {
        let log_probs = unsafe { lent.log_probs.get() };
        let log_probs = log_probs.ok_or_else(|| null("log_probs", lent.log_probs.len))?;
        if log_probs.len() != token_ids.len() {
            return Err(format!(
                "there are {} log_probs for {} tokens",
                log_probs.len(),
                token_ids.len()
            ));
        }
        chunk.log_probs = Some(log_probs.to_vec());
    }
    if set(has::TOP_LOGPROBS) {
        chunk.top_logprobs = Some(unsafe { top_logprobs(lent, token_ids.len()) }?);
    }
    if set(has::USAGE) {
        chunk.completion_usage = Some(usage(lent));
    }
    Ok(chunk)
}

/// SAFETY of these: as `read`.
unsafe fn finish_reason(lent: &abi::Chunk) -> Result<Option<FinishReason>, Wrong> {
    Ok(Some(match lent.finish_reason {
        Raw::NONE => return Ok(None),
        Raw::EOS => FinishReason::EoS,
        Raw::LENGTH => FinishReason::Length,
        Raw::STOP => FinishReason::Stop,
        Raw::CANCELLED => FinishReason::Cancelled,
        Raw::CONTENT_FILTER => FinishReason::ContentFilter,
        Raw::ERROR => match unsafe { optional("message", lent.message) }? {
            Some(message) if !message.trim().is_empty() => FinishReason::Error(message.to_owned()),
            _ => return Err("the finish_reason is an error, and there is no message".into()),
        },
        Raw(other) => return Err(format!("{other} is no finish_reason")),
    }))
}

unsafe fn stop_reason(lent: &abi::Chunk) -> Result<Option<StopReason>, Wrong> {
    match lent.stop_kind {
        StopKind::NONE => Ok(None),
        StopKind::TOKEN => Ok(Some(StopReason::Int(lent.stop_token))),
        StopKind::STRING => {
            let stop = unsafe { text("stop_string", lent.stop_string) }?;
            Ok(Some(StopReason::String(stop.to_owned())))
        }
        StopKind(other) => Err(format!("{other} is no stop_kind")),
    }
}

unsafe fn top_logprobs(lent: &abi::Chunk, tokens: usize) -> Result<Vec<Vec<TopLogprob>>, Wrong> {
    if lent.top_logprobs_per_token.is_null() && tokens > 0 {
        return Err(null("top_logprobs_per_token", tokens));
    }
    let mut top = Vec::with_capacity(tokens);
    let mut next = 0;
    for token in 0..tokens {
        let count = unsafe { *lent.top_logprobs_per_token.add(token) } as usize;
        if count > 0 && lent.top_logprobs.is_null() {
            return Err(null("top_logprobs", count));
        }
        let of_token = match count {
            0 => &[],
            _ => unsafe { slice::from_raw_parts(lent.top_logprobs.add(next), count) },
        };
        next += count;
        let of_token = of_token.iter().map(|likely| {
            let token = unsafe { optional("a token of top_logprobs", likely.token) }?;
            Ok(TopLogprob {
                rank: likely.rank,
                token_id: likely.token_id,
                token: token.map(str::to_owned),
                logprob: likely.logprob,
                bytes: None,
            })
        });
        top.push(of_token.collect::<Result<_, Wrong>>()?);
    }
    Ok(top)
}

fn usage(lent: &abi::Chunk) -> CompletionUsage {
    let usage = lent.usage;
    let cached = lent.has & has::CACHED_TOKENS != 0;
    CompletionUsage {
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
        total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
        prompt_tokens_details: cached.then(|| PromptTokensDetails {
            cached_tokens: Some(usage.cached_tokens),
            ..Default::default()
        }),
        completion_tokens_details: None,
    }
}

/// What a chunk's JSON may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    tokens: Option<Vec<Option<String>>>,
    #[serde(default)]
    output_type: OutputType,
    content_parts: Option<Vec<ContentPart>>,
    disaggregated_params: Option<Value>,
    encoder_result: Option<Value>,
    extra_args: Option<Value>,
    engine_data: Option<Value>,
}

fn add_rest(chunk: &mut LLMEngineOutput, json: &[u8]) -> Result<(), Wrong> {
    let rest: Rest = serde_json::from_slice(json).map_err(|error| format!("json: {error}"))?;
    chunk.tokens = rest.tokens;
    chunk.output_type = rest.output_type;
    chunk.content_parts = rest.content_parts;
    chunk.disaggregated_params = rest.disaggregated_params;
    chunk.encoder_result = rest.encoder_result;
    chunk.extra_args = rest.extra_args;
    chunk.engine_data = rest.engine_data;
    Ok(())
}
