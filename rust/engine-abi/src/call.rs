//! The types of an engine's functions.

use core::ffi::c_void;

use crate::host::Host;
use crate::lent::Str;
use crate::operation::{Answer, Operation};
use crate::request::Request;
use crate::status::Status;
use crate::stream::Stream;

/// Begins a call with a JSON argument, or none. `READY` and `FAILED`: it is over, and `answer` was
/// written. `PENDING`: `operation` was written; it is polled for the answer, and has no waker yet, so
/// that nothing is missed.
pub type Begin = unsafe extern "C" fn(
    data: *mut c_void,
    argument: Str,
    operation: *mut Operation,
    answer: *mut Answer,
) -> Status;

/// Begins the answer to a request. `READY`: `stream` was written. `FAILED`: `answer` was, and there
/// is no stream. `PENDING` is not accepted: a stream may wait in its first `poll`.
pub type Generate = unsafe extern "C" fn(
    data: *mut c_void,
    request: *const Request,
    stream: *mut Stream,
    answer: *mut Answer,
) -> Status;

/// Gives the engine its host. Called once, before everything else.
pub type Attach = unsafe extern "C" fn(data: *mut c_void, host: *const Host);

/// Tells the engine something, as JSON.
pub type Tell = unsafe extern "C" fn(data: *mut c_void, argument: Str);
