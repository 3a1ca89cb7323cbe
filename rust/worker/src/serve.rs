//! The request path: from the runtime's ingress to the engine and back.

mod adapter;
mod cancel;
mod delivery;
mod handover;
mod inbound;
mod kept;
mod live;
mod measure;
mod nodelay;
mod terminal;

pub(crate) use adapter::EngineAdapter;
pub(crate) use inbound::Inbound;
pub(crate) use nodelay::disable_nagle;
