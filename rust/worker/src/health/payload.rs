//! Which payload the canary sends.

use std::io;
use std::path::Path;

use dynamo_backend_environment::DYN_HEALTH_CHECK_PAYLOAD;
use dynamo_backend_lifecycle::canary::{self, Canary};
use serde_json::Value;

use crate::config::WorkerConfig;
use crate::engine::LLMEngine;

/// The first payload that is set: the configuration's, the environment's, the engine's.
pub(crate) async fn payload(config: &WorkerConfig, engine: &dyn LLMEngine) -> Option<Value> {
    let variable = DYN_HEALTH_CHECK_PAYLOAD.text();
    let read = |path: &Path| std::fs::read_to_string(path);
    let configured = config.health_check_payload.as_ref();
    let (payload, warnings) = choose(configured, variable.as_deref(), read, engine).await;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    payload
}

/// The payload, and warnings; the engine is asked only where it is its turn.
async fn choose(
    configured: Option<&Value>,
    variable: Option<&str>,
    read: impl FnOnce(&Path) -> io::Result<String>,
    engine: &dyn LLMEngine,
) -> (Option<Value>, Vec<String>) {
    let (canary, mut warnings) = canary::from_operator(configured, variable, read);
    let payload = match canary {
        Canary::On(payload) => Some(payload),
        Canary::Off => None,
        Canary::AskEngine => {
            let (payload, warning) = canary::from_engine(engine.health_check_payload().await);
            warnings.extend(warning);
            payload
        }
    };
    (payload.map(Value::Object), warnings)
}

#[cfg(test)]
mod tests;
