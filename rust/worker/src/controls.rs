//! What the operator does to a worker through `/engine/` of the system server: the engine's own
//! controls and updates, and the worker's drain, resume and status.

mod quiescence;
mod updates;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_lifecycle::controls::{
    Place, Presence, Service, check_update_body, error_reply,
};
use dynamo_runtime::error::DynamoError;
use serde_json::{Value, json};
use tokio::task::{JoinError, JoinHandle};

use crate::discovery::{Instance, departure};
use crate::engine::LLMEngine;
use crate::error::{at_step, unknown};
use crate::frontend::requests::Requests;
use quiescence::Quiescence;
pub(crate) use updates::MODEL_TAINTS;

/// What a worker answers itself, ahead of an engine's control of the same name.
pub(crate) const OWN: [&str; 3] = ["drain", "resume", "status"];

/// The controls of one worker: what is done to its instance, its requests and its engine.
pub(crate) struct Controls {
    instance: Instance,
    requests: Arc<Requests>,
    engine: Arc<dyn LLMEngine>,
    names: Vec<String>,
    updates: Vec<String>,
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
    /// Asks the engine which controls and updates it supports. `hands_over`: as a prefill worker does, whose
    /// engine may hold KV cache for peers after its requests.
    pub(crate) async fn of(
        instance: Instance,
        requests: Arc<Requests>,
        engine: Arc<dyn LLMEngine>,
        hands_over: bool,
    ) -> Result<Self, DynamoError> {
        let supported = engine.supported_controls().await;
        let mut names = supported.map_err(|error| at_step("supported_controls", error))?;
        names.sort_unstable();
        names.dedup();
        for own in names.iter().filter(|name| OWN.contains(&name.as_str())) {
            tracing::warn!(
                "/engine/{own} is the worker's own; the engine's control of that name is called by \
                 /engine/control/{own}"
            );
        }
        let updates = updates::supported(&*engine).await?;
        Ok(Self {
            instance,
            requests,
            engine,
            names,
            updates,
            quiescence: hands_over.then(Quiescence::default),
        })
    }

    pub(crate) fn instance(&self) -> &Instance {
        &self.instance
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
            let reply = controls
                .instance
                .transitions()
                .control(&*controls, &control, body)
                .await;
            controls.watch_quiescence();
            reply
        });
        performed.await.unwrap_or_else(crashed(name))
    }

    /// The updates that the engine supports, and the worker's own, sorted.
    pub(crate) fn updates(&self) -> &[String] {
        &self.updates
    }

    /// Performs an update in a task of its own. One of the engine's that fails leaves the cards of its
    /// adapters as they were.
    ///
    /// # Errors
    ///
    /// What the engine raised; of the worker's own, `InvalidArgument` where `body` is not accepted.
    pub(crate) async fn update(
        self: &Arc<Self>,
        name: &str,
        body: Value,
    ) -> Result<Value, DynamoError> {
        if name == MODEL_TAINTS {
            return self.replace_taints(updates::taints_of(&body)?).await;
        }
        if let Err(refusal) = check_update_body(&body) {
            return Ok(refusal);
        }
        let (controls, update) = (self.clone(), name.to_owned());
        let performed = tokio::spawn(async move {
            let Self {
                instance, engine, ..
            } = &*controls;
            let work = updates::perform(&**engine, instance.adapters(), &update, body);
            let performed = instance.transitions().update(&*controls, &update, work);
            performed.await.unwrap_or_else(Ok)
        });
        performed.await.unwrap_or_else(crashed(name))
    }

    async fn replace_taints(
        self: &Arc<Self>,
        taints: BTreeSet<String>,
    ) -> Result<Value, DynamoError> {
        let controls = self.clone();
        let replaced = tokio::spawn(async move {
            let instance = &controls.instance;
            let work = instance.replace_taints(taints.clone());
            match instance
                .transitions()
                .amend(&*controls, MODEL_TAINTS, work)
                .await
            {
                Ok(Ok(())) => Ok(json!({"status": "ok", "taints": taints})),
                Ok(Err(failed)) => Err(unknown(format!("{failed:#}"))),
                Err(refusal) => Ok(refusal),
            }
        });
        replaced.await.unwrap_or_else(crashed(MODEL_TAINTS))
    }

    /// Takes the worker out of discovery; what is in flight goes on. In a task of its own.
    ///
    /// # Errors
    ///
    /// The reply that says why it was not done.
    pub(crate) async fn drain(self: &Arc<Self>) -> Result<(), Value> {
        let controls = self.clone();
        let drained = tokio::spawn(async move {
            let drained = controls.instance.transitions().drain(&*controls).await;
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
        let resumed =
            tokio::spawn(async move { controls.instance.transitions().resume(&*controls).await });
        in_its_task("resume", resumed).await
    }

    /// Takes the instance out of discovery for good, `within` a time at whose end this is dropped;
    /// does nothing where it is out.
    pub(crate) async fn unregister(&self, within: Duration) -> Result<(), DynamoError> {
        let transitions = self.instance.transitions();
        transitions.unregister(self, within).await
    }

    /// Resolves when no control is at the engine, of a worker that shuts down.
    pub(crate) async fn engine_left_alone(&self) {
        self.instance.transitions().engine_left_alone().await;
    }

    pub(crate) fn status(&self) -> Status {
        let in_flight = self.requests.in_flight();
        let service = self.instance.service(in_flight);
        let is_quiescent = self
            .quiescence
            .as_ref()
            .is_none_or(|quiescence| quiescence.is_told(self.requests.admission()));
        Status {
            service,
            in_flight,
            safe_to_delete: service == Service::Drained && is_quiescent,
        }
    }

    fn watch_quiescence(&self) {
        if let Some(quiescence) = &self.quiescence {
            quiescence.watch(
                self.engine.clone(),
                self.instance.readiness().clone(),
                self.requests.admission().clone(),
            );
        }
    }
}

/// What a task that did not end makes of a call.
fn crashed<T>(name: &str) -> impl FnOnce(JoinError) -> Result<T, DynamoError> {
    move |crashed| Err(unknown(format!("{name} crashed: {crashed}")))
}

async fn in_its_task(name: &str, task: JoinHandle<Result<(), Value>>) -> Result<(), Value> {
    task.await
        .unwrap_or_else(|crashed| Err(error_reply(format!("{name} crashed: {crashed}"))))
}

#[async_trait]
impl Place for Controls {
    type Error = DynamoError;

    fn presence<T>(&self, look: impl FnOnce(&mut Presence) -> T) -> T {
        self.instance.presence(look)
    }

    async fn closed(&self) {
        self.instance.readiness().closed().await;
    }

    async fn announce(&self) {
        self.instance.announce_departure().await;
        let admission = self.requests.admission();
        if let Some(frontend) = self.requests.frontend() {
            frontend.handed_over(admission).await;
        }
        departure::begin_answers(admission).await;
    }

    async fn unregister(&self) -> Result<(), DynamoError> {
        self.instance.unregister().await
    }

    async fn remain(&self) {
        self.requests.admission().answer_in_turn();
        self.instance.remain().await;
    }

    async fn register(&self) -> Result<(), DynamoError> {
        self.requests.admission().answer_in_turn();
        self.instance.register().await
    }

    async fn idle(&self) {
        self.requests.admission().idle().await;
    }

    fn refuse_if_idle(&self) -> bool {
        self.requests.admission().close_if_idle()
    }

    fn refuse(&self) {
        self.requests.admission().close();
    }

    fn accept(&self) {
        self.requests.admission().open();
    }

    async fn cut(&self) -> usize {
        self.requests.cut().await
    }

    async fn check_control(&self, name: &str, body: &Value) -> Result<(), String> {
        let accepted = self.engine.validate_engine_control(name, body).await;
        accepted.map_err(|error| error.message().to_owned())
    }

    async fn engine_control(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        self.engine.engine_control(name, body).await
    }
}
