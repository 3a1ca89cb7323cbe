//! The publisher of one rank's KV events, which an engine is handed.

use std::collections::HashMap;
use std::sync::Arc;

use dynamo_llm::kv_router::protocols::{
    ExternalSequenceBlockHash, KvCacheEvent, KvCacheEventData, KvCacheRemoveData, KvCacheStoreData,
    KvCacheStoredBlockData, StorageTier, compute_block_hash_for_seq,
};
use dynamo_llm::kv_router::publisher::KvEventPublisher;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::invalid_argument;

/// Blocks of one event: with many more it would not fit a message of NATS.
const LONGEST_EVENT: usize = 4096;

/// A block that the engine stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredBlock {
    /// The engine's own hash of the block, which `publish_removed` names again. It stands for the
    /// block and everything in front of it.
    pub block_hash: u64,
    /// The block's tokens, exactly one KV block long.
    pub token_ids: Vec<u32>,
}

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
    pub(super) fn new(publisher: KvEventPublisher, dp_rank: u32, block_size: u32) -> Self {
        Self::to(dp_rank, block_size, move |mut events| {
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

    /// Blocks were stored behind `parent_hash` (`None`: at the start of a sequence), each behind
    /// the one before it.
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
        check(self.rank.block_size, parent_hash, &blocks)?;
        let mut parent = parent_hash.map(ExternalSequenceBlockHash);
        let events = blocks.chunks(LONGEST_EVENT).map(|chunk| {
            let blocks: Vec<_> = chunk
                .iter()
                .flat_map(|block| self.described(block))
                .collect();
            let behind = blocks.last().map(|last| last.block_hash);
            KvCacheEventData::Stored(KvCacheStoreData {
                parent_hash: std::mem::replace(&mut parent, behind),
                start_position: None,
                blocks,
            })
        });
        self.publish(events.collect());
        Ok(())
    }

    /// What the router is told of a block; its tokens are one block, so they have one hash.
    fn described(&self, block: &StoredBlock) -> Option<KvCacheStoredBlockData> {
        let hashes =
            compute_block_hash_for_seq(&block.token_ids, self.rank.block_size, Default::default());
        hashes.first().map(|hash| KvCacheStoredBlockData {
            block_hash: ExternalSequenceBlockHash(block.block_hash),
            tokens_hash: *hash,
            mm_extra_info: None,
        })
    }

    /// Blocks were removed, named by the hashes of `publish_stored`. One that was never stored does
    /// nothing.
    pub fn publish_removed(&self, block_hashes: Vec<u64>) {
        let events = block_hashes.chunks(LONGEST_EVENT).map(|chunk| {
            KvCacheEventData::Removed(KvCacheRemoveData {
                block_hashes: chunk
                    .iter()
                    .copied()
                    .map(ExternalSequenceBlockHash)
                    .collect(),
            })
        });
        self.publish(events.collect());
    }

    /// All blocks of the rank were removed, whatever was stored.
    pub fn publish_cleared(&self) {
        self.publish(vec![KvCacheEventData::Cleared]);
    }

    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.rank.open.lock().is_some()
    }

    fn publish(&self, events: Vec<KvCacheEventData>) {
        let dp_rank = self.rank.dp_rank;
        let events = events.into_iter().map(|data| {
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

fn check(
    block_size: u32,
    parent_hash: Option<u64>,
    blocks: &[StoredBlock],
) -> Result<(), DynamoError> {
    let refused = |number: usize, what: String| {
        invalid_argument(format!(
            "publish_stored: block {number} of {}, counted from 0, {what}; nothing was published",
            blocks.len()
        ))
    };
    let mut seen = HashMap::with_capacity(blocks.len());
    for (number, block) in blocks.iter().enumerate() {
        let length = block.token_ids.len();
        if length != block_size as usize {
            return Err(refused(
                number,
                format!("has {length} tokens, and kv_cache_block_size is {block_size}"),
            ));
        }
        if Some(block.block_hash) == parent_hash {
            return Err(refused(number, "has the hash of its parent".into()));
        }
        if let Some(first) = seen.insert(block.block_hash, number) {
            return Err(refused(number, format!("has the hash of block {first}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(block_hash: u64, length: u32) -> StoredBlock {
        StoredBlock {
            block_hash,
            token_ids: (0..length).collect(),
        }
    }

    fn refusal(parent_hash: Option<u64>, blocks: &[StoredBlock]) -> String {
        let error = check(4, parent_hash, blocks).unwrap_err();
        let message = error.message().to_owned();
        assert!(message.ends_with("; nothing was published"), "{message}");
        message
    }

    #[test]
    fn a_chain_of_whole_blocks_is_accepted() {
        check(4, Some(9), &[block(1, 4), block(2, 4)]).unwrap();
        check(4, None, &[]).unwrap();
    }

    #[test]
    fn a_block_of_another_length_is_named() {
        for length in [0, 3, 5, 8] {
            let message = refusal(None, &[block(1, 4), block(2, length)]);
            let named = format!(
                "block 1 of 2, counted from 0, has {length} tokens, and kv_cache_block_size is 4"
            );
            assert!(message.contains(&named), "{message}");
        }
    }

    #[test]
    fn a_chain_that_bites_its_tail_is_refused() {
        let message = refusal(Some(2), &[block(1, 4), block(2, 4)]);
        assert!(message.contains("block 1 of 2"), "{message}");
        assert!(message.contains("the hash of its parent"), "{message}");
        let message = refusal(None, &[block(7, 4), block(2, 4), block(7, 4)]);
        assert!(message.contains("block 2 of 3"), "{message}");
        assert!(message.contains("the hash of block 0"), "{message}");
    }
}
