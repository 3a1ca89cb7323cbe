//! Records between the threads that they happen on and the one that hands them to Python.
//!
//! The lock is held for a few instructions and never while Python runs, so whoever ends the process
//! can take it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dynamo_backend_handoff::origin::Origin;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;

use super::record::Record;
use crate::interpreter_end::Running;
use crate::outbox::Outbox;

/// Records that wait at most; those that come after are counted and lost.
const LIMIT: usize = 8192;
/// Records that are handed over in one turn of the event loop, which has other things to do.
const BATCH: usize = 256;
/// How old what is known of Python's levels may be.
const FRESH: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the lock.
const LAST_TRY: Duration = Duration::from_millis(100);

pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// The lowest level that some logger of Python's takes.
    level: AtomicUsize,
    /// When `level` was asked for, in milliseconds since `born`.
    asked: AtomicU64,
    born: Instant,
    origin: Origin,
}

struct Waiting {
    /// The first one stays until Python has taken it.
    records: VecDeque<Arc<Record>>,
    lost: u64,
    told_loss: Instant,
    /// Whether a thread hands over: the order of the records is that of their events.
    taken_from: bool,
    /// Whether the current event loop was told.
    told: bool,
    /// The event loops that run; the last is the current one.
    loops: Vec<Outbox>,
}

impl Queue {
    pub(super) fn new() -> Self {
        let born = Instant::now();
        Self {
            waiting: Mutex::new(Waiting {
                records: VecDeque::new(),
                lost: 0,
                told_loss: born,
                taken_from: false,
                told: false,
                loops: Vec::new(),
            }),
            level: AtomicUsize::new(0),
            asked: AtomicU64::new(0),
            born,
            origin: Origin::here(),
        }
    }

    /// Whether some logger of Python's takes this level, as far as is known. Asking for what nobody
    /// takes has the answer refreshed from time to time.
    pub(super) fn wants(&'static self, level: usize) -> bool {
        let wanted = level >= self.level.load(Ordering::Relaxed);
        if !wanted && self.is_stale() {
            self.tell();
        }
        wanted
    }

    pub(super) fn push(&'static self, record: Record) {
        {
            let mut waiting = self.waiting.lock();
            if waiting.records.len() >= LIMIT {
                waiting.lost += 1;
                return;
            }
            waiting.records.push_back(Arc::new(record));
        }
        self.tell();
    }

    /// Has the current event loop take what waits, unless it was told already.
    fn tell(&'static self) {
        let outbox = {
            let mut waiting = self.waiting.lock();
            if waiting.told {
                return;
            }
            let Some(outbox) = waiting.loops.last().cloned() else {
                return;
            };
            waiting.told = true;
            outbox
        };
        outbox.post(move |py| {
            self.waiting.lock().told = false;
            if self.deliver(py, BATCH) {
                self.tell();
            }
            Ok(())
        });
    }

    pub(super) fn attach(&'static self, outbox: Outbox) {
        {
            let mut waiting = self.waiting.lock();
            waiting.loops.push(outbox);
            waiting.told = false;
            if waiting.records.is_empty() {
                return;
            }
        }
        self.tell();
    }

    pub(super) fn detach(&'static self, outbox: &Outbox) {
        let mut waiting = self.waiting.lock();
        waiting.loops.retain(|other| !other.is(outbox));
        waiting.told = false;
    }

    /// Hands over what waits, on this thread, which holds the GIL.
    pub(super) fn deliver_all(&self, py: Python<'_>) {
        if self.origin.is_here() {
            self.deliver(py, LIMIT);
        }
    }

    /// Hands over `limit` records at most; answers whether more wait.
    fn deliver(&self, py: Python<'_>, limit: usize) -> bool {
        let Some(_running) = Running::begin(py) else {
            return false;
        };
        if self.is_stale() {
            self.refresh(py);
        }
        if std::mem::replace(&mut self.waiting.lock().taken_from, true) {
            // Whoever does it sees what is there: it ends only when nothing is.
            return false;
        }
        for _ in 0..limit {
            let Some(record) = self.begin_next() else {
                return false;
            };
            if let Err(error) = record.hand_over(py) {
                error.write_unraisable(py, None);
            }
            self.waiting.lock().records.pop_front();
        }
        let mut waiting = self.waiting.lock();
        waiting.taken_from = false;
        !waiting.records.is_empty()
    }

    /// The first record, which stays in the queue; `None` ends the taking.
    fn begin_next(&self) -> Option<Arc<Record>> {
        let mut waiting = self.waiting.lock();
        // A flood that lasts is told of while it does.
        let due = waiting.records.is_empty() || waiting.told_loss.elapsed() > FRESH;
        if waiting.lost > 0 && due {
            let loss = Record::of_loss(std::mem::take(&mut waiting.lost));
            waiting.records.push_front(Arc::new(loss));
            waiting.told_loss = Instant::now();
        }
        let first = waiting.records.front().cloned();
        waiting.taken_from = first.is_some();
        first
    }

    /// Asks Python's loggers anew which level some of them take.
    pub(super) fn refresh(&self, py: Python<'_>) {
        let now = self.now();
        self.asked.store(now, Ordering::Relaxed);
        let lowest = py
            .import(intern!(py, "dynamo_backend_common._log.logging"))
            .and_then(|module| module.call_method0(intern!(py, "lowest_level")))
            .and_then(|level| level.extract());
        match lowest {
            Ok(level) => self.level.store(level, Ordering::Relaxed),
            Err(error) => error.write_unraisable(py, None),
        }
    }

    fn is_stale(&self) -> bool {
        let age = self
            .now()
            .saturating_sub(self.asked.load(Ordering::Relaxed));
        u128::from(age) > FRESH.as_millis()
    }

    fn now(&self) -> u64 {
        self.born.elapsed().as_millis() as u64
    }

    /// The process ends now: writes what waits. No GIL, and no waiting for a lock that is kept.
    pub(super) fn leave(&self, write: &mut dyn FnMut(&str)) {
        let Some(waiting) = self.waiting.try_lock_for(LAST_TRY) else {
            return;
        };
        for record in &waiting.records {
            write(&record.to_string());
        }
        if waiting.lost > 0 {
            write(&Record::of_loss(waiting.lost).to_string());
        }
    }
}
