//! The place of one chunk, between an engine that makes it and the worker that takes it.

use std::cell::UnsafeCell;
use std::task::Waker;

use dynamo_engine_abi as abi;
use dynamo_engine_abi::chunk_has as has;

use crate::chunk::{Chunk, FinishReason, StopReason, TopLogprob};
use crate::error::Error;

/// Holds one chunk at a time. What was taken stays until the next one is put, as it is lent.
#[derive(Default)]
pub(crate) struct Slot {
    held: UnsafeCell<Held>,
}

// SAFETY: it is used by the future of one answer while that is polled, and by whoever polls it between
// two polls, which never overlap.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

#[derive(Default)]
struct Held {
    is_full: bool,
    /// That of the poll that is under way.
    polling: Option<Waker>,
    /// A part of the future that waits, and is woken by its own waker alone.
    waiting: Option<Waker>,
    tokens: Vec<u32>,
    /// Of a chunk with more than tokens.
    rest: Option<Chunk>,
    top: Vec<abi::TopLogprob>,
    top_per_token: Vec<u32>,
    message: String,
    json: String,
}

impl Slot {
    #[expect(
        clippy::mut_from_ref,
        reason = "polls never overlap, and nothing is kept beyond a call"
    )]
    fn held(&self) -> &mut Held {
        // SAFETY: see above; no caller keeps it beyond its own end.
        unsafe { &mut *self.held.get() }
    }

    /// A poll begins: what was lent may be overwritten.
    pub(crate) fn begin(&self, waker: &Waker) {
        let held = self.held();
        if !held
            .polling
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            held.polling = Some(waker.clone());
        }
        if let Some(waiting) = held.waiting.take() {
            waiting.wake();
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.held().is_full
    }

    /// Whether there is room; otherwise `waker` has its task polled again when there is.
    pub(crate) fn has_room(&self, waker: &Waker) -> bool {
        let held = self.held();
        if !held.is_full {
            return true;
        }
        // Who polls does so again when it has taken the chunk; a part of the future must be woken.
        if !held
            .polling
            .as_ref()
            .is_some_and(|polling| polling.will_wake(waker))
        {
            held.waiting = Some(waker.clone());
        }
        false
    }

    pub(crate) fn put_tokens(&self, token_ids: &[u32]) {
        let held = self.held();
        held.tokens.clear();
        held.tokens.extend_from_slice(token_ids);
        held.rest = None;
        held.is_full = true;
    }

    pub(crate) fn put(&self, mut chunk: Chunk) {
        let held = self.held();
        held.tokens = std::mem::take(&mut chunk.token_ids);
        held.rest = Some(chunk);
        held.is_full = true;
    }

    /// Takes the chunk, and lends it.
    pub(crate) fn lend(&self, out: &mut abi::Chunk) -> Result<(), Error> {
        let held = self.held();
        held.is_full = false;
        out.token_ids = abi::TokenIds::lend(&held.tokens);
        match held.rest.take() {
            None => Ok(()),
            Some(rest) => {
                let lent = held.lend_rest(&rest, out);
                held.rest = Some(rest);
                lent
            }
        }
    }

    /// Lends the last chunk.
    pub(crate) fn lend_last(
        &self,
        reason: FinishReason,
        chunk: Chunk,
        out: &mut abi::Chunk,
    ) -> Result<(), Error> {
        self.put(chunk);
        out.finish_reason = match reason {
            FinishReason::Eos => abi::FinishReason::EOS,
            FinishReason::Length => abi::FinishReason::LENGTH,
            FinishReason::Stop => abi::FinishReason::STOP,
            FinishReason::Cancelled => abi::FinishReason::CANCELLED,
            FinishReason::ContentFilter => abi::FinishReason::CONTENT_FILTER,
            FinishReason::Error(message) => {
                self.lend_message(message, out);
                abi::FinishReason::ERROR
            }
        };
        self.lend(out)
    }

    /// Lends an error, which is the last.
    pub(crate) fn lend_error(&self, error: &Error, out: &mut abi::Chunk) {
        out.error_kind = error.kind().raw();
        self.lend_message(error.message().to_owned(), out);
    }

    fn lend_message(&self, message: String, out: &mut abi::Chunk) {
        let held = self.held();
        held.message = message;
        out.message = abi::Str::lend(&held.message);
    }
}

impl Held {
    fn lend_rest(&mut self, rest: &Chunk, out: &mut abi::Chunk) -> Result<(), Error> {
        let tokens = self.tokens.len();
        if let Some(index) = rest.index {
            out.index = index;
            out.has |= has::INDEX;
        }
        if let Some(cum_log_prob) = rest.cum_log_prob {
            out.cum_log_prob = cum_log_prob;
            out.has |= has::CUM_LOG_PROB;
        }
        if let Some(log_probs) = &rest.log_probs {
            out.log_probs = abi::Numbers::lend(log_probs);
            out.has |= has::LOG_PROBS;
        }
        if let Some(top) = &rest.top_logprobs {
            if top.len() != tokens {
                let lists = top.len();
                return Err(Error::unknown(format!(
                    "a chunk has {tokens} tokens, and {lists} lists of top_logprobs; one for each is \
                     needed"
                )));
            }
            self.flatten(top);
            out.top_logprobs = self.top.as_ptr();
            out.top_logprobs_per_token = self.top_per_token.as_ptr();
            out.has |= has::TOP_LOGPROBS;
        }
        if let Some(usage) = rest.usage {
            out.usage = abi::Usage {
                prompt_tokens: usage.prompt_tokens,
                completion_tokens: usage.completion_tokens,
                cached_tokens: usage.cached_tokens.unwrap_or_default(),
            };
            out.has |= has::USAGE;
            if usage.cached_tokens.is_some() {
                out.has |= has::CACHED_TOKENS;
            }
        }
        match &rest.stop_reason {
            None => {}
            Some(StopReason::Token(token)) => {
                out.stop_kind = abi::StopKind::TOKEN;
                out.stop_token = *token;
            }
            Some(StopReason::String(text)) => {
                out.stop_kind = abi::StopKind::STRING;
                out.stop_string = abi::Str::lend(text);
            }
        }
        if let Some(text) = &rest.text {
            out.text = abi::Str::lend(text);
        }
        if !rest.more.is_empty() {
            self.json = serde_json::to_string(&rest.more)
                .map_err(|error| Error::unknown(format!("a chunk's JSON: {error}")))?;
            out.json = abi::Str::lend(&self.json);
        }
        Ok(())
    }

    fn flatten(&mut self, top: &[Vec<TopLogprob>]) {
        self.top.clear();
        self.top_per_token.clear();
        for of_token in top {
            self.top_per_token
                .push(u32::try_from(of_token.len()).unwrap_or(u32::MAX));
            self.top
                .extend(of_token.iter().map(|likely| abi::TopLogprob {
                    rank: likely.rank,
                    token_id: likely.token_id,
                    logprob: likely.logprob,
                    token: match &likely.token {
                        Some(text) => abi::Str::lend(text),
                        None => abi::Str::NONE,
                    },
                }));
        }
    }
}
