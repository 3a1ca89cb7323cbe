//! KV events that an engine publishes on a ZMQ socket.

use std::collections::HashSet;

use dynamo_kv_router::zmq_wire::{RawKvEvent, ZmqEventNormalizer};
use dynamo_llm::kv_router::protocols::{
    KvCacheEvent, KvCacheEventData, StorageTier, WorkerWithDpRank,
};
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::metrics::MetricsHierarchy;
use dynamo_runtime::traits::DistributedRuntimeProvider;
use dynamo_runtime::transports::zmq::ipv6_option_for;
use futures::StreamExt;
use prometheus::IntCounterVec;
use tmq::subscribe::{Subscribe, subscribe};
use tokio::task::JoinHandle;

use super::kv_publisher::KvPublisher;
use super::kv_wire;

const DROPPED_TOTAL: &str = "worker_kv_events_dropped_total";

/// Milliseconds until libzmq connects again, at first and at most.
const RECONNECT: (i32, i32) = (100, 5000);

/// Counts what is not published of what engines wrote on their sockets.
#[derive(Clone)]
pub(super) struct Dropped(IntCounterVec);

impl Dropped {
    pub(super) fn register(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let help = "KV events and batches of them, read from an engine's socket, that were not \
                    published: by the field that could not be read, or why they were left aside";
        let counter = endpoint.metrics().create_intcountervec(
            DROPPED_TOTAL,
            help,
            &["dp_rank", "reason"],
            &[],
        )?;
        Ok(Self(counter))
    }
}

/// Reads one socket until it is dropped.
pub(super) struct KvSocket(JoinHandle<()>);

impl KvSocket {
    pub(super) fn open(
        endpoint: &Endpoint,
        address: String,
        topic: &str,
        publisher: KvPublisher,
        dropped: Dropped,
    ) -> anyhow::Result<Self> {
        let socket = subscribe(&tmq::Context::new())
            .set_linger(0)
            .set_reconnect_ivl(RECONNECT.0)
            .set_reconnect_ivl_max(RECONNECT.1)
            .set_tcp_keepalive(1)
            .set_ipv6(ipv6_option_for(&address)?)
            .connect(&address)?
            .subscribe(topic.as_bytes())?;
        let dp_rank = publisher.dp_rank().to_string();
        // From the start, so that the first one is an increase.
        for field in kv_wire::FIELDS {
            dropped.0.with_label_values(&[dp_rank.as_str(), field]);
        }
        let reader = SocketReader {
            address,
            normalizer: ZmqEventNormalizer::new(publisher.block_size())
                .with_image_token_id(publisher.media().image_token_id)
                .with_video_token_id(publisher.media().video_token_id),
            worker_id: endpoint.drt().connection_id(),
            publisher,
            dropped,
            dp_rank,
            told: HashSet::new(),
        };
        Ok(Self(tokio::spawn(reader.read_all(socket))))
    }
}

impl Drop for KvSocket {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct SocketReader {
    address: String,
    normalizer: ZmqEventNormalizer,
    worker_id: u64,
    publisher: KvPublisher,
    dropped: Dropped,
    /// Of the source; a batch may name another.
    dp_rank: String,
    /// Fields that a warning has named.
    told: HashSet<&'static str>,
}

impl SocketReader {
    async fn read_all(mut self, mut socket: Subscribe) {
        while let Some(message) = socket.next().await {
            match message {
                Ok(frames) => {
                    let frames: Vec<_> = frames.into_iter().collect();
                    match &frames[..] {
                        [_topic, _sequence, payload] => self.read(payload),
                        _ => self.unreadable("frames"),
                    }
                }
                Err(error) => {
                    let address = &self.address;
                    tracing::error!(%error, "KV events of {address} are lost from here on");
                    return;
                }
            }
        }
    }

    fn read(&mut self, payload: &[u8]) {
        let batch = match kv_wire::read(payload) {
            Ok(batch) => batch,
            Err(field) => return self.unreadable(field),
        };
        for field in batch.wrong {
            self.unreadable(field);
        }
        let worker = WorkerWithDpRank::new(self.worker_id, batch.dp_rank);
        let events = batch.events.into_iter();
        let placed = events
            .filter_map(|event| self.placed(event, worker))
            .collect();
        self.publisher.publish_placed(placed);
    }

    /// The event as the router is told of it; `None` where it is dropped.
    fn placed(
        &mut self,
        event: RawKvEvent,
        worker: WorkerWithDpRank,
    ) -> Option<(KvCacheEvent, StorageTier)> {
        let event = match self.normalizer.preprocess_with_reason(event, worker) {
            Ok(event) => event,
            Err(reason) => {
                self.count(reason.as_label());
                return None;
            }
        };
        let (size, hashes) = match &event {
            RawKvEvent::BlockStored {
                block_size,
                block_hashes,
                ..
            } => (Some(*block_size), block_hashes.len()),
            _ => (None, 0),
        };
        // The publisher numbers it.
        let placed = self.normalizer.normalize_preprocessed(event, 0, worker)?;
        if let KvCacheEventData::Stored(stored) = &placed.event.data
            && stored.blocks.len() < hashes
        {
            let expected = self.publisher.block_size() as usize;
            let is_size = size.is_some_and(|size| size != expected);
            self.unreadable(if is_size { "block_size" } else { "token_ids" });
            if stored.blocks.is_empty() {
                return None;
            }
        }
        Some((placed.event, placed.placement.tier))
    }

    /// A batch or an event is dropped for this field.
    fn unreadable(&mut self, field: &'static str) {
        self.count(field);
        if self.told.insert(field) {
            tracing::warn!(
                address = self.address,
                "KV events on the engine's socket are dropped: '{field}' is not as docs/kv-events.md \
                 has it, for blocks of {} tokens; this is counted, and not logged again",
                self.publisher.block_size()
            );
        }
    }

    fn count(&self, reason: &str) {
        let labels = [self.dp_rank.as_str(), reason];
        self.dropped.0.with_label_values(&labels).inc();
    }
}
