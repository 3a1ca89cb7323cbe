//! An engine with a cache, whose KV events are right or wrong.

use std::sync::Arc;

use async_trait::async_trait;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;

use crate::engine::{EngineStream, LLMEngine, RequestContext};
use crate::engine_config::EngineConfig;
use crate::publish::{KvEventSource, KvPublisher, StoredBlock};

/// Publishes the KV events of a cache that holds the blocks of the last prompt.
pub(super) struct Caching {
    removes_twice: bool,
    publisher: Arc<Mutex<Option<KvPublisher>>>,
    cached: Mutex<Vec<u64>>,
}

const BLOCK: usize = 4;

impl Caching {
    pub(super) fn new(removes_twice: bool) -> Self {
        Self {
            removes_twice,
            publisher: Arc::default(),
            cached: Mutex::default(),
        }
    }
}

#[async_trait]
impl LLMEngine for Caching {
    async fn start(&self, _worker_id: u64) -> Result<EngineConfig, DynamoError> {
        Ok(EngineConfig {
            kv_cache_block_size: Some(BLOCK as u32),
            ..EngineConfig::new("caching")
        })
    }

    async fn kv_event_sources(&self) -> Result<Vec<KvEventSource>, DynamoError> {
        let taken = self.publisher.clone();
        Ok(vec![KvEventSource::push(0, move |publisher| {
            *taken.lock() = Some(publisher);
        })])
    }

    async fn generate(
        &self,
        request: PreprocessedRequest,
        _context: RequestContext,
    ) -> Result<EngineStream, DynamoError> {
        let mut cached = self.cached.lock();
        if let Some(publisher) = &*self.publisher.lock() {
            let blocks = request.token_ids.chunks_exact(BLOCK);
            let blocks: Vec<_> = blocks
                .scan(0, |behind: &mut u64, tokens| {
                    *behind = behind.wrapping_mul(31).wrapping_add(tokens[0].into());
                    Some(StoredBlock {
                        block_hash: *behind,
                        token_ids: tokens.to_vec(),
                    })
                })
                .collect();
            publisher.publish_removed(cached.clone());
            if self.removes_twice {
                publisher.publish_removed(cached.clone());
            }
            *cached = blocks.iter().map(|block| block.block_hash).collect();
            publisher.publish_stored(None, blocks)?;
        }
        let chunks = [
            Ok(LLMEngineOutput {
                token_ids: vec![1],
                ..Default::default()
            }),
            Ok(LLMEngineOutput::stop()),
        ];
        Ok(Box::pin(futures::stream::iter(chunks)))
    }

    async fn cleanup(&self) -> Result<(), DynamoError> {
        Ok(())
    }
}
