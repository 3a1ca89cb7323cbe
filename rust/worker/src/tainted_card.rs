//! The worker's model card, with the taints that its operator gives it while it serves.

use std::collections::BTreeSet;

use dynamo_llm::model_card::ModelDeploymentCard;
use parking_lot::Mutex;

/// The card of one worker. Of its taints, by which a router keeps requests away, the operator's may
/// change; those of its topology do not.
pub(crate) struct TaintedCard {
    card: ModelDeploymentCard,
    /// `None` until the operator gave some.
    taints: Mutex<Option<BTreeSet<String>>>,
}

impl TaintedCard {
    pub(crate) fn new(card: ModelDeploymentCard) -> Self {
        Self {
            card,
            taints: Mutex::default(),
        }
    }

    /// The card without the operator's taints.
    pub(crate) fn untainted(&self) -> &ModelDeploymentCard {
        &self.card
    }

    /// The card as it is to be in discovery.
    pub(crate) fn current(&self) -> ModelDeploymentCard {
        let mut card = self.card.clone();
        let taints = self.taints().unwrap_or_default();
        card.runtime_config.taints.extend(taints);
        card
    }

    /// What the operator gave last.
    pub(crate) fn taints(&self) -> Option<BTreeSet<String>> {
        self.taints.lock().clone()
    }

    pub(crate) fn replace_taints(&self, taints: BTreeSet<String>) {
        *self.taints.lock() = Some(taints);
    }
}
