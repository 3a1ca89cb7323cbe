//! Answers with the prompt, one token a chunk.

use std::time::Duration;

use async_trait::async_trait;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_protocols::types::CompletionUsage;
use dynamo_runtime::error::DynamoError;

use crate::context::RequestContext;
use crate::engine::{EngineConfig, EngineStream, LLMEngine};

/// The engine for trying things out and for tests: no model, no Python, and the tokens of the
/// prompt as output, at most `max_tokens` of them.
#[derive(Clone, Debug)]
pub struct Echo {
    model: String,
    delay: Duration,
}

impl Echo {
    /// An echo that calls its model `model` and waits `delay` before each token.
    pub fn new(model: impl Into<String>, delay: Duration) -> Self {
        Self {
            model: model.into(),
            delay,
        }
    }
}

#[async_trait]
impl LLMEngine for Echo {
    fn name(&self) -> String {
        "Echo".into()
    }

    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig::new(&self.model))
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        let delay = self.delay;
        let stop = &request.stop_conditions;
        let wanted = stop.max_tokens.map_or(usize::MAX, |max| max as usize);
        let count = request.token_ids.len().min(wanted);
        let usage = usage(request.token_ids.len(), count);
        Ok(Box::pin(async_stream::stream! {
            for &token in request.token_ids.iter().take(count) {
                tokio::select! {
                    biased;
                    _ = context.stopped() => {
                        yield Ok(LLMEngineOutput::cancelled());
                        return;
                    }
                    _ = tokio::time::sleep(delay), if !delay.is_zero() => {}
                    _ = std::future::ready(()), if delay.is_zero() => {}
                }
                yield Ok(LLMEngineOutput { token_ids: vec![token], index: Some(0), ..Default::default() });
            }
            let end = if count < request.token_ids.len() {
                LLMEngineOutput::length()
            } else {
                LLMEngineOutput::stop()
            };
            yield Ok(LLMEngineOutput { completion_usage: Some(usage), ..end });
        }))
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}

fn usage(prompt: usize, completion: usize) -> CompletionUsage {
    let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
    CompletionUsage {
        prompt_tokens: count(prompt),
        completion_tokens: count(completion),
        total_tokens: count(prompt.saturating_add(completion)),
        ..Default::default()
    }
}
