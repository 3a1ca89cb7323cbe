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
}
