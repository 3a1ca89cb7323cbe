//! An engine that says what a test says.

use std::sync::Arc;

use async_trait::async_trait;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use parking_lot::Mutex;

use crate::engine::{EngineStream, LLMEngine, RequestContext};
use crate::engine_config::EngineConfig;
use crate::error::{DynamoError, invalid_argument};

pub(super) type Chunk = Result<LLMEngineOutput, DynamoError>;

/// Answers one request with the chunks of a channel, and tells of its abort; any other it refuses.
pub(super) struct Told {
    chunks: Mutex<Option<UnboundedReceiver<Chunk>>>,
    context: Mutex<Option<RequestContext>>,
    aborts: UnboundedSender<()>,
}

impl Told {
    /// One, what its chunks are sent by, and what tells of its aborts.
    pub(super) fn new() -> (Arc<Self>, UnboundedSender<Chunk>, UnboundedReceiver<()>) {
        let (chunks, of_engine) = unbounded();
        let (of_aborts, aborts) = unbounded();
        let told = Self {
            chunks: Mutex::new(Some(of_engine)),
            context: Mutex::default(),
            aborts: of_aborts,
        };
        (Arc::new(told), chunks, aborts)
    }

    /// That of its request, once it has one.
    pub(super) fn context(&self) -> Option<RequestContext> {
        self.context.lock().clone()
    }
}

#[async_trait]
impl LLMEngine for Told {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig::new("told"))
    }

    async fn generate(
        &self,
        _request: PreprocessedRequest,
        context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        let Some(chunks) = self.chunks.lock().take() else {
            return Err(invalid_argument("no second request"));
        };
        *self.context.lock() = Some(context);
        Ok(Box::pin(chunks))
    }

    async fn abort(&self, _context: RequestContext) {
        self.aborts.unbounded_send(()).unwrap();
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}
