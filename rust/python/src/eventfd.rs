//! A descriptor by which Rust's threads wake one of Python's, without the GIL.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::fork::Origin;

/// Readable from a `wake` to the next time that it is read.
pub(crate) struct EventFd {
    descriptor: OwnedFd,
    origin: Origin,
}

impl EventFd {
    /// One whose reader waits, or, with `EFD_NONBLOCK`, does not.
    pub(crate) fn open(flags: libc::c_int) -> std::io::Result<Self> {
        // SAFETY: eventfd takes no pointer; what it answers is checked and owned from here on.
        unsafe {
            let descriptor = libc::eventfd(0, libc::EFD_CLOEXEC | flags);
            if descriptor < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(Self {
                descriptor: OwnedFd::from_raw_fd(descriptor),
                origin: Origin::here(),
            })
        }
    }

    /// Whether it was opened in this process: a forked child shares it with its parent.
    pub(crate) fn is_ours(&self) -> bool {
        self.origin.is_here()
    }

    /// Wakes whoever waits for it; in a forked child nobody.
    pub(crate) fn wake(&self) {
        if !self.is_ours() {
            return;
        }
        let one = 1_u64;
        // SAFETY: an eventfd takes the 8 bytes of `one`. It fails only where the counter would
        // overflow, and then it is readable all the same.
        unsafe {
            libc::write(self.descriptor.as_raw_fd(), (&raw const one).cast(), 8);
        }
    }

    /// Takes back every `wake` so far.
    pub(crate) fn read(&self) {
        let mut counter = 0_u64;
        // SAFETY: an eventfd gives 8 bytes, or fails because it is not readable.
        unsafe {
            libc::read(self.descriptor.as_raw_fd(), (&raw mut counter).cast(), 8);
        }
    }

    pub(crate) fn number(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}
