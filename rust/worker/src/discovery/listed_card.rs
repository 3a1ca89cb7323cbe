//! The worker's model card, as discovery has it.

use dynamo_runtime::component::Endpoint;
use dynamo_runtime::discovery::{DiscoveryInstance, DiscoveryQuery};
use dynamo_runtime::traits::DistributedRuntimeProvider;
use serde_json::Value;

/// Takes the worker's model card out of discovery.
pub(crate) async fn withdraw(endpoint: &Endpoint) -> anyhow::Result<()> {
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
pub(crate) async fn is_there(endpoint: &Endpoint) -> anyhow::Result<bool> {
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
