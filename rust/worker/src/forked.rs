//! What a child that the engine forks must not keep: the sockets of the worker's.
//!
//! A copy of a process has all its descriptors. When the worker is killed, its ports would stay taken
//! for as long as the child lives, and whoever is connected would wait for answers. Programs that are
//! started anew have none of them: all are close-on-exec.
//!
//! Whose a socket is, the kernel knows: tokio's reactor watches the worker's, the frontend's and the
//! runtime's, and nothing of what the engine opens outside tokio.

use std::fs;
use std::io::{self, Cursor, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::io::unix::AsyncFd;

/// The reactor's epoll instance; -1 where it is not known.
static REACTOR: AtomicI32 = AtomicI32::new(-1);

/// From now on children that are forked from this process close the sockets of the tokio runtime
/// that the caller is inside of. Where it cannot be found out which these are, they keep them.
pub(crate) fn close_sockets_of_this_runtime() {
    static REGISTERED: Once = Once::new();
    match reactor() {
        Ok(reactor) => {
            REACTOR.store(reactor, Ordering::SeqCst);
            // SAFETY: the function lives as long as the process, and is safe in a forked child.
            REGISTERED.call_once(|| unsafe {
                libc::pthread_atfork(None, None, Some(in_child));
            });
        }
        Err(error) => tracing::debug!(%error, "forked children keep the worker's sockets"),
    }
}

/// The epoll instance that watches what is registered with this runtime.
fn reactor() -> io::Result<RawFd> {
    let (registered, _other) = UnixStream::pair()?;
    registered.set_nonblocking(true)?;
    let registered = AsyncFd::new(registered)?;
    let wanted = registered.as_raw_fd();
    for entry in fs::read_dir("/proc/self/fdinfo")?.flatten() {
        let Some(fd) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let mut found = false;
        each_watched(fd, |watched, _| found |= watched == wanted);
        if found {
            return Ok(fd);
        }
    }
    Err(io::Error::other("/proc does not tell what is watched"))
}

/// Async-signal-safe, as only that is safe in the child of a process with threads.
extern "C" fn in_child() {
    each_watched(REACTOR.load(Ordering::SeqCst), |fd, inode| {
        // SAFETY: the structure is valid for the call, and all-zero is a valid one.
        unsafe {
            let mut stat: libc::stat = MaybeUninit::zeroed().assume_init();
            // The number may be another file's by now.
            if libc::fstat(fd, &mut stat) == 0
                && stat.st_mode & libc::S_IFMT == libc::S_IFSOCK
                && stat.st_ino == inode
            {
                libc::close(fd);
            }
        }
    });
}

/// Calls `found` with the descriptor and the inode of everything that the epoll instance `epoll`
/// watches; never, where it is none. Async-signal-safe.
fn each_watched(epoll: RawFd, mut found: impl FnMut(RawFd, u64)) {
    let mut path = [0_u8; 64];
    if write!(Cursor::new(&mut path[..63]), "/proc/self/fdinfo/{epoll}").is_err() {
        return;
    }
    // SAFETY: the path ends with zero.
    let file = unsafe { libc::open(path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return;
    }
    let (mut buffer, mut filled) = ([0_u8; 4096], 0);
    loop {
        let room = &mut buffer[filled..];
        // SAFETY: as many writable bytes as are told.
        let read = unsafe { libc::read(file, room.as_mut_ptr().cast(), room.len()) };
        let Some(read) = usize::try_from(read).ok().filter(|read| *read > 0) else {
            break;
        };
        filled += read;
        let mut from = 0;
        while let Some(length) = buffer[from..filled].iter().position(|byte| *byte == b'\n') {
            if let Some((fd, inode)) = parse(&buffer[from..from + length]) {
                found(fd, inode);
            }
            from += length + 1;
        }
        buffer.copy_within(from..filled, 0);
        filled -= from;
    }
    // SAFETY: a descriptor of this function's.
    unsafe { libc::close(file) };
}

/// Reads a line such as `tfd:  9 events: 19 data: 7f00 pos:0 ino:b96 sdev:8`, the inode in
/// hexadecimal.
fn parse(line: &[u8]) -> Option<(RawFd, u64)> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix("tfd:")?;
    let mut words = line.split_ascii_whitespace();
    let fd = words.next()?.parse().ok()?;
    let inode = words.find_map(|word| word.strip_prefix("ino:"))?;
    Some((fd, u64::from_str_radix(inode, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_36_a_line_of_the_kernels_is_read() {
        let line = b"tfd:       12 events:       19 data: ffff8c2 pos:0 ino:61af sdev:7";
        assert_eq!(parse(line), Some((12, 0x61af)));
        for other in [
            &b"pos:\t0"[..],
            b"tfd: x ino:1",
            b"tfd: 3 events: 19",
            b"\xff",
        ] {
            assert_eq!(parse(other), None);
        }
    }

    #[tokio::test]
    async fn fault_36_all_that_the_runtime_watches_is_found_and_nothing_else() {
        let others = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = Vec::new();
        // More than the buffer takes.
        for _ in 0..100 {
            ours.push(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let mut watched = Vec::new();
        each_watched(reactor().unwrap(), |fd, _| watched.push(fd));
        assert!(ours.iter().all(|one| watched.contains(&one.as_raw_fd())));
        assert!(!watched.contains(&others.as_raw_fd()));
    }

    #[test]
    fn fault_36_what_is_no_epoll_instance_watches_nothing() {
        for fd in [-1, 0, 1_000_000] {
            each_watched(fd, |watched, _| panic!("{watched}"));
        }
    }
}
