//! SIGTERM and SIGINT: the only installer of handlers.
//!
//! Handlers are set by `sigaction` and what was there before is put back: neither tokio nor
//! Python's `signal` module restores the other's. The handler only writes a byte to a pipe; a
//! thread of the operating system reads it, so that signals work with every tokio thread blocked.
//!
//! Python's `signal.signal`, asyncio's `add_signal_handler` and many a library install handlers too,
//! and so take the signals away. While a worker runs, its own are looked after and put back.
//!
//! Pipe and thread are made once and stay: a handler that runs on another thread at the moment when
//! the handlers go must not write to a descriptor that is somebody else's by then.
//!
//! A program that is the worker alone takes the signals before it imports anything ([`EarlySignals`]).

use std::io::{self, PipeReader, PipeWriter, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::exit::exit_now;

/// A second SIGINT forces the exit only this long after the first: a terminal may send two.
const BOUNCE: Duration = Duration::from_secs(1);
/// Exit status of a process whose shutdown was forced.
pub const FORCED_EXIT_CODE: i32 = 130;
/// How soon a handler that was taken away is noticed, at the latest.
const WATCH: Duration = Duration::from_millis(100);
/// Through the pipe: no signal, but a hub that was opened.
const OPENED: u8 = 0;
const HANDLED: [libc::c_int; 2] = [libc::SIGTERM, libc::SIGINT];

/// Where the handler writes; -1 before the first run of the process.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// The process that the handlers were installed in.
static OWNER: AtomicI32 = AtomicI32::new(0);
static HUB: Mutex<Option<Hub>> = Mutex::new(None);

/// One who installed the handlers.
struct Listener {
    id: u64,
    on_shutdown: Box<dyn Fn() + Send>,
    stands: Stands,
}

/// Where a listener's run is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// There is none yet: it is called only where there never was one.
    Before,
    Running,
    Over,
}

/// While it lives, `SIGTERM` and `SIGINT` call what it was installed with. Several may live at
/// once: each is called. When the last is dropped, the handlers from before are back.
pub(crate) struct Signals {
    id: u64,
}

impl Signals {
    pub(crate) fn install(on_shutdown: impl Fn() + Send + 'static) -> io::Result<Self> {
        Self::listen(Stands::Running, Box::new(on_shutdown))
    }

    fn listen(stands: Stands, on_shutdown: Box<dyn Fn() + Send>) -> io::Result<Self> {
        let mut slot = lock();
        let mut hub = match slot.take() {
            Some(hub) => hub,
            None => Hub::open()?,
        };
        hub.had_run |= stands == Stands::Running;
        hub.last_id += 1;
        let id = hub.last_id;
        hub.listeners.push(Listener {
            id,
            on_shutdown,
            stands,
        });
        *slot = Some(hub);
        Ok(Self { id })
    }

    /// The run is over; the signals stay until `self` goes. Others' handlers are no theft any more:
    /// an interpreter that ends puts the system's back.
    pub(crate) fn run_is_over(&self) {
        if let Some(hub) = lock().as_mut() {
            hub.listeners
                .iter_mut()
                .filter(|listener| listener.id == self.id)
                .for_each(|listener| listener.stands = Stands::Over);
        }
    }
}

/// SIGTERM and SIGINT before there is a run, in a process that is the worker's alone: while it lives
/// and no run has had the signals, the first of them ends the process at once, with status 0 and what it
/// has started. There is nothing to be cleaned up yet, and what runs may not heed a signal: an import
/// that waits in C, or the interpreter itself as a container's first process.
///
/// A run takes over by itself, without a gap.
pub struct EarlySignals {
    _signals: Signals,
}

impl EarlySignals {
    /// Installs the handlers.
    ///
    /// # Errors
    ///
    /// There is no descriptor or thread left for them.
    pub fn take() -> io::Result<Self> {
        let end = || {
            exit_now(
                0,
                "INFO asked to shut down before the worker began: ending at once",
            )
        };
        let signals = Signals::listen(Stands::Before, Box::new(end))?;
        Ok(Self { _signals: signals })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if !is_owner() {
            // In a forked child another thread may hold the lock, one that is not there.
            return;
        }
        let mut slot = lock();
        let Some(hub) = slot.as_mut() else { return };
        hub.listeners.retain(|listener| listener.id != self.id);
        if hub.listeners.is_empty() {
            hub.restore_handlers();
            *slot = None;
        }
    }
}

/// Puts the worker's handlers back where others were installed in their place, with one warning per
/// signal and run. For callers that have just let foreign code run; sooner or later it happens
/// without them too.
pub fn keep_handlers() {
    if let Some(hub) = lock().as_mut() {
        hub.keep_handlers();
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Hub>> {
    HUB.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What signals mean while anybody listens.
struct Hub {
    listeners: Vec<Listener>,
    last_id: u64,
    /// There was a run, which may be gone by now: its end is the process's.
    had_run: bool,
    before: Vec<(libc::c_int, libc::sigaction)>,
    first_interrupt: Option<Instant>,
    /// Those that were taken away, which is told once each.
    taken: Vec<libc::c_int>,
}

impl Hub {
    fn open() -> io::Result<Self> {
        if !is_owner() {
            // The first run of this process; a parent's thread is none of a forked child's.
            let (read_end, write_end) = io::pipe()?;
            start_reader(read_end)?;
            keep(write_end);
        }
        let mut hub = Self {
            listeners: Vec::new(),
            last_id: 0,
            had_run: false,
            before: Vec::new(),
            first_interrupt: None,
            taken: Vec::new(),
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
        write_to_pipe(OPENED);
        Ok(hub)
    }

    fn keep_handlers(&mut self) {
        let running = self.any(|listener| listener.stands == Stands::Running);
        for signal in HANDLED {
            if is_ours(signal) || replace_handler(signal).is_err() {
                continue;
            }
            if !running || self.taken.contains(&signal) {
                continue;
            }
            self.taken.push(signal);
            // Whoever writes a log may have to wait for its reader; a second SIGINT must not.
            let told = std::thread::Builder::new()
                .name("dynamo-signals-log".into())
                .spawn(move || warn_of_theft(signal));
            // Without a thread to tell it, it is not told; the handler is back all the same.
            drop(told);
        }
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
        self.listeners
            .iter()
            .filter(|listener| !self.had_run || listener.stands != Stands::Before)
            .for_each(|listener| (listener.on_shutdown)());
    }

    fn any(&self, which: impl Fn(&Listener) -> bool) -> bool {
        self.listeners.iter().any(which)
    }
}

fn start_reader(pipe: PipeReader) -> io::Result<()> {
    std::thread::Builder::new()
        .name("dynamo-signals".into())
        .spawn(move || read_signals(pipe))
        .map(drop)
}

/// Whether pipe and thread are this process's, not those of one that it was forked from.
fn is_owner() -> bool {
    OWNER.load(Ordering::SeqCst) == std::process::id() as i32
}

/// Gives the handler its end of the pipe, for the life of the process.
fn keep(pipe: PipeWriter) {
    PIPE.store(pipe.into_raw_fd(), Ordering::SeqCst);
    OWNER.store(std::process::id() as i32, Ordering::SeqCst);
}

fn read_signals(mut pipe: PipeReader) {
    let_through(libc::SIGINT);
    loop {
        let watching = lock().is_some();
        if !becomes_readable(&pipe, watching.then_some(WATCH)) {
            keep_handlers();
            continue;
        }
        let mut byte = [OPENED];
        if pipe.read_exact(&mut byte).is_err() {
            return;
        }
        match lock().as_mut() {
            Some(hub) if byte[0] != OPENED => hub.on_signal(byte[0].into()),
            _ => {}
        }
    }
}

/// Whoever keeps Ctrl-C from what it starts has blocked SIGINT in the thread that this one comes
/// from; somebody has to take it.
fn let_through(signal: libc::c_int) {
    // SAFETY: the set is valid for the calls, and all-zero is a valid set.
    unsafe {
        let mut set: libc::sigset_t = MaybeUninit::zeroed().assume_init();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
    }
}

/// Waits until there is something to read, `limit` at most.
fn becomes_readable(pipe: &PipeReader, limit: Option<Duration>) -> bool {
    let mut poll = libc::pollfd {
        fd: pipe.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let limit = limit.map_or(-1, |limit| limit.as_millis() as libc::c_int);
    // SAFETY: `poll` points to one pollfd.
    unsafe { libc::poll(&mut poll, 1, limit) > 0 }
}

fn warn_of_theft(signal: libc::c_int) {
    let (name, other) = match signal {
        libc::SIGINT => ("SIGINT", "SIGTERM"),
        _ => ("SIGTERM", "SIGINT"),
    };
    tracing::warn!(
        signal = name,
        "{name}: the engine, or something that it uses, installed a handler of its own. The \
         worker's is back, and that one is not called: while a worker runs, {name} and {other} are \
         its own. What is to happen at the end belongs in the engine's cleanup; to end the worker, \
         call its shutdown"
    );
}

fn is_ours(signal: libc::c_int) -> bool {
    // SAFETY: the structure is valid for the call, and all-zero is a valid sigaction.
    unsafe {
        let mut current: libc::sigaction = MaybeUninit::zeroed().assume_init();
        // Where it cannot be told there is nothing to put back.
        libc::sigaction(signal, std::ptr::null(), &mut current) != 0
            || current.sa_sigaction == on_signal as *const () as usize
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
        write_to_pipe(signal as u8);
        *errno = saved;
    }
}

/// Async-signal-safe.
fn write_to_pipe(byte: u8) {
    // SAFETY: one readable byte. The pipe is read all the time and cannot be full.
    unsafe { libc::write(PIPE.load(Ordering::SeqCst), (&raw const byte).cast(), 1) };
}

#[cfg(test)]
mod tests;
