//! `dynamo_backend_common._core`: Python engines behind the worker's Rust trait.
//!
//! No lifecycle decision lives here. All Python of an engine runs on the thread of one event loop:
//! Rust posts messages by an [`outbox`] to an [`inbox`], which that thread empties; Python hands chunks over by a
//! [`sink`], under the GIL that it holds already. No other thread takes the GIL for a request.
//!
//! | file | what it is |
//! |---|---|
//! | `worker` | `WorkerCore`: one run, seen from Python |
//! | `python_engine`, `engine` | a Python engine and how its hooks are called, and it as `LLMEngine` |
//! | `process`, `runtime` | what is one for the whole process, and its tokio runtime |
//! | `rust_engine`, `taking` | a Rust engine in a Python handle, and one from elsewhere that gets into it |
//! | `outbox`, `inbox`, `calls` | from Rust to the event loop's thread |
//! | `chunk`, `buffer`, `sink`, `step`, `wakeups` | from Python to Rust: the chunks of requests |
//! | `logging` | the log of the Rust side, to Python's `logging` |
//! | `kv_events`, `publishers`, `metrics`, `adapters` | what a Python engine publishes |
//! | `context`, `signal`, `token_ids` | the context and the prompt of a request |
//! | `testing`, `rust_kit` | engines without a worker, for tests of them |
//! | `vllm` | the output socket of vLLM's engine core, read without Python |
//! | `interpreter_end`, `fork` | threads that end under us, and processes that have none |
//! | `convert` | values, both ways |
//! | `errors` | exceptions, both ways; the only place that makes one of ours |

mod adapters;
mod buffer;
mod calls;
mod chunk;
mod context;
mod convert;
mod engine;
mod errors;
mod fork;
mod inbox;
mod interpreter_end;
mod kv_events;
mod logging;
mod metrics;
mod outbox;
mod process;
mod publishers;
mod python_engine;
mod request_pump;
mod runtime;
mod rust_engine;
mod rust_kit;
mod signal;
mod sink;
mod step;
mod tables;
mod taking;
mod testing;
mod token_ids;
mod vllm;
mod worker;

use dynamo_backend_lifecycle::Stage;
use dynamo_backend_worker::WorkerState;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

// A free-threaded interpreter is to keep the GIL: what the GIL guards here has no other lock.
#[pymodule(gil_used = true)]
mod _core {
    use super::*;

    #[pymodule_export]
    use crate::adapters::AdapterCards;
    #[pymodule_export]
    use crate::context::RequestContext;
    #[pymodule_export]
    use crate::inbox::Inbox;
    #[pymodule_export]
    use crate::kv_events::KvPublisher;
    #[pymodule_export]
    use crate::logging::{flush_log, log_to_python, log_to_stderr};
    #[pymodule_export]
    use crate::metrics::{MetricsCore, MetricsSource};
    #[pymodule_export]
    use crate::process::{
        OwnProcess, address_for_others, check_environment, cleanup_seconds, keep_handlers, prepare,
        without_credentials,
    };
    #[pymodule_export]
    use crate::publishers::{SnapshotPublisher, unread_snapshots};
    #[pymodule_export]
    use crate::rust_engine::{RustEngine, echo_engine};
    #[pymodule_export]
    use crate::rust_kit::check_rust_engine;
    #[pymodule_export]
    use crate::sink::Sink;
    #[pymodule_export]
    use crate::step::{StepReport, StepStream, Steps};
    #[pymodule_export]
    use crate::tables::{ConfigField, EnvironmentVariable, config_fields, environment_variables};
    #[pymodule_export]
    use crate::taking::take_engine;
    #[pymodule_export]
    use crate::testing::{TestConfig, TestContext, TestEngine, TestKvRecord, TestLoop, TestStream};
    #[pymodule_export]
    use crate::token_ids::TokenIds;
    #[pymodule_export]
    use crate::vllm::{OutputSocket, StepRecord, Taken};
    #[pymodule_export]
    use crate::worker::WorkerCore;

    #[pymodule_export]
    const BUILD_PROFILE: &str = dynamo_backend_worker::process::BUILD_PROFILE;
    #[pymodule_export]
    const DYNAMO_VERSION: &str = dynamo_backend_worker::DYNAMO_VERSION;
    #[pymodule_export]
    const HEALTH_CHECK_KEY: &str = dynamo_backend_worker::HEALTH_CHECK_KEY;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        dynamo_backend_handoff::origin::watch()?;
        crate::interpreter_end::watch_forks()?;
        crate::interpreter_end::wait_in_it(py)?;
        module.add("RUST_CHECKS", crate::rust_kit::names(py)?)?;
        module.add(
            "SHUTDOWN_STAGES",
            PyTuple::new(py, Stage::ALL.map(Stage::name))?,
        )?;
        module.add(
            "WORKER_STATES",
            PyTuple::new(py, WorkerState::ALL.map(WorkerState::as_str))?,
        )?;
        TokenIds::register(py)
    }
}
