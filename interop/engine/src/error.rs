//! Errors of the reference's engines, as kind and message.

use dynamo_backend_common::{BackendError, DynamoError, ErrorType};
use dynamo_engine::{Error, ErrorKind};

/// The error's kind. A plain class of the runtime's counts as the kind of the same name.
pub fn kind(error: &DynamoError) -> ErrorKind {
    match error.error_type() {
        ErrorType::Backend(kind) => backend(kind),
        ErrorType::InvalidArgument | ErrorType::InvalidRequest => ErrorKind::InvalidArgument,
        ErrorType::CannotConnect => ErrorKind::CannotConnect,
        ErrorType::Disconnected => ErrorKind::Disconnected,
        ErrorType::ConnectionTimeout => ErrorKind::ConnectionTimeout,
        ErrorType::ResponseTimeout | ErrorType::DeadlineExceeded => ErrorKind::ResponseTimeout,
        ErrorType::Cancelled => ErrorKind::Cancelled,
        _ => ErrorKind::Unknown,
    }
}

pub(crate) fn ours(error: DynamoError) -> Error {
    Error::new(kind(&error), error.message())
}

fn backend(kind: BackendError) -> ErrorKind {
    match kind {
        BackendError::Unknown => ErrorKind::Unknown,
        BackendError::InvalidArgument => ErrorKind::InvalidArgument,
        BackendError::CannotConnect => ErrorKind::CannotConnect,
        BackendError::Disconnected => ErrorKind::Disconnected,
        BackendError::ConnectionTimeout => ErrorKind::ConnectionTimeout,
        BackendError::ResponseTimeout => ErrorKind::ResponseTimeout,
        BackendError::Cancelled => ErrorKind::Cancelled,
        BackendError::EngineShutdown => ErrorKind::EngineShutdown,
        BackendError::StreamIncomplete => ErrorKind::StreamIncomplete,
    }
}
