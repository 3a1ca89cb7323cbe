//! Who is in flight: at the engine, on the way to a frontend, and at the worker's own frontend on
//! the way to a client.

use super::Host;
use crate::frontend;

impl Host {
    pub(super) fn requests_in_flight(&self) -> usize {
        frontend::in_flight(&self.admission, self.running_frontend.get())
    }

    /// Before requests are refused: resolves when the worker has none. After that: when every
    /// answer is written too.
    pub(super) async fn until_idle(&self) {
        self.admission.idle().await;
        if let Some(frontend) = self.running_frontend.get().filter(|it| it.is_closed()) {
            frontend.answered().await;
        }
    }

    /// Takes no new request, here and in the process's frontend.
    pub(super) fn refuse_requests(&self) {
        self.admission.close();
        if let Some(frontend) = self.running_frontend.get() {
            frontend.close();
        }
        let Some(connected) = self.connected.get() else {
            return;
        };
        // Without its handler the runtime answers as for a worker that is unavailable.
        let (drt, endpoint) = (connected.drt.clone(), connected.endpoint.id());
        tokio::spawn(async move {
            let removed = match drt.request_plane_server().await {
                Ok(server) => {
                    server
                        .unregister_endpoint_instance(&endpoint, drt.connection_id())
                        .await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = removed {
                tracing::debug!(%error, "the endpoint's handler was not removed");
            }
        });
    }

    /// Cuts what is in flight; answers how many there were.
    pub(super) async fn cut_requests(&self) -> usize {
        let answering = self.running_frontend.get().map_or(0, |it| it.answering());
        let count = self.admission.cut().max(answering);
        if let Some(gauges) = self.gauges.get() {
            gauges.cut(count);
        }
        self.admission.idle().await;
        count
    }
}
