//! Controls: what reaches the engine through `/engine/` of the system server.

use std::sync::Arc;

use dynamo_backend_lifecycle::Presence;
use dynamo_backend_lifecycle::controls::{
    Policy, is_error_reply, lets_register, not_serving, register_failed, shut_down_meanwhile,
    unregister_failed,
};
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::discovery::departure;
use crate::engine::LLMEngine;
use crate::error::{at_step, unknown};
use crate::health::Readiness;

/// Why a call has no reply of the engine's.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The worker does not serve; the engine may have been called. With the reply that says so.
    NotServing(Value),
    /// The engine raised.
    Engine(DynamoError),
}

impl From<DynamoError> for CallError {
    fn from(error: DynamoError) -> Self {
        Self::Engine(error)
    }
}

/// The controls of one worker, and its instance's one way out of discovery.
pub(crate) struct Controls {
    endpoint: Endpoint,
    served_name: String,
    engine: Arc<dyn LLMEngine>,
    names: Vec<String>,
    readiness: Arc<Readiness>,
    /// Held by whatever changes discovery, from its first half to its last.
    changing: Mutex<()>,
}

impl Controls {
    /// Asks the engine which controls it supports.
    pub(crate) async fn of(
        endpoint: &Endpoint,
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
            served_name: served_name.to_owned(),
            engine: engine.clone(),
            names,
            readiness: readiness.clone(),
            changing: Mutex::new(()),
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
        let (controls, name) = (self.clone(), name.to_owned());
        let call = tokio::spawn(async move { controls.perform(&name, body).await });
        call.await.unwrap_or_else(|crashed| {
            Err(unknown(format!("the control crashed: {crashed}")).into())
        })
    }

    /// Takes the instance out of discovery for good, after the control that is at it; does nothing
    /// where a control did.
    pub(crate) async fn unregister(&self) -> Result<(), DynamoError> {
        let _changing = self.changing.lock().await;
        if !self.readiness.presence().needs_unregister() {
            return Ok(());
        }
        departure::announce(&self.endpoint, &self.served_name).await;
        self.leave_discovery().await
    }

    async fn perform(&self, name: &str, body: Value) -> Result<Value, CallError> {
        let policy = Policy::of(name);
        if let Err(refusal) = policy.check_body(&body) {
            return Ok(refusal);
        }
        let _changing = if policy.changes_discovery() {
            Some(self.changing.lock().await)
        } else {
            None
        };
        // After the lock: shutdown may have begun while the call waited for it.
        if let Some(why) = self.readiness.phase().why_not() {
            return Err(CallError::NotServing(not_serving(name, why)));
        }
        match policy {
            Policy::Direct => Ok(self.engine.engine_control(name, body).await?),
            Policy::UnregisterFirst => self.unregister_first(name, body).await,
            Policy::RegisterAfter => self.register_after(name, body).await,
        }
    }

    async fn unregister_first(&self, name: &str, body: Value) -> Result<Value, CallError> {
        if self.readiness.presence().needs_unregister()
            && let Err(error) = self.leave_discovery().await
        {
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
        let reply = self.engine.engine_control(name, body).await?;
        if !lets_register(&reply) || !self.readiness.presence().needs_register() {
            return Ok(reply);
        }
        if self.readiness.phase().why_not().is_some() {
            return Err(CallError::NotServing(shut_down_meanwhile(name)));
        }
        let registered = self.endpoint.register_endpoint_instance().await;
        self.readiness
            .set_presence(Presence::after_register(registered.is_ok()));
        match registered {
            Ok(()) => Ok(reply),
            Err(error) => Ok(register_failed(name, format!("{error:#}"))),
        }
    }

    async fn leave_discovery(&self) -> Result<(), DynamoError> {
        let left = self.endpoint.unregister_endpoint_instance().await;
        self.readiness
            .set_presence(Presence::after_unregister(left.is_ok()));
        left.map_err(|error| unknown(format!("{error:#}")))
    }
}
