//! What is asked of an engine.

use core::ffi::c_void;

use crate::header::Header;
use crate::lent::{Str, TokenIds};
use crate::status::Status;
use crate::waker::Waker;

/// Bits of [`Request::has`].
pub mod request_has {
    /// `temperature` is set.
    pub const TEMPERATURE: u64 = 1 << 0;
    /// `top_p` is set.
    pub const TOP_P: u64 = 1 << 1;
    /// `top_k` is set.
    pub const TOP_K: u64 = 1 << 2;
    /// `min_p` is set.
    pub const MIN_P: u64 = 1 << 3;
    /// `frequency_penalty` is set.
    pub const FREQUENCY_PENALTY: u64 = 1 << 4;
    /// `presence_penalty` is set.
    pub const PRESENCE_PENALTY: u64 = 1 << 5;
    /// `repetition_penalty` is set.
    pub const REPETITION_PENALTY: u64 = 1 << 6;
    /// `seed` is set.
    pub const SEED: u64 = 1 << 7;
    /// `max_tokens` is set.
    pub const MAX_TOKENS: u64 = 1 << 8;
    /// `min_tokens` is set.
    pub const MIN_TOKENS: u64 = 1 << 9;
    /// `logprobs` is set.
    pub const LOGPROBS: u64 = 1 << 10;
    /// `prompt_logprobs` is set.
    pub const PROMPT_LOGPROBS: u64 = 1 << 11;
    /// `dp_rank` is set.
    pub const DP_RANK: u64 = 1 << 12;
    /// `priority` is set.
    pub const PRIORITY: u64 = 1 << 13;
    /// The end-of-sequence token does not end the answer.
    pub const IGNORE_EOS: u64 = 1 << 14;
    /// This is a probe of the health canary: the engine answers by itself, without its peers.
    pub const PROBE: u64 = 1 << 15;
    /// The request asks for something of the answer that no field tells, as several outputs, a
    /// grammar, stop texts or images: an engine that does not read `json` should refuse it.
    pub const MORE: u64 = 1 << 16;
}

/// What is asked. Lent, with all that it lends, until the stream is released or `generate` answered
/// `FAILED`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Its functions.
    pub table: *const RequestTable,
    /// Their first argument.
    pub data: *mut c_void,
    /// Bytes of this structure, as the host knows it.
    pub size: u32,
    /// Tokens that the answer may have.
    pub max_tokens: u32,
    /// Which of the fields are set, and what needs no field: bits of [`request_has`].
    pub has: u64,
    /// A number that no other request of this engine has while this one lives.
    pub key: u64,
    /// The request's id, as the client or the frontend chose it.
    pub id: Str,
    /// The model that was asked for; empty in a probe.
    pub model: Str,
    /// The LoRA adapter, or none.
    pub lora_name: Str,
    /// The prompt.
    pub token_ids: TokenIds,
    /// Tokens that end the answer, and that it does not have.
    pub stop_token_ids: TokenIds,
    /// Tokens that end the answer, and that it has.
    pub stop_token_ids_visible: TokenIds,
    /// Tokens of the system that end the answer, and that it does not have.
    pub stop_token_ids_hidden: TokenIds,
    /// The model's end-of-sequence tokens.
    pub eos_token_ids: TokenIds,
    /// 0: greedy.
    pub temperature: f32,
    /// Part of the probability that is chosen from.
    pub top_p: f32,
    /// Tokens that are chosen from; -1: all.
    pub top_k: i32,
    /// Least probability, relative to the likeliest token's.
    pub min_p: f32,
    /// Penalty for each time that a token came.
    pub frequency_penalty: f32,
    /// Penalty for tokens that came.
    pub presence_penalty: f32,
    /// Factor for tokens that came, the prompt's included; 1: none.
    pub repetition_penalty: f32,
    /// Tokens that the answer must have.
    pub min_tokens: u32,
    /// Seed of the sampler.
    pub seed: i64,
    /// Log probabilities: so many of the likeliest tokens beside that of each token.
    pub logprobs: u32,
    /// The same for the prompt.
    pub prompt_logprobs: u32,
    /// The data-parallel rank that the router chose.
    pub dp_rank: u32,
    /// Priority in the engine's queue.
    pub priority: i32,
}

/// The functions of a [`Request`], which may be called on any thread, several at a time, for as long
/// as the request is lent. None is null.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RequestTable {
    /// Size, version, features.
    pub header: Header,
    /// Whether nobody wants more of the answer. The stream then ends with `CANCELLED`.
    pub is_stopped: Option<unsafe extern "C" fn(data: *mut c_void) -> bool>,
    /// `READY` once the request is stopped, until then `PENDING`. The waker of the last call is woken,
    /// and no other.
    pub poll_stopped:
        Option<unsafe extern "C" fn(data: *mut c_void, waker: *const Waker) -> Status>,
    /// Tells that the first token exists before its chunk is given: from here on a decode worker
    /// may abort the request.
    pub notify_first_token: Option<unsafe extern "C" fn(data: *mut c_void)>,
    /// The whole request as Dynamo's own JSON. Made at the first call, and lent as the request is.
    /// `FAILED`: it cannot be had, and there is no text.
    pub json: Option<unsafe extern "C" fn(data: *mut c_void, json: *mut Str) -> Status>,
    /// What came with the request, in the same way:
    /// `{"metadata": {NAME: TEXT}, "trace_headers": {NAME: TEXT}}`.
    pub context: Option<unsafe extern "C" fn(data: *mut c_void, json: *mut Str) -> Status>,
}
