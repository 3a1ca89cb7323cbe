//! The answer to a request, chunk by chunk.

use core::ffi::c_void;

use crate::chunk::Chunk;
use crate::header::Header;
use crate::status::Status;
use crate::waker::Waker;

/// The answer to a request. It belongs to the host, from the `generate` that answered `READY` on.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Its functions.
    pub table: *const StreamTable,
    /// Their first argument.
    pub data: *mut c_void,
}

impl Stream {
    /// None.
    pub const NONE: Self = Self {
        table: core::ptr::null(),
        data: core::ptr::null_mut(),
    };
}

/// The functions of a [`Stream`], which are never called at the same time. None is null.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StreamTable {
    /// Size, version, features.
    pub header: Header,
    /// `READY`: `chunk` was written. `FAILED`: the answer ends with the error in `chunk`. `DONE`:
    /// nothing more comes. `PENDING`: not yet.
    ///
    /// Exactly one chunk has a finish reason, or there is an error, and it is the last: a `poll`
    /// after it answers `DONE`. When the request is stopped, the last one is `CANCELLED`.
    pub poll: Option<
        unsafe extern "C" fn(data: *mut c_void, waker: *const Waker, chunk: *mut Chunk) -> Status,
    >,
    /// Frees it, and cancels what is under way. The last call; from its return on nothing may be
    /// read of the request.
    pub release: Option<unsafe extern "C" fn(data: *mut c_void)>,
}
