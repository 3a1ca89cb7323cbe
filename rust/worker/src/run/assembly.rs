//! What one worker is put together from.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::config::WorkerConfig;
use crate::engine::LLMEngine;
use crate::frontend::Frontend;
use crate::shutdown::Shutdown;
use crate::state::{OnState, WorkerState};

/// The parts of one worker, which its run uses.
pub(crate) struct Assembly {
    pub(crate) engine: Arc<dyn LLMEngine>,
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
