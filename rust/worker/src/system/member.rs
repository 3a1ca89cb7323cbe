//! One worker, as the system server sees it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use dynamo_runtime::DistributedRuntime;
use dynamo_runtime::config::HealthStatus;

use crate::config::WorkerConfig;
use crate::controls::Controls;
use crate::health::Readiness;
use crate::metrics::EngineTexts;

/// A worker from the beginning of its run to its end. The cells are filled by the run.
pub(crate) struct Member {
    /// `NAMESPACE.COMPONENT.ENDPOINT`.
    pub(super) path: String,
    endpoint: String,
    pub(crate) readiness: Arc<Readiness>,
    /// The run told that it serves: where it has a frontend, that lists the model.
    announced: AtomicBool,
    /// Where the system server listens; empty where there is none.
    pub(crate) address: OnceLock<SocketAddr>,
    pub(crate) drt: OnceLock<DistributedRuntime>,
    pub(crate) controls: OnceLock<Arc<Controls>>,
    pub(crate) engine_texts: OnceLock<EngineTexts>,
}

impl Member {
    pub(crate) fn new(config: &WorkerConfig) -> Arc<Self> {
        Arc::new(Self {
            path: config.path(),
            endpoint: config.endpoint.clone(),
            readiness: Arc::default(),
            announced: AtomicBool::new(false),
            address: OnceLock::new(),
            drt: OnceLock::new(),
            controls: OnceLock::new(),
            engine_texts: OnceLock::new(),
        })
    }

    pub(crate) fn announce(&self) {
        self.announced.store(true, Ordering::Release);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.why_not_ready().is_none()
    }

    /// Why the worker is not ready; `None` when it is.
    pub(super) fn why_not_ready(&self) -> Option<Cow<'static, str>> {
        if let Some(reason) = self.readiness.why_not() {
            Some(reason)
        } else if !self.announced.load(Ordering::Acquire) {
            Some("the worker's frontend does not list its model yet".into())
        } else if self.canary_fails() {
            Some("the health canary's last probe was not answered well".into())
        } else {
            None
        }
    }

    /// Whether the runtime's canary probes this worker and has not been answered well.
    fn canary_fails(&self) -> bool {
        let Some(drt) = self.drt.get() else {
            return false;
        };
        let health = drt.system_health();
        let health = health.lock();
        health.health_check_enabled()
            && health.get_health_check_target(&self.endpoint).is_some()
            && health.get_endpoint_health_status(&self.endpoint) != Some(HealthStatus::Ready)
    }
}
