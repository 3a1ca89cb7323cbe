//! Leaving discovery without losing the requests that are on their way.
//!
//! Where an instance disappears, a frontend drops the requests that it has sent there and whose
//! answer has not begun, though the worker would serve them. Where only the instance's card
//! disappears, it stops choosing the instance and drops nothing. So the card goes first; then every
//! request that waits in the engine for its stream has its answer begun; and the instance goes when
//! none is in between any more. A worker that is the last of its model keeps its card, so that a
//! frontend answers that no worker is there, not that it knows no such model.

use std::collections::HashSet;
use std::time::Duration;

use dynamo_runtime::component::Endpoint;
use dynamo_runtime::discovery::{DiscoveryInstance, DiscoveryQuery};
use dynamo_runtime::traits::DistributedRuntimeProvider;

use super::listed_card;
use super::peers::GENERATION_OF;
use crate::admission::Admission;

/// From the end of the card to that of the instance: frontends see the one and finish what they
/// were handing over. On one machine it takes some tens of milliseconds, unless that is busy.
const HANDOVER: Duration = Duration::from_millis(500);
/// From the beginning of the last answer to the instance's end: it is on its way to the frontend.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// Withdraws the card of one worker of several and lets frontends see that, before its instance
/// leaves. A failure costs requests that are being handed over, and nothing else: it is logged.
pub(crate) async fn withdraw_card(endpoint: &Endpoint) {
    match listed_card::withdraw(endpoint).await {
        Ok(()) => tokio::time::sleep(HANDOVER).await,
        Err(error) => tracing::warn!(%error, "the model card could not be withdrawn first"),
    }
}

/// Has the answer of each request begin, of those too whose engine has not given its stream.
pub(crate) async fn begin_answers(admission: &Admission) {
    admission.answer_at_once();
    admission.all_answered().await;
    if admission.in_flight() > 0 {
        tokio::time::sleep(ON_ITS_WAY).await;
    }
}

/// Whether another instance serves the same model in the same place, of whichever generation: a
/// frontend that serves one of them serves them all. Discovery that does not say counts as a no.
/// `namespace` is without the suffix that tells generations apart.
pub(crate) async fn has_peers(endpoint: &Endpoint, namespace: &str, served_name: &str) -> bool {
    let found = find_peers(endpoint, namespace, served_name).await;
    found.unwrap_or_else(|error| {
        tracing::warn!(%error, "other workers of this model could not be looked for");
        false
    })
}

async fn find_peers(
    endpoint: &Endpoint,
    namespace: &str,
    served_name: &str,
) -> anyhow::Result<bool> {
    let id = endpoint.id();
    let discovery = endpoint.drt().discovery();
    let cards = discovery.list(DiscoveryQuery::AllModels);
    let instances = discovery.list(DiscoveryQuery::AllEndpoints);
    let (cards, instances) = tokio::try_join!(cards, instances)?;
    let is_here = |of: &str, component: &str, name: &str| {
        is_generation_of(namespace, of) && component == id.component && name == id.name
    };
    let serving: HashSet<u64> = instances
        .iter()
        .filter(|record| match record {
            DiscoveryInstance::Endpoint(instance) => {
                is_here(&instance.namespace, &instance.component, &instance.endpoint)
            }
            _ => false,
        })
        .map(DiscoveryInstance::instance_id)
        .filter(|id| *id != endpoint.drt().connection_id())
        .collect();
    Ok(cards
        .iter()
        .any(|card| serving.contains(&card.instance_id()) && is_of(card, namespace, served_name)))
}

/// Whether `name` is the namespace, with a suffix or without: one as any other namespace may have.
fn is_generation_of(namespace: &str, name: &str) -> bool {
    name.strip_prefix(namespace)
        .is_some_and(|suffix| suffix.is_empty() || suffix.starts_with('-'))
}

/// Whether the card is of this model, and of a generation of `namespace`. One that does not say of
/// which it is, is taken for one: a card that leaves without need costs less than a lost request.
fn is_of(card: &DiscoveryInstance, namespace: &str, served_name: &str) -> bool {
    let DiscoveryInstance::Model { card_json, .. } = card else {
        return false;
    };
    let of = &card_json["user_data"][GENERATION_OF];
    card_json["display_name"] == served_name && (of.is_null() || of == namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_share_the_namespace_up_to_their_suffix() {
        for (name, is_one) in [
            ("dynamo", true),
            ("dynamo-v2", true),
            ("dynamo2", false),
            ("dyn", false),
        ] {
            assert_eq!(is_generation_of("dynamo", name), is_one, "{name}");
        }
    }
}
