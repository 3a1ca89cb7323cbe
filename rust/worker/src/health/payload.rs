//! Which payload the canary sends.

use dynamo_backend_lifecycle::canary::{self, Canary, PAYLOAD_VARIABLE};
use dynamo_backend_lifecycle::settings;
use serde_json::Value;

use crate::config::WorkerConfig;
use crate::engine::LLMEngine;

/// The first payload that is set: the configuration's, the environment's, the engine's.
pub(crate) async fn payload(config: &WorkerConfig, engine: &dyn LLMEngine) -> Option<Value> {
    let (canary, warnings) = canary::from_operator(
        config.health_check_payload.as_ref(),
        settings::environment(PAYLOAD_VARIABLE).as_deref(),
        |path| std::fs::read_to_string(path),
    );
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let payload = match canary {
        Canary::On(payload) => Some(payload),
        Canary::Off => None,
        Canary::AskEngine => {
            let (payload, warning) = canary::from_engine(engine.health_check_payload().await);
            if let Some(warning) = warning {
                tracing::warn!("{warning}");
            }
            payload
        }
    };
    payload.map(Value::Object)
}
