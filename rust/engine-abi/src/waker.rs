//! Wakers: how one side tells the other that polling again is worth it.

use core::ffi::c_void;

use crate::header::Header;

/// A waker of the side that polls. That of a `poll` is lent for the call; a clone is owned.
///
/// `wake` on a waker whose task is gone does nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Waker {
    /// Its functions.
    pub table: *const WakerTable,
    /// Their first argument.
    pub data: *mut c_void,
}

/// The functions of a [`Waker`], all of which may be called on any thread, several at a time. None is
/// null.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WakerTable {
    /// Size, version, features.
    pub header: Header,
    /// Another owned waker for the same task: what is answered is its `data`.
    pub clone: Option<unsafe extern "C" fn(data: *mut c_void) -> *mut c_void>,
    /// Has the task polled again. The waker stays.
    pub wake: Option<unsafe extern "C" fn(data: *mut c_void)>,
    /// Whether `data` and `other`, of the same table, wake the same task. A false that is wrong costs a clone.
    pub will_wake: Option<unsafe extern "C" fn(data: *mut c_void, other: *mut c_void) -> bool>,
    /// Ends a clone.
    pub release: Option<unsafe extern "C" fn(data: *mut c_void)>,
}
