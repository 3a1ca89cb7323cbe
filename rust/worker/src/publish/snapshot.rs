//! A snapshot of a rank's KV cache.

/// The KV cache of one data-parallel rank at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// KV blocks of the rank.
    pub total_blocks: u64,
    /// KV blocks in use.
    pub used_blocks: u64,
    /// Part of the prompt tokens found in the cache, 0 to 1; `None`: not measured yet.
    pub kv_cache_hit_rate: Option<f64>,
}

impl Snapshot {
    /// Part of the blocks in use, 0 to 1.
    pub fn usage(&self) -> f64 {
        if self.total_blocks == 0 {
            0.0
        } else {
            self.used_blocks as f64 / self.total_blocks as f64
        }
    }
}
