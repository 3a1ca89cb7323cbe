//! An engine as a probe asks it: with the same `generate` as traffic, to the end.

use async_trait::async_trait;
use dynamo_llm::protocols::common::FinishReason;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use futures::StreamExt;
use serde_json::Value;

use crate::engine::{LLMEngine, RequestContext};
use crate::error::unknown;
use crate::guarded_raw::GuardedRaw;

/// Who can be probed.
#[async_trait]
pub(crate) trait Answers: Send + Sync + 'static {
    /// Sends the payload, and reads all of the answer.
    async fn answer_to(&self, payload: Value, context: RequestContext) -> Result<(), DynamoError>;
    /// The probe is given up.
    async fn give_up(&self, context: RequestContext);
}

#[async_trait]
impl<E: LLMEngine + ?Sized> Answers for E {
    async fn answer_to(&self, payload: Value, context: RequestContext) -> Result<(), DynamoError> {
        let request = serde_json::from_value::<PreprocessedRequest>(payload)
            .map_err(|error| unknown(format!("the payload is no request: {error}")))?;
        let mut chunks = self.generate(request, context).await?;
        while let Some(chunk) = chunks.next().await {
            match chunk?.finish_reason {
                None => {}
                Some(FinishReason::Error(message)) => return Err(unknown(message)),
                Some(FinishReason::Cancelled) => return Err(unknown("it was cancelled")),
                Some(_) => return Ok(()),
            }
        }
        Err(unknown("the stream ended without a terminal chunk"))
    }

    async fn give_up(&self, context: RequestContext) {
        self.abort(context).await;
    }
}

#[async_trait]
impl Answers for GuardedRaw {
    async fn answer_to(&self, payload: Value, context: RequestContext) -> Result<(), DynamoError> {
        let mut items = self.generate(payload, context).await?;
        let mut is_answered = false;
        while let Some(item) = items.next().await {
            item?;
            is_answered = true;
        }
        match is_answered {
            true => Ok(()),
            false => Err(unknown("the stream ended without an answer")),
        }
    }

    async fn give_up(&self, context: RequestContext) {
        self.abort(context).await;
    }
}
