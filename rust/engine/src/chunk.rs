//! What an answer consists of.

use serde_json::{Map, Value};

/// A part of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chunk {
    /// The new tokens.
    pub token_ids: Vec<u32>,
    /// Which of several outputs of a request this is; `None` where there is one.
    pub index: Option<u32>,
    /// Log probability of each token.
    pub log_probs: Option<Vec<f64>>,
    /// Log probability of all tokens of the answer together.
    pub cum_log_prob: Option<f64>,
    /// In the place of each token, the likeliest ones.
    pub top_logprobs: Option<Vec<Vec<TopLogprob>>>,
    /// What was counted; in the last chunk.
    pub usage: Option<Usage>,
    /// What stopped the answer; in the last chunk.
    pub stop_reason: Option<StopReason>,
    /// The text of the tokens, of an engine that detokenizes; `None`: a frontend does.
    pub text: Option<String>,
    /// Further keys of Dynamo's `LLMEngineOutput`, as `disaggregated_params`:
    /// [`abi::Chunk::json`](crate::abi::Chunk::json) lists them.
    pub more: Map<String, Value>,
}

impl Chunk {
    /// One of tokens and nothing else.
    pub fn tokens(token_ids: impl Into<Vec<u32>>) -> Self {
        Self {
            token_ids: token_ids.into(),
            ..Self::default()
        }
    }
}

/// The last part of an answer, and why it is the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// Why.
    pub reason: FinishReason,
    /// What it has beside that.
    pub chunk: Chunk,
}

impl Finish {
    fn of(reason: FinishReason) -> Self {
        Self {
            reason,
            chunk: Chunk::default(),
        }
    }

    /// The model said so.
    pub fn eos() -> Self {
        Self::of(FinishReason::Eos)
    }

    /// A stop token or text came, or there is nothing more to say.
    pub fn stop() -> Self {
        Self::of(FinishReason::Stop)
    }

    /// There are as many tokens as there may be.
    pub fn length() -> Self {
        Self::of(FinishReason::Length)
    }

    /// The request was stopped.
    pub fn cancelled() -> Self {
        Self::of(FinishReason::Cancelled)
    }

    /// With these tokens counted.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.chunk.usage = Some(usage);
        self
    }
}

/// Why an answer ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model said so.
    Eos,
    /// There are as many tokens as there may be.
    Length,
    /// A stop token or text came.
    Stop,
    /// The request was stopped.
    Cancelled,
    /// A filter of contents intervened.
    ContentFilter,
    /// The engine failed in a way that has no kind. An [`Error`](crate::Error) says more.
    Error(String),
}

/// What stopped an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// This token.
    Token(i64),
    /// This text.
    String(String),
}

/// A token that might have come.
#[derive(Clone, Debug, PartialEq)]
pub struct TopLogprob {
    /// 1 for the likeliest.
    pub rank: u32,
    /// The token.
    pub token_id: u32,
    /// Its log probability.
    pub logprob: f64,
    /// Its text.
    pub token: Option<String>,
}

/// Tokens that were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the prompt.
    pub prompt_tokens: u32,
    /// Of the answer.
    pub completion_tokens: u32,
    /// Of the prompt, those that the KV cache had.
    pub cached_tokens: Option<u32>,
}
