//! The endpoint's handler on the request plane, and with it the instance in discovery.

use std::sync::Arc;

use dynamo_backend_lifecycle::controls::Presence;
use dynamo_runtime::component::build_transport_type;
use dynamo_runtime::pipeline::network::{Ingress, PushWorkHandler};
use dynamo_runtime::pipeline::{ManyOut, SingleIn};
use dynamo_runtime::protocols::annotated::Annotated;
use dynamo_runtime::traits::DistributedRuntimeProvider;

use super::adapter::EngineAdapter;
use super::kind::Serves;
use super::tcp::{self, TcpAnswers};
use crate::discovery::Instance;
use crate::nodelay;

type Request<E> = SingleIn<<E as Serves>::Request>;
type Response<E> = ManyOut<Annotated<<E as Serves>::Item>>;

/// Serves `adapter` at the instance's endpoint; on return the instance is registered and callable.
/// Dropped midway or failed, it may be registered all the same, as the presence then says.
pub(crate) async fn serve_endpoint<E: Serves + ?Sized>(
    instance: &Instance,
    adapter: Arc<EngineAdapter<E>>,
    metrics_labels: &[(String, String)],
) -> anyhow::Result<()> {
    let endpoint = instance.endpoint();
    let ingress = Ingress::<Request<E>, Response<E>>::for_engine(adapter.clone())?;
    let handler: Arc<dyn PushWorkHandler> = match tcp::is_configured(endpoint) {
        true => Arc::new(TcpAnswers::new(adapter, ingress, endpoint, metrics_labels)?),
        false => ingress,
    };
    // Before anybody can connect.
    let (id, worker_id) = (endpoint.id(), endpoint.drt().connection_id());
    nodelay::on_request_plane(&build_transport_type(endpoint, &id, worker_id).await?);
    instance.presence(Presence::registers);
    endpoint
        .endpoint_builder()
        .handler(handler)
        .metrics_labels(Some(metrics_labels.to_vec()))
        .graceful_shutdown(true)
        .start_with_registration()
        .await?;
    instance.presence(Presence::serving);
    Ok(())
}
