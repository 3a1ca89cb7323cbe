//! The layer that makes records of `tracing`'s events, on whatever thread they happen. No GIL.

use dynamo_backend_handoff::origin::Origin;
use dynamo_backend_worker::trace::DistributedTraceContext;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::queue::Queue;
use super::record::{Record, python_level};
use super::request::{REQUEST_ID, Request};

pub(super) struct Capture {
    queue: &'static Queue,
    origin: Origin,
}

impl Capture {
    pub(super) fn new(queue: &'static Queue) -> Self {
        Self {
            queue,
            origin: Origin::here(),
        }
    }
}

impl<S> Layer<S> for Capture
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().fields().field(REQUEST_ID).is_none() {
            return;
        }
        let mut found = Request::default();
        attributes.record(&mut found);
        if let (Some(_), Some(span)) = (&found.id, context.span(id)) {
            span.extensions_mut().replace(found);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // A forked child has its parent's queue, but neither its threads nor its event loop.
        if !self.queue.wants(python_level(*event.metadata().level())) || !self.origin.is_here() {
            return;
        }
        let request = context.event_scope(event).and_then(|mut scope| {
            scope.find_map(|span| {
                let extensions = span.extensions();
                let mut request = extensions.get::<Request>()?.clone();
                // Where spans are exported: also of a trace that began here.
                if let Some(trace) = extensions.get::<DistributedTraceContext>() {
                    request.trace_id = Some(trace.trace_id.as_str().into());
                }
                Some(request)
            })
        });
        self.queue
            .push(Record::of(event, request.unwrap_or_default()));
    }
}
