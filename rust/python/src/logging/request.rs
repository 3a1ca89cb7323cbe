//! Whose request the log speaks of.

use std::fmt;
use std::sync::Arc;

use tracing::field::{Field, Visit};

/// The field by which an event, or the runtime's span of a request, names the request.
pub(super) const REQUEST_ID: &str = "request_id";
/// The field by which the runtime's span of a request names the trace.
pub(super) const TRACE_ID: &str = "trace_id";

/// What a span knows of its request.
#[derive(Clone, Default)]
pub(super) struct Request {
    pub(super) id: Option<Arc<str>>,
    pub(super) trace_id: Option<Arc<str>>,
}

impl Visit for Request {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            REQUEST_ID => self.id = Some(value.into()),
            TRACE_ID => self.trace_id = Some(value.into()),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if matches!(field.name(), REQUEST_ID | TRACE_ID) {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}
