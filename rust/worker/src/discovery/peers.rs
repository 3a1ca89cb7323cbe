//! The cards of the other workers in the same place, which a frontend compares with this one.
//!
//! Of the workers of one model in one place a frontend takes those whose cards have the same
//! checksum as the first that it saw, and leaves the others aside for as long as one of these is
//! there. So that a worker knows on which side it is, each card says when its kind came: a number,
//! in the card's data that frontends do not look at.

use dynamo_backend_environment::DYN_NAMESPACE_WORKER_SUFFIX;
use dynamo_llm::local_model::register_model_card;
use dynamo_llm::model_card::ModelDeploymentCard;
use dynamo_llm::model_type::ModelInput;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::discovery::{DiscoveryInstance, DiscoveryQuery};
use dynamo_runtime::traits::DistributedRuntimeProvider;
use serde_json::{Value, json};

/// In a card's `user_data`: 0 for the first kind of card in its place, more for those after it.
const SENIORITY: &str = "seniority";
/// In a card's `user_data`: its worker's namespace, without the suffix that tells generations apart.
pub(super) const GENERATION_OF: &str = "generation_of";
/// What of a card is part of its checksum, by its name in the card.
const COMPARED: [&str; 13] = [
    "aliases",
    "model_info",
    "tokenizer",
    "prompt_formatter",
    "chat_template_file",
    "gen_config",
    "extra_files",
    "prompt_context",
    "context_length",
    "kv_cache_block_size",
    "needs",
    "router_config",
    "source_path",
];

/// Registers `card`, which says there after which others it came. Again is no failure: the one that
/// is there stays as it is.
pub(crate) async fn register(
    endpoint: &Endpoint,
    card: &ModelDeploymentCard,
) -> anyhow::Result<()> {
    let found = endpoint.drt().discovery().list(cards(endpoint)).await?;
    let (own, others) = own_and_others(endpoint, &found);
    let mut card = come_after(card, &others);
    if let Some(own) = own {
        // What others have seen of it cannot be changed.
        card.user_data = own.user_data;
    }
    register_model_card(endpoint, &card).await
}

/// What lists the cards in the endpoint's place.
pub(crate) fn cards(endpoint: &Endpoint) -> DiscoveryQuery {
    let id = endpoint.id();
    DiscoveryQuery::EndpointModels {
        namespace: id.namespace,
        component: id.component,
        endpoint: id.name,
    }
}

/// Why frontends leave this worker aside, by the cards among `found`; `None` where they do not.
/// `unlisted` is the worker's card where discovery lists only who is ready: what follows from it must
/// not go with it, or the worker would be ready again, and listed, and not ready, without end.
pub(crate) fn why_rejected<'a>(
    endpoint: &Endpoint,
    found: impl IntoIterator<Item = &'a DiscoveryInstance>,
    unlisted: Option<&ModelDeploymentCard>,
) -> Option<String> {
    let (own, others) = own_and_others(endpoint, found);
    let own = own.or_else(|| Some(come_after(unlisted?, &others)))?;
    if own.model_input == ModelInput::Tokens {
        // A card with a name only is served by no frontend.
        own.model_info.as_ref()?;
    }
    why_rejected_among(&own, &others)
}

fn own_and_others<'a>(
    endpoint: &Endpoint,
    found: impl IntoIterator<Item = &'a DiscoveryInstance>,
) -> (Option<ModelDeploymentCard>, Vec<ModelDeploymentCard>) {
    let id = endpoint.drt().connection_id();
    let (mut own, mut others) = (None, Vec::new());
    for record in found {
        // What cannot be read, frontends cannot read either.
        let Ok(card) = record.deserialize_model::<ModelDeploymentCard>() else {
            continue;
        };
        match record.instance_id() == id {
            // A frontend compares none with those.
            _ if card.lora.is_some() => {}
            true => own = Some(card),
            false => others.push(card),
        }
    }
    (own, others)
}

fn why_rejected_among(
    card: &ModelDeploymentCard,
    others: &[ModelDeploymentCard],
) -> Option<String> {
    let first = others
        .iter()
        .filter(|other| is_peer(card, other))
        .map(|other| (rank(other), other))
        .min_by_key(|(rank, _)| *rank)
        .filter(|(first, _)| *first < rank(card))?
        .1;
    (first.mdcsum() != card.mdcsum()).then(|| {
        format!(
            "its model card differs from that of the workers that were there first, which \
             frontends keep to until these are gone, unless {DYN_NAMESPACE_WORKER_SUFFIX} sets them \
             apart: {}",
            differences(card, first).join(", ")
        )
    })
}

/// `card` as one that comes after these.
fn come_after(card: &ModelDeploymentCard, others: &[ModelDeploymentCard]) -> ModelDeploymentCard {
    let mut card = card.clone();
    let seniority = seniority_among(&card, others);
    card.user_data.get_or_insert_with(|| json!({}))[SENIORITY] = seniority.into();
    card
}

/// Those of the same kind have the same number, whenever they come.
fn seniority_among(card: &ModelDeploymentCard, others: &[ModelDeploymentCard]) -> u64 {
    let peers = || others.iter().filter(|other| is_peer(card, other));
    peers()
        .find(|other| other.mdcsum() == card.mdcsum())
        .map(seniority)
        .or_else(|| peers().map(seniority).max().map(|last| last + 1))
        .unwrap_or_default()
}

/// Whether a frontend would serve both by one pipeline.
fn is_peer(card: &ModelDeploymentCard, other: &ModelDeploymentCard) -> bool {
    card.display_name == other.display_name
        && card.model_type == other.model_type
        && card.effective_worker_type() == other.effective_worker_type()
}

fn seniority(card: &ModelDeploymentCard) -> u64 {
    let data = card.user_data.as_ref();
    data.and_then(|data| data[SENIORITY].as_u64()).unwrap_or(0)
}

/// Two kinds that came at the same moment agree on which is first.
fn rank(card: &ModelDeploymentCard) -> (u64, &str) {
    (seniority(card), card.mdcsum())
}

fn differences(card: &ModelDeploymentCard, other: &ModelDeploymentCard) -> Vec<String> {
    let [own, others] = [card, other].map(|card| {
        let json = card.to_json().ok();
        json.and_then(|json| serde_json::from_str(&json).ok())
            .unwrap_or(Value::Null)
    });
    let mut found: Vec<String> = COMPARED
        .into_iter()
        .filter(|field| contents(&own[*field]) != contents(&others[*field]))
        .map(|field| match (&own[field], &others[field]) {
            (Value::Number(here), Value::Number(there)) => {
                format!("{field} ({here} here, {there} there)")
            }
            _ => field.to_owned(),
        })
        .collect();
    if found.is_empty() {
        found.push("runtime_config".to_owned());
    }
    found
}

/// Without the places of files, which no checksum has.
fn contents(value: &Value) -> Value {
    match value {
        Value::Object(fields) => match fields.get("checksum") {
            Some(checksum) => checksum.clone(),
            None => fields
                .iter()
                .map(|(name, value)| (name.clone(), contents(value)))
                .collect(),
        },
        Value::Array(items) => items.iter().map(contents).collect(),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use dynamo_runtime::distributed::DistributedConfig;
    use dynamo_runtime::{DistributedRuntime, Runtime};

    use super::*;

    fn card(block_size: u32, seniority: u64) -> ModelDeploymentCard {
        let mut card = ModelDeploymentCard::with_name_only("m");
        card.kv_cache_block_size = block_size;
        card.user_data = Some(json!({ SENIORITY: seniority }));
        card
    }

    #[test]
    fn the_first_kind_stays_first_for_as_long_as_one_of_it_is_there() {
        let (first, second) = (card(16, 0), card(32, 1));
        assert_eq!(seniority_among(&card(16, 9), &[]), 0);
        assert_eq!(seniority_among(&card(32, 9), from_ref(&first)), 1);
        // Of the first kind, though it comes last.
        let both = [second.clone(), first.clone()];
        assert_eq!(seniority_among(&card(16, 9), &both), 0);
        assert_eq!(seniority_among(&card(64, 9), &both), 2);

        assert_eq!(why_rejected_among(&first, from_ref(&second)), None);
        assert_eq!(why_rejected_among(&card(16, 0), &both), None);
        let why = why_rejected_among(&second, &[first]).unwrap();
        assert!(
            why.ends_with("kv_cache_block_size (32 here, 16 there)"),
            "{why}"
        );
        assert_eq!(why_rejected_among(&second, &[card(64, 2)]), None);
    }

    #[test]
    fn who_is_not_listed_counts_as_the_last() {
        // They registered at once, when neither was ready; the first by checksum is `first`.
        let mut kinds = [card(16, 0), card(32, 0)];
        kinds.sort_by_key(|card| card.mdcsum().to_owned());
        let [first, second] = kinds;
        for (unlisted, listed) in [(&first, &second), (&second, &first)] {
            let others = from_ref(listed);
            let why = why_rejected_among(&come_after(unlisted, others), others);
            assert!(why.is_some(), "frontends have the other kind");
        }
        let (own, others) = (come_after(&first, &[]), []);
        assert_eq!(why_rejected_among(&own, &others), None);
        let (own, others) = (come_after(&first, from_ref(&first)), [first]);
        assert_eq!(why_rejected_among(&own, &others), None);
    }

    #[test]
    fn of_two_kinds_that_came_at_once_one_is_first() {
        let (one, other) = (card(16, 0), card(32, 0));
        let rejected = [
            why_rejected_among(&one, from_ref(&other)),
            why_rejected_among(&other, &[one]),
        ];
        assert_eq!(rejected.iter().flatten().count(), 1);
    }

    #[tokio::test]
    async fn a_card_that_may_be_there_is_registered_again_though_others_have_come() {
        let runtime = Runtime::from_current().unwrap();
        let drt = DistributedRuntime::new(runtime, DistributedConfig::process_local());
        let drt = drt.await.unwrap();
        let component = drt.namespace("d").and_then(|it| it.component("b"));
        let endpoint = component.unwrap().endpoint("generate");
        // Registered after a kind that is gone by now.
        register_model_card(&endpoint, &card(16, 1)).await.unwrap();
        register(&endpoint, &card(16, 0)).await.unwrap();
        let found = drt.discovery().list(cards(&endpoint)).await.unwrap();
        let (own, _) = own_and_others(&endpoint, &found);
        assert_eq!(own.map(|card| seniority(&card)), Some(1));
        drt.shutdown();
    }

    #[test]
    fn another_model_and_another_role_are_no_peers() {
        let late = card(32, 1);
        let mut named = card(16, 0);
        named.display_name = "n".into();
        let mut prefill = card(16, 0);
        prefill.worker_type = Some(dynamo_llm::worker_type::WorkerType::Prefill);
        assert_eq!(why_rejected_among(&late, &[named, prefill]), None);
    }

    #[test]
    fn aliases_that_differ_are_named() {
        let (first, mut late) = (card(16, 0), card(16, 1));
        late.set_aliases(vec!["n".to_owned()]);
        let why = why_rejected_among(&late, &[first]).unwrap();
        assert!(why.ends_with(": aliases"), "{why}");
    }

    #[test]
    fn the_place_of_a_file_is_no_difference() {
        let file = |path: &str, checksum: &str| {
            contents(&json!({"hf_chat_template": {"is_custom": false, "file":
                {"path": path, "checksum": checksum, "size": 3}}}))
        };
        assert_eq!(file("/a", "x"), file("/b", "x"));
        assert_ne!(file("/a", "x"), file("/a", "y"));
    }
}
