//! What an engine publishes of its KV cache.

use serde_json::{Value, json};

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

/// A block that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBlock<'a> {
    /// The engine's own hash of the block, which stands for it and everything in front of it.
    pub block_hash: u64,
    /// Its tokens, exactly one KV block long.
    pub token_ids: &'a [u32],
}

/// Where the KV events of one data-parallel rank come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvEventSource {
    /// The engine pushes them to its [`Host`](crate::Host).
    Push {
        /// The rank.
        dp_rank: u32,
    },
    /// The engine publishes on a ZMQ socket, in vLLM's format.
    Zmq {
        /// The rank.
        dp_rank: u32,
        /// Address of the socket, `tcp://HOST:PORT` or `ipc://PATH`.
        endpoint: String,
        /// Topic that is subscribed to; empty: all.
        topic: String,
    },
}

impl KvEventSource {
    pub(crate) fn json(self) -> Value {
        match self {
            Self::Push { dp_rank } => json!({ "dp_rank": dp_rank }),
            Self::Zmq {
                dp_rank,
                endpoint,
                topic,
            } => json!({"dp_rank": dp_rank, "endpoint": endpoint, "topic": topic}),
        }
    }
}

/// Whether somebody was there to hear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It was published.
    Yes,
    /// The publisher is not there yet, or is closed: nothing happened.
    NobodyListens,
}
