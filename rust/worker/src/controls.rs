//! Controls: what reaches the engine through `/engine/` of the system server.

use std::sync::Arc;

use dynamo_backend_lifecycle::controls::{
    Policy, Presence, is_error_reply, lets_register, register_failed, unregister_failed,
};
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use crate::discovery::departure;
use crate::engine::LLMEngine;
use crate::error::{at_step, unknown};
use crate::health::Readiness;

/// Why a call has no reply of the engine's.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The worker does not serve, or does no more. With the reply that says so.
    NotServing(Value),
    /// The engine raised.
    Engine(DynamoError),
}

impl From<DynamoError> for CallError {
    fn from(error: DynamoError) -> Self {
        Self::Engine(error)
    }
}

/// The controls of one worker, and its instance's one way out of discovery and back.
pub(crate) struct Controls {
    endpoint: Endpoint,
    /// Without the suffix that tells generations apart.
    namespace: String,
    served_name: String,
    engine: Arc<dyn LLMEngine>,
    names: Vec<String>,
    readiness: Arc<Readiness>,
    /// Held by a control that changes discovery, from its first half to its last.
    calling: Mutex<()>,
    /// Held over a single change of discovery, for which alone a shutdown waits.
    changing: Mutex<()>,
}

impl Controls {
    /// Asks the engine which controls it supports.
    pub(crate) async fn of(
        endpoint: &Endpoint,
        namespace: &str,
        served_name: &str,
        engine: &Arc<dyn LLMEngine>,
        readiness: &Arc<Readiness>,
    ) -> Result<Self, DynamoError> {
        let mut names = engine
            .supported_controls()
            .await
            .map_err(|error| at_step("supported_controls", error))?;
        names.sort_unstable();
        names.dedup();
        Ok(Self {
            endpoint: endpoint.clone(),
            namespace: namespace.to_owned(),
            served_name: served_name.to_owned(),
            engine: engine.clone(),
            names,
            readiness: readiness.clone(),
            calling: Mutex::default(),
            changing: Mutex::default(),
        })
    }

    /// The controls that the engine supports, sorted.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Performs a call in a task of its own: a caller that hangs up does not stop it halfway.
    pub(crate) async fn call(
        self: &Arc<Self>,
        name: &str,
        body: Value,
    ) -> Result<Value, CallError> {
        let (controls, control) = (self.clone(), name.to_owned());
        tokio::spawn(async move { controls.perform(&control, body).await })
            .await
            .unwrap_or_else(|crashed| Err(unknown(format!("{name} crashed: {crashed}")).into()))
    }

    /// Takes the instance out of discovery for good; does nothing where a control did.
    pub(crate) async fn unregister(&self) -> Result<(), DynamoError> {
        let _changing = self.changing.lock().await;
        if !self.readiness.presence().must_unregister() {
            return Ok(());
        }
        departure::announce(&self.endpoint, &self.namespace, &self.served_name).await;
        self.unregister_instance().await
    }

    /// Holds off whoever changes discovery while a lost registration is made again. `None` where
    /// somebody is at it, or the instance belongs out of it.
    pub(crate) fn begin_repair(&self) -> Option<MutexGuard<'_, ()>> {
        let changing = self.changing.try_lock().ok()?;
        self.readiness.presence().is_wanted().then_some(changing)
    }

    async fn perform(&self, name: &str, body: Value) -> Result<Value, CallError> {
        let policy = Policy::of(name);
        if let Err(refusal) = policy.check_body(&body) {
            return Ok(refusal);
        }
        self.admit(name)?;
        match policy {
            Policy::Direct => Ok(self.engine.engine_control(name, body).await?),
            Policy::UnregisterFirst => self.unregister_first(name, body).await,
            Policy::RegisterAfter => self.register_after(name, body).await,
        }
    }

    /// Waits until no other control changes discovery.
    async fn turn(&self, name: &str) -> Result<MutexGuard<'_, ()>, CallError> {
        let turn = self.calling.lock().await;
        // Shutdown may have begun while the call waited.
        self.admit(name)?;
        Ok(turn)
    }

    fn admit(&self, name: &str) -> Result<(), CallError> {
        let admitted = self.readiness.presence().admit(name);
        admitted.map_err(CallError::NotServing)
    }

    async fn unregister_first(&self, name: &str, body: Value) -> Result<Value, CallError> {
        let _turn = self.turn(name).await?;
        if let Err(error) = self.leave(name).await? {
            return Ok(unregister_failed(name, error.message()));
        }
        let reply = self.engine.engine_control(name, body).await;
        if !matches!(&reply, Ok(reply) if !is_error_reply(reply)) {
            tracing::warn!(
                control = name,
                "the engine failed after the endpoint was unregistered; it stays unregistered"
            );
        }
        Ok(reply?)
    }

    async fn register_after(&self, name: &str, body: Value) -> Result<Value, CallError> {
        let _turn = self.turn(name).await?;
        let reply = self.engine.engine_control(name, body).await?;
        if !lets_register(&reply) {
            return Ok(reply);
        }
        let _changing = self.changing.lock().await;
        if !self.readiness.presence().must_register() {
            return Ok(reply);
        }
        let mut allowed = Ok(());
        self.readiness
            .change(|presence| allowed = presence.may_return(name));
        allowed.map_err(CallError::NotServing)?;
        if let Err(error) = self.endpoint.register_endpoint_instance().await {
            return Ok(register_failed(name, format!("{error:#}")));
        }
        self.readiness.change(Presence::returned);
        Ok(reply)
    }

    /// Takes the instance out of discovery, where it may be there, for a control.
    async fn leave(&self, name: &str) -> Result<Result<(), DynamoError>, CallError> {
        let _changing = self.changing.lock().await;
        let mut allowed = Ok(());
        self.readiness
            .change(|presence| allowed = presence.may_leave(name));
        allowed.map_err(CallError::NotServing)?;
        if !self.readiness.presence().must_unregister() {
            return Ok(Ok(()));
        }
        Ok(self.unregister_instance().await)
    }

    async fn unregister_instance(&self) -> Result<(), DynamoError> {
        self.endpoint
            .unregister_endpoint_instance()
            .await
            .map_err(|error| unknown(format!("{error:#}")))?;
        self.readiness.change(Presence::left);
        Ok(())
    }
}
