//! Registering an adapter's card, as an operation that an engine polls.

use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use dynamo_engine_abi as abi;
use dynamo_engine_abi::crossing::KeptWaker;
use dynamo_engine_abi::{Header, Status};
use dynamo_runtime::error::DynamoError;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::lent::fail;
use crate::adapter_cards::{AdapterCards, CardChanges};
use crate::error::unknown;

struct Registering {
    /// It runs on the worker's own runtime, as an engine polls it outside of that.
    task: AbortOnDropHandle<Result<(), DynamoError>>,
    waker: KeptWaker,
    is_over: bool,
}

pub(super) fn begin(
    cards: AdapterCards,
    runtime: &Handle,
    name: String,
    publish: bool,
) -> abi::Operation {
    let work = async move {
        match publish {
            true => cards.publish(&name).await,
            false => cards.withdraw(&name).await,
        }
    };
    // What an update asks for while it is polled is undone with it.
    let task = runtime.spawn(CardChanges::part_of(CardChanges::current(), work));
    let registering = Registering {
        task: AbortOnDropHandle::new(task),
        waker: KeptWaker::default(),
        is_over: false,
    };
    abi::Operation {
        table: &TABLE,
        data: Box::into_raw(Box::new(registering)).cast(),
    }
}

const TABLE: abi::OperationTable = abi::OperationTable {
    header: Header::of::<abi::OperationTable>(0),
    poll: Some(poll),
    release: Some(release),
};

/// SAFETY: `data` is that of an operation that was begun here; calls do not overlap.
unsafe extern "C" fn poll(
    data: *mut c_void,
    waker: *const abi::Waker,
    answer: *mut abi::Answer,
) -> Status {
    let this = unsafe { &mut *data.cast::<Registering>() };
    if this.is_over {
        return Status::DONE;
    }
    let polled = match unsafe { this.waker.of(waker) } {
        None => Poll::Ready(Err(unknown("poll was called without a waker"))),
        Some(waker) => Pin::new(&mut this.task)
            .poll(&mut Context::from_waker(waker))
            .map(|ended| ended.unwrap_or_else(|ended| Err(unknown(ended.to_string())))),
    };
    let registered = match polled {
        Poll::Pending => return Status::PENDING,
        Poll::Ready(registered) => registered,
    };
    this.is_over = true;
    match registered {
        Ok(()) => Status::READY,
        Err(error) => unsafe { fail(&error, answer) },
    }
}

/// SAFETY: as `poll`; the last call.
unsafe extern "C" fn release(data: *mut c_void) {
    drop(unsafe { Box::from_raw(data.cast::<Registering>()) });
}
