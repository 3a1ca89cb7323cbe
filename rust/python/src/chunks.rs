//! The stream of one request of a Python engine, from the message that asks for it to its end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dynamo_backend_worker::{DynamoError, RequestContext};
use futures::Stream;
use pyo3::intern;
use pyo3::prelude::*;
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::buffer::Reader;
use crate::calls::EventLoop;
use crate::chunk::Chunk;
use crate::context;
use crate::python_engine::PythonEngine;
use crate::request_pump::RequestPump;
use crate::sink::Sink;

/// What a generator has for ending after its last chunk.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// The chunks of one request, each as `T`. Dropped, it tells the pump that brings them.
pub(crate) struct Chunks<T> {
    items: Reader,
    read: fn(Chunk) -> T,
    exhausted: bool,
    pump: RequestPump,
    event_loop: EventLoop,
    _ended: DropGuard,
}

impl<T> Chunks<T> {
    /// Has the engine's `generate` called, on the event loop's thread, with what `request` makes there;
    /// `read` makes of a chunk what the stream gives. `has_steps`: a step loop may push to it.
    pub(crate) fn ask(
        engine: &PythonEngine,
        context: RequestContext,
        has_steps: bool,
        request: impl for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send + 'static,
        read: fn(Chunk) -> T,
    ) -> Self {
        let pump = RequestPump::default();
        let (sink, items) = Sink::open(
            engine.reading.clone(),
            context.clone(),
            engine.event_loop.clone(),
            &pump,
        );
        let ended = CancellationToken::new();

        let (bridge, slot) = (engine.bridge.clone(), pump.clone());
        let mut seen =
            context::RequestContext::new(context, engine.event_loop.clone(), ended.clone());
        if has_steps {
            seen = seen.with_stream(sink.writer(), engine.reading.clone());
        }
        engine.event_loop.outbox.post(move |py| {
            let request = match request(py) {
                Ok(request) => request,
                Err(failed) => {
                    sink.fail(failed.value(py));
                    slot.set(None);
                    return Ok(());
                }
            };
            let pump = bridge
                .bind(py)
                .call_method1(intern!(py, "serve"), (request, seen, sink))?;
            slot.set(pump.extract()?);
            Ok(())
        });
        Self {
            items,
            read,
            exhausted: false,
            pump,
            event_loop: engine.event_loop.clone(),
            _ended: ended.drop_guard(),
        }
    }
}

impl<T> Stream for Chunks<T> {
    type Item = Result<T, DynamoError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = std::task::ready!(self.items.poll(cx));
        let (item, is_last) = match polled {
            Some(Ok(chunk)) => {
                let is_last = chunk.is_terminal();
                (Some(Ok((self.read)(chunk))), is_last)
            }
            Some(Err(error)) => (Some(Err(*error)), true),
            None => (None, true),
        };
        self.exhausted |= is_last;
        Poll::Ready(item)
    }
}

impl<T> Drop for Chunks<T> {
    fn drop(&mut self) {
        let (pump, event_loop) = (std::mem::take(&mut self.pump), self.event_loop.clone());
        // Mostly it ends at about the same time.
        match (self.exhausted, Handle::try_current()) {
            _ if pump.has_ended() => {}
            (true, Ok(runtime)) => {
                runtime.spawn(async move {
                    tokio::time::sleep(LAST_MOMENT).await;
                    if !pump.has_ended() {
                        event_loop.outbox.post(move |py| pump.overstays(py));
                    }
                });
            }
            _ => event_loop.outbox.post(move |py| pump.cancel(py)),
        }
    }
}
