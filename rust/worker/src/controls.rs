//! Controls: routes of the system server that reach the engine.

use std::sync::Arc;

use dynamo_backend_lifecycle::controls::{
    Policy, is_error_reply, lets_register, register_failed, unregister_failed,
};
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::engine_routes::EngineRouteCallback;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::traits::DistributedRuntimeProvider;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::engine::LLMEngine;
use crate::error::at_step;

/// Registers a route per control that the engine supports.
pub(crate) async fn register(
    endpoint: &Endpoint,
    engine: &Arc<dyn LLMEngine>,
) -> Result<(), DynamoError> {
    let names = engine
        .supported_controls()
        .await
        .map_err(|error| at_step("supported_controls", error))?;
    let controls = Arc::new(Controls {
        endpoint: endpoint.clone(),
        engine: engine.clone(),
        discovery: Mutex::new(()),
    });
    let routes = endpoint.drt().engine_routes();
    for name in names {
        let callback = route(controls.clone(), name.clone());
        routes.register(&format!("control/{name}"), callback.clone());
        routes.register(&name, callback);
    }
    Ok(())
}

fn route(controls: Arc<Controls>, name: String) -> EngineRouteCallback {
    Arc::new(move |body| {
        let controls = controls.clone();
        let name = name.clone();
        // A task of its own: a caller that hangs up does not stop a control halfway.
        let call = tokio::spawn(async move { controls.call(&name, body).await });
        Box::pin(async move { Ok(call.await??) })
    })
}

/// The controls of one worker.
struct Controls {
    endpoint: Endpoint,
    engine: Arc<dyn LLMEngine>,
    /// Held by whatever changes discovery, from its first half to its last.
    discovery: Mutex<()>,
}

impl Controls {
    async fn call(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        let policy = Policy::of(name);
        if let Err(refusal) = policy.check_body(&body) {
            return Ok(refusal);
        }
        let _guard = if policy.changes_discovery() {
            Some(self.discovery.lock().await)
        } else {
            None
        };
        match policy {
            Policy::Direct => self.engine.engine_control(name, body).await,
            Policy::UnregisterFirst => self.unregister_first(name, body).await,
            Policy::RegisterAfter => self.register_after(name, body).await,
        }
    }

    async fn unregister_first(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        if let Err(error) = self.endpoint.unregister_endpoint_instance().await {
            return Ok(unregister_failed(name, format!("{error:#}")));
        }
        let reply = self.engine.engine_control(name, body).await;
        if !matches!(&reply, Ok(reply) if !is_error_reply(reply)) {
            tracing::warn!(
                control = name,
                "the engine failed after the endpoint was unregistered; it stays unregistered"
            );
        }
        reply
    }

    async fn register_after(&self, name: &str, body: Value) -> Result<Value, DynamoError> {
        let reply = self.engine.engine_control(name, body).await?;
        if lets_register(&reply)
            && let Err(error) = self.endpoint.register_endpoint_instance().await
        {
            return Ok(register_failed(name, format!("{error:#}")));
        }
        Ok(reply)
    }
}
