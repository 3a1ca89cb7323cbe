//! In whose name chunks are read.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::shown;

/// Unknown keys that are told of, of one engine.
const MOST_TOLD: usize = 32;

/// The engine whose chunks are read, and what was told of them.
pub(crate) struct Reading {
    engine: Arc<str>,
    is_raw: bool,
    told: Mutex<HashSet<String>>,
}

impl Reading {
    pub(crate) fn of(engine: Arc<str>, is_raw: bool) -> Self {
        Self {
            engine,
            is_raw,
            told: Mutex::default(),
        }
    }

    pub(crate) fn engine(&self) -> &str {
        &self.engine
    }

    /// Whether its chunks are JSON, and not tokens.
    pub(crate) fn is_raw(&self) -> bool {
        self.is_raw
    }

    /// `key` of a chunk, or of what is in it, is unknown, and not read. Told once.
    pub(crate) fn ignored(&self, key: &str) {
        let mut told = self.told.lock();
        if told.len() < MOST_TOLD && !told.contains(key) {
            told.insert(key.to_owned());
            drop(told);
            tracing::warn!(
                engine = &*self.engine,
                "a chunk has the unknown key {}, which is ignored; this is not logged again",
                shown::key(key)
            );
        }
    }
}
