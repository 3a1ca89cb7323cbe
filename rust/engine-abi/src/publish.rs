//! What an engine publishes of its KV cache.

use crate::lent::{Str, TokenIds};

/// Bits of [`Snapshot::has`].
pub mod snapshot_has {
    /// `kv_cache_hit_rate` was measured.
    pub const KV_CACHE_HIT_RATE: u64 = 1 << 0;
}

/// The KV cache of one data-parallel rank at one moment.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// Bytes of this structure, as the engine knows it.
    pub size: u32,
    /// The rank.
    pub dp_rank: u32,
    /// Which fields are set: bits of [`snapshot_has`].
    pub has: u64,
    /// KV blocks of the rank.
    pub total_blocks: u64,
    /// KV blocks in use.
    pub used_blocks: u64,
    /// Part of the prompt tokens found in the cache, 0 to 1.
    pub kv_cache_hit_rate: f64,
}

/// Bits of [`StoredBlocks::has`].
pub mod stored_has {
    /// `parent_hash` is set: the blocks are not at the start of a sequence.
    pub const PARENT_HASH: u64 = 1 << 0;
}

/// Blocks that were stored, each behind the one before it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StoredBlocks {
    /// Bytes of this structure, as the engine knows it.
    pub size: u32,
    /// The data-parallel rank.
    pub dp_rank: u32,
    /// Which fields are set: bits of [`stored_has`].
    pub has: u64,
    /// The block in front of the first.
    pub parent_hash: u64,
    /// The first.
    pub blocks: *const StoredBlock,
    /// How many.
    pub count: usize,
    /// The LoRA adapter that they are of, or none.
    pub lora_name: Str,
}

/// A block that was stored.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StoredBlock {
    /// The engine's own hash of the block, which stands for it and everything in front of it.
    pub block_hash: u64,
    /// Its tokens, exactly one KV block long.
    pub token_ids: TokenIds,
}
