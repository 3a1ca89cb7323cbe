//! The endpoint's instance in discovery, with its handler on the request plane.

use std::sync::Arc;

use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
use dynamo_runtime::component::{Endpoint, StartedEndpoint};
use dynamo_runtime::discovery::{DiscoveryInstance, DiscoveryQuery};
use dynamo_runtime::pipeline::network::Ingress;
use dynamo_runtime::pipeline::{ManyOut, SingleIn};
use dynamo_runtime::protocols::annotated::Annotated;
use dynamo_runtime::traits::DistributedRuntimeProvider;
use serde_json::Value;

use crate::health::{ProbeEngine, Readiness};
use crate::serve::EngineAdapter;

type Request = SingleIn<PreprocessedRequest>;
type Response = ManyOut<Annotated<LLMEngineOutput>>;

/// Serves `adapter` at the endpoint; on return its instance is registered and callable.
pub(crate) async fn serve(
    endpoint: &Endpoint,
    adapter: Arc<EngineAdapter>,
    metrics_labels: &[(String, String)],
    health_check_payload: Option<Value>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<StartedEndpoint> {
    let probe = Arc::new(ProbeEngine::new(adapter.clone(), readiness.clone()));
    let ingress = Ingress::<Request, Response>::for_engine(adapter)?;
    let mut builder = endpoint
        .endpoint_builder()
        .handler(ingress)
        .metrics_labels(Some(metrics_labels.to_vec()))
        .graceful_shutdown(true)
        .register_local_engine(probe)?;
    if let Some(payload) = health_check_payload {
        builder = builder.health_check_payload(payload);
    }
    builder.start_with_registration().await
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
        .any(|card| card.instance_id() == drt.connection_id()))
}
