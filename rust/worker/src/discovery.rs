//! What discovery has of the worker: the model deployment card, those of adapters and of peers, and the
//! way out.

pub(crate) mod card;
pub(crate) mod departure;
pub(crate) mod listed_card;
mod loading;
pub(crate) mod peers;
pub(crate) mod self_host;
