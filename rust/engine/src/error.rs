//! What engines fail with.

use std::fmt;

use dynamo_engine_abi as abi;

/// The kind of an error, by which a frontend decides what to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorKind {
    /// Everything without a kind of its own.
    #[default]
    Unknown,
    /// What was asked for is wrong. Whoever sent the request reads the message.
    InvalidArgument,
    /// Something that is needed cannot be reached.
    CannotConnect,
    /// A connection was lost.
    Disconnected,
    /// A connection could not be made in time.
    ConnectionTimeout,
    /// An answer did not come in time.
    ResponseTimeout,
    /// The request was cancelled.
    Cancelled,
    /// The engine can serve no more. A frontend tries another worker.
    EngineShutdown,
    /// The answer broke off. A frontend tries another worker.
    StreamIncomplete,
}

impl ErrorKind {
    pub(crate) fn raw(self) -> abi::ErrorKind {
        match self {
            Self::Unknown => abi::ErrorKind::UNKNOWN,
            Self::InvalidArgument => abi::ErrorKind::INVALID_ARGUMENT,
            Self::CannotConnect => abi::ErrorKind::CANNOT_CONNECT,
            Self::Disconnected => abi::ErrorKind::DISCONNECTED,
            Self::ConnectionTimeout => abi::ErrorKind::CONNECTION_TIMEOUT,
            Self::ResponseTimeout => abi::ErrorKind::RESPONSE_TIMEOUT,
            Self::Cancelled => abi::ErrorKind::CANCELLED,
            Self::EngineShutdown => abi::ErrorKind::ENGINE_SHUTDOWN,
            Self::StreamIncomplete => abi::ErrorKind::STREAM_INCOMPLETE,
        }
    }

    pub(crate) fn of(raw: abi::ErrorKind) -> Self {
        match raw {
            abi::ErrorKind::INVALID_ARGUMENT => Self::InvalidArgument,
            abi::ErrorKind::CANNOT_CONNECT => Self::CannotConnect,
            abi::ErrorKind::DISCONNECTED => Self::Disconnected,
            abi::ErrorKind::CONNECTION_TIMEOUT => Self::ConnectionTimeout,
            abi::ErrorKind::RESPONSE_TIMEOUT => Self::ResponseTimeout,
            abi::ErrorKind::CANCELLED => Self::Cancelled,
            abi::ErrorKind::ENGINE_SHUTDOWN => Self::EngineShutdown,
            abi::ErrorKind::STREAM_INCOMPLETE => Self::StreamIncomplete,
            _ => Self::Unknown,
        }
    }
}

/// An error: a kind and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// An error of `kind`. An empty message becomes the kind's name.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = if message.is_empty() {
            format!("{kind:?}")
        } else {
            message
        };
        Self { kind, message }
    }

    /// One without a kind of its own.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unknown, message)
    }

    /// What was asked for is wrong; whoever sent the request reads `message`.
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Its message, which is not empty.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
