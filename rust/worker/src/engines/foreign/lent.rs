//! Reads what an engine lends or gives away, and believes none of it.

use dynamo_engine_abi as abi;
use dynamo_engine_abi::Status;
use dynamo_runtime::error::DynamoError;

use crate::error::{BackendError, backend, kind};

/// What is wrong with what an engine wrote.
pub(super) type Wrong = String;

/// SAFETY of all three: a pointer that is not null points to as many as its length says.
pub(super) unsafe fn bytes<'a>(what: &str, text: abi::Str) -> Result<&'a [u8], Wrong> {
    unsafe { text.get() }.ok_or_else(|| null(what, text.len))
}

pub(super) unsafe fn text<'a>(what: &str, text: abi::Str) -> Result<&'a str, Wrong> {
    let bytes = unsafe { bytes(what, text) }?;
    std::str::from_utf8(bytes).map_err(|error| format!("{what} is not UTF-8: {error}"))
}

/// `None` where there is none.
pub(super) unsafe fn optional<'a>(what: &str, lent: abi::Str) -> Result<Option<&'a str>, Wrong> {
    if lent.is_none() {
        return Ok(None);
    }
    unsafe { text(what, lent) }.map(Some)
}

pub(super) fn null(what: &str, len: usize) -> Wrong {
    format!("{what} is a null pointer with a length of {len}")
}

/// Text that was given to us, and is freed here.
pub(super) struct Given(abi::Text);

impl Given {
    /// # Safety
    ///
    /// The text was given away by whoever wrote it, and to nobody else.
    pub(super) unsafe fn take(text: abi::Text) -> Self {
        Self(text)
    }

    pub(super) fn is_none(&self) -> bool {
        self.0.text.is_none()
    }

    pub(super) fn bytes(&self) -> Result<&[u8], Wrong> {
        // SAFETY: it lives until it is freed.
        unsafe { bytes("the answer's text", self.0.text) }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if let Some(release) = self.0.release {
            // SAFETY: it is ours, and this is its end.
            unsafe { release(self.0.owner) }
        }
    }
}

/// The error of an engine; `from` is where it came from, as `Engine.start`.
pub(super) fn error(kind: abi::ErrorKind, message: &[u8], from: &str) -> DynamoError {
    let message = String::from_utf8_lossy(message);
    match message.trim() {
        "" => backend(known(kind), format!("{from} failed without a message")),
        _ => backend(known(kind), message),
    }
}

fn known(kind: abi::ErrorKind) -> BackendError {
    match kind {
        abi::ErrorKind::INVALID_ARGUMENT => BackendError::InvalidArgument,
        abi::ErrorKind::CANNOT_CONNECT => BackendError::CannotConnect,
        abi::ErrorKind::DISCONNECTED => BackendError::Disconnected,
        abi::ErrorKind::CONNECTION_TIMEOUT => BackendError::ConnectionTimeout,
        abi::ErrorKind::RESPONSE_TIMEOUT => BackendError::ResponseTimeout,
        abi::ErrorKind::CANCELLED => BackendError::Cancelled,
        abi::ErrorKind::ENGINE_SHUTDOWN => BackendError::EngineShutdown,
        abi::ErrorKind::STREAM_INCOMPLETE => BackendError::StreamIncomplete,
        _ => BackendError::Unknown,
    }
}

/// The code of an error's kind.
pub(super) fn code(kind: BackendError) -> abi::ErrorKind {
    match kind {
        BackendError::Unknown => abi::ErrorKind::UNKNOWN,
        BackendError::InvalidArgument => abi::ErrorKind::INVALID_ARGUMENT,
        BackendError::CannotConnect => abi::ErrorKind::CANNOT_CONNECT,
        BackendError::Disconnected => abi::ErrorKind::DISCONNECTED,
        BackendError::ConnectionTimeout => abi::ErrorKind::CONNECTION_TIMEOUT,
        BackendError::ResponseTimeout => abi::ErrorKind::RESPONSE_TIMEOUT,
        BackendError::Cancelled => abi::ErrorKind::CANCELLED,
        BackendError::EngineShutdown => abi::ErrorKind::ENGINE_SHUTDOWN,
        BackendError::StreamIncomplete => abi::ErrorKind::STREAM_INCOMPLETE,
    }
}

/// Writes an error.
///
/// # Safety
///
/// `answer` is null, or that of a call.
pub(super) unsafe fn fail(error: &DynamoError, answer: *mut abi::Answer) -> Status {
    if let Some(answer) = unsafe { answer.as_mut() } {
        answer.kind = code(kind(error));
        answer.text = abi::Text::give(error.message().to_owned());
    }
    Status::FAILED
}
