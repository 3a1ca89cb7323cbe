//! Who is in flight: in the runtime's queue, at the engine, on the way to a frontend, and at the
//! worker's own frontend on the way to a client.

use std::pin::pin;
use std::time::Duration;

use dynamo_runtime::DistributedRuntime;
use dynamo_runtime::protocols::EndpointId;
use tokio_util::sync::CancellationToken;

use super::Host;
use crate::serve::Inbound;

const POLL: Duration = Duration::from_millis(10);
/// What those in the runtime's queue have for being told that they are cut.
const FAREWELL: Duration = Duration::from_millis(500);

impl Host {
    pub(super) fn requests_in_flight(&self) -> usize {
        // What the frontend in the process has in flight is mostly here too.
        let unwritten = self.running_frontend.get().map_or(0, |it| it.unwritten());
        (self.admission.in_flight() + self.queued()).max(unwritten)
    }

    /// Before requests are refused: resolves when the worker has none. After that: when every
    /// answer is written, and nobody can be admitted any more.
    pub(super) async fn until_idle(&self) {
        let Some(refused) = self.refused.get() else {
            return self.until_worker_is_idle().await;
        };
        refused.cancelled().await;
        loop {
            self.until_worker_is_idle().await;
            self.admission.close();
            if self.admission.in_flight() == 0 {
                break;
            }
        }
        if let Some(frontend) = self.running_frontend.get() {
            frontend.answered().await;
        }
    }

    /// Takes no new request. Those that the runtime has in its queue are served.
    pub(super) fn refuse_requests(&self) {
        if let Some(frontend) = self.running_frontend.get() {
            frontend.close();
        }
        let refused = self.refused.get_or_init(CancellationToken::new).clone();
        let Some(connected) = self.connected.get() else {
            return refused.cancel();
        };
        let (drt, endpoint) = (connected.drt.clone(), connected.endpoint.id());
        tokio::spawn(async move {
            if let Err(error) = remove_handler(drt, &endpoint, &refused).await {
                tracing::debug!(%error, "the endpoint's handler was not removed");
            }
            refused.cancel();
        });
    }

    /// Cuts what is in flight; answers how many there were.
    pub(super) async fn cut_requests(&self) -> usize {
        let answering = match self.running_frontend.get() {
            Some(frontend) => frontend.answering().await,
            None => 0,
        };
        self.admission.close();
        let queued = self.queued();
        let count = (self.admission.cut() + queued).max(answering);
        if let Some(gauges) = self.gauges.get() {
            gauges.cut(count);
        }
        self.admission.idle().await;
        // Their turn comes with the end of those before them, if these have readers.
        let _ = tokio::time::timeout(FAREWELL, self.until_worker_is_idle()).await;
        count
    }

    /// Requests that wait in the runtime's queue.
    fn queued(&self) -> usize {
        self.inbound.get().map_or(0, Inbound::queued)
    }

    async fn until_worker_is_idle(&self) {
        loop {
            self.admission.idle().await;
            if self.queued() == 0 && self.admission.in_flight() == 0 {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Has the runtime answer new requests as for a worker that is unavailable, from the moment that
/// `removed` flips; then waits for those that it has.
async fn remove_handler(
    drt: DistributedRuntime,
    endpoint: &EndpointId,
    removed: &CancellationToken,
) -> anyhow::Result<()> {
    let server = drt.request_plane_server().await?;
    let mut removing = pin!(server.unregister_endpoint_instance(endpoint, drt.connection_id()));
    // The handler goes before the first wait.
    let first = futures::poll!(&mut removing);
    removed.cancel();
    match first {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => removing.await,
    }
}
