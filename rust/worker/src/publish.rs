//! What an engine publishes while it serves: KV events and snapshots of its load.

mod kv_events;
mod load;
mod snapshot;

pub(crate) use kv_events::start_kv_publishers;
pub use kv_events::{KvEventSource, KvPublisher, OnKvPublisherReady, StoredBlock};
pub use snapshot::{Snapshot, SnapshotPublisher};
