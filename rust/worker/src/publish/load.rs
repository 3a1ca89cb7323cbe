//! The router's load signal: how many KV blocks each rank uses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_llm::kv_router::KV_METRICS_SUBJECT;
use dynamo_llm::kv_router::protocols::ActiveLoad;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::traits::DistributedRuntimeProvider;
use dynamo_runtime::transports::event_plane::EventPublisher;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The shortest time between two rounds of sending.
const PACE: Duration = Duration::from_millis(10);
/// How often a value is sent again that did not change: a router that came later, or an event
/// plane that was away, has it by then.
const REPEAT: Duration = Duration::from_secs(2);
/// How long the last values may take to go out.
const LAST: Duration = Duration::from_millis(500);

/// Sends the router the latest value of each rank, from a task of its own. The runtime's publisher
/// waits for a pause of a millisecond, which a busy engine does not make, and sends nothing twice.
pub(super) struct LoadSignal {
    latest: Arc<Latest>,
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What is to be sent: one value for each rank, however often it is set.
#[derive(Default)]
struct Latest {
    used_blocks: Mutex<BTreeMap<u32, u64>>,
    changed: Notify,
}

/// Takes what is sent.
#[async_trait]
trait Sink: Send + Sync + 'static {
    async fn send(&self, load: ActiveLoad) -> anyhow::Result<()>;
}

#[async_trait]
impl Sink for EventPublisher {
    async fn send(&self, load: ActiveLoad) -> anyhow::Result<()> {
        self.publish(&load).await
    }
}

impl LoadSignal {
    pub(super) async fn start(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let publisher = EventPublisher::for_endpoint(endpoint, KV_METRICS_SUBJECT).await?;
        Ok(Self::to(publisher, endpoint.drt().connection_id()))
    }

    fn to(sink: impl Sink, worker_id: u64) -> Self {
        let latest = Arc::<Latest>::default();
        let closing = CancellationToken::new();
        let sending = send(latest.clone(), sink, worker_id, closing.clone());
        Self {
            latest,
            closing,
            task: Mutex::new(Some(tokio::spawn(sending))),
        }
    }

    /// Takes the latest value of a rank. It waits for nobody.
    pub(super) fn set(&self, dp_rank: u32, used_blocks: u64) {
        let before = self.latest.used_blocks.lock().insert(dp_rank, used_blocks);
        if before != Some(used_blocks) {
            self.latest.changed.notify_one();
        }
    }

    /// Sends what was not sent yet, and nothing more from then on.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        let Some(mut task) = self.task.lock().take() else {
            return;
        };
        if timeout(LAST, &mut task).await.is_err() {
            task.abort();
            tracing::warn!("the event plane did not take the router's last load signal");
        }
    }
}

impl Drop for LoadSignal {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

async fn send(latest: Arc<Latest>, sink: impl Sink, worker_id: u64, closing: CancellationToken) {
    let mut sent = BTreeMap::new();
    let mut failing = false;
    let mut repeat = interval_at(Instant::now() + REPEAT, REPEAT);
    repeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Asked first: what was set before it is in this round.
        let last = closing.is_cancelled();
        let current = latest.used_blocks.lock().clone();
        for (dp_rank, used_blocks) in current {
            if sent.get(&dp_rank) == Some(&used_blocks) {
                continue;
            }
            let load = ActiveLoad {
                worker_id,
                dp_rank,
                active_decode_blocks: None,
                active_prefill_tokens: None,
                kv_used_blocks: Some(used_blocks),
            };
            match sink.send(load).await {
                Ok(()) => {
                    failing = false;
                    sent.insert(dp_rank, used_blocks);
                }
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "the router's load signal was not sent; it will be");
                }
                Err(_) => {}
            }
        }
        if last {
            return;
        }
        tokio::select! {
            () = closing.cancelled() => continue,
            () = sleep(PACE) => {}
        }
        tokio::select! {
            () = closing.cancelled() => {}
            _ = repeat.tick() => sent.clear(),
            () = latest.changed.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::Plane;
