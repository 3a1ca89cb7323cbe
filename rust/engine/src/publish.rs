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

/// Blocks that were stored, each behind the one before it, of requests that share them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredBlocks<'a> {
    /// The block that they stand behind; `None`: they begin a sequence.
    pub parent_hash: Option<u64>,
    /// The blocks.
    pub blocks: &'a [StoredBlock<'a>],
    /// The LoRA adapter that made them; `None`: the model itself.
    pub lora_name: Option<&'a str>,
    /// What keeps requests with another salt from sharing them; `None`: nothing.
    pub cache_salt: Option<&'a str>,
    /// Whether each block has the first token of the one behind it, too, as for speculative decoding
    /// with Eagle; [`EngineConfig::enable_eagle`](crate::EngineConfig::enable_eagle) must say so.
    pub is_eagle: bool,
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
        /// The token that stands for an image in a prompt.
        image_token_id: Option<u32>,
        /// The token that stands for a video.
        video_token_id: Option<u32>,
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
                image_token_id,
                video_token_id,
            } => json!({
                "dp_rank": dp_rank,
                "endpoint": endpoint,
                "topic": topic,
                "image_token_id": image_token_id,
                "video_token_id": video_token_id,
            }),
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
