//! KV events: which blocks a rank holds, told to the router.

use std::sync::Arc;

use dynamo_llm::kv_router::protocols::{
    ExternalSequenceBlockHash, KvCacheEvent, KvCacheEventData, KvCacheRemoveData, KvCacheStoreData,
    KvCacheStoredBlockData, compute_block_hash_for_seq,
};
use dynamo_llm::kv_router::publisher::{KvEventPublisher, KvEventSourceConfig};
use dynamo_runtime::component::Endpoint;

/// Called once with a rank's publisher, when it is ready.
pub type OnKvPublisherReady = Arc<dyn Fn(KvPublisher) + Send + Sync>;

/// Where the KV events of one data-parallel rank come from.
#[derive(Clone)]
pub enum KvEventSource {
    /// The engine publishes on a ZMQ socket.
    Zmq {
        endpoint: String,
        topic: String,
        dp_rank: u32,
    },
    /// The engine calls a publisher that it is handed.
    Push {
        dp_rank: u32,
        on_ready: OnKvPublisherReady,
    },
}

impl KvEventSource {
    pub fn dp_rank(&self) -> u32 {
        match self {
            Self::Zmq { dp_rank, .. } | Self::Push { dp_rank, .. } => *dp_rank,
        }
    }
}

/// A block that the engine stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredBlock {
    /// The engine's own hash of the block, which `publish_removed` names again.
    pub block_hash: u64,
    /// The block's tokens, exactly one KV block long.
    pub token_ids: Vec<u32>,
}

/// Publishes the KV events of one rank, from any thread. It never waits for the network.
#[derive(Clone)]
pub struct KvPublisher {
    inner: Arc<KvEventPublisher>,
    dp_rank: u32,
}

impl KvPublisher {
    /// Blocks were stored behind `parent_hash` (`None`: at the start of a sequence).
    pub fn publish_stored(&self, parent_hash: Option<u64>, blocks: Vec<StoredBlock>) {
        let block_size = self.inner.kv_block_size();
        let blocks = blocks
            .into_iter()
            .filter_map(|block| {
                let tokens_hash =
                    *compute_block_hash_for_seq(&block.token_ids, block_size, Default::default())
                        .first()?;
                Some(KvCacheStoredBlockData {
                    block_hash: ExternalSequenceBlockHash(block.block_hash),
                    tokens_hash,
                    mm_extra_info: None,
                })
            })
            .collect();
        self.publish(KvCacheEventData::Stored(KvCacheStoreData {
            parent_hash: parent_hash.map(ExternalSequenceBlockHash),
            start_position: None,
            blocks,
        }));
    }

    /// Blocks were removed, named by the hashes of `publish_stored`.
    pub fn publish_removed(&self, block_hashes: Vec<u64>) {
        self.publish(KvCacheEventData::Removed(KvCacheRemoveData {
            block_hashes: block_hashes
                .into_iter()
                .map(ExternalSequenceBlockHash)
                .collect(),
        }));
    }

    fn publish(&self, data: KvCacheEventData) {
        let event = KvCacheEvent {
            event_id: self.inner.next_event_id(),
            data,
            dp_rank: self.dp_rank,
        };
        if self.inner.publish(event).is_err() {
            tracing::debug!(dp_rank = self.dp_rank, "KV event after shutdown, dropped");
        }
    }
}

/// Starts a publisher per source. They live as long as the answer and its clones.
pub(crate) fn start_kv_publishers(
    endpoint: &Endpoint,
    block_size: u32,
    local_indexer: bool,
    sources: Vec<KvEventSource>,
) -> anyhow::Result<Vec<KvPublisher>> {
    let mut publishers = Vec::with_capacity(sources.len());
    for source in sources {
        let dp_rank = source.dp_rank();
        let config = match &source {
            KvEventSource::Push { .. } => None,
            KvEventSource::Zmq {
                endpoint, topic, ..
            } => Some(KvEventSourceConfig::Zmq {
                endpoint: endpoint.clone(),
                topic: topic.clone(),
                image_token_id: None,
                video_token_id: None,
            }),
        };
        let publisher = KvPublisher {
            inner: Arc::new(KvEventPublisher::new_with_local_indexer(
                endpoint.clone(),
                block_size,
                config,
                local_indexer,
                dp_rank,
                None,
            )?),
            dp_rank,
        };
        if let KvEventSource::Push { on_ready, .. } = source {
            on_ready(publisher.clone());
        }
        publishers.push(publisher);
    }
    Ok(publishers)
}
