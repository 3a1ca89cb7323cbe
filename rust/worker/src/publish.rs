//! What an engine publishes while it serves: KV events and snapshots of its load.

mod kv_event;
mod kv_events;
mod kv_publisher;
mod kv_socket;
mod kv_wire;
mod load;
mod media_tokens;
mod open_kv_publisher;
mod rank_gauges;
mod snapshot;
mod snapshot_publisher;
mod zmq_address;

pub use kv_event::{
    BlockExtraInfo, BlockMmObjectInfo, KvEvent, StoredBlock, StoredBlocks, mm_hash,
};
pub use kv_events::{KvEventSource, OnKvPublisherReady};
pub(crate) use kv_events::{check as check_kv_event_sources, start_kv_publishers};
pub use kv_publisher::KvPublisher;
pub use media_tokens::MediaTokens;
pub(crate) use open_kv_publisher::OpenKvPublisher;
pub use snapshot::Snapshot;
pub use snapshot_publisher::SnapshotPublisher;
pub(crate) use snapshot_publisher::check_ranks;
