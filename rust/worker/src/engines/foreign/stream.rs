//! The answer of an engine, as a stream of the worker's.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynamo_engine_abi as abi;
use dynamo_engine_abi::{Status, crossing};
use dynamo_llm::protocols::common::llm_backend::LLMEngineOutput;
use dynamo_runtime::error::DynamoError;
use futures::Stream;

use super::check::whole;
use super::chunk;
use super::lent::{Given, bytes, error};
use super::request::LentRequest;
use super::taken::Taken;

type Item = Result<LLMEngineOutput, DynamoError>;

/// The answer to a request. Dropped, it is cancelled.
pub(super) struct Answer {
    stream: Raw,
    table: abi::StreamTable,
    /// What came while it was begun.
    first: Option<Item>,
    is_over: bool,
    // Lent to the stream, and so dropped behind it.
    _request: Arc<LentRequest>,
    engine: Arc<Taken>,
}

struct Raw(abi::Stream);

// SAFETY: a stream's functions may be called on any thread, one at a time.
unsafe impl Send for Raw {}

impl Answer {
    /// Begins it. What an engine refuses at once is an error before there is a stream.
    pub(super) async fn begin(
        engine: Arc<Taken>,
        request: Arc<LentRequest>,
    ) -> Result<Self, DynamoError> {
        let mut answer = Self::open(engine, request)?;
        match poll_fn(|cx| Poll::Ready(answer.read(cx))).await {
            Poll::Ready(Some(Err(error))) => return Err(error),
            Poll::Ready(first) => answer.first = first,
            Poll::Pending => {}
        }
        Ok(answer)
    }

    fn open(engine: Arc<Taken>, request: Arc<LentRequest>) -> Result<Self, DynamoError> {
        let mut stream = abi::Stream::NONE;
        let mut answer = abi::Answer::NONE;
        let status = engine.table.generate.map(|generate| unsafe {
            // SAFETY: the engine is ours, and the request lives as long as the stream.
            generate(engine.data, request.raw(), &mut stream, &mut answer)
        });
        // SAFETY: what a call answers is given to us.
        let given = unsafe { Given::take(answer.text) };
        let table = match status {
            Some(Status::READY) => unsafe { whole(stream.table) }.map_err(|wrong| {
                engine.fault("generate", format_args!("answered a stream {wrong}"))
            })?,
            Some(Status::FAILED) => {
                let message = given.bytes().unwrap_or_default();
                let from = format!("{}.generate", engine.name);
                return Err(error(answer.kind, message, &from));
            }
            other => {
                let other = other.map_or(0, |status| status.0);
                let what = format!("answered the status {other}, which is none of a generate");
                return Err(engine.fault("generate", what));
            }
        };
        if table.poll.is_none() || table.release.is_none() {
            return Err(engine.fault("generate", "answered a stream without poll or release"));
        }
        Ok(Self {
            stream: Raw(stream),
            table,
            first: None,
            is_over: false,
            _request: request,
            engine,
        })
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let (false, Some(poll)) = (self.is_over, self.table.poll) else {
            return Poll::Ready(None);
        };
        let waker = crossing::lend_waker(cx.waker());
        let mut lent = abi::Chunk::EMPTY;
        // SAFETY: the stream is ours, and this is its only call.
        let status = unsafe { poll(self.stream.0.data, &waker, &mut lent) };
        let item = match status {
            // SAFETY: what it points to is lent until the next poll.
            Status::READY => unsafe { chunk::read(&lent) }.map_err(|wrong| {
                self.engine
                    .fault("generate", format_args!("answered a chunk: {wrong}"))
            }),
            Status::PENDING => return Poll::Pending,
            Status::DONE => {
                self.is_over = true;
                return Poll::Ready(None);
            }
            Status::FAILED => {
                let message = unsafe { bytes("message", lent.message) }.unwrap_or_default();
                let from = format!("{}.generate", self.engine.name);
                Err(error(lent.error_kind, message, &from))
            }
            other => {
                let what = format!("answered the status {}, which is none of a poll", other.0);
                Err(self.engine.fault("generate", what))
            }
        };
        self.is_over = item.is_err();
        Poll::Ready(Some(item))
    }
}

impl Stream for Answer {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        self.read(cx)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(release) = self.table.release {
            // SAFETY: the stream is ours, and this is its end.
            unsafe { release(self.stream.0.data) }
        }
    }
}
