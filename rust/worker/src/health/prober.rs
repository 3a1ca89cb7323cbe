//! Probes the engine with the same `generate` as traffic.
//!
//! In the place of the runtime's canary, which takes a first chunk for health, sends probe after
//! probe into an engine that hangs, and keeps engine and runtime for the life of the process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_backend_environment::DYN_HEALTH_CHECK_ENABLED;
use dynamo_backend_lifecycle::canary::{Probed, Times, Vitals, keep_probing};
use dynamo_runtime::config::RuntimeConfig as RuntimeSettings;
use dynamo_runtime::engine::AsyncEngineContextProvider;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::pipeline::SingleIn;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::probed::Answers;
use crate::config::RuntimeConfig;
use crate::discovery::Readiness;
use crate::engine::RequestContext;
use crate::error::{invalid_argument, unknown};

/// Written in place of the value. For the runtime it is `false`; a program that sets the variable
/// again between two runs is told apart by its blank.
const TAKEN_OVER: &str = "false ";

static ENABLED: Mutex<Option<bool>> = Mutex::new(None);

/// Keeps the configured value for this crate's prober, and switches the runtime's canary off.
///
/// Called again it finds what was kept, and takes what was set in between. A value that the runtime
/// cannot read is left to the runtime, which names it.
pub(crate) fn take_over() {
    if DYN_HEALTH_CHECK_ENABLED
        .value()
        .is_some_and(|value| value == TAKEN_OVER)
    {
        return;
    }
    if let Ok(settings) = RuntimeSettings::from_settings() {
        *ENABLED.lock() = Some(settings.health_check_enabled);
        switch_off();
    }
}

/// Switches the runtime's canary off, also where its variable cannot be read.
pub(crate) fn switch_off() {
    DYN_HEALTH_CHECK_ENABLED.set(TAKEN_OVER);
}

/// How often the engine is to be probed; `None` where it is not.
pub(crate) fn times(config: &RuntimeConfig) -> Result<Option<Times>, DynamoError> {
    let settings = RuntimeSettings::from_settings()
        .map_err(|error| invalid_argument(format!("health canary: {error:#}")))?;
    let of_environment = ENABLED.lock().unwrap_or(settings.health_check_enabled);
    let wait = settings.canary_wait_time_secs;
    let timeout = settings.health_check_request_timeout_secs;
    let times = Times {
        wait: Duration::from_secs(config.canary_wait_seconds.unwrap_or(wait)),
        timeout: Duration::from_secs(config.health_check_timeout_seconds.unwrap_or(timeout)),
    };
    let is_enabled = config.health_check_enabled.unwrap_or(of_environment);
    Ok(is_enabled.then_some(times))
}

/// How long what a probe calls of the engine may take to be dropped. Longer takes only an engine that
/// blocks its thread.
const LETTING_GO: Duration = Duration::from_secs(1);

/// Probes until it is dropped.
pub(crate) struct Prober {
    task: AbortOnDropHandle<()>,
    asking: TaskTracker,
}

impl Prober {
    pub(crate) fn start<E: Answers + ?Sized>(
        engine: Arc<E>,
        payload: Value,
        readiness: Arc<Readiness>,
        vitals: Arc<Vitals>,
        times: Times,
    ) -> Self {
        let asking = TaskTracker::new();
        let probe = Probe {
            engine,
            payload,
            readiness,
            asking: asking.clone(),
        };
        let probing = async move { keep_probing(&probe, &vitals, times).await };
        Self {
            task: AbortOnDropHandle::new(tokio::spawn(probing)),
            asking,
        }
    }

    /// Ends probing, and with it a probe or the abort of one that is under way.
    pub(crate) async fn end(self) {
        drop(self.task);
        self.asking.close();
        // Beyond that nothing can be done about it.
        let _ = timeout(LETTING_GO, self.asking.wait()).await;
    }
}

struct Probe<E: ?Sized> {
    engine: Arc<E>,
    payload: Value,
    readiness: Arc<Readiness>,
    asking: TaskTracker,
}

#[async_trait]
impl<E: Answers + ?Sized> Probed for Probe<E> {
    async fn awake(&self) {
        self.readiness.canary_goes_on().await
    }

    async fn asleep(&self) {
        self.readiness.canary_pauses().await
    }

    async fn probe(&self, give_up: &CancellationToken) -> Result<(), String> {
        // A task of its own: an engine that blocks its thread must not hold up the clock.
        let asking = ask(self.engine.clone(), self.payload.clone(), give_up.clone());
        match AbortOnDropHandle::new(self.asking.spawn(asking)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(crash) => Err(format!("the probe crashed: {crash}")),
        }
    }
}

/// Asks the engine once. It is nobody's request: it is in no count, and no shutdown waits for it.
async fn ask<E: Answers + ?Sized>(
    engine: Arc<E>,
    payload: Value,
    give_up: CancellationToken,
) -> Result<(), DynamoError> {
    let runtime_context = SingleIn::new(()).context();
    let context = RequestContext::new(runtime_context.clone(), Default::default());
    tokio::select! {
        biased;
        answer = engine.answer_to(payload, context.clone()) => return answer,
        () = give_up.cancelled() => {}
    }
    runtime_context.stop_generating();
    engine.give_up(context).await;
    Err(unknown("it was given up"))
}

#[cfg(test)]
mod tests;
