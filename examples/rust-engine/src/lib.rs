//! An engine that needs no model: it answers with the prompt, over and over.

use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_worker::error::invalid_argument;
use dynamo_backend_worker::{
    DynamoError, EngineConfig, EngineStream, LLMEngine, LLMEngineOutput, PreprocessedRequest,
    RequestContext,
};

/// What a token takes.
const PACE: Duration = Duration::from_millis(1);

/// Tokens of an answer whose request has no limit.
const MOST: u32 = 256;

/// Repeats the prompt until `max_tokens`.
pub struct Cycle;

#[async_trait]
impl LLMEngine for Cycle {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig::new("cycle"))
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        if request.token_ids.is_empty() {
            return Err(invalid_argument("an empty prompt cannot be repeated"));
        }
        let count = request.stop_conditions.max_tokens.unwrap_or(MOST);
        Ok(Box::pin(async_stream::stream! {
            let tokens = request.token_ids.iter().cycle();
            for (&token, _) in tokens.zip(0..count) {
                // Whichever comes first: the token, or the client leaves.
                tokio::select! {
                    () = tokio::time::sleep(PACE) => {}
                    () = context.stopped() => {
                        yield Ok(LLMEngineOutput::cancelled());
                        return;
                    }
                }
                yield Ok(LLMEngineOutput {
                    token_ids: vec![token],
                    ..Default::default()
                });
            }
            yield Ok(LLMEngineOutput::length());
        }))
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}
