//! The endpoint's instance in discovery, with its handler on the request plane.

use std::sync::Arc;

use dynamo_backend_lifecycle::controls::Presence;
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::component::{Endpoint, build_transport_type};
use dynamo_runtime::discovery::{DiscoveryInstance, DiscoveryQuery};
use dynamo_runtime::pipeline::network::Ingress;
use dynamo_runtime::pipeline::{ManyOut, SingleIn};
use dynamo_runtime::protocols::annotated::Annotated;
use dynamo_runtime::traits::DistributedRuntimeProvider;
use serde_json::Value;

use crate::health::Readiness;
use crate::nodelay;
use crate::serve::EngineAdapter;

type Request = SingleIn<PreprocessedRequest>;
type Response = ManyOut<Annotated<LLMEngineOutput>>;

/// Serves `adapter` at the endpoint; on return its instance is registered and callable. Dropped
/// midway or failed, it may be registered all the same, as the presence then says.
pub(crate) async fn serve(
    endpoint: &Endpoint,
    adapter: Arc<EngineAdapter>,
    metrics_labels: &[(String, String)],
    readiness: &Readiness,
) -> anyhow::Result<()> {
    let ingress = Ingress::<Request, Response>::for_engine(adapter)?;
    // Before anybody can connect.
    let (id, worker_id) = (endpoint.id(), endpoint.drt().connection_id());
    nodelay::on_request_plane(&build_transport_type(endpoint, &id, worker_id).await?);
    readiness.change(Presence::registers);
    endpoint
        .endpoint_builder()
        .handler(ingress)
        .metrics_labels(Some(metrics_labels.to_vec()))
        .graceful_shutdown(true)
        .start_with_registration()
        .await?;
    readiness.change(Presence::serving);
    Ok(())
}

/// Takes the worker's model card out of discovery.
pub(crate) async fn withdraw_card(endpoint: &Endpoint) -> anyhow::Result<()> {
    let id = endpoint.id();
    let drt = endpoint.drt();
    drt.discovery()
        .unregister(DiscoveryInstance::Model {
            namespace: id.namespace,
            component: id.component,
            endpoint: id.name,
            instance_id: drt.connection_id(),
            card_json: Value::Null,
            model_suffix: None,
        })
        .await
}

/// Whether it is a card, and not that of an adapter.
pub(crate) fn is_of_the_model(record: &DiscoveryInstance) -> bool {
    matches!(
        record,
        DiscoveryInstance::Model {
            model_suffix: None,
            ..
        }
    )
}

/// Whether the worker's model card is in discovery.
pub(crate) async fn lists_card(endpoint: &Endpoint) -> anyhow::Result<bool> {
    let id = endpoint.id();
    let drt = endpoint.drt();
    let query = DiscoveryQuery::EndpointModels {
        namespace: id.namespace,
        component: id.component,
        endpoint: id.name,
    };
    let cards = drt.discovery().list(query).await?;
    Ok(cards
        .iter()
        .any(|card| card.instance_id() == drt.connection_id() && is_of_the_model(card)))
}
