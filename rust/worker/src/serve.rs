//! The request path: the endpoint's registration, and from the request plane to the engine and back.

mod adapter;
mod cancel;
mod encoded;
mod handover;
mod in_flight;
mod kept;
mod kind;
mod measure;
mod registration;
mod relayed;
mod tcp;
mod terminal;
#[cfg(test)]
mod told;

pub(crate) use adapter::EngineAdapter;
pub(crate) use kind::Serves;
pub(crate) use registration::serve_endpoint;
