//! What a stream gives in one turn.

use crate::lent::{Numbers, Str, TokenIds};
use crate::status::ErrorKind;

/// Bits of [`Chunk::has`].
pub mod chunk_has {
    /// `index` is set.
    pub const INDEX: u64 = 1 << 0;
    /// `cum_log_prob` is set.
    pub const CUM_LOG_PROB: u64 = 1 << 1;
    /// `usage` is set.
    pub const USAGE: u64 = 1 << 2;
    /// `usage.cached_tokens` is set.
    pub const CACHED_TOKENS: u64 = 1 << 3;
    /// `log_probs` is set, one for each token.
    pub const LOG_PROBS: u64 = 1 << 4;
    /// `top_logprobs` and `top_logprobs_per_token` are set.
    pub const TOP_LOGPROBS: u64 = 1 << 5;
}

/// What a stream gives in one turn. The host hands one in whose `size` is set and all else is zero, so
/// that an engine writes only what it has. What it points to is lent until the stream's next `poll`
/// or its `release`.
///
/// With `FAILED` only `error_kind` and `message` are read.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// Bytes of this structure, as the host knows it: nothing behind them may be written.
    pub size: u32,
    /// Why this chunk is the last; zero where it is not.
    pub finish_reason: FinishReason,
    /// Which fields are set, of those that zero says nothing about: bits of [`chunk_has`].
    pub has: u64,
    /// The new tokens.
    pub token_ids: TokenIds,
    /// Which of several outputs of a request this is.
    pub index: u32,
    /// With `FAILED` the error's kind.
    pub error_kind: ErrorKind,
    /// With `FAILED`, or a finish reason that is an error, the message.
    pub message: Str,
    /// Log probability of each token.
    pub log_probs: Numbers,
    /// Log probability of all tokens of the answer together.
    pub cum_log_prob: f64,
    /// The likeliest tokens in the place of each one, those of the first token first.
    pub top_logprobs: *const TopLogprob,
    /// For each token, how many of `top_logprobs` are its own.
    pub top_logprobs_per_token: *const u32,
    /// What was counted; in the last chunk.
    pub usage: Usage,
    /// What stopped the answer; zero: nothing that is told.
    pub stop_kind: StopKind,
    /// Keeps what follows where it is; zero.
    pub reserved: u32,
    /// With [`StopKind::TOKEN`] the token.
    pub stop_token: i64,
    /// With [`StopKind::STRING`] the text.
    pub stop_string: Str,
    /// The text of the tokens, of an engine that detokenizes; none: a frontend does.
    pub text: Str,
    /// Further keys of Dynamo's `LLMEngineOutput`, a JSON object, or none: of `tokens`, `output_type`,
    /// `content_parts`, `disaggregated_params`, `encoder_result`, `extra_args` and `engine_data` those
    /// that the engine has. Others are refused.
    pub json: Str,
}

impl Chunk {
    /// What a host hands in.
    pub const EMPTY: Self = Self {
        size: size_of::<Self>() as u32,
        finish_reason: FinishReason::NONE,
        has: 0,
        token_ids: TokenIds::NONE,
        index: 0,
        error_kind: ErrorKind::UNKNOWN,
        message: Str::NONE,
        log_probs: Numbers::NONE,
        cum_log_prob: 0.0,
        top_logprobs: core::ptr::null(),
        top_logprobs_per_token: core::ptr::null(),
        usage: Usage {
            prompt_tokens: 0,
            completion_tokens: 0,
            cached_tokens: 0,
        },
        stop_kind: StopKind::NONE,
        reserved: 0,
        stop_token: 0,
        stop_string: Str::NONE,
        text: Str::NONE,
        json: Str::NONE,
    };
}

/// Why a chunk is the last.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FinishReason(pub u32);

impl FinishReason {
    /// It is not the last.
    pub const NONE: Self = Self(0);
    /// The model said so.
    pub const EOS: Self = Self(1);
    /// There are as many tokens as there may be.
    pub const LENGTH: Self = Self(2);
    /// A stop token or text came.
    pub const STOP: Self = Self(3);
    /// The request was stopped.
    pub const CANCELLED: Self = Self(4);
    /// A filter of contents intervened.
    pub const CONTENT_FILTER: Self = Self(5);
    /// The engine failed, as `message` says. A stream that answers `FAILED` says the kind, too.
    pub const ERROR: Self = Self(6);
}

/// What stopped an answer.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopKind(pub u32);

impl StopKind {
    /// Nothing that is told.
    pub const NONE: Self = Self(0);
    /// A token.
    pub const TOKEN: Self = Self(1);
    /// A text.
    pub const STRING: Self = Self(2);
}

/// A token that might have come, and how likely it was.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TopLogprob {
    /// 1 for the likeliest.
    pub rank: u32,
    /// The token.
    pub token_id: u32,
    /// Its log probability.
    pub logprob: f64,
    /// Its text, or none.
    pub token: Str,
}

/// Tokens that were counted.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the prompt.
    pub prompt_tokens: u32,
    /// Of the answer.
    pub completion_tokens: u32,
    /// Of the prompt, those that the KV cache had.
    pub cached_tokens: u32,
}
