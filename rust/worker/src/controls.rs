//! What the operator does to a worker through `/engine/` of the system server: the engine's own
//! controls, and the worker's drain, resume and status.

mod quiescence;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_lifecycle::Settings;
use dynamo_backend_lifecycle::controls::{Instance, Place, Presence, Service};
use dynamo_llm::model_card::ModelDeploymentCard;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use prometheus::IntCounter;
use serde_json::Value;
use tokio::sync::MutexGuard;

use crate::adapter_cards::Published;
use crate::admission::Admission;
use crate::discovery::{departure, peers};
use crate::engine::LLMEngine;
use crate::error::{at_step, unknown};
use crate::frontend::{RunningFrontend, in_flight};
use crate::health::Readiness;
use quiescence::Quiescence;

/// From an instance's return to that of its card. A frontend hears of the first in two places, and
/// cancels what it sends until the other has heard it too: it takes the instance for a removed one.
const HEARD: Duration = Duration::from_millis(500);

/// What a worker answers itself, ahead of an engine's control of the same name.
pub(crate) const OWN: [&str; 3] = ["drain", "resume", "status"];

/// What the controls of one worker act on.
pub(crate) struct Surroundings {
    pub(crate) endpoint: Endpoint,
    /// The endpoint's, without the suffix that tells generations apart.
    pub(crate) namespace: String,
    pub(crate) card: ModelDeploymentCard,
    pub(crate) adapters: Arc<Published>,
    pub(crate) engine: Arc<dyn LLMEngine>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) admission: Admission,
    /// The frontend in the process, once it runs.
    pub(crate) frontend: Arc<OnceLock<RunningFrontend>>,
    /// Counts the requests that a sleep cuts.
    pub(crate) cut: Option<IntCounter>,
}

/// The controls of one worker, and its instance's one way out of discovery and back.
pub(crate) struct Controls {
    around: Surroundings,
    names: Vec<String>,
    instance: Instance,
    grace: Duration,
    /// The card left discovery before the instance did, or may have.
    card_is_out: AtomicBool,
    /// Of a prefill worker: whether its engine says that nothing is left to hand over.
    quiescence: Option<Quiescence>,
}

/// What a worker does with requests, as its operator asks before deleting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) service: Service,
    pub(crate) in_flight: usize,
    pub(crate) safe_to_delete: bool,
}

impl Status {
    /// Of a worker that has no controls yet.
    pub(crate) const STARTING: Self = Self {
        service: Service::Starting,
        in_flight: 0,
        safe_to_delete: false,
    };
}

impl Controls {
    /// Asks the engine which controls it supports. `hands_over`: as a prefill worker does, whose
    /// engine may hold KV cache for peers after its requests.
    pub(crate) async fn of(
        around: Surroundings,
        settings: &Settings,
        hands_over: bool,
    ) -> Result<Self, DynamoError> {
        let supported = around.engine.supported_controls().await;
        let mut names = supported.map_err(|error| at_step("supported_controls", error))?;
        names.sort_unstable();
        names.dedup();
        for own in names.iter().filter(|name| OWN.contains(&name.as_str())) {
            tracing::warn!(
                "/engine/{own} is the worker's own; the engine's control of that name is called by \
                 /engine/control/{own}"
            );
        }
        Ok(Self {
            quiescence: hands_over.then(Quiescence::default),
            around,
            names,
            instance: Instance::new(settings),
            grace: settings.grace,
            card_is_out: AtomicBool::new(false),
        })
    }

    /// The controls that the engine supports, sorted.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Performs a control of the engine's in a task of its own: a caller that hangs up does not stop
    /// it halfway.
    pub(crate) async fn call(
        self: &Arc<Self>,
        name: &str,
        body: Value,
    ) -> Result<Value, DynamoError> {
        let (controls, control) = (self.clone(), name.to_owned());
        let performed = tokio::spawn(async move {
            let reply = controls.instance.control(&*controls, &control, body).await;
            controls.watch_quiescence();
            reply
        });
        performed
            .await
            .unwrap_or_else(|crashed| Err(unknown(format!("{name} crashed: {crashed}"))))
    }

    /// Takes the worker out of discovery; what is in flight goes on. In a task of its own.
    ///
    /// # Errors
    ///
    /// The reply that says why it was not done.
    pub(crate) async fn drain(self: &Arc<Self>) -> Result<(), Value> {
        let controls = self.clone();
        let drained = tokio::spawn(async move {
            let drained = controls.instance.drain(&*controls).await;
            controls.watch_quiescence();
            drained
        });
        in_its_task("drain", drained).await
    }

    /// Brings a worker back that was drained. In a task of its own.
    ///
    /// # Errors
    ///
    /// The reply that says why it was not done.
    pub(crate) async fn resume(self: &Arc<Self>) -> Result<(), Value> {
        let controls = self.clone();
        let resumed = tokio::spawn(async move { controls.instance.resume(&*controls).await });
        in_its_task("resume", resumed).await
    }

    /// Takes the instance out of discovery for good, `within` a time at whose end this is dropped;
    /// does nothing where it is out.
    pub(crate) async fn unregister(&self, within: Duration) -> Result<(), DynamoError> {
        self.instance.unregister(self, within).await
    }

    /// Resolves when no control is at the engine, of a worker that shuts down.
    pub(crate) async fn engine_left_alone(&self) {
        self.instance.engine_left_alone().await;
    }

    /// Holds off whoever changes discovery while a lost registration is made again. `None` where
    /// somebody is at it, or the instance belongs out of it.
    pub(crate) fn begin_repair(&self) -> Option<MutexGuard<'_, ()>> {
        self.instance.begin_repair(self)
    }

    /// Waits until frontends know an instance that came back, or the worker shuts down.
    pub(crate) async fn instance_is_heard_of(&self) {
        let pause = self.grace.min(HEARD);
        let _ = tokio::time::timeout(pause, self.around.readiness.closed()).await;
    }

    /// The card, as it is registered.
    pub(crate) fn card(&self) -> &ModelDeploymentCard {
        &self.around.card
    }

    /// The cards of the engine's LoRA adapters.
    pub(crate) fn adapters(&self) -> &Arc<Published> {
        &self.around.adapters
    }

    pub(crate) fn status(&self) -> Status {
        let in_flight = in_flight(&self.around.admission, self.around.frontend.get());
        let service = self
            .around
            .readiness
            .presence()
            .service(in_flight, self.grace);
        let admission = &self.around.admission;
        let is_quiescent = self
            .quiescence
            .as_ref()
            .is_none_or(|quiescence| quiescence.is_told(admission));
        Status {
            service,
            in_flight,
            safe_to_delete: service == Service::Drained && is_quiescent,
        }
    }

    /// Registers the card where it is out.
    async fn put_card_back(&self) -> anyhow::Result<()> {
        if self.card_is_out.load(Ordering::Acquire) {
            peers::register(&self.around.endpoint, &self.around.card).await?;
            self.card_is_out.store(false, Ordering::Release);
        }
        Ok(())
    }

    fn watch_quiescence(&self) {
        if let Some(quiescence) = &self.quiescence {
            quiescence.watch(
                self.around.engine.clone(),
                self.around.readiness.clone(),
                self.around.admission.clone(),
            );
        }
    }
}

async fn in_its_task(
    name: &str,
    task: tokio::task::JoinHandle<Result<(), Value>>,
) -> Result<(), Value> {
    task.await.unwrap_or_else(|crashed| {
        let message = format!("{name} crashed: {crashed}");
        Err(dynamo_backend_lifecycle::controls::error_reply(message))
    })
}

#[async_trait]
impl Place for Controls {
    type Error = DynamoError;

    fn presence<T>(&self, look: impl FnOnce(&mut Presence) -> T) -> T {
        self.around.readiness.look(look)
    }

    async fn closed(&self) {
        self.around.readiness.closed().await;
    }

    async fn announce(&self) {
        let Surroundings {
            endpoint,
            namespace,
            card,
            admission,
            ..
        } = &self.around;
        if departure::has_peers(endpoint, namespace, card.name()).await {
            // Before the attempt: one that fails or is dropped midway may have been heard.
            self.card_is_out.store(true, Ordering::Release);
            departure::withdraw_card(endpoint).await;
        }
        if let Some(frontend) = self.around.frontend.get() {
            frontend.handed_over(admission).await;
        }
        departure::begin_answers(admission).await;
    }

    async fn unregister(&self) -> Result<(), DynamoError> {
        let unregistered = self.around.endpoint.unregister_endpoint_instance().await;
        unregistered.map_err(|error| unknown(format!("{error:#}")))
    }

    async fn remain(&self) {
        self.around.admission.answer_in_turn();
        if let Err(error) = self.put_card_back().await {
            tracing::warn!("the model card, withdrawn first, is not back yet: {error:#}");
        }
    }

    async fn register(&self) -> Result<(), DynamoError> {
        let failed = |error: anyhow::Error| unknown(format!("{error:#}"));
        self.around.admission.answer_in_turn();
        let endpoint = &self.around.endpoint;
        endpoint
            .register_endpoint_instance()
            .await
            .map_err(failed)?;
        if self.card_is_out.load(Ordering::Acquire) {
            self.instance_is_heard_of().await;
        }
        // Last: a frontend chooses an instance when it has both.
        self.put_card_back().await.map_err(failed)
    }

    async fn idle(&self) {
        self.around.admission.idle().await;
    }

    fn refuse_if_idle(&self) -> bool {
        self.around.admission.close_if_idle()
    }

    fn refuse(&self) {
        self.around.admission.close();
    }

    fn accept(&self) {
        self.around.admission.open();
    }

    async fn cut(&self) -> usize {
        let count = self.around.admission.cut();
        if let Some(cut) = &self.around.cut {
            cut.inc_by(count as u64);
        }
        self.around.admission.idle().await;
        count
    }

    async fn engine_control(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        self.around.engine.engine_control(name, body).await
    }
}
