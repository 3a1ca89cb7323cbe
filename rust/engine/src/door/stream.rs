//! The answer to a request.

use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynamo_engine_abi as abi;
use dynamo_engine_abi::crossing::KeptWaker;
use dynamo_engine_abi::{FinishReason, Status};

use super::entered::Entered;
use crate::answer::Answer;
use crate::chunk::Finish;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::request::Request;
use crate::slot::Slot;

type Answering = Pin<Box<dyn Future<Output = Result<Finish, Error>> + Send>>;

struct Generating<E> {
    entered: Arc<Entered<E>>,
    request: Request,
    slot: Arc<Slot>,
    /// Until the answer is over.
    future: Option<Answering>,
    /// What comes after the chunk that was put last.
    last: Option<Result<Finish, Error>>,
    waker: KeptWaker,
}

/// Begins the answer.
///
/// # Safety
///
/// `request` is lent until the stream is released.
pub(super) unsafe fn begin<E: Engine>(
    entered: Arc<Entered<E>>,
    request: *const abi::Request,
) -> abi::Stream {
    let slot = Arc::<Slot>::default();
    let (engine, used) = (entered.clone(), slot.clone());
    let (asked, client) = unsafe { (Request::lent(request), Request::lent(request)) };
    let future: Answering = Box::pin(async move {
        let mut answer = Answer::to(used, client);
        engine.engine().generate(&asked, &mut answer).await
    });
    let generating = Generating {
        entered,
        request: unsafe { Request::lent(request) },
        slot,
        future: Some(future),
        last: None,
        waker: KeptWaker::default(),
    };
    abi::Stream {
        table: const { &table::<E>() },
        data: Box::into_raw(Box::new(generating)).cast(),
    }
}

const fn table<E: Engine>() -> abi::StreamTable {
    abi::StreamTable {
        header: abi::Header::of::<abi::StreamTable>(0),
        poll: Some(poll::<E>),
        release: Some(release::<E>),
    }
}

/// SAFETY: `data` is that of a stream of this type that was not released; calls do not overlap.
unsafe extern "C" fn poll<E: Engine>(
    data: *mut c_void,
    waker: *const abi::Waker,
    chunk: *mut abi::Chunk,
) -> Status {
    let this = unsafe { &mut *data.cast::<Generating<E>>() };
    unsafe { this.poll(waker, &mut *chunk) }
}

/// SAFETY: as `poll`; the last call.
unsafe extern "C" fn release<E: Engine>(data: *mut c_void) {
    let mut this = unsafe { Box::from_raw(data.cast::<Generating<E>>()) };
    this.end();
}

impl<E: Engine> Generating<E> {
    /// SAFETY: `waker` is that of the call.
    unsafe fn poll(&mut self, waker: *const abi::Waker, chunk: &mut abi::Chunk) -> Status {
        if let Some(last) = self.last.take() {
            return self.finish(last, chunk);
        }
        let Some(future) = &mut self.future else {
            return Status::DONE;
        };
        let Some(waker) = (unsafe { self.waker.of(waker) }) else {
            return self.fail(Error::unknown("poll was called without a waker"), chunk);
        };
        self.slot.begin(waker);
        let mut context = Context::from_waker(waker);
        let polled = self
            .entered
            .run("generate", || future.as_mut().poll(&mut context));
        let last = match polled {
            Ok(Poll::Ready(last)) => last,
            Ok(Poll::Pending) if self.slot.is_full() => return self.lend(chunk),
            Ok(Poll::Pending) => {
                let waker = dynamo_engine_abi::crossing::lend_waker(waker);
                if !self.request.poll_stopped(&waker) {
                    return Status::PENDING;
                }
                Ok(Finish::cancelled())
            }
            Err(panicked) => Err(panicked),
        };
        self.end();
        if self.slot.is_full() {
            self.last = Some(last);
            return self.lend(chunk);
        }
        self.finish(last, chunk)
    }

    fn lend(&mut self, chunk: &mut abi::Chunk) -> Status {
        match self.slot.lend(chunk) {
            Ok(()) => Status::READY,
            Err(error) => self.fail(error, chunk),
        }
    }

    fn finish(&mut self, last: Result<Finish, Error>, chunk: &mut abi::Chunk) -> Status {
        match last {
            Ok(finish) => match self.slot.lend_last(finish.reason, finish.chunk, chunk) {
                Ok(()) => Status::READY,
                Err(error) => self.fail(error, chunk),
            },
            Err(error) if error.kind() == ErrorKind::Cancelled && self.request.is_stopped() => {
                chunk.finish_reason = FinishReason::CANCELLED;
                Status::READY
            }
            Err(error) => self.fail(error, chunk),
        }
    }

    fn fail(&mut self, error: Error, chunk: &mut abi::Chunk) -> Status {
        self.end();
        self.last = None;
        self.slot.lend_error(&error, chunk);
        Status::FAILED
    }

    fn end(&mut self) {
        let Some(future) = self.future.take() else {
            return;
        };
        // What a panic would tell has nobody to hear it.
        let _ = self.entered.run("generate", || drop(future));
    }
}
