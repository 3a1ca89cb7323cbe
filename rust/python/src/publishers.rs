//! The publisher of snapshots that a Python engine is handed. It may be called from any thread, and
//! never waits.

use std::sync::Arc;

use dynamo_backend_worker::publish::{self, Snapshot};
use pyo3::prelude::*;

use crate::calls::EventLoop;

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
