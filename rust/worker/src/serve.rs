//! The request path: from the runtime's ingress to the engine and back.

mod adapter;
mod cancel;
mod delivery;
mod endpoint;
mod handover;
mod kept;
mod live;
mod measure;
mod terminal;
mod turns;

pub(crate) use adapter::EngineAdapter;
pub(crate) use endpoint::serve_endpoint;
pub(crate) use turns::{Turns, take_over as take_request_limit};
