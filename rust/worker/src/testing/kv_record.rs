//! KV events that are held against each other, in the place of a router.

use std::collections::HashMap;
use std::sync::Arc;

use dynamo_llm::kv_router::protocols::{
    ExternalSequenceBlockHash, KvCacheEvent, KvCacheEventData, KvCacheStoreData,
};
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;

use crate::engine::LLMEngine;
use crate::engine_config::EngineConfig;
use crate::error::invalid_argument;
use crate::publish::{KvEventSource, KvPublisher, check_kv_event_sources};

const MOST_PROBLEMS: usize = 5;

/// What one rank of an engine published.
pub struct KvRecord(Arc<Mutex<Events>>);

impl KvRecord {
    /// Where events did not agree with those before them; the first five.
    pub fn problems(&self) -> Vec<String> {
        self.0.lock().problems.clone()
    }
}

/// Hands an engine that has started publishers, as a worker does, and records what it publishes. An
/// engine that publishes by ZMQ is not recorded.
///
/// # Errors
///
/// What `kv_event_sources` or an `on_ready` failed with, or what a worker refuses of the sources.
pub async fn record_kv_events(
    engine: &dyn LLMEngine,
    config: &EngineConfig,
) -> Result<Vec<KvRecord>, DynamoError> {
    let mut sources = engine.kv_event_sources().await?;
    check_kv_event_sources(&mut sources, config)?;
    let mut records = Vec::new();
    for source in sources {
        let KvEventSource::Push {
            dp_rank,
            media,
            on_ready,
        } = source
        else {
            continue;
        };
        let Some(block_size) = config.kv_cache_block_size else {
            return Err(invalid_argument(
                "there are sources, and the engine's configuration has no kv_cache_block_size: a \
                 worker publishes nothing then",
            ));
        };
        let record = Arc::<Mutex<Events>>::default();
        let taken = record.clone();
        let publisher = KvPublisher::to(dp_rank, block_size, media, move |events| {
            let mut record = taken.lock();
            events.into_iter().for_each(|(event, _)| record.take(event));
            true
        });
        on_ready(publisher).await?;
        records.push(KvRecord(record));
    }
    Ok(records)
}

/// Those of one rank.
#[derive(Default)]
struct Events {
    /// How often each block is stored.
    stored: HashMap<u64, usize>,
    problems: Vec<String>,
}

impl Events {
    fn take(&mut self, event: KvCacheEvent) {
        let rank = event.dp_rank;
        match event.data {
            KvCacheEventData::Stored(stored) => self.store(rank, &stored),
            KvCacheEventData::Removed(removed) => {
                for ExternalSequenceBlockHash(block) in removed.block_hashes {
                    match self.stored.get_mut(&block).filter(|count| **count > 0) {
                        Some(count) => *count -= 1,
                        None => {
                            self.problem(
                                rank,
                                format!("removed block {block}, which is not stored"),
                            );
                        }
                    }
                }
            }
            KvCacheEventData::Cleared => self.stored.clear(),
        }
    }

    fn store(&mut self, rank: u32, stored: &KvCacheStoreData) {
        if let Some(ExternalSequenceBlockHash(parent)) = stored.parent_hash
            && self.stored.get(&parent).is_none_or(|count| *count == 0)
        {
            self.problem(
                rank,
                format!("stored behind parent {parent}, which is not stored"),
            );
        }
        for block in &stored.blocks {
            *self.stored.entry(block.block_hash.0).or_default() += 1;
        }
    }

    fn problem(&mut self, rank: u32, what: String) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(format!("rank {rank}: {what}"));
        }
    }
}
