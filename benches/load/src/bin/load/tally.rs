//! What the streams saw in the window.

use crate::histogram::Histogram;

#[derive(Default)]
pub(crate) struct Tally {
    /// Whether the window is open.
    pub(crate) counting: bool,
    pub(crate) tokens: u64,
    /// Items that the request plane delivered: the frames that the worker wrote.
    pub(crate) frames: u64,
    pub(crate) requests: u64,
    /// From sending a request to its first token.
    pub(crate) first_token: Histogram,
    /// From one frame of a stream to the next.
    pub(crate) between_frames: Histogram,
    /// From the engine's making of a token to the client, where the engine waits.
    pub(crate) added: Histogram,
}
