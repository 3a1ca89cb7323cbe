//! What the engine has of a KV cache: which blocks of prompts it has seen.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use dynamo_engine::{Error, Host, Snapshot, StoredBlock};

/// Tokens per block.
pub const BLOCK_SIZE: usize = 16;

/// Blocks that there is room for.
pub const BLOCKS: usize = 1024;

/// The blocks of one data-parallel rank, of whose changes a router is told.
#[derive(Default)]
pub struct Cache {
    stored: HashSet<u64>,
    blocks_asked: u64,
    blocks_found: u64,
}

impl Cache {
    /// Stores the whole blocks of a prompt; answers how many of its tokens were there before.
    pub fn store(&mut self, host: &Host, prompt: &[u32]) -> Result<u32, Error> {
        let mut hasher = DefaultHasher::new();
        let blocks: Vec<_> = prompt
            .chunks_exact(BLOCK_SIZE)
            .map(|token_ids| {
                // Of everything up to its end, as a block stands for what is in front of it, too.
                token_ids.hash(&mut hasher);
                StoredBlock {
                    block_hash: hasher.finish(),
                    token_ids,
                }
            })
            .collect();
        let is_there = |block: &&StoredBlock| self.stored.contains(&block.block_hash);
        let found = blocks.iter().take_while(is_there).count();
        let (there, missing) = blocks.split_at(found);
        if self.stored.len() + missing.len() > BLOCKS {
            self.clear(host);
            return self.store(host, prompt);
        }
        if !missing.is_empty() {
            let parent = there.last().map(|block| block.block_hash);
            host.publish_stored(0, parent, missing)?;
            self.stored
                .extend(missing.iter().map(|block| block.block_hash));
        }
        self.blocks_asked += blocks.len() as u64;
        self.blocks_found += found as u64;
        self.tell_load(host);
        Ok((found * BLOCK_SIZE) as u32)
    }

    /// Forgets all blocks; answers their hashes.
    pub fn clear(&mut self, host: &Host) -> Vec<u64> {
        let forgotten = self.stored.drain().collect();
        host.publish_cleared(0);
        self.tell_load(host);
        forgotten
    }

    fn tell_load(&self, host: &Host) {
        let asked = self.blocks_asked as f64;
        let snapshot = Snapshot {
            total_blocks: BLOCKS as u64,
            used_blocks: self.stored.len() as u64,
            kv_cache_hit_rate: (asked > 0.0).then(|| self.blocks_found as f64 / asked),
        };
        host.push_snapshot(0, snapshot);
    }
}
