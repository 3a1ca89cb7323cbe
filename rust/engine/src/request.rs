//! What is asked of an engine.

use std::future::poll_fn;
use std::task::Poll;

use dynamo_engine_abi as abi;
use dynamo_engine_abi::request_has as has;
use dynamo_engine_abi::{Status, crossing};
use serde_json::Value;

use crate::error::Error;

/// A number that tells a request from all others that live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestKey(pub(crate) u64);

impl RequestKey {
    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// What is asked. It is lent for as long as `generate` runs: what is needed longer is copied.
pub struct Request {
    raw: *const abi::Request,
}

// SAFETY: a request is not changed while it is lent, and its functions may be called on any thread,
// several at a time.
unsafe impl Send for Request {}
// SAFETY: as above.
unsafe impl Sync for Request {}

macro_rules! optional {
    ($($(#[$doc:meta])* $name:ident: $type:ty, $bit:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self) -> Option<$type> {
            self.has(has::$bit).then_some(self.raw().$name)
        }
    )*};
}

macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self) -> &[u32] {
            // SAFETY: lent as the request is.
            unsafe { self.raw().$name.get() }.unwrap_or_default()
        }
    )*};
}

impl Request {
    /// # Safety
    ///
    /// `raw` is a request that is lent for as long as the answer lives.
    pub(crate) unsafe fn lent(raw: *const abi::Request) -> Self {
        Self { raw }
    }

    fn raw(&self) -> &abi::Request {
        // SAFETY: lent for as long as this lives.
        unsafe { &*self.raw }
    }

    fn table(&self) -> &abi::RequestTable {
        // SAFETY: tables live as long as the process.
        unsafe { &*self.raw().table }
    }

    fn has(&self, bit: u64) -> bool {
        self.raw().has & bit != 0
    }

    fn text(&self, text: abi::Str) -> &str {
        // SAFETY: lent as the request is.
        let bytes = unsafe { text.get() }.unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// By which `abort` names the request.
    pub fn key(&self) -> RequestKey {
        RequestKey(self.raw().key)
    }

    /// The request's id, as the client or the frontend chose it: several may have the same.
    pub fn id(&self) -> &str {
        self.text(self.raw().id)
    }

    /// The model that was asked for; empty in a probe.
    pub fn model(&self) -> &str {
        self.text(self.raw().model)
    }

    /// The LoRA adapter.
    pub fn lora_name(&self) -> Option<&str> {
        let name = self.raw().lora_name;
        (!name.is_none()).then(|| self.text(name))
    }

    lists! {
        /// The prompt.
        token_ids;
        /// Tokens that end the answer, and that it does not have.
        stop_token_ids;
        /// Tokens that end the answer, and that it has.
        stop_token_ids_visible;
        /// Tokens of the system that end the answer, and that it does not have.
        stop_token_ids_hidden;
        /// The model's end-of-sequence tokens.
        eos_token_ids;
    }

    optional! {
        /// 0: greedy.
        temperature: f32, TEMPERATURE;
        /// Part of the probability that is chosen from.
        top_p: f32, TOP_P;
        /// Tokens that are chosen from; -1: all.
        top_k: i32, TOP_K;
        /// Least probability, relative to the likeliest token's.
        min_p: f32, MIN_P;
        /// Penalty for each time that a token came.
        frequency_penalty: f32, FREQUENCY_PENALTY;
        /// Penalty for tokens that came.
        presence_penalty: f32, PRESENCE_PENALTY;
        /// Factor for tokens that came, the prompt's included.
        repetition_penalty: f32, REPETITION_PENALTY;
        /// Seed of the sampler.
        seed: i64, SEED;
        /// Tokens that the answer may have.
        max_tokens: u32, MAX_TOKENS;
        /// Tokens that the answer must have.
        min_tokens: u32, MIN_TOKENS;
        /// Log probabilities: so many of the likeliest tokens beside that of each token.
        logprobs: u32, LOGPROBS;
        /// The same for the prompt.
        prompt_logprobs: u32, PROMPT_LOGPROBS;
        /// The data-parallel rank that the router chose.
        dp_rank: u32, DP_RANK;
        /// Priority in the engine's queue.
        priority: i32, PRIORITY;
    }

    /// Whether the end-of-sequence token does not end the answer.
    pub fn ignore_eos(&self) -> bool {
        self.has(has::IGNORE_EOS)
    }

    /// Whether this is a probe of the health canary, which an engine answers without its peers.
    pub fn is_probe(&self) -> bool {
        self.has(has::PROBE)
    }

    /// Whether something is asked for that only [`json`](Self::json) tells, as several outputs, a
    /// grammar, stop texts or images.
    pub fn asks_for_more(&self) -> bool {
        self.has(has::MORE)
    }

    /// Whether the answer is not wanted any more. On a decode worker false until the first token, as
    /// the KV transfer needs its receiver.
    pub fn is_stopped(&self) -> bool {
        let is_stopped = self.table().is_stopped;
        // SAFETY: the request is lent.
        is_stopped.is_some_and(|is_stopped| unsafe { is_stopped(self.raw().data) })
    }

    /// Resolves when [`is_stopped`](Self::is_stopped) is true. Only the call that was polled last is
    /// woken.
    pub async fn stopped(&self) {
        poll_fn(|cx| {
            let waker = crossing::lend_waker(cx.waker());
            match self.poll_stopped(&waker) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await
    }

    pub(crate) fn poll_stopped(&self, waker: &abi::Waker) -> bool {
        let poll_stopped = self.table().poll_stopped;
        // SAFETY: the request is lent, and the waker for this call.
        let stopped = poll_stopped.map(|poll| unsafe { poll(self.raw().data, waker) });
        stopped == Some(Status::READY)
    }

    /// Tells that the first token exists before its chunk is given: from here on a decode worker may
    /// let go of the request.
    pub fn notify_first_token(&self) {
        if let Some(notify) = self.table().notify_first_token {
            // SAFETY: the request is lent.
            unsafe { notify(self.raw().data) }
        }
    }

    /// The whole request as text: JSON in the form of [`Host::dynamo_version`](crate::Host::dynamo_version),
    /// `PreprocessedRequest`. Made at the first call.
    ///
    /// # Errors
    ///
    /// `Unknown` where the worker cannot make it.
    pub fn json_text(&self) -> Result<&str, Error> {
        self.made("request", self.table().json)
    }

    /// The same, read.
    ///
    /// # Errors
    ///
    /// `Unknown` where the worker cannot make it.
    pub fn json(&self) -> Result<Value, Error> {
        read("request", self.json_text()?)
    }

    /// What came with the request: `{"metadata": {NAME: TEXT}, "trace_headers": {NAME: TEXT}}`.
    ///
    /// # Errors
    ///
    /// `Unknown` where the worker cannot make it.
    pub fn context(&self) -> Result<Value, Error> {
        read("context", self.made("context", self.table().context)?)
    }

    fn made(
        &self,
        what: &str,
        make: Option<unsafe extern "C" fn(*mut std::ffi::c_void, *mut abi::Str) -> Status>,
    ) -> Result<&str, Error> {
        let mut json = abi::Str::NONE;
        // SAFETY: the request is lent, and what it lends as well.
        let made = make.map(|make| unsafe { make(self.raw().data, &mut json) });
        match made {
            Some(Status::READY) => Ok(self.text(json)),
            _ => Err(Error::unknown(format!(
                "the worker made no JSON of the {what}"
            ))),
        }
    }
}

fn read(what: &str, json: &str) -> Result<Value, Error> {
    serde_json::from_str(json)
        .map_err(|error| Error::unknown(format!("the worker's JSON of the {what}: {error}")))
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("id", &self.id())
            .field("key", &self.key().get())
            .field("token_ids", &self.token_ids().len())
            .finish_non_exhaustive()
    }
}
