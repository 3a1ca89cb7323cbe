//! The compiled module of the Python package `dynamo_sidecars`: the reference's sidecars for vLLM,
//! SGLang and TensorRT-LLM, each an engine for a worker that was compiled elsewhere.

mod discovered;
mod discovery;
mod errors;
mod kind;
mod runtime;
mod server;
mod worker_config;

use pyo3::prelude::*;

#[pymodule]
mod _sidecars {
    #[pymodule_export]
    use crate::discovered::Discovered;
    #[pymodule_export]
    use crate::discovery::{Discovery, discover};
}
