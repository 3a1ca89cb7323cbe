//! What a table begins with.

/// The major version of this interface.
pub const MAJOR: u16 = 0;

/// The minor version of this interface.
pub const MINOR: u16 = 1;

/// Both in one number, which the `__dynamo_engine__` of a Python object gets.
pub const VERSION: u32 = (MAJOR as u32) << 16 | MINOR as u32;

/// The oldest minor version of engines that a host of this version takes.
pub const OLDEST_MINOR: u16 = 1;

/// Of the 64 features these must be understood: who finds one that it does not know refuses the
/// table. Others that it does not know mean nothing to it.
pub const REQUIRED_FEATURES: u64 = 0xffff_ffff_0000_0000;

/// What a table begins with.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the table, this header included, as its maker knows it.
    pub size: u32,
    /// Major version of the interface that its maker was compiled for.
    pub major: u16,
    /// Minor version of it.
    pub minor: u16,
    /// What the maker has, or asks for, beyond what every one does: a bit each. Those in
    /// [`REQUIRED_FEATURES`] must be understood.
    pub features: u64,
}

impl Header {
    /// That of a table of the type `T`, for this version.
    pub const fn of<T>(features: u64) -> Self {
        Self {
            size: size_of::<T>() as u32,
            major: MAJOR,
            minor: MINOR,
            features,
        }
    }
}
