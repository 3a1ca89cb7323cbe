//! Where snapshots go: gauges for people, used blocks for the router.

use std::collections::HashMap;
use std::sync::Arc;

use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;

use super::load::LoadSignal;
use super::rank_gauges::RankGauges;
use super::snapshot::Snapshot;
use crate::engine_config::EngineConfig;
use crate::error::invalid_argument;

/// Takes snapshots from any thread of the engine. Pushing never waits for the network: gauges
/// change at once, and the router is sent the latest value, every ten milliseconds at most.
#[derive(Clone)]
pub struct SnapshotPublisher {
    inner: Arc<Inner>,
}

struct Inner {
    /// Locked, so that gauges and router end with the same one of two snapshots pushed at once.
    ranks: HashMap<u32, Mutex<RankGauges>>,
    /// None where there is no rank.
    load: Option<LoadSignal>,
}

impl SnapshotPublisher {
    pub(crate) async fn start(
        endpoint: &Endpoint,
        model: &str,
        model_name: &str,
        ranks: &[u32],
    ) -> anyhow::Result<Self> {
        let gauges = RankGauges::register(endpoint, model, model_name, ranks)?;
        let load = LoadSignal::start(endpoint).await?;
        Ok(Self::of(ranks, gauges, Some(load)))
    }

    /// One that nobody reads, for tests of engines.
    #[cfg(feature = "testing")]
    pub fn unread() -> Self {
        Self::of(&[], Vec::new(), None)
    }

    fn of(ranks: &[u32], gauges: Vec<RankGauges>, load: Option<LoadSignal>) -> Self {
        let gauges = gauges.into_iter().map(Mutex::new);
        let ranks = ranks.iter().copied().zip(gauges).collect();
        Self {
            inner: Arc::new(Inner { ranks, load }),
        }
    }

    /// Publishes the state of `dp_rank`; a rank that was not declared is ignored, and so is a hit
    /// rate that is no number.
    pub fn push(&self, dp_rank: u32, snapshot: Snapshot) {
        if let (Some(rank), Some(load)) = (self.inner.ranks.get(&dp_rank), &self.inner.load) {
            let gauges = rank.lock();
            gauges.set(&snapshot);
            load.set(dp_rank, snapshot.used_blocks);
        }
    }

    /// Sends the router the last values; from then on a push changes the gauges alone.
    pub(crate) async fn close(&self) {
        if let Some(load) = &self.inner.load {
            load.close().await;
        }
    }
}

/// Refuses ranks of snapshots that a router would ignore without a word.
pub(crate) fn check_ranks(ranks: &[u32], config: &EngineConfig) -> Result<(), DynamoError> {
    let first = config.data_parallel_start_rank.unwrap_or(0);
    let size = config.data_parallel_size.unwrap_or(1);
    for (number, rank) in ranks.iter().enumerate() {
        if ranks[..number].contains(rank) {
            return Err(invalid_argument(format!("dp_ranks: {rank} is there twice")));
        }
        if rank.checked_sub(first).is_none_or(|rank| rank >= size) {
            return Err(invalid_argument(format!(
                "dp_ranks: {rank} is none of the engine's ranks; its configuration has \
                 data_parallel_start_rank {first} and data_parallel_size {size}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use dynamo_runtime::distributed::DistributedConfig;
    use dynamo_runtime::metrics::MetricsHierarchy;
    use dynamo_runtime::{DistributedRuntime, Runtime};

    use super::*;
    use crate::publish::load::Plane;

    const PUSHES: u64 = 20_000;

    #[test]
    fn section_9_ranks_are_the_engines_and_each_is_there_once() {
        let config = |first, size| EngineConfig {
            data_parallel_start_rank: first,
            data_parallel_size: size,
            ..EngineConfig::default()
        };
        let refused = |ranks: &[u32], config| match check_ranks(ranks, &config) {
            Ok(()) => String::new(),
            Err(error) => error.message().to_owned(),
        };
        assert_eq!(refused(&[], config(None, None)), "");
        assert_eq!(refused(&[0], config(None, None)), "");
        assert_eq!(refused(&[5, 4], config(Some(4), Some(2))), "");
        assert_eq!(
            refused(&[1, 1], config(None, Some(2))),
            "dp_ranks: 1 is there twice"
        );
        for (rank, first) in [(1, None), (3, Some(4)), (6, Some(4)), (u32::MAX, Some(4))] {
            let error = refused(&[rank], config(first, first.map(|_| 2)));
            assert!(
                error.contains(&format!("{rank} is none of the engine's")),
                "{error}"
            );
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn section_9_threads_that_push_at_once_leave_gauges_and_router_with_one_snapshot() {
        let runtime = Runtime::from_current().unwrap();
        let config = DistributedConfig::process_local();
        let drt = DistributedRuntime::new(runtime, config).await.unwrap();
        let component = drt.namespace("space").unwrap().component("part").unwrap();
        let endpoint = component.endpoint("end");
        let gauges = RankGauges::register(&endpoint, "model", "name", &[0, 1]).unwrap();
        let plane = Plane::new();
        let publisher = SnapshotPublisher::of(&[0, 1], gauges, Some(plane.signal));
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let publisher = &publisher;
                scope.spawn(move || {
                    for pushed in 1..=PUSHES {
                        let snapshot = Snapshot {
                            total_blocks: 1_000_000,
                            used_blocks: pushed * 10 + thread,
                            kv_cache_hit_rate: None,
                        };
                        // Two threads for each rank that was declared, and one that was not.
                        publisher.push((thread % 2) as u32, snapshot);
                        publisher.push(2, snapshot);
                    }
                });
            }
        });
        publisher.close().await;
        let sent = std::mem::take(&mut *plane.sent.lock());
        let text = drt.metrics().prometheus_expfmt().unwrap();
        for rank in [0, 1] {
            let (_, used) = *sent.iter().rfind(|(of, _)| *of == rank).unwrap();
            let last = [u64::from(rank), u64::from(rank) + 2].map(|thread| PUSHES * 10 + thread);
            assert!(last.contains(&used), "{used}");
            let usage = used as f64 / 1e6;
            let line = text.lines().find(|line| {
                line.starts_with("dynamo_component_gpu_cache_usage_percent")
                    && line.contains(&format!("dp_rank=\"{rank}\""))
            });
            assert!(line.unwrap().ends_with(&format!(" {usage}")), "{line:?}");
        }
        assert!(sent.len() < 10_000, "{}", sent.len());
        assert!(sent.iter().all(|(of, _)| *of < 2));
    }
}
