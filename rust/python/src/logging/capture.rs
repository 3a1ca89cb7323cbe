//! The layer that makes records of `tracing`'s events, on whatever thread they happen. No GIL.

use std::fmt;
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::queue::Queue;
use super::record::{REQUEST_ID, Record, python_level};

pub(super) struct Capture {
    queue: &'static Queue,
    process: u32,
}

impl Capture {
    pub(super) fn new(queue: &'static Queue) -> Self {
        Self {
            queue,
            process: std::process::id(),
        }
    }
}

struct RequestId(Arc<str>);

impl<S> Layer<S> for Capture
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().fields().field(REQUEST_ID).is_none() {
            return;
        }
        let mut found = FindRequestId::default();
        attributes.record(&mut found);
        if let (Some(request_id), Some(span)) = (found.0, context.span(id)) {
            span.extensions_mut().replace(RequestId(request_id));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // A forked child has its parent's queue, but neither its threads nor its event loop.
        if !self.queue.wants(python_level(*event.metadata().level()))
            || self.process != std::process::id()
        {
            return;
        }
        let request_id = context.event_scope(event).and_then(|mut scope| {
            scope.find_map(|span| {
                let extensions = span.extensions();
                extensions.get::<RequestId>().map(|found| found.0.clone())
            })
        });
        self.queue.push(Record::of(event, request_id));
    }
}

#[derive(Default)]
struct FindRequestId(Option<Arc<str>>);

impl Visit for FindRequestId {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == REQUEST_ID {
            self.0 = Some(value.into());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == REQUEST_ID {
            self.0 = Some(format!("{value:?}").into());
        }
    }
}
