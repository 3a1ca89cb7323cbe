//! What one worker is put together from.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use dynamo_llm::model_type::ModelInput;
use dynamo_runtime::error::DynamoError;
use tokio::sync::watch;

use crate::config::WorkerConfig;
use crate::engine::LLMEngine;
use crate::error::invalid_argument;
use crate::frontend::Frontend;
use crate::guarded_raw::GuardedRaw;
use crate::shutdown::Shutdown;
use crate::state::{OnState, WorkerState};

/// The parts of one worker, which its run uses.
pub(crate) struct Assembly {
    pub(crate) engine: Arc<dyn LLMEngine>,
    /// Where requests go to a raw engine; its hooks are in `engine`.
    pub(crate) raw: Option<Arc<GuardedRaw>>,
    pub(crate) config: WorkerConfig,
    pub(crate) frontend: Option<Frontend>,
    pub(crate) on_state: Option<OnState>,
    pub(crate) shutdown: Shutdown,
    pub(crate) state: watch::Sender<WorkerState>,
    /// Filled when the frontend listens.
    pub(crate) http_address: Arc<OnceLock<SocketAddr>>,
    /// Filled when the engine has started.
    pub(crate) served_name: Arc<OnceLock<String>>,
}

impl Assembly {
    /// Whether the configuration is one for an engine of this kind.
    pub(crate) fn check(&self) -> Result<(), DynamoError> {
        self.config.validate()?;
        let (input, name) = (self.config.model_input, self.engine.name());
        if self.frontend.is_some() && input == ModelInput::Tensor {
            return Err(invalid_argument(
                "http_port: the frontend in the process speaks HTTP, and no endpoint of that takes \
                 tensors; leave it out, and have Dynamo's own frontend serve them by gRPC",
            ));
        }
        if self.frontend.is_some() && self.config.media_decoder.is_some() {
            return Err(invalid_argument(
                "media_decoder: the frontend in the process is built without NIXL, by which decoded \
                 media travel; leave it out, or serve without http_port behind a frontend that has it",
            ));
        }
        match (&self.raw, input) {
            (None, ModelInput::Tokens) | (Some(_), ModelInput::Text | ModelInput::Tensor) => Ok(()),
            (None, _) => Err(invalid_argument(format!(
                "model_input: '{input}' is for an engine that takes requests as clients send them, \
                 and {name} takes tokens; leave model_input at 'Tokens'"
            ))),
            (Some(_), ModelInput::Tokens) => Err(invalid_argument(format!(
                "model_input: 'Tokens' is for an engine that takes tokens, and {name} takes requests \
                 as clients send them; accepted: 'Text', 'Tensor'"
            ))),
        }
    }
}
