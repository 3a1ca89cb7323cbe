//! The load of a data-parallel rank: what its scheduler's statistics say of the KV cache.

use std::collections::VecDeque;

use crate::msgpack::Cursor;

/// As many of the latest requests make vLLM's own hit rate.
const MOST_REQUESTS: u64 = 1000;

/// What is known of a rank's KV cache, step after step.
#[derive(Debug, Default)]
pub struct Load {
    usage: f64,
    latest: VecDeque<Lookups>,
    /// Of all that are in `latest`.
    total: Lookups,
}

/// Look-ups in the prefix cache.
#[derive(Clone, Copy, Debug, Default)]
struct Lookups {
    requests: u64,
    queries: u64,
    hits: u64,
    /// The cache was emptied before them.
    reset: bool,
}

impl Load {
    /// Takes a step's `SchedulerStats`; what cannot be read changes nothing.
    pub fn observe(&mut self, scheduler_stats: &[u8]) -> Option<()> {
        let mut cursor = Cursor::at(scheduler_stats);
        let (mut usage, mut lookups) = (None, Lookups::default());
        for _ in 0..cursor.map()? {
            match cursor.text()? {
                "kv_cache_usage" => usage = Some(cursor.float()?.clamp(0.0, 1.0)),
                "prefix_cache_stats" if !cursor.nil() => lookups = Lookups::read(&mut cursor)?,
                "prefix_cache_stats" => {}
                _ => {
                    cursor.value()?;
                }
            }
        }
        self.usage = usage?;
        self.add(lookups);
        Some(())
    }

    /// Blocks in use, of `total`.
    pub fn used_blocks(&self, total: u64) -> u64 {
        (self.usage * total as f64).round() as u64
    }

    /// Part of the prompt tokens of the latest requests that were in the cache, 0 to 1; `None`:
    /// none was looked up yet.
    pub fn hit_rate(&self) -> Option<f64> {
        let Lookups { queries, hits, .. } = self.total;
        (queries > 0).then(|| hits as f64 / queries as f64)
    }

    fn add(&mut self, lookups: Lookups) {
        if lookups.reset {
            self.latest.clear();
            self.total = Lookups::default();
        }
        if lookups.requests == 0 {
            return;
        }
        self.total.add(lookups);
        self.latest.push_back(lookups);
        while self.total.requests > MOST_REQUESTS
            && self.latest.len() > 1
            && let Some(oldest) = self.latest.pop_front()
        {
            self.total.remove(oldest);
        }
    }
}

impl Lookups {
    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut read = Self::default();
        for _ in 0..cursor.map()? {
            match cursor.text()? {
                "requests" => read.requests = cursor.unsigned::<u32>()?.into(),
                "queries" => read.queries = cursor.unsigned::<u32>()?.into(),
                "hits" => read.hits = cursor.unsigned::<u32>()?.into(),
                "reset" => read.reset = cursor.boolean()?,
                _ => {
                    cursor.value()?;
                }
            }
        }
        Some(read)
    }

    fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.queries += more.queries;
        self.hits += more.hits;
    }

    fn remove(&mut self, less: Self) {
        self.requests -= less.requests;
        self.queries -= less.queries;
        self.hits -= less.hits;
    }
}

#[cfg(test)]
mod tests;
