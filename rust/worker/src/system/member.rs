//! One worker, as the system server sees it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use dynamo_backend_lifecycle::canary::Vitals;
use dynamo_runtime::DistributedRuntime;

use crate::config::WorkerConfig;
use crate::controls::{Controls, Status};
use crate::discovery::Readiness;
use crate::metrics::EngineTexts;
use crate::turns::Turns;

/// A worker from the beginning of its run to its end. The cells are filled by the run.
pub(crate) struct Member {
    /// `NAMESPACE.COMPONENT.ENDPOINT`.
    pub(super) path: String,
    pub(crate) readiness: Arc<Readiness>,
    /// What the engine has shown of its health; empty where it is not probed.
    pub(crate) vitals: OnceLock<Arc<Vitals>>,
    /// The run told that it serves: where it has a frontend, that lists the model.
    announced: AtomicBool,
    /// How many requests the engine has at a time.
    pub(crate) turns: Turns,
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
            readiness: Arc::default(),
            vitals: OnceLock::new(),
            announced: AtomicBool::new(false),
            turns: Turns::configured(config),
            address: OnceLock::new(),
            drt: OnceLock::new(),
            controls: OnceLock::new(),
            engine_texts: OnceLock::new(),
        })
    }

    pub(crate) fn announce(&self) {
        self.announced.store(true, Ordering::Release);
    }

    /// What the worker does with requests.
    pub(crate) fn status(&self) -> Status {
        self.controls
            .get()
            .map_or(Status::STARTING, |controls| controls.status())
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.why_not_ready().is_none()
    }

    /// Why the worker is not ready; `None` when it is.
    pub(super) fn why_not_ready(&self) -> Option<Cow<'static, str>> {
        if let Some(reason) = self.readiness.why_not() {
            Some(reason)
        } else if !self.announced.load(Ordering::Acquire) {
            Some("the worker, or the frontend in its process, is not up yet".into())
        } else if self.vitals.get().is_some_and(|vitals| !vitals.is_well()) {
            Some(
                "the engine has not answered the health canary or a request since it started, or \
                 since a probe failed"
                    .into(),
            )
        } else {
            None
        }
    }
}
