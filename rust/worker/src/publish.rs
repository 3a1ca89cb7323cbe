//! What an engine publishes while it serves: KV events and snapshots of its load.

mod kv_events;
mod kv_publisher;
mod kv_socket;
mod kv_wire;
mod load;
mod snapshot;
mod zmq_address;

pub use kv_events::{KvEventSource, OnKvPublisherReady};
pub(crate) use kv_events::{check as check_kv_event_sources, start_kv_publishers};
pub(crate) use kv_publisher::OpenKvPublisher;
pub use kv_publisher::{KvPublisher, StoredBlock};
pub(crate) use snapshot::check_ranks;
pub use snapshot::{Snapshot, SnapshotPublisher};
