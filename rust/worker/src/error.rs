//! The one error type, the runtime's [`DynamoError`], and the only place that makes one.

pub use dynamo_runtime::error::{BackendError, DynamoError, ErrorClass};

/// The kinds that an error may have: all that there are under `Backend`.
pub const KINDS: [BackendError; 9] = [
    BackendError::Unknown,
    BackendError::InvalidArgument,
    BackendError::CannotConnect,
    BackendError::Disconnected,
    BackendError::ConnectionTimeout,
    BackendError::ResponseTimeout,
    BackendError::Cancelled,
    BackendError::EngineShutdown,
    BackendError::StreamIncomplete,
];

/// An error of `kind` under `Backend`, as a client of the worker receives it.
///
/// The message of an `InvalidArgument` is shown to whoever sent the request; every other only
/// reaches logs.
pub fn backend(kind: BackendError, message: impl Into<String>) -> DynamoError {
    let message = message.into();
    let builder = DynamoError::builder().class(ErrorClass::Backend(kind));
    match kind {
        BackendError::InvalidArgument => builder.public_message(message.clone()),
        _ => builder,
    }
    .message(message)
    .build()
}

/// What the user wrote is wrong.
pub fn invalid_argument(message: impl Into<String>) -> DynamoError {
    backend(BackendError::InvalidArgument, message)
}

/// An engine has no such control.
pub(crate) fn no_control(engine: &str, name: &str) -> DynamoError {
    invalid_argument(format!("{engine} supports no control '{name}'"))
}

/// An engine has no such update.
pub(crate) fn no_update(engine: &str, name: &str) -> DynamoError {
    invalid_argument(format!("{engine} supports no update '{name}'"))
}

/// Something the worker needs cannot be reached.
pub fn cannot_connect(message: impl Into<String>) -> DynamoError {
    backend(BackendError::CannotConnect, message)
}

/// Everything without a kind of its own.
pub fn unknown(message: impl Into<String>) -> DynamoError {
    backend(BackendError::Unknown, message)
}

/// The error's kind: its class under `Backend`, where a plain class of the runtime counts as the
/// kind of the same name.
pub fn kind(error: &DynamoError) -> BackendError {
    match error.error_type() {
        ErrorClass::Backend(kind) => kind,
        ErrorClass::InvalidArgument | ErrorClass::InvalidRequest => BackendError::InvalidArgument,
        ErrorClass::CannotConnect => BackendError::CannotConnect,
        ErrorClass::Disconnected => BackendError::Disconnected,
        ErrorClass::ConnectionTimeout => BackendError::ConnectionTimeout,
        ErrorClass::ResponseTimeout | ErrorClass::DeadlineExceeded => BackendError::ResponseTimeout,
        ErrorClass::Cancelled => BackendError::Cancelled,
        _ => BackendError::Unknown,
    }
}

/// Puts the step that failed in front of an error's message, and keeps its kind.
pub(crate) fn at_step(step: &str, error: DynamoError) -> DynamoError {
    backend(kind(&error), format!("{step}: {}", error.message()))
}
