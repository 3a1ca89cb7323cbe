//! The publisher of one rank's KV events, which an engine is handed.

use std::sync::Arc;

use dynamo_llm::kv_router::protocols::{KvCacheEvent, KvCacheEventData, StorageTier};
use dynamo_llm::kv_router::publisher::KvEventPublisher;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::kv_event::{KvEvent, StoredBlock, StoredBlocks};
use super::media_tokens::MediaTokens;
use crate::error::invalid_argument;

/// Publishes the KV events of one rank, from any thread. It never waits for the network.
///
/// What was published in turn arrives in turn. A hash that is stored twice is there until it is
/// removed twice. After the run, and once `cleanup` is over, publishing does nothing.
#[derive(Clone)]
pub struct KvPublisher {
    rank: Arc<Rank>,
}

struct Rank {
    dp_rank: u32,
    block_size: u32,
    media: MediaTokens,
    /// `None` after the run. The lock keeps events in the order of their ids.
    open: Mutex<Option<Open>>,
}

/// Takes events, and numbers them; false where they are lost.
type Take = Box<dyn Fn(Vec<(KvCacheEvent, StorageTier)>) -> bool + Send>;

struct Open {
    take: Take,
    last: Option<Instant>,
    /// That events are lost was told.
    told: bool,
}

impl KvPublisher {
    pub(super) fn new(
        publisher: KvEventPublisher,
        dp_rank: u32,
        block_size: u32,
        media: MediaTokens,
    ) -> Self {
        Self::to(dp_rank, block_size, media, move |mut events| {
            for (event, _) in &mut events {
                event.event_id = publisher.next_event_id();
            }
            publisher.publish_batch_with_storage_tiers(events).is_ok()
        })
    }

    /// One whose events `take` is given.
    pub(crate) fn to(
        dp_rank: u32,
        block_size: u32,
        media: MediaTokens,
        take: impl Fn(Vec<(KvCacheEvent, StorageTier)>) -> bool + Send + 'static,
    ) -> Self {
        let open = Open {
            take: Box::new(take),
            last: None,
            told: false,
        };
        Self {
            rank: Arc::new(Rank {
                dp_rank,
                block_size,
                media,
                open: Mutex::new(Some(open)),
            }),
        }
    }

    /// When something was published last.
    pub(super) fn last(&self) -> Option<Instant> {
        let open = self.rank.open.lock();
        open.as_ref().and_then(|open| open.last)
    }

    /// Publishes nothing from here on.
    pub(super) fn close(&self) {
        let open = self.rank.open.lock().take();
        drop(open);
    }

    /// The data-parallel rank whose events these are.
    pub fn dp_rank(&self) -> u32 {
        self.rank.dp_rank
    }

    /// Tokens of one block: the engine's `kv_cache_block_size`.
    pub fn block_size(&self) -> u32 {
        self.rank.block_size
    }

    /// Tokens that stand for images and videos, as the source of the publisher has them.
    pub(super) fn media(&self) -> MediaTokens {
        self.rank.media
    }

    /// Blocks were stored behind `parent_hash` (`None`: at the start of a sequence), each behind
    /// the one before it. Those that have more than tokens, a LoRA adapter for one, are told of by
    /// [`publish_stored_blocks`](Self::publish_stored_blocks).
    ///
    /// # Errors
    ///
    /// `InvalidArgument` that names the block whose tokens are not one KV block, or whose hash is
    /// another's or the parent's. Nothing of the call is published then.
    pub fn publish_stored(
        &self,
        parent_hash: Option<u64>,
        blocks: Vec<StoredBlock>,
    ) -> Result<(), DynamoError> {
        self.publish_stored_blocks(StoredBlocks {
            parent_hash,
            blocks,
            ..StoredBlocks::default()
        })
    }

    /// Blocks were stored, as [`StoredBlocks`] has them.
    ///
    /// # Errors
    ///
    /// The same, and one that names `block_mm_infos` where it does not fit the blocks.
    pub fn publish_stored_blocks(&self, stored: StoredBlocks) -> Result<(), DynamoError> {
        let event = KvEvent::Stored(stored);
        event
            .check(self.rank.block_size)
            .map_err(|what| refused(&format!("publish_stored: {what}")))?;
        self.publish(vec![event]);
        Ok(())
    }

    /// Blocks were removed, named by the hashes of `publish_stored`. One that was never stored does
    /// nothing.
    pub fn publish_removed(&self, block_hashes: Vec<u64>) {
        self.publish(vec![KvEvent::Removed(block_hashes)]);
    }

    /// All blocks of the rank were removed, whatever was stored.
    pub fn publish_cleared(&self) {
        self.publish(vec![KvEvent::Cleared]);
    }

    /// Publishes changes in their order, in one message where there are 128 of 8192 blocks at most.
    ///
    /// # Errors
    ///
    /// As those of `publish_stored`, with the event's place. Nothing of the call is published then.
    pub fn publish_batch(&self, events: Vec<KvEvent>) -> Result<(), DynamoError> {
        for (number, event) in events.iter().enumerate() {
            event.check(self.rank.block_size).map_err(|what| {
                refused(&format!(
                    "publish_batch: event {number} of {}, counted from 0: {what}",
                    events.len()
                ))
            })?;
        }
        self.publish(events);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.rank.open.lock().is_some()
    }

    fn publish(&self, events: Vec<KvEvent>) {
        let Rank {
            dp_rank,
            block_size,
            media,
            ..
        } = *self.rank;
        let events = events
            .into_iter()
            .flat_map(|event| event.into_data(block_size, media))
            .map(|data: KvCacheEventData| {
                let event = KvCacheEvent {
                    event_id: 0,
                    data,
                    dp_rank,
                };
                (event, StorageTier::Device)
            });
        self.publish_placed(events.collect());
    }

    /// Publishes events of any rank and tier.
    pub(super) fn publish_placed(&self, events: Vec<(KvCacheEvent, StorageTier)>) {
        if events.is_empty() {
            return;
        }
        let dp_rank = self.rank.dp_rank;
        let mut open = self.rank.open.lock();
        let Some(open) = open.as_mut() else {
            tracing::debug!(dp_rank, "KV events after the run are dropped");
            return;
        };
        if !(open.take)(events) && !std::mem::replace(&mut open.told, true) {
            tracing::warn!(
                dp_rank,
                "KV events are lost from here on: the runtime's publisher has ended, and its own \
                 log line says why"
            );
        }
        open.last = Some(Instant::now());
    }
}

fn refused(what: &str) -> DynamoError {
    invalid_argument(format!("{what}; nothing was published"))
}
