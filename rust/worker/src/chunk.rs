//! Joining chunks: those that are ready together travel as one.
//!
//! Every item of a stream is a frame of its own on the response plane, a system call for whoever
//! sends it and one for whoever reads it. Chunks of the usual kind can be joined without loss: their
//! tokens follow one another.

use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;

/// The most chunks of one frame: what a slow reader finds stays small.
pub(crate) const MOST: usize = 64;

/// Whether `chunk` has nothing but tokens, their probabilities and what belongs to a last chunk.
pub fn is_usual(chunk: &LLMEngineOutput) -> bool {
    let LLMEngineOutput {
        token_ids,
        tokens: None,
        text: None,
        output_type: _,
        content_parts: None,
        cum_log_probs: _,
        log_probs,
        top_logprobs,
        finish_reason: _,
        stop_reason: _,
        index: _,
        disaggregated_params: None,
        encoder_result: None,
        worker_trace_link: None,
        extra_args: None,
        completion_usage: _,
        engine_data: None,
        routing_data: None,
        jailed_text: None,
    } = chunk
    else {
        return false;
    };
    let of_each_token = |length: Option<usize>| length.is_none_or(|len| len == token_ids.len());
    of_each_token(log_probs.as_ref().map(Vec::len))
        && of_each_token(top_logprobs.as_ref().map(Vec::len))
}

/// Appends `next` to `chunk`, which is usual and not the last; answers it where it cannot be
/// appended without loss.
pub fn append(
    chunk: &mut LLMEngineOutput,
    next: LLMEngineOutput,
) -> Result<(), Box<LLMEngineOutput>> {
    let (has, gets) = (!chunk.token_ids.is_empty(), !next.token_ids.is_empty());
    let alike = !has
        || !gets
        || (chunk.log_probs.is_some() == next.log_probs.is_some()
            && chunk.top_logprobs.is_some() == next.top_logprobs.is_some());
    if !alike
        || chunk.index != next.index
        || chunk.output_type != next.output_type
        || !is_usual(&next)
    {
        return Err(Box::new(next));
    }
    if has {
        chunk.token_ids.extend(next.token_ids);
        extend(&mut chunk.log_probs, next.log_probs);
        extend(&mut chunk.top_logprobs, next.top_logprobs);
    } else {
        chunk.token_ids = next.token_ids;
        chunk.log_probs = next.log_probs;
        chunk.top_logprobs = next.top_logprobs;
    }
    // Of these the latest counts.
    chunk.cum_log_probs = next.cum_log_probs.or(chunk.cum_log_probs);
    chunk.completion_usage = next.completion_usage.or(chunk.completion_usage.take());
    chunk.finish_reason = next.finish_reason;
    chunk.stop_reason = next.stop_reason;
    Ok(())
}

fn extend<T>(of_tokens: &mut Option<Vec<T>>, next: Option<Vec<T>>) {
    if let (Some(of_tokens), Some(next)) = (of_tokens, next) {
        of_tokens.extend(next);
    }
}

#[cfg(test)]
mod tests;
