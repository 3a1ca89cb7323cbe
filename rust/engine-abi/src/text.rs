//! Text that is given away.

use core::ffi::c_void;

use crate::lent::Str;

/// Text that is given away, with what frees it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// The text; it lives until `release`.
    pub text: Str,
    /// What `release` gets.
    pub owner: *mut c_void,
    /// Frees the text, on any thread. Null: nothing is to be freed, as with text in a constant.
    pub release: Option<unsafe extern "C" fn(owner: *mut c_void)>,
}

impl Text {
    /// No text.
    pub const NONE: Self = Self::constant(Str::NONE);

    /// Text that lives as long as the process.
    pub const fn constant(text: Str) -> Self {
        Self {
            text,
            owner: core::ptr::null_mut(),
            release: None,
        }
    }
}
