//! What a request asks of the benches' engines. It travels in `extra_args`, so that one worker
//! serves every shape; `benches/engine.py` reads the same.

use serde::{Deserialize, Serialize};

/// When the engine has its next chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pace {
    /// At once: it never waits.
    Free,
    /// When every other request had its turn: one chunk per request and turn.
    Turns,
    /// At the next step of that many milliseconds, which all requests share.
    Steps(u64),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Shape {
    pub pace: Pace,
    /// Tokens of a chunk.
    pub chunk: usize,
    /// Whether no two chunks can be joined in one frame: their `index` alternates.
    pub apart: bool,
}
