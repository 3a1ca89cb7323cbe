//! A chunk on its way from Python: small until it is read.

use dynamo_backend_worker::{CompletionUsage, FinishReason, LLMEngineOutput};

/// A chunk as it is read under the GIL: small. The rest of its way to an output needs no GIL.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(crate) token_ids: Tokens,
    pub(crate) index: Option<u32>,
    pub(crate) finish_reason: Option<FinishReason>,
    pub(crate) log_probs: Option<Vec<f64>>,
    pub(crate) cum_log_probs: Option<f64>,
    pub(crate) usage: Option<Box<CompletionUsage>>,
    /// What came through JSON.
    pub(crate) rare: Option<Box<LLMEngineOutput>>,
}

/// The tokens of a chunk.
pub(crate) enum Tokens {
    /// The usual chunk's; needs no allocation.
    One(u32),
    Many(Vec<u32>),
}

impl Tokens {
    fn extend(&mut self, next: Self) {
        if let Self::One(token) = self {
            *self = Self::Many(vec![*token]);
        }
        if let Self::Many(tokens) = self {
            match next {
                Self::One(token) => tokens.push(token),
                Self::Many(next) => tokens.extend(next),
            }
        }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Chunk {
    /// One with tokens and nothing else.
    pub(crate) fn of_tokens(token_ids: Tokens) -> Self {
        Self {
            token_ids,
            ..Self::default()
        }
    }

    /// One that ends its stream, because nobody wants more.
    pub(crate) fn cancelled() -> Self {
        Self {
            finish_reason: Some(FinishReason::Cancelled),
            ..Self::default()
        }
    }

    /// Appends the tokens of `next`, or answers it where it has, or this has, anything else.
    pub(crate) fn join(&mut self, next: Self) -> Result<(), Self> {
        if !self.has_tokens_alone() || !next.has_tokens_alone() {
            return Err(next);
        }
        self.token_ids.extend(next.token_ids);
        Ok(())
    }

    fn has_tokens_alone(&self) -> bool {
        let Self {
            token_ids: _,
            index: None,
            finish_reason: None,
            log_probs: None,
            cum_log_probs: None,
            usage: None,
            rare: None,
        } = self
        else {
            return false;
        };
        true
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.finish_reason.is_some()
    }

    pub(crate) fn into_output(self) -> LLMEngineOutput {
        let rare = self.rare.map(|rare| *rare).unwrap_or_default();
        LLMEngineOutput {
            token_ids: match self.token_ids {
                Tokens::One(token) => vec![token],
                Tokens::Many(tokens) => tokens,
            },
            index: self.index,
            finish_reason: self.finish_reason,
            log_probs: self.log_probs,
            cum_log_probs: self.cum_log_probs,
            completion_usage: self.usage.map(|usage| *usage).or(rare.completion_usage),
            ..rare
        }
    }
}
