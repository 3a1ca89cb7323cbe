//! An engine that was taken, and what lives as long as it does.

use std::any::Any;
use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use dynamo_engine_abi as abi;
use dynamo_runtime::error::DynamoError;

use super::host::HostData;
use super::lent::{Given, error};
use crate::error::unknown;

/// An engine that is ours. Its streams and operations hold it, so that it is released behind them.
pub(super) struct Taken {
    pub(super) table: abi::EngineTable,
    pub(super) data: *mut c_void,
    pub(super) name: Arc<str>,
    pub(super) host: Arc<HostData>,
    /// What the engine is lent of it.
    lent: abi::Host,
    /// What the engine's library needs.
    _keep: Box<dyn Any + Send + Sync>,
}

// SAFETY: an engine's functions may be called on any thread, several at a time where they are.
unsafe impl Send for Taken {}
// SAFETY: as above.
unsafe impl Sync for Taken {}

impl Taken {
    /// Takes the engine, and gives it its host.
    ///
    /// # Safety
    ///
    /// The table was checked, and nobody else has the engine.
    pub(super) unsafe fn attach(
        table: abi::EngineTable,
        data: *mut c_void,
        name: String,
        keep: Box<dyn Any + Send + Sync>,
    ) -> Arc<Self> {
        let name: Arc<str> = name.into();
        let host = HostData::of(name.clone());
        let taken = Arc::new(Self {
            table,
            data,
            lent: HostData::lend(&host),
            host,
            name,
            _keep: keep,
        });
        if let Some(attach) = table.attach {
            unsafe { attach(data, &taken.lent) }
        }
        taken
    }

    /// What went wrong in one of its functions, that is no error of its own.
    pub(super) fn fault(&self, function: &str, what: impl fmt::Display) -> DynamoError {
        unknown(format!("{}.{function} {what}", self.name))
    }

    /// The engine's own metrics.
    pub(super) fn metrics_text(&self) -> Result<String, DynamoError> {
        let mut answer = abi::Answer::NONE;
        let Some(make) = self.table.metrics_text else {
            return Ok(String::new());
        };
        let status = unsafe { make(self.data, &mut answer) };
        // SAFETY: it was given to us.
        let given = unsafe { Given::take(answer.text) };
        let bytes = given
            .bytes()
            .map_err(|wrong| self.fault("metrics_text", format_args!("answered: {wrong}")))?;
        match status {
            abi::Status::READY => String::from_utf8(bytes.to_vec())
                .map_err(|_| self.fault("metrics_text", "answered text that is not UTF-8")),
            abi::Status::FAILED => {
                let from = format!("{}.metrics_text", self.name);
                Err(error(answer.kind, bytes, &from))
            }
            other => Err(self.fault(
                "metrics_text",
                format_args!("answered the status {}", other.0),
            )),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(release) = self.table.release {
            // SAFETY: no stream and no operation is left, as each holds it.
            unsafe { release(self.data) }
        }
    }
}
