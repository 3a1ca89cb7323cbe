//! SIGTERM and SIGINT: the only installer of handlers.
//!
//! Handlers are set by `sigaction` and what was there before is put back: neither tokio nor
//! Python's `signal` module restores the other's. The handler only writes a byte to a pipe; a
//! thread of the operating system reads it, so that signals work with every tokio thread blocked.
//!
//! Pipe and thread are made once and stay: a handler that runs on another thread at the moment when
//! the handlers go must not write to a descriptor that is somebody else's by then.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::mem::MaybeUninit;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::exit::exit_now;

/// A second SIGINT forces the exit only this long after the first: a terminal may send two.
const BOUNCE: Duration = Duration::from_secs(1);
/// Exit status of a process whose shutdown was forced.
pub const FORCED_EXIT_CODE: i32 = 130;
const HANDLED: [libc::c_int; 2] = [libc::SIGTERM, libc::SIGINT];

/// Where the handler writes; -1 before the first run of the process.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// The process that the handlers were installed in.
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
        let mut slot = lock();
        let mut hub = match slot.take() {
            Some(hub) => hub,
            None => Hub::open()?,
        };
        hub.last_id += 1;
        let id = hub.last_id;
        hub.callbacks.push((id, Box::new(on_shutdown)));
        *slot = Some(hub);
        Ok(Self { id })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let mut slot = lock();
        let Some(hub) = slot.as_mut() else { return };
        hub.callbacks.retain(|(id, _)| *id != self.id);
        if hub.callbacks.is_empty() {
            hub.restore_handlers();
            *slot = None;
        }
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Hub>> {
    HUB.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What signals mean while anybody listens.
struct Hub {
    callbacks: Vec<(u64, Callback)>,
    last_id: u64,
    before: Vec<(libc::c_int, libc::sigaction)>,
    first_interrupt: Option<Instant>,
}

impl Hub {
    fn open() -> io::Result<Self> {
        if OWNER.load(Ordering::SeqCst) != std::process::id() as i32 {
            // The first run of this process; a parent's thread is none of a forked child's.
            let (read_end, write_end) = io::pipe()?;
            start_reader(read_end)?;
            keep(write_end);
        }
        let mut hub = Self {
            callbacks: Vec::new(),
            last_id: 0,
            before: Vec::new(),
            first_interrupt: None,
        };
        for signal in HANDLED {
            match replace_handler(signal) {
                Ok(action) => hub.before.push((signal, action)),
                Err(error) => {
                    hub.restore_handlers();
                    return Err(error);
                }
            }
        }
        Ok(hub)
    }

    fn restore_handlers(&self) {
        for (signal, action) in &self.before {
            // SAFETY: `action` is what sigaction answered for this very signal.
            unsafe { libc::sigaction(*signal, action, std::ptr::null_mut()) };
        }
    }

    fn on_signal(&mut self, signal: libc::c_int) {
        if signal == libc::SIGINT {
            match self.first_interrupt {
                Some(first) if first.elapsed() > BOUNCE => exit_now(
                    FORCED_EXIT_CODE,
                    "ERROR second SIGINT: ending the process at once, without cleanup",
                ),
                Some(_) => {}
                None => self.first_interrupt = Some(Instant::now()),
            }
        }
        self.callbacks.iter().for_each(|(_, callback)| callback());
    }
}

fn start_reader(pipe: PipeReader) -> io::Result<()> {
    std::thread::Builder::new()
        .name("dynamo-signals".into())
        .spawn(move || read_signals(pipe))
        .map(drop)
}

/// Gives the handler its end of the pipe, for the life of the process.
fn keep(pipe: PipeWriter) {
    PIPE.store(pipe.into_raw_fd(), Ordering::SeqCst);
    OWNER.store(std::process::id() as i32, Ordering::SeqCst);
}

fn read_signals(mut pipe: PipeReader) {
    let mut byte = [0];
    while pipe.read_exact(&mut byte).is_ok() {
        if let Some(hub) = lock().as_mut() {
            hub.on_signal(byte[0].into());
        }
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
