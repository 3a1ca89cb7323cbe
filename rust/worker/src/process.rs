//! What the environment and the log of the whole process must be for a worker.

use std::path::Path;

use dynamo_backend_environment::{
    DYN_DISCOVERY_BACKEND, DYN_EVENT_PLANE_HOST, DYN_FILE_KV,
    DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS, DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS,
    DYN_RUNTIME_INHIBITED_DURATION_SECS, DYN_SYSTEM_HOST, DYN_TCP_RESPONSE_STREAM_HOST,
    DYN_TCP_RPC_HOST, DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT,
};
use dynamo_runtime::config::{ConsoleLogFormat, console_log_format, use_local_timezone};
use dynamo_runtime::error::DynamoError;

use crate::config::{RuntimeConfig, WorkerConfig};
pub use crate::credentials::without as without_credentials;
pub use crate::runtimes::build_tokio_runtime;
use crate::{credentials, health, home, hosts, system, trace, turns};

const LOOPBACK: &str = "127.0.0.1";

/// Who finds the workers of this process, where the operator did not choose a discovery backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Whoever the runtime's own default reaches.
    Cluster,
    /// One frontend in this process: discovery is `mem`.
    Process,
    /// One frontend in this process, beside several workers: discovery is `file`, in this folder.
    SharedProcess(&'a Path),
}

/// How this was compiled: a debug build is slow, and has other defaults.
pub const BUILD_PROFILE: &str = if cfg!(debug_assertions) {
    "debug"
} else {
    "release"
};

/// The address that the runtime gives others for requests, of the environment as it is. Writes to it,
/// as [`prepare_environment`] does.
///
/// # Errors
///
/// `InvalidArgument` that names the variable with which the runtime could not listen.
pub fn address_for_others() -> Result<String, DynamoError> {
    hosts::resolve_names();
    hosts::for_others()
}

/// Writes what a run needs to the process environment: what
/// [`RuntimeConfig::apply_to_env`](crate::RuntimeConfig::apply_to_env) writes for Dynamo's runtime, and
/// defaults where the environment has nothing. What only this process can find listens on loopback and needs no grace
/// period.
///
/// A home that cannot be written to is another one afterwards, as Dynamo keeps files below it. Host
/// names become addresses, as the runtime does not resolve them.
///
/// Call it before the runtime exists, and with it any thread that might read the environment.
pub fn prepare_environment(config: &WorkerConfig, scope: Scope<'_>) {
    config.runtime.write_for_the_runtime();
    home::provide();
    if scope != Scope::Cluster {
        // The worker's shutdown says how long the frontend in its process waits.
        DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS.set_default("86400");
    }
    let chosen = DYN_DISCOVERY_BACKEND.text().unwrap_or_default();
    let alone = match (scope, chosen.as_str()) {
        (Scope::Process, "") => {
            DYN_DISCOVERY_BACKEND.set("mem");
            true
        }
        (Scope::SharedProcess(folder), "") => {
            DYN_DISCOVERY_BACKEND.set("file");
            DYN_FILE_KV.set_default(&folder.to_string_lossy());
            true
        }
        (_, chosen) => chosen == "mem",
    };
    if alone {
        DYN_TCP_RPC_HOST.set_default(LOOPBACK);
        DYN_TCP_RESPONSE_STREAM_HOST.set_default(LOOPBACK);
        DYN_EVENT_PLANE_HOST.set_default(LOOPBACK);
        // A worker that failed one request is still the only one.
        DYN_RUNTIME_INHIBITED_DURATION_SECS.set_default("0");
        // No other process has to learn that this worker goes.
        DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS.set_default("0");
    }
    hosts::resolve_names();
}

/// Keeps for the worker what the runtime would act on too, and switches that off there:
/// `DYN_SYSTEM_PORT`, `DYN_HEALTH_CHECK_ENABLED`, and the limit of requests
/// (`DYN_ENGINE_REQUEST_LIMIT`, `DYN_DYNAMO_REQUEST_QUEUE_LIMIT`).
///
/// [`RuntimeConfig::apply_to_env`](crate::RuntimeConfig::apply_to_env) does it; between two runs it
/// takes what the program has set meanwhile.
pub fn take_over() {
    system::take_over();
    health::take_over();
    turns::take_over();
}

impl RuntimeConfig {
    /// Writes the fields that Dynamo's runtime reads to the process environment, where they are set, and
    /// has the environment serve a [`Worker`](crate::Worker): the system server and the health canary are the worker's own and
    /// not the runtime's, the server listens on loopback unless `DYN_SYSTEM_HOST` says otherwise, and
    /// credentials inside the addresses of etcd and NATS move to the variables that there are for
    /// them, as the runtime logs the addresses.
    ///
    /// Call it before the runtime, and with it any thread that might read the environment, exists.
    pub fn apply_to_env(&self) {
        self.write_for_the_runtime();
        // For Dynamo's own `Worker`, in a program that has one. A worker here has its field.
        if let Some(seconds) = self.shutdown_timeout_seconds {
            DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT.set(&seconds.to_string());
        }
    }

    fn write_for_the_runtime(&self) {
        credentials::take_out();
        DYN_SYSTEM_HOST.set_default(LOOPBACK);
        take_over();
        if self.health_check_enabled.is_some() {
            health::switch_off();
        }
        for (variable, value) in self.pairs() {
            if let Some(value) = value {
                variable.set(value);
            }
        }
    }
}

/// Whether the runtime's own log is lines of JSON (`DYN_LOGGING_CONSOLE_FORMAT`,
/// `DYN_LOGGING_JSONL`).
pub fn logs_json() -> bool {
    console_log_format() == ConsoleLogFormat::Jsonl
}

/// Whether the times in the runtime's own log are local (`DYN_LOG_USE_LOCAL_TZ`).
pub fn logs_local_time() -> bool {
    use_local_timezone()
}

/// Sets up the runtime's own logging (`DYN_LOG`, `DYN_LOGGING_JSONL`), unless the process has a
/// subscriber already. Only for a process that is the worker's own, and before it has threads that
/// read the environment.
pub fn init_logging() {
    if !tracing::dispatcher::has_been_set() {
        if trace::is_asked_for() {
            trace::runtime_begins();
        }
        dynamo_runtime::logging::init();
    }
}
