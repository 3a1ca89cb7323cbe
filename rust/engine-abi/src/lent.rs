//! Texts and lists that are lent.

/// Text in UTF-8, which does not end with a zero byte. Lent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    /// Its bytes; null: there is none.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

/// Ids of tokens. Lent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TokenIds {
    /// The first; null only where there is none.
    pub ptr: *const u32,
    /// How many.
    pub len: usize,
}

/// Numbers, such as log probabilities. Lent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// The first; null only where there is none.
    pub ptr: *const f64,
    /// How many.
    pub len: usize,
}

impl Str {
    /// No text.
    pub const NONE: Self = Self {
        ptr: core::ptr::null(),
        len: 0,
    };

    /// Lends `text`.
    pub const fn lend(text: &str) -> Self {
        Self {
            ptr: text.as_ptr(),
            len: text.len(),
        }
    }

    /// Whether there is none.
    pub const fn is_none(&self) -> bool {
        self.ptr.is_null() && self.len == 0
    }

    /// The bytes that are lent; `None` where a null pointer has a length.
    ///
    /// # Safety
    ///
    /// A pointer that is not null points to as many as `len` says, for as long as `'a`.
    pub const unsafe fn get<'a>(self) -> Option<&'a [u8]> {
        unsafe { list(self.ptr, self.len) }
    }
}

impl TokenIds {
    /// No tokens.
    pub const NONE: Self = Self {
        ptr: core::ptr::null(),
        len: 0,
    };

    /// Lends `ids`.
    pub const fn lend(ids: &[u32]) -> Self {
        Self {
            ptr: ids.as_ptr(),
            len: ids.len(),
        }
    }

    /// What is lent; `None` where a null pointer has a length.
    ///
    /// # Safety
    ///
    /// A pointer that is not null points to as many as `len` says, for as long as `'a`.
    pub const unsafe fn get<'a>(self) -> Option<&'a [u32]> {
        unsafe { list(self.ptr, self.len) }
    }
}

impl Numbers {
    /// No numbers.
    pub const NONE: Self = Self {
        ptr: core::ptr::null(),
        len: 0,
    };

    /// Lends `numbers`.
    pub const fn lend(numbers: &[f64]) -> Self {
        Self {
            ptr: numbers.as_ptr(),
            len: numbers.len(),
        }
    }

    /// What is lent; `None` where a null pointer has a length.
    ///
    /// # Safety
    ///
    /// A pointer that is not null points to as many as `len` says, for as long as `'a`.
    pub const unsafe fn get<'a>(self) -> Option<&'a [f64]> {
        unsafe { list(self.ptr, self.len) }
    }
}

/// SAFETY: a pointer that is not null points to as many as `len` says, for as long as `'a`.
const unsafe fn list<'a, T>(ptr: *const T, len: usize) -> Option<&'a [T]> {
    if len == 0 {
        Some(&[])
    } else if ptr.is_null() {
        None
    } else {
        Some(unsafe { core::slice::from_raw_parts(ptr, len) })
    }
}
