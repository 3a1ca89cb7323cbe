//! A call that takes its time.

use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynamo_engine_abi as abi;
use dynamo_engine_abi::Status;
use dynamo_engine_abi::crossing::KeptWaker;
use serde_json::Value;

use super::entered::Entered;
use crate::engine::Engine;
use crate::error::Error;

/// What a call answers: JSON, or nothing.
pub(crate) type Answered = Result<Option<Value>, Error>;

struct UnderWay<E> {
    entered: Arc<Entered<E>>,
    function: &'static str,
    /// Until it is over.
    future: Option<Pin<Box<dyn Future<Output = Answered> + Send>>>,
    waker: KeptWaker,
}

/// Begins a call: `future` is polled by whoever called.
pub(super) fn begin<E: Engine>(
    entered: Arc<Entered<E>>,
    function: &'static str,
    future: impl Future<Output = Answered> + Send + 'static,
) -> abi::Operation {
    let under_way = UnderWay {
        entered,
        function,
        future: Some(Box::pin(future)),
        waker: KeptWaker::default(),
    };
    abi::Operation {
        table: const { &table::<E>() },
        data: Box::into_raw(Box::new(under_way)).cast(),
    }
}

/// Writes what a call came to.
pub(crate) fn give(answered: Answered, answer: &mut abi::Answer) -> Status {
    match answered {
        Ok(None) => Status::READY,
        Ok(Some(json)) => {
            answer.text = abi::Text::give(json.to_string());
            Status::READY
        }
        Err(error) => {
            answer.kind = error.kind().raw();
            answer.text = abi::Text::give(error.message().to_owned());
            Status::FAILED
        }
    }
}

const fn table<E: Engine>() -> abi::OperationTable {
    abi::OperationTable {
        header: abi::Header::of::<abi::OperationTable>(0),
        poll: Some(poll::<E>),
        release: Some(release::<E>),
    }
}

/// SAFETY: `data` is that of an operation of this type that was not released; calls do not overlap.
unsafe extern "C" fn poll<E: Engine>(
    data: *mut c_void,
    waker: *const abi::Waker,
    answer: *mut abi::Answer,
) -> Status {
    let this = unsafe { &mut *data.cast::<UnderWay<E>>() };
    let answer = unsafe { &mut *answer };
    let Some(future) = &mut this.future else {
        return Status::DONE;
    };
    let Some(waker) = (unsafe { this.waker.of(waker) }) else {
        return give(
            Err(Error::unknown("poll was called without a waker")),
            answer,
        );
    };
    let mut context = Context::from_waker(waker);
    let polled = this
        .entered
        .run(this.function, || future.as_mut().poll(&mut context));
    let answered = match polled {
        Ok(Poll::Pending) => return Status::PENDING,
        Ok(Poll::Ready(answered)) => answered,
        Err(panicked) => Err(panicked),
    };
    this.end();
    give(answered, answer)
}

/// SAFETY: as `poll`; the last call.
unsafe extern "C" fn release<E: Engine>(data: *mut c_void) {
    let mut this = unsafe { Box::from_raw(data.cast::<UnderWay<E>>()) };
    this.end();
}

impl<E: Engine> UnderWay<E> {
    fn end(&mut self) {
        let Some(future) = self.future.take() else {
            return;
        };
        // What a panic would tell has nobody to hear it.
        let _ = self.entered.run(self.function, || drop(future));
    }
}
