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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: ErrorType) -> DynamoError {
        DynamoError::builder()
            .error_type(kind)
            .message("what happened")
            .build()
    }

    #[test]
    fn the_kind_and_the_message_stay() {
        for (theirs, kind) in [
            (BackendError::Unknown, ErrorKind::Unknown),
            (BackendError::InvalidArgument, ErrorKind::InvalidArgument),
            (BackendError::CannotConnect, ErrorKind::CannotConnect),
            (BackendError::Disconnected, ErrorKind::Disconnected),
            (
                BackendError::ConnectionTimeout,
                ErrorKind::ConnectionTimeout,
            ),
            (BackendError::ResponseTimeout, ErrorKind::ResponseTimeout),
            (BackendError::Cancelled, ErrorKind::Cancelled),
            (BackendError::EngineShutdown, ErrorKind::EngineShutdown),
            (BackendError::StreamIncomplete, ErrorKind::StreamIncomplete),
        ] {
            let error = ours(of(ErrorType::Backend(theirs)));
            assert_eq!((error.kind(), error.message()), (kind, "what happened"));
        }
    }

    #[test]
    fn a_plain_class_counts_as_the_kind_of_its_name() {
        assert_eq!(kind(&of(ErrorType::Cancelled)), ErrorKind::Cancelled);
        assert_eq!(
            kind(&of(ErrorType::InvalidRequest)),
            ErrorKind::InvalidArgument
        );
        assert_eq!(kind(&of(ErrorType::ResourceExhausted)), ErrorKind::Unknown);
    }
}
