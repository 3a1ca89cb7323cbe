//! Snapshots of a rank's KV cache: gauges for people, used blocks for the router.

use std::collections::HashMap;
use std::sync::Arc;

use dynamo_runtime::component::Endpoint;
use parking_lot::Mutex;

use super::load::LoadSignal;
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

/// Takes snapshots from any thread of the engine. Pushing never waits for the network: gauges
/// change at once, and the router is sent the latest value, every ten milliseconds at most.
#[derive(Clone)]
pub struct SnapshotPublisher {
    inner: Arc<Inner>,
}

struct Inner {
    /// Locked, so that gauges and router end with the same one of two snapshots pushed at once.
    ranks: HashMap<u32, Mutex<RankGauges>>,
    load: LoadSignal,
}

impl SnapshotPublisher {
    pub(crate) async fn start(
        endpoint: &Endpoint,
        model: &str,
        model_name: &str,
        ranks: &[u32],
    ) -> anyhow::Result<Self> {
        let gauges = RankGauges::register(endpoint, model, model_name, ranks)?;
        let gauges = gauges.into_iter().map(Mutex::new);
        let load = LoadSignal::start(endpoint).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                ranks: ranks.iter().copied().zip(gauges).collect(),
                load,
            }),
        })
    }

    /// Publishes the state of `dp_rank`; a rank that was not declared is ignored, and so is a hit
    /// rate that is no number.
    pub fn push(&self, dp_rank: u32, snapshot: Snapshot) {
        if let Some(rank) = self.inner.ranks.get(&dp_rank) {
            let gauges = rank.lock();
            gauges.set(&snapshot);
            self.inner.load.set(dp_rank, snapshot.used_blocks);
        }
    }

    /// Sends the router the last values; from then on a push changes the gauges alone.
    pub(crate) async fn close(&self) {
        self.inner.load.close().await;
    }
}
