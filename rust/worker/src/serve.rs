//! The request path: from the runtime's ingress to the engine and back.

mod adapter;
mod cancel;
mod terminal;

pub(crate) use adapter::EngineAdapter;
