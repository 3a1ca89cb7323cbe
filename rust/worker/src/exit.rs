//! Ending the process at once, with last words.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Where Kubernetes reads why a container ended.
const TERMINATION_MESSAGE: &str = "/dev/termination-log";

/// Leaves `words` on standard error, and in Kubernetes' termination message where there is one,
/// then ends the process without running anything else of it: no exit hooks, no destructors, no
/// other thread. It needs no lock, no GIL and no reader at the other end of standard error.
pub(crate) fn exit_now(code: i32, words: &str) -> ! {
    let line = format!("{words}\n");
    write_without_waiting(libc::STDERR_FILENO, line.as_bytes());
    if Path::new(TERMINATION_MESSAGE).exists()
        && let Ok(mut file) = OpenOptions::new().write(true).open(TERMINATION_MESSAGE)
    {
        // Nothing is left to be told if this fails.
        let _ = file.write_all(line.as_bytes());
    }
    // SAFETY: `_exit` takes no pointer and does not return.
    unsafe { libc::_exit(code) }
}

/// Writes what `fd` takes right now: a full pipe must not hold up the exit.
fn write_without_waiting(fd: libc::c_int, bytes: &[u8]) {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: `poll` points to one pollfd, `bytes` to `bytes.len()` readable bytes. A write of at
    // most PIPE_BUF bytes to a pipe that polls writable does not wait.
    unsafe {
        if libc::poll(&mut poll, 1, 0) == 1 && poll.revents & libc::POLLOUT != 0 {
            libc::write(fd, bytes.as_ptr().cast(), bytes.len().min(libc::PIPE_BUF));
        }
    }
}
