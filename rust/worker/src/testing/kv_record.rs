//! KV events that are held against each other, in the place of a router.

use std::collections::HashMap;

use dynamo_llm::kv_router::protocols::{
    ExternalSequenceBlockHash, KvCacheEvent, KvCacheEventData, KvCacheStoreData,
};

const MOST_PROBLEMS: usize = 5;

/// Those of one rank.
#[derive(Default)]
pub(super) struct KvRecord {
    /// How often each block is stored.
    stored: HashMap<u64, usize>,
    pub(super) problems: Vec<String>,
}

impl KvRecord {
    pub(super) fn take(&mut self, event: KvCacheEvent) {
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
