//! A call that takes its time, and what it comes to.

use core::ffi::c_void;

use crate::header::Header;
use crate::status::{ErrorKind, Status};
use crate::text::Text;
use crate::waker::Waker;

/// What a call came to. Who calls hands one in, of which nothing is set, and reads it where the
/// status is `READY` or `FAILED`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// With `READY` the answer, mostly JSON, or none; with `FAILED` the error's message. Given away.
    pub text: Text,
    /// With `FAILED` the error's kind.
    pub kind: ErrorKind,
}

impl Answer {
    /// Nothing yet.
    pub const NONE: Self = Self {
        text: Text::NONE,
        kind: ErrorKind::UNKNOWN,
    };
}

/// A call that is under way. It belongs to who began it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Its functions.
    pub table: *const OperationTable,
    /// Their first argument.
    pub data: *mut c_void,
}

impl Operation {
    /// None.
    pub const NONE: Self = Self {
        table: core::ptr::null(),
        data: core::ptr::null_mut(),
    };
}

/// The functions of an [`Operation`], which are never called at the same time. None is null.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OperationTable {
    /// Size, version, features.
    pub header: Header,
    /// `PENDING`, or what the call came to: `READY` or `FAILED`.
    pub poll: Option<
        unsafe extern "C" fn(data: *mut c_void, waker: *const Waker, answer: *mut Answer) -> Status,
    >,
    /// Frees it, and cancels what is under way. The last call.
    pub release: Option<unsafe extern "C" fn(data: *mut c_void)>,
}
