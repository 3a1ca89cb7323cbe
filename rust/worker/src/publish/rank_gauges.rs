//! KV-cache gauges of one data-parallel rank.

use dynamo_runtime::component::Endpoint;
use dynamo_runtime::metrics::MetricsHierarchy;
use dynamo_runtime::metrics::prometheus_names::{kvstats, labels};
use prometheus::{Gauge, GaugeVec};

use super::snapshot::Snapshot;

pub(super) struct RankGauges {
    total_blocks: Gauge,
    usage: Gauge,
    /// A vector, because its series is absent until a rate was measured.
    hit_rate: GaugeVec,
    rank: String,
}

impl RankGauges {
    pub(super) fn register(
        endpoint: &Endpoint,
        model: &str,
        model_name: &str,
        ranks: &[u32],
    ) -> anyhow::Result<Vec<Self>> {
        let metrics = endpoint.metrics();
        let constant = [(labels::MODEL, model), (labels::MODEL_NAME, model_name)];
        let vector = |name: &str, help: &str| {
            metrics.create_gaugevec(name, help, &[labels::DP_RANK], &constant)
        };
        let total = vector(kvstats::TOTAL_BLOCKS, "KV blocks of the rank")?;
        let usage = vector(
            kvstats::GPU_CACHE_USAGE_PERCENT,
            "Part of the rank's KV blocks in use, 0 to 1",
        )?;
        let hit_rate = vector(
            kvstats::KV_CACHE_HIT_RATE,
            "Part of the prompt tokens found in the KV cache, 0 to 1",
        )?;
        Ok(ranks
            .iter()
            .map(|rank| {
                let rank = rank.to_string();
                let gauges = Self {
                    total_blocks: total.with_label_values(&[&rank]),
                    usage: usage.with_label_values(&[&rank]),
                    hit_rate: hit_rate.clone(),
                    rank,
                };
                gauges.total_blocks.set(0.0);
                gauges.usage.set(0.0);
                gauges
            })
            .collect())
    }

    pub(super) fn set(&self, snapshot: &Snapshot) {
        self.total_blocks.set(snapshot.total_blocks as f64);
        self.usage.set(snapshot.usage());
        let measured = snapshot.kv_cache_hit_rate.filter(|rate| !rate.is_nan());
        if let Some(rate) = measured {
            self.hit_rate.with_label_values(&[&self.rank]).set(rate);
        }
    }
}
