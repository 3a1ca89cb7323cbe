//! What engines of the reference log by `tracing`: it goes to the log of a worker, and waits while
//! there is none.

mod line;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use dynamo_engine::Host;
use parking_lot::{Mutex, const_mutex};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

pub use line::Line;

/// Lines that wait for a worker; older ones are forgotten.
const MOST_WAITING: usize = 200;

/// Whose lines at every level are of interest: those of the reference's own crates.
const OWN: &str = "dynamo";

/// All engines of this library share one log: which of them wrote a line, `tracing` does not tell.
static LOG: Mutex<Log> = const_mutex(Log {
    waiting: VecDeque::new(),
    workers: Vec::new(),
});

struct Log {
    waiting: VecDeque<Line>,
    /// The workers that run, the oldest first, each with the number of its `Attached`.
    workers: Vec<(u64, Host)>,
}

/// Has what this library logs come here. A subscriber that is there already stays.
pub fn install() {
    let _ = tracing::subscriber::set_global_default(Forward);
}

/// Takes the lines that wait, the oldest first.
pub fn take_waiting() -> Vec<Line> {
    LOG.lock().waiting.drain(..).collect()
}

/// A worker whose log has the lines, until this is dropped.
#[derive(Debug)]
pub(crate) struct Attached(u64);

/// Gives the lines to a worker's log, those that wait first.
pub(crate) fn attach(host: &Host) -> Attached {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let waiting = {
        let mut log = LOG.lock();
        log.workers.push((number, host.clone()));
        std::mem::take(&mut log.waiting)
    };
    for line in &waiting {
        write(host, line);
    }
    Attached(number)
}

impl Drop for Attached {
    fn drop(&mut self) {
        LOG.lock().workers.retain(|(number, _)| *number != self.0);
    }
}

fn first_worker() -> Option<Host> {
    LOG.lock().workers.first().map(|(_, host)| host.clone())
}

fn write(host: &Host, line: &Line) {
    host.log_of(line.target, level(line.level), &line.text);
}

fn level(level: Level) -> dynamo_engine::Level {
    match level {
        Level::ERROR => dynamo_engine::Level::Error,
        Level::WARN => dynamo_engine::Level::Warn,
        Level::INFO => dynamo_engine::Level::Info,
        Level::DEBUG => dynamo_engine::Level::Debug,
        Level::TRACE => dynamo_engine::Level::Trace,
    }
}

/// The subscriber. Spans mean nothing to it.
struct Forward;

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let most = if metadata.target().starts_with(OWN) {
            Level::TRACE
        } else {
            Level::WARN
        };
        // Of levels the more talkative is the greater one.
        if metadata.is_span() || *metadata.level() > most {
            return false;
        }
        match first_worker() {
            Some(host) => host.logs(level(*metadata.level())),
            None => *metadata.level() <= Level::INFO,
        }
    }

    fn event(&self, event: &Event<'_>) {
        let line = Line::of(event);
        // Outside the lock: the worker's log is not ours.
        if let Some(host) = first_worker() {
            write(&host, &line);
            return;
        }
        let mut log = LOG.lock();
        if log.waiting.len() == MOST_WAITING {
            log.waiting.pop_front();
        }
        log.waiting.push_back(line);
    }

    fn register_callsite(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        if metadata.is_span() {
            tracing::subscriber::Interest::never()
        } else {
            // The worker's level may change, and the worker.
            tracing::subscriber::Interest::sometimes()
        }
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}
