//! The publisher of snapshots that a Python engine is handed. It may be called from any thread, and
//! never waits.

use dynamo_backend_handoff::origin::Origin;
use dynamo_backend_worker::publish::{self, Snapshot};
use pyo3::prelude::*;

use crate::fork;

/// A publisher that nobody reads, for tests of engines.
#[pyfunction]
pub(crate) fn unread_snapshots() -> SnapshotPublisher {
    SnapshotPublisher::new(publish::SnapshotPublisher::unread())
}

/// Publishes the state of the KV cache of each data-parallel rank.
#[pyclass(frozen, module = "dynamo_backend_common._core")]
pub(crate) struct SnapshotPublisher {
    inner: publish::SnapshotPublisher,
    origin: Origin,
}

impl SnapshotPublisher {
    pub(crate) fn new(inner: publish::SnapshotPublisher) -> Self {
        let origin = Origin::here();
        Self { inner, origin }
    }

    pub(crate) fn inner(&self) -> &publish::SnapshotPublisher {
        &self.inner
    }
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
    ) -> PyResult<()> {
        fork::check(self.origin, "push")?;
        let snapshot = Snapshot {
            total_blocks,
            used_blocks,
            kv_cache_hit_rate,
        };
        self.inner.push(dp_rank, snapshot);
        Ok(())
    }
}
