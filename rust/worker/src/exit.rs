//! Ending the process at once, with last words.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::descendants;

/// Where Kubernetes reads why a container ended.
const TERMINATION_MESSAGE: &str = "/dev/termination-log";

/// How long standard error may take what was left to be written, all of it together.
const PATIENCE: Duration = Duration::from_millis(250);

/// Writes what is left with the function that it gets, a line at a time.
type LeftOver = fn(&mut dyn FnMut(&str));

static LEFT_OVER: OnceLock<LeftOver> = OnceLock::new();

/// Has `hook` called when this crate ends the process at once, so that a log that is kept in memory
/// is not lost: what it writes goes to standard error, before the last words. Only the first of a
/// process counts.
///
/// Any thread of the process may be stuck then: the hook must not wait for a lock, nor for the GIL.
pub fn before_exit(hook: LeftOver) {
    let _ = LEFT_OVER.set(hook);
}

/// Leaves `words` on standard error, and in Kubernetes' termination message where there is one,
/// then ends the process without running anything else of it: no exit hooks, no destructors, no
/// other thread. It needs no lock, no GIL and no reader at the other end of standard error. The
/// processes that it started are killed: nobody is left to end them, and a GPU would stay taken.
pub(crate) fn exit_now(code: i32, words: &str) -> ! {
    if let Some(hook) = LEFT_OVER.get() {
        let mut writer = Writer::new(libc::STDERR_FILENO);
        hook(&mut |line| writer.line(line));
        writer.flush();
    }
    let line = format!("{words}\n");
    write_without_waiting(libc::STDERR_FILENO, line.as_bytes());
    if Path::new(TERMINATION_MESSAGE).exists()
        && let Ok(mut file) = OpenOptions::new().write(true).open(TERMINATION_MESSAGE)
    {
        // Nothing is left to be told if this fails.
        let _ = file.write_all(line.as_bytes());
    }
    descendants::kill();
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

/// Writes lines while there is room for them, in pieces that a pipe takes whole.
struct Writer {
    fd: libc::c_int,
    until: Instant,
    piece: Vec<u8>,
}

impl Writer {
    fn new(fd: libc::c_int) -> Self {
        Self {
            fd,
            until: Instant::now() + PATIENCE,
            piece: Vec::with_capacity(libc::PIPE_BUF),
        }
    }

    fn line(&mut self, line: &str) {
        if self.piece.len() + line.len() >= libc::PIPE_BUF {
            self.flush();
        }
        self.piece.extend_from_slice(line.as_bytes());
        self.piece.push(b'\n');
    }

    fn flush(&mut self) {
        for part in self.piece.chunks(libc::PIPE_BUF) {
            while !has_room(self.fd) && Instant::now() < self.until {
                std::thread::sleep(Duration::from_millis(1));
            }
            if has_room(self.fd) {
                write_without_waiting(self.fd, part);
            }
        }
        self.piece.clear();
    }
}

/// Whether a pipe is less than half full, so that the last words fit as well; true for what is no
/// pipe.
fn has_room(fd: libc::c_int) -> bool {
    let mut unread: libc::c_int = 0;
    // SAFETY: F_GETPIPE_SZ takes no pointer, FIONREAD one to an int.
    unsafe {
        let size = libc::fcntl(fd, libc::F_GETPIPE_SZ);
        size < 0 || libc::ioctl(fd, libc::FIONREAD, &raw mut unread) != 0 || unread < size / 2
    }
}
