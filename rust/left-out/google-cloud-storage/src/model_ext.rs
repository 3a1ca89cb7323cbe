//! Which part of an object is read.

pub struct ReadRange;

impl ReadRange {
    #[must_use]
    pub fn all() -> Self {
        Self
    }

    #[must_use]
    pub fn offset(_bytes: u64) -> Self {
        Self
    }
}
