//! A worker whose engine has started.

use std::sync::Arc;
use std::time::Duration;

use dynamo_runtime::DistributedRuntime;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::utils::GracefulTaskGuard;
use parking_lot::Mutex;

use super::connecting::Connected;
use super::host::Host;
use super::publishers::Publishers;
use crate::engine_config::EngineConfig;

/// What the steps from publishing on have.
pub(super) struct StartedWorker {
    pub(super) host: Arc<Host>,
    pub(super) drt: DistributedRuntime,
    pub(super) endpoint: Endpoint,
    pub(super) engine_config: EngineConfig,
    pub(super) load_time: Duration,
    /// What publishing has opened, also where it was dropped midway.
    pub(super) publishers: Mutex<Publishers>,
    /// While it lives, a runtime that is shut down from outside keeps its transports.
    _transports: GracefulTaskGuard,
}

impl StartedWorker {
    pub(super) fn new(
        host: Arc<Host>,
        connected: Connected,
        engine_config: EngineConfig,
        load_time: Duration,
    ) -> Self {
        let Connected { drt, endpoint } = connected;
        Self {
            host,
            _transports: drt.register_graceful_task(),
            drt,
            endpoint,
            engine_config,
            load_time,
            publishers: Mutex::default(),
        }
    }
}
