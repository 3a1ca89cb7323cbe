//! A file descriptor by which threads wake one that waits for it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::mailbox::Bell;
use crate::origin::Origin;

/// Readable from a [`ring`](Bell::ring) to the next [`silence`](Bell::silence).
pub struct EventFd {
    descriptor: OwnedFd,
    origin: Origin,
}

impl EventFd {
    /// One whose reader waits, or, with `EFD_NONBLOCK`, does not.
    ///
    /// # Errors
    ///
    /// The process has no descriptor left.
    pub fn open(flags: libc::c_int) -> io::Result<Self> {
        // SAFETY: eventfd takes no pointer; what it answers is checked and owned from here on.
        unsafe {
            let descriptor = libc::eventfd(0, libc::EFD_CLOEXEC | flags);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self {
                descriptor: OwnedFd::from_raw_fd(descriptor),
                origin: Origin::here(),
            })
        }
    }

    /// Its number.
    pub fn number(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

impl Bell for EventFd {
    /// A forked child shares it with its parent.
    fn is_ours(&self) -> bool {
        self.origin.is_here()
    }

    /// In a forked child it wakes nobody.
    fn ring(&self) {
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

    fn silence(&self) {
        let mut counter = 0_u64;
        // SAFETY: an eventfd gives 8 bytes, or fails because it is not readable.
        unsafe {
            libc::read(self.descriptor.as_raw_fd(), (&raw mut counter).cast(), 8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_readable_from_a_ring_until_it_is_silenced() {
        let bell = EventFd::open(libc::EFD_NONBLOCK).unwrap();
        let is_readable = || {
            let mut poll = libc::pollfd {
                fd: bell.number(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one entry, which lives.
            unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
        };
        assert!(!is_readable());
        bell.ring();
        bell.ring();
        assert!(is_readable());
        bell.silence();
        assert!(!is_readable());
        // Nobody waits.
        bell.silence();
    }
}
