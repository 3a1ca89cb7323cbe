//! Publishers that a Python engine is handed. They may be called from any thread, and never wait.

use std::sync::Arc;

use dynamo_backend_worker::DynamoError;
use dynamo_backend_worker::error::invalid_argument;
use dynamo_backend_worker::publish::{self, KvEventSource, Snapshot, StoredBlock};
use pyo3::intern;
use pyo3::prelude::*;

use crate::calls::EventLoop;
use crate::convert::json::type_name;

/// Publishes the KV events of one data-parallel rank.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct KvPublisher {
    inner: publish::KvPublisher,
}

#[pymethods]
impl KvPublisher {
    #[pyo3(signature = (blocks, *, parent_hash = None))]
    fn publish_stored(&self, blocks: Vec<(u64, Vec<u32>)>, parent_hash: Option<u64>) {
        let blocks = blocks
            .into_iter()
            .map(|(block_hash, token_ids)| StoredBlock {
                block_hash,
                token_ids,
            });
        self.inner.publish_stored(parent_hash, blocks.collect());
    }

    fn publish_removed(&self, block_hashes: Vec<u64>) {
        self.inner.publish_removed(block_hashes);
    }
}

/// Publishes the state of the KV cache of each data-parallel rank.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct SnapshotPublisher {
    pub(crate) inner: publish::SnapshotPublisher,
}

#[pymethods]
impl SnapshotPublisher {
    #[pyo3(signature = (dp_rank, *, total_blocks, used_blocks, kv_cache_hit_rate = None))]
    fn push(
        &self,
        dp_rank: u32,
        total_blocks: u64,
        used_blocks: u64,
        kv_cache_hit_rate: Option<f64>,
    ) {
        let snapshot = Snapshot {
            total_blocks,
            used_blocks,
            kv_cache_hit_rate,
        };
        self.inner.push(dp_rank, snapshot);
    }
}

/// Reads what an engine's `kv_event_sources` returned.
pub(crate) fn kv_event_sources(
    answer: &Bound<'_, PyAny>,
    event_loop: &EventLoop,
) -> Result<Vec<KvEventSource>, DynamoError> {
    let refused = |what: String| invalid_argument(format!("kv_event_sources: {what}"));
    let items = answer.try_iter().map_err(|_| {
        refused(format!(
            "returned {}; it must return a list of sources",
            type_name(answer)
        ))
    })?;
    items
        .map(|item| {
            let item = item.map_err(|error| refused(error.to_string()))?;
            source(&item, event_loop).map_err(|error| {
                refused(format!(
                    "{} is no source: {error}; accepted: ZmqKvEvents, PushKvEvents",
                    type_name(&item)
                ))
            })
        })
        .collect()
}

fn source(item: &Bound<'_, PyAny>, event_loop: &EventLoop) -> PyResult<KvEventSource> {
    let py = item.py();
    let dp_rank = item.getattr(intern!(py, "dp_rank"))?.extract()?;
    if let Ok(on_ready) = item.getattr(intern!(py, "on_ready")) {
        let (on_ready, event_loop) = (Arc::new(on_ready.unbind()), event_loop.clone());
        return Ok(KvEventSource::Push {
            dp_rank,
            on_ready: Arc::new(move |inner| {
                hand_over(&event_loop, &on_ready, KvPublisher { inner });
            }),
        });
    }
    Ok(KvEventSource::Zmq {
        endpoint: item.getattr(intern!(py, "endpoint"))?.extract()?,
        topic: item.getattr(intern!(py, "topic"))?.extract()?,
        dp_rank,
    })
}

/// Gives a publisher to the engine, once per run, on the loop's thread and before any request.
pub(crate) fn hand_over<T>(event_loop: &EventLoop, callback: &Arc<Py<PyAny>>, publisher: T)
where
    T: for<'py> IntoPyObject<'py> + Send + 'static,
{
    let callback = callback.clone();
    event_loop
        .outbox
        .post(move |py| callback.bind(py).call1((publisher,)).map(drop));
}
