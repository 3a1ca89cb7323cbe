//! The worker's place in discovery: its instance, its model card, and the cards of its adapters.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dynamo_backend_lifecycle::Settings;
use dynamo_backend_lifecycle::controls::{Presence, Service, Transitions};
use dynamo_llm::model_card::ModelDeploymentCard;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;

use super::{Readiness, card, departure, listed_card, taints};
use crate::adapter_cards::Published;
use crate::error::unknown;
use crate::tainted_card::TaintedCard;

/// From an instance's return to that of its card. A frontend hears of the first in two places, and
/// cancels what it sends until the other has heard it too: it takes the instance for a removed one.
const HEARD: Duration = Duration::from_millis(500);

/// All that discovery has of one worker. Who takes it out or puts it back does so in the order of its
/// [`transitions`](Self::transitions).
pub(crate) struct Instance {
    pub(super) endpoint: Endpoint,
    /// The endpoint's, without the suffix that tells generations apart.
    namespace: String,
    pub(super) card: Arc<TaintedCard>,
    adapters: Arc<Published>,
    pub(super) readiness: Arc<Readiness>,
    transitions: Transitions,
    grace: Duration,
    /// The card was put into discovery, or may have been.
    has_card: AtomicBool,
    /// The card left discovery before the instance did, or may have.
    card_is_out: AtomicBool,
}

impl Instance {
    /// One that nobody knows yet.
    pub(crate) fn new(
        endpoint: Endpoint,
        namespace: String,
        card: ModelDeploymentCard,
        readiness: Arc<Readiness>,
        settings: &Settings,
    ) -> Self {
        let card = Arc::new(TaintedCard::new(card));
        Self {
            adapters: Published::new(endpoint.clone(), card.clone()),
            endpoint,
            namespace,
            card,
            readiness,
            transitions: Transitions::new(settings),
            grace: settings.grace,
            has_card: AtomicBool::new(false),
            card_is_out: AtomicBool::new(false),
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn readiness(&self) -> &Arc<Readiness> {
        &self.readiness
    }

    /// The cards of the engine's LoRA adapters.
    pub(crate) fn adapters(&self) -> &Arc<Published> {
        &self.adapters
    }

    /// In what order the instance leaves and comes back, whoever asks for it.
    pub(crate) fn transitions(&self) -> &Transitions {
        &self.transitions
    }

    /// Looks at the presence, or changes it, locked.
    pub(crate) fn presence<T>(&self, look: impl FnOnce(&mut Presence) -> T) -> T {
        self.readiness.look(look)
    }

    /// What the worker does with requests, of which it has so many.
    pub(crate) fn service(&self, in_flight: usize) -> Service {
        self.readiness.presence().service(in_flight, self.grace)
    }

    /// Puts the card into discovery, ahead of the instance.
    pub(crate) async fn register_card(&self) -> Result<(), DynamoError> {
        // Before the attempt: one that fails may have got through.
        self.has_card.store(true, Ordering::Release);
        card::register(&self.endpoint, self.card.untainted()).await
    }

    /// Takes back what is known of a worker that does not serve.
    pub(crate) async fn withdraw(&self) {
        if !self.has_card.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = listed_card::withdraw(&self.endpoint).await {
            tracing::warn!(%error, "the model card stays in discovery until the runtime goes");
        }
    }

    /// Takes the cards out of discovery, of a worker whose instance is out. The lease takes them with
    /// it, but the process may be gone before that is sent.
    pub(crate) async fn withdraw_cards(&self) {
        self.adapters.withdraw_all().await;
        if let Err(error) = listed_card::withdraw(&self.endpoint).await {
            tracing::debug!(%error, "the card was out of discovery already");
        }
    }

    /// Whether the worker's card is in discovery.
    pub(crate) async fn has_listed_card(&self) -> anyhow::Result<bool> {
        listed_card::is_there(&self.endpoint).await
    }

    /// Has frontends stop choosing the instance, where others of its model are there.
    pub(crate) async fn announce_departure(&self) {
        let name = self.card.untainted().name();
        if departure::has_peers(&self.endpoint, &self.namespace, name).await {
            // Before the attempt: one that fails or is dropped midway may have been heard.
            self.card_is_out.store(true, Ordering::Release);
            departure::withdraw_card(&self.endpoint).await;
        }
    }

    /// Takes the instance out of discovery.
    pub(crate) async fn unregister(&self) -> Result<(), DynamoError> {
        let unregistered = self.endpoint.unregister_endpoint_instance().await;
        unregistered.map_err(|error| unknown(format!("{error:#}")))
    }

    /// Replaces the taints that the operator gave the card. Where the card is out of discovery, it
    /// comes back with them. With nobody else changing what discovery has, see
    /// [`Transitions::amend`].
    pub(crate) async fn replace_taints(&self, taints: BTreeSet<String>) -> anyhow::Result<()> {
        if !self.card_is_out.load(Ordering::Acquire) {
            taints::replace(&self.endpoint, &taints).await?;
        }
        self.card.replace_taints(taints);
        Ok(())
    }

    /// It could not leave: puts the card back.
    pub(crate) async fn remain(&self) {
        if let Err(error) = self.put_card_back().await {
            tracing::warn!("the model card, withdrawn first, is not back yet: {error:#}");
        }
    }

    /// Puts the instance back into discovery, and its card.
    pub(crate) async fn register(&self) -> Result<(), DynamoError> {
        let failed = |error: anyhow::Error| unknown(format!("{error:#}"));
        let registered = self.endpoint.register_endpoint_instance().await;
        registered.map_err(failed)?;
        if self.card_is_out.load(Ordering::Acquire) {
            self.is_heard_of().await;
        }
        // Last: a frontend chooses an instance when it has both.
        self.put_card_back().await.map_err(failed)
    }

    /// Waits until frontends know an instance that came back, or the worker shuts down.
    pub(super) async fn is_heard_of(&self) {
        let pause = self.grace.min(HEARD);
        let _ = tokio::time::timeout(pause, self.readiness.closed()).await;
    }

    /// Registers the card where it is out.
    async fn put_card_back(&self) -> anyhow::Result<()> {
        if self.card_is_out.load(Ordering::Acquire) {
            taints::register(&self.endpoint, &self.card).await?;
            self.card_is_out.store(false, Ordering::Release);
        }
        Ok(())
    }
}
