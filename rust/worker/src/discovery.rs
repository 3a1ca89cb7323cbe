//! What makes the worker known: the model deployment card, and the endpoint's instance.

pub(crate) mod adapters;
pub(crate) mod card;
pub(crate) mod departure;
pub(crate) mod listed_card;
mod loading;
pub(crate) mod peers;
pub(crate) mod self_host;
