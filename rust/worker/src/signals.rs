//! SIGTERM and SIGINT: the only installer of handlers.
//!
//! Handlers are set by `sigaction` and what was there before is put back: neither tokio nor
//! Python's `signal` module restores the other's. The handler only writes a byte to a pipe; a
//! thread of the operating system reads it, so that signals work with every tokio thread blocked.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::exit::exit_now;

/// A second SIGINT forces the exit only this long after the first: a terminal may send two.
const BOUNCE: Duration = Duration::from_secs(1);
/// Exit status of a process whose shutdown was forced.
pub const FORCED_EXIT_CODE: i32 = 130;
const HANDLED: [libc::c_int; 2] = [libc::SIGTERM, libc::SIGINT];

static PIPE: AtomicI32 = AtomicI32::new(-1);
static OWNER: AtomicI32 = AtomicI32::new(0);
static HUB: Mutex<Option<Hub>> = Mutex::new(None);

type Callback = Box<dyn Fn() + Send>;

/// While it lives, `SIGTERM` and `SIGINT` call what it was installed with. Several may live at
/// once: each is called. When the last is dropped, the handlers from before are back.
pub(crate) struct Signals {
    id: u64,
}

impl Signals {
    pub(crate) fn install(on_shutdown: impl Fn() + Send + 'static) -> io::Result<Self> {
        let mut hub = lock();
        if hub.is_none() {
            *hub = Some(Hub::open()?);
        }
        let Some(hub) = hub.as_mut() else {
            return Err(io::Error::other(
                "signal handlers vanished while installing",
            ));
        };
        hub.next_id += 1;
        hub.callbacks.push((hub.next_id, Box::new(on_shutdown)));
        Ok(Self { id: hub.next_id })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let closed = {
            let mut slot = lock();
            let Some(hub) = slot.as_mut() else { return };
            hub.callbacks.retain(|(id, _)| *id != self.id);
            if hub.callbacks.is_empty() {
                slot.take()
            } else {
                None
            }
        };
        // Outside the lock: the reader takes it before it can end.
        if let Some(hub) = closed {
            hub.close();
        }
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Hub>> {
    HUB.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Hub {
    callbacks: Vec<(u64, Callback)>,
    next_id: u64,
    before: Vec<(libc::c_int, libc::sigaction)>,
    writer: PipeWriter,
    reader: JoinHandle<()>,
}

impl Hub {
    fn open() -> io::Result<Self> {
        let (read_end, writer) = io::pipe()?;
        let reader = std::thread::Builder::new()
            .name("dynamo-signals".into())
            .spawn(move || read_signals(read_end))?;
        OWNER.store(std::process::id() as i32, Ordering::SeqCst);
        PIPE.store(writer.as_raw_fd(), Ordering::SeqCst);
        let before = HANDLED
            .into_iter()
            .map(|signal| Ok((signal, replace_handler(signal)?)))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            callbacks: Vec::new(),
            next_id: 0,
            before,
            writer,
            reader,
        })
    }

    fn close(mut self) {
        for (signal, action) in &self.before {
            // SAFETY: `action` is what sigaction answered for this very signal.
            unsafe { libc::sigaction(*signal, action, std::ptr::null_mut()) };
        }
        PIPE.store(-1, Ordering::SeqCst);
        // The byte 0 is no signal: it ends the reader. The pipe is ours and cannot be full.
        let _ = self.writer.write_all(&[0]);
        let _ = self.reader.join();
    }
}

/// Installs `on_signal` for `signal`; answers what was there.
fn replace_handler(signal: libc::c_int) -> io::Result<libc::sigaction> {
    // SAFETY: both structures are valid for the call, and all-zero is a valid sigaction.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        let mut before: libc::sigaction = MaybeUninit::zeroed().assume_init();
        if libc::sigaction(signal, &action, &mut before) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(before)
    }
}

/// Async-signal-safe: atomics, `getpid`, `write`, and in a forked child `signal` and `raise`.
extern "C" fn on_signal(signal: libc::c_int) {
    // SAFETY: every call here is on the list of async-signal-safe functions.
    unsafe {
        if libc::getpid() != OWNER.load(Ordering::SeqCst) {
            // A child that the engine forked must not speak into its parent's pipe.
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
            return;
        }
        let errno = libc::__errno_location();
        let saved = *errno;
        let byte = signal as u8;
        libc::write(PIPE.load(Ordering::SeqCst), (&raw const byte).cast(), 1);
        *errno = saved;
    }
}

fn read_signals(mut pipe: PipeReader) {
    let mut first_interrupt: Option<Instant> = None;
    let mut byte = [0];
    while pipe.read_exact(&mut byte).is_ok() && byte[0] != 0 {
        if i32::from(byte[0]) == libc::SIGINT {
            match first_interrupt {
                Some(first) if first.elapsed() > BOUNCE => exit_now(
                    FORCED_EXIT_CODE,
                    "ERROR second SIGINT: ending the process at once, without cleanup",
                ),
                Some(_) => {}
                None => first_interrupt = Some(Instant::now()),
            }
        }
        if let Some(hub) = lock().as_ref() {
            hub.callbacks.iter().for_each(|(_, callback)| callback());
        }
    }
}
