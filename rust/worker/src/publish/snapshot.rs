//! Snapshots of a rank's KV cache: gauges for people, used blocks for the router.

use std::collections::HashMap;
use std::sync::Arc;

use dynamo_llm::kv_router::publisher::WorkerMetricsPublisher;
use dynamo_runtime::component::Endpoint;

use crate::metrics::RankGauges;

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

/// Takes snapshots from any thread of the engine. Pushing never waits: gauges change at once, and
/// the router is sent the latest value.
#[derive(Clone)]
pub struct SnapshotPublisher {
    inner: Arc<Inner>,
}

struct Inner {
    gauges: HashMap<u32, RankGauges>,
    router: WorkerMetricsPublisher,
}

impl SnapshotPublisher {
    pub(crate) async fn start(
        endpoint: &Endpoint,
        model: &str,
        model_name: &str,
        ranks: &[u32],
    ) -> anyhow::Result<Self> {
        let gauges = RankGauges::register(endpoint, model, model_name, ranks)?;
        let router = WorkerMetricsPublisher::new()?;
        router.create_endpoint(endpoint.clone()).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                gauges: ranks.iter().copied().zip(gauges).collect(),
                router,
            }),
        })
    }

    /// Publishes the state of `dp_rank`; a rank that was not declared is ignored.
    pub fn push(&self, dp_rank: u32, snapshot: Snapshot) {
        let Some(gauges) = self.inner.gauges.get(&dp_rank) else {
            return;
        };
        gauges.set(&snapshot);
        // It refuses only a publication without any value.
        let _ = self
            .inner
            .router
            .publish(Some(dp_rank), None, Some(snapshot.used_blocks));
    }
}
