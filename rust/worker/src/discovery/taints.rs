//! The operator's taints in the worker's card, by which routers keep requests away from it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use dynamo_llm::local_model::update_model_taints;
use dynamo_runtime::component::Endpoint;
use tokio::time::timeout;

use super::peers;
use crate::tainted_card::TaintedCard;

/// How long discovery may take for the change: a shutdown waits for it.
const ANSWER: Duration = Duration::from_secs(3);

/// Replaces those of the card that is in discovery; those of its topology stay.
pub(super) async fn replace(endpoint: &Endpoint, taints: &BTreeSet<String>) -> anyhow::Result<()> {
    let replaced = update_model_taints(endpoint, taints.iter().cloned().collect());
    timeout(ANSWER, replaced).await.with_context(|| {
        format!(
            "discovery did not answer within {ANSWER:?}, so it may have the taints or not; call \
             again"
        )
    })?
}

/// Registers the card, or the one that is there stays, and has in either case the operator's taints.
pub(super) async fn register(endpoint: &Endpoint, card: &TaintedCard) -> anyhow::Result<()> {
    peers::register(endpoint, &card.current()).await?;
    match card.taints() {
        Some(taints) => replace(endpoint, &taints).await,
        None => Ok(()),
    }
}
