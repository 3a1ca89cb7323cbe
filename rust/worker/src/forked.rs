//! What a child that the engine forks must not keep: the sockets of the worker's.
//!
//! A copy of a process has all its descriptors. When the worker is killed, its ports would stay taken
//! for as long as the child lives, and whoever is connected would wait for answers. Programs that are
//! started anew have none of them: all are close-on-exec.
//!
//! Whose a socket is, the kernel knows: the reactors of tokio watch those of the worker, of Dynamo's
//! runtime, of the frontend and of the exporter of spans, and nothing of what the engine opens outside
//! these runtimes.

use std::fs;
use std::future::pending;
use std::io::{self, Cursor, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::io::unix::AsyncFd;

/// The epoll instances of the runtimes that were told of, one each for the worker's, the exporter's
/// and those of frontends; `FREE` where there is none.
static REACTORS: [AtomicI32; 32] = [const { AtomicI32::new(FREE) }; 32];
const FREE: RawFd = -1;

/// From now on children that are forked from this process close the sockets of the tokio runtime
/// that the caller is inside of, until that runtime ends. Where it cannot be found out which these
/// are, they keep them.
pub(crate) fn close_sockets_of_this_runtime() {
    static REGISTERED: Once = Once::new();
    match reactor().and_then(Noted::of) {
        Ok(Some(noted)) => {
            // A runtime drops its tasks before its reactor.
            tokio::spawn(async move {
                let _noted = noted;
                pending::<()>().await;
            });
            // SAFETY: the function lives as long as the process, and is safe in a forked child.
            REGISTERED.call_once(|| unsafe {
                libc::pthread_atfork(None, None, Some(in_child));
            });
        }
        // Another run told of it.
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "forked children keep the worker's sockets"),
    }
}

/// The place of one runtime's reactor. It goes with the runtime, whose descriptor's number is
/// somebody else's next.
struct Noted {
    place: &'static AtomicI32,
    reactor: RawFd,
}

impl Noted {
    /// `None`: it is noted already.
    fn of(reactor: RawFd) -> io::Result<Option<Self>> {
        if REACTORS
            .iter()
            .any(|it| it.load(Ordering::SeqCst) == reactor)
        {
            return Ok(None);
        }
        let (order, failed) = (Ordering::SeqCst, Ordering::SeqCst);
        let mut places = REACTORS.iter();
        let place = places.find(|it| it.compare_exchange(FREE, reactor, order, failed).is_ok());
        place
            .map(|place| Some(Self { place, reactor }))
            .ok_or_else(|| io::Error::other("too many runtimes"))
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let (order, failed) = (Ordering::SeqCst, Ordering::SeqCst);
        // In a forked child the place may be another's.
        let _ = self
            .place
            .compare_exchange(self.reactor, FREE, order, failed);
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
    for place in &REACTORS {
        // The runtime is the parent's, and its number in this process anybody's.
        each_watched(place.swap(FREE, Ordering::SeqCst), close_socket);
    }
}

fn close_socket(fd: RawFd, inode: u64) {
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
}

/// Calls `found` with the descriptor and the inode of everything that the epoll instance `epoll`
/// watches; never, where it is none. Async-signal-safe.
fn each_watched(epoll: RawFd, mut found: impl FnMut(RawFd, u64)) {
    if epoll == FREE {
        return;
    }
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
    fn a_reactor_is_noted_once_and_as_long_as_its_runtime() {
        let runtime = || {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap()
        };
        let noted = |reactor: RawFd| {
            let is_it = |place: &&AtomicI32| place.load(Ordering::SeqCst) == reactor;
            REACTORS.iter().filter(is_it).count()
        };
        let (one, other) = (runtime(), runtime());
        let reactors = [&one, &other].map(|runtime| {
            runtime.block_on(async {
                close_sockets_of_this_runtime();
                close_sockets_of_this_runtime();
                reactor().unwrap()
            })
        });
        assert_ne!(reactors[0], reactors[1]);
        assert_eq!(reactors.map(noted), [1, 1]);
        drop(one);
        assert_eq!(reactors.map(noted), [0, 1]);
    }

    #[test]
    fn fault_36_what_is_no_epoll_instance_watches_nothing() {
        for fd in [-1, 0, 1_000_000] {
            each_watched(fd, |watched, _| panic!("{watched}"));
        }
    }
}
