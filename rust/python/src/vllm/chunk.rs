//! The chunks of one request, of what the engine core has for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dynamo_backend_handoff::chunk::Tokens;
use dynamo_backend_vllm::logprobs::Candidate;
use dynamo_backend_vllm::output::{Body, Finish, Stop};
use dynamo_backend_vllm::statistics::Progress;
use dynamo_backend_vllm::{Logprobs, Output};
use dynamo_backend_worker::error::{BackendError, backend, unknown};
use dynamo_backend_worker::{
    CompletionUsage, DynamoError, FinishReason, LLMEngineOutput, StopReason, TopLogprob,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::chunk::{Chunk, Item};
use crate::step::StepStream;

/// A request whose outputs are expected.
pub(super) struct Request {
    pub(super) stream: u64,
    is_open: Arc<AtomicBool>,
    progress: Progress,
    /// The likeliest tokens to tell beside each one; `None`: no log probabilities.
    candidates: Option<usize>,
    is_guided: bool,
    /// The prompt's; a chunk's has the tokens that were made.
    usage: CompletionUsage,
}

impl Request {
    /// `prompt_details`: in place of what the engine core says of the prompt. An error says what is
    /// wrong with them.
    pub(super) fn new(
        stream: &StepStream,
        prompt_tokens: u32,
        candidates: Option<usize>,
        is_guided: bool,
        prompt_details: Option<Value>,
    ) -> Result<Self, String> {
        let usage = json!({
            "prompt_tokens": prompt_tokens,
            "completion_tokens": 0,
            "total_tokens": prompt_tokens,
            "prompt_tokens_details": prompt_details,
        });
        Ok(Self {
            stream: stream.id,
            is_open: stream.is_open.clone(),
            progress: Progress::default(),
            candidates,
            is_guided,
            usage: CompletionUsage::deserialize(usage).map_err(|error| error.to_string())?,
        })
    }

    /// Whether somebody still reads its stream.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Goes on by an output; answers how far the request was before.
    pub(super) fn advance(&mut self, body: &Body<'_>, timestamp: f64) -> Progress {
        if body.cached_tokens.is_some() && self.usage.prompt_tokens_details.is_none() {
            let details = self.usage.prompt_tokens_details.get_or_insert_default();
            details.cached_tokens = body.cached_tokens;
        }
        self.progress.advance(body.tokens.len(), timestamp)
    }

    /// What the output that the request went on by hands over.
    pub(super) fn item(
        &self,
        output: &Output<'_>,
        body: &Body<'_>,
        frames: &[zmq::Message],
        is_first: bool,
    ) -> Item {
        let mut tokens = body.tokens;
        let mut chunk = Chunk::of_tokens(match (tokens.len(), tokens.next()) {
            (1, Some(token)) => Tokens::One(token),
            _ => Tokens::Many(body.tokens.collect()),
        });
        if let (Some(candidates), Some(raw)) = (self.candidates, body.logprobs)
            && body.tokens.len() > 0
        {
            let logprobs = Logprobs::read(raw, frames, body.tokens.len());
            logprobs
                .and_then(|logprobs| tell(&mut chunk, &logprobs, candidates, body))
                .ok_or_else(|| unreadable("new_logprobs"))?;
        }
        if is_first || body.finish.is_some() {
            chunk.usage = Some(Box::new(self.usage()));
        }
        chunk.finish_reason = match body.finish {
            None => return Ok(chunk),
            Some(Finish::Stop | Finish::Repetition) => Some(FinishReason::Stop),
            Some(Finish::Length) => Some(FinishReason::Length),
            Some(Finish::Abort) => Some(FinishReason::Cancelled),
            Some(Finish::Error) => return Err(self.failure(output.request_id)),
        };
        if let Some(stop) = body.stop {
            rare(&mut chunk).stop_reason = Some(match stop {
                Stop::Token(token) => StopReason::Int(token),
                Stop::Text(text) => StopReason::String(text.to_owned()),
            });
        }
        Ok(chunk)
    }

    fn usage(&self) -> CompletionUsage {
        let made = self.progress.tokens;
        CompletionUsage {
            completion_tokens: made,
            total_tokens: self.usage.prompt_tokens.saturating_add(made),
            ..self.usage.clone()
        }
    }

    /// A frontend has another worker go on, but for a grammar, which would begin anew there.
    fn failure(&self, request_id: &str) -> Box<DynamoError> {
        let made = self.progress.tokens;
        let said = format!("vLLM gave up the request '{request_id}' after {made} tokens");
        Box::new(if self.is_guided && made > 0 {
            unknown(format!(
                "{said}: no token that it had fits the guided decoding; see its log"
            ))
        } else {
            let message = format!("{said}, as where a KV cache could not be loaded; see its log");
            backend(BackendError::Disconnected, message)
        })
    }
}

/// The error of a request with an output whose `field` cannot be read.
pub(super) fn unreadable(field: &str) -> Box<DynamoError> {
    Box::new(unknown(format!(
        "vLLM's engine core sent an output whose '{field}' cannot be read"
    )))
}

fn rare(chunk: &mut Chunk) -> &mut LLMEngineOutput {
    &mut chunk.rare.get_or_insert_default().output
}

/// `None`: they are not those of the tokens.
fn tell(
    chunk: &mut Chunk,
    logprobs: &Logprobs<'_>,
    candidates: usize,
    body: &Body<'_>,
) -> Option<()> {
    let mut log_probs = Vec::with_capacity(body.tokens.len());
    let mut top_logprobs = Vec::with_capacity(body.tokens.len());
    for row in 0..body.tokens.len() {
        let mut sampled = logprobs.sampled(row)?;
        let mut position = vec![told(sampled)];
        // It may be one of the likeliest: it is told once, with the rank that it has there.
        for candidate in logprobs.likeliest(row, candidates) {
            if candidate.token_id == sampled.token_id {
                sampled.rank = candidate.rank;
            } else {
                position.push(told(candidate));
            }
        }
        position[0].rank = sampled.rank;
        log_probs.push(sampled.logprob);
        top_logprobs.push(position);
    }
    chunk.log_probs = Some(log_probs);
    rare(chunk).top_logprobs = Some(top_logprobs);
    Some(())
}

/// The frontend has the tokenizer, and fills in the text.
fn told(candidate: Candidate) -> TopLogprob {
    TopLogprob {
        rank: candidate.rank,
        token_id: candidate.token_id,
        token: None,
        logprob: candidate.logprob,
        bytes: None,
    }
}
