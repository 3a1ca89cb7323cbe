//! What belongs to the whole process: its environment and its tokio runtime.

use std::io;

use dynamo_runtime::config::RuntimeConfig as RuntimeSettings;

use crate::config::WorkerConfig;

/// Writes what a run needs to the process environment: the configuration's own fields, and
/// defaults where the environment has nothing.
///
/// With `one_process`, as with a frontend in the same process, discovery is `mem` unless something
/// was chosen. What only this process can find then listens on loopback and needs no grace period.
/// The system server listens on loopback always, unless told otherwise.
///
/// Call it before the runtime exists, and with it any thread that might read the environment.
pub fn prepare_environment(config: &WorkerConfig, one_process: bool) {
    config.runtime.apply_to_env();
    if one_process {
        set_default("DYN_DISCOVERY_BACKEND", "mem");
    }
    set_default("DYN_SYSTEM_HOST", LOOPBACK);
    if std::env::var("DYN_DISCOVERY_BACKEND").is_ok_and(|backend| backend == "mem") {
        set_default("DYN_TCP_RPC_HOST", LOOPBACK);
        set_default("DYN_TCP_RESPONSE_STREAM_HOST", LOOPBACK);
        // A worker that failed one request is still the only one.
        set_default("DYN_RUNTIME_INHIBITED_DURATION_SECS", "0");
        // No other process has to learn that this worker goes.
        set_default("DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS", "0");
    }
}

const LOOPBACK: &str = "127.0.0.1";

fn set_default(variable: &str, value: &str) {
    if std::env::var_os(variable).is_none_or(|value| value.is_empty()) {
        set_variable(variable, value);
    }
}

/// Only for those whose callers are told to call them before there are other threads.
pub(crate) fn set_variable(variable: &str, value: &str) {
    // SAFETY: no other thread reads the environment meanwhile, as the callers are told.
    unsafe { std::env::set_var(variable, value) };
}

/// Builds the tokio runtime that Dynamo's settings (`DYN_RUNTIME_*`) describe.
///
/// Keep it for the life of the process: the TCP request plane's server is one for all runs.
pub fn build_tokio_runtime() -> io::Result<tokio::runtime::Runtime> {
    RuntimeSettings::from_settings()
        .map_err(io::Error::other)?
        .tokio_builder()
        .thread_name("dynamo-tokio")
        .build()
}

/// Sets up the runtime's own logging (`DYN_LOG`, `DYN_LOGGING_JSONL`), unless the process has a
/// subscriber already. Only for a process that is the worker's own.
pub fn init_logging() {
    if !tracing::dispatcher::has_been_set() {
        dynamo_runtime::logging::init();
    }
}
