//! What one worker is put together from.

use std::sync::{Arc, OnceLock};

use dynamo_backend_lifecycle::State;
use tokio::sync::watch;

use crate::config::WorkerConfig;
use crate::engine::LLMEngine;
use crate::event::OnEvent;
use crate::frontend::Frontend;
use crate::shutdown::Shutdown;

/// The parts of one worker, which its run uses.
pub(crate) struct Assembly {
    pub(crate) engine: Arc<dyn LLMEngine>,
    pub(crate) config: WorkerConfig,
    pub(crate) frontend: Option<Frontend>,
    pub(crate) on_event: Option<OnEvent>,
    pub(crate) shutdown: Shutdown,
    pub(crate) state: watch::Sender<State>,
    /// Filled when the engine has started.
    pub(crate) served_name: Arc<OnceLock<String>>,
}
