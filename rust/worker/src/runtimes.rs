//! The tokio runtimes of the process.

use std::io;

use dynamo_runtime::config::RuntimeConfig as RuntimeSettings;

/// Builds the tokio runtime that Dynamo's settings (`DYN_RUNTIME_*`) describe.
///
/// Keep it for the life of the process: the TCP request plane's server is one for all runs.
pub fn build_tokio_runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio_runtime("dynamo-tokio")
}

/// The threads of the frontend in the process.
pub(crate) fn build_frontend_runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio_runtime("dynamo-frontend")
}

fn tokio_runtime(thread_name: &str) -> io::Result<tokio::runtime::Runtime> {
    RuntimeSettings::from_settings()
        .map_err(io::Error::other)?
        .tokio_builder()
        .thread_name(thread_name)
        .build()
}

/// The small runtime that spans are sent on.
pub(crate) fn build_export_runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("dynamo-traces")
        .enable_all()
        .build()
}
