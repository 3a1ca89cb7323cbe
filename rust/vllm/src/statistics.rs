//! What vLLM's own statistics need of each step, kept until Python fetches it.

use std::collections::VecDeque;

use crate::layout::Layout;
use crate::output::{Body, Output};
use crate::step::Step;

/// Records that wait: of a minute and more, at a hundred steps a second.
const MOST: usize = 8192;

/// How far a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Tokens that it has.
    pub tokens: u32,
    /// When the last output came, on the core's clock; 0: none came.
    pub timestamp: f64,
}

/// One step.
#[derive(Debug, Default)]
pub struct Record {
    /// The data-parallel rank.
    pub engine_index: u32,
    /// On the core's clock.
    pub timestamp: f64,
    /// `SchedulerStats` in msgpack, as it came.
    pub scheduler_stats: Option<Vec<u8>>,
    /// Tokens of the usual outputs.
    pub generation_tokens: u32,
    /// Seconds since the output before, for each usual one.
    pub inter_token_latencies: Vec<f64>,
    /// The other outputs: first ones, last ones, those with events.
    pub notable: Vec<Notable>,
}

/// An output that vLLM's statistics want to see by itself.
#[derive(Debug)]
pub struct Notable {
    /// `EngineCoreOutput` in msgpack, with what they need alone.
    pub output: Vec<u8>,
    /// How far its request was before it.
    pub before: Progress,
}

/// The records that wait.
#[derive(Debug, Default)]
pub struct Statistics {
    records: VecDeque<Record>,
    lost: u64,
}

impl Progress {
    /// Goes on by so many tokens at `timestamp`; answers how far it was.
    pub fn advance(&mut self, tokens: usize, timestamp: f64) -> Self {
        let next = Self {
            tokens: self.tokens.saturating_add(tokens as u32),
            timestamp,
        };
        std::mem::replace(self, next)
    }

    /// Whether nothing came yet.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Record {
    /// One of `step`, without its outputs.
    pub fn of(step: &Step<'_>) -> Self {
        Self {
            engine_index: step.engine_index,
            timestamp: step.timestamp,
            scheduler_stats: step.scheduler_stats.map(<[u8]>::to_vec),
            inter_token_latencies: Vec::with_capacity(step.outputs.len()),
            ..Self::default()
        }
    }

    /// Counts an output of a request that was `before`.
    pub fn add(&mut self, layout: &Layout, output: &Output<'_>, body: &Body<'_>, before: Progress) {
        if before.is_nothing() || body.finish.is_some() || body.is_eventful {
            let output = layout.for_statistics(output);
            self.notable.push(Notable { output, before });
        } else {
            self.generation_tokens += body.tokens.len() as u32;
            self.inter_token_latencies
                .push(self.timestamp - before.timestamp);
        }
    }

    fn is_empty(&self) -> bool {
        self.scheduler_stats.is_none()
            && self.inter_token_latencies.is_empty()
            && self.notable.is_empty()
    }
}

impl Statistics {
    /// Keeps a record that has something. Where too many wait, the oldest is lost; answers whether
    /// it is the first one.
    pub fn keep(&mut self, record: Record) -> bool {
        if record.is_empty() {
            return false;
        }
        self.records.push_back(record);
        if self.records.len() <= MOST {
            return false;
        }
        self.records.pop_front();
        self.lost += 1;
        self.lost == 1
    }

    /// All that wait, oldest first.
    pub fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records).into()
    }
}

#[cfg(test)]
mod tests;
