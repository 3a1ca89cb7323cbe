//! What discovery has of the worker, and whether it is there: the instance, the model cards of the
//! worker and of its peers, and the way out.

pub(crate) mod card;
pub(crate) mod departure;
mod instance;
mod listed_card;
mod loading;
mod peers;
mod readiness;
pub(crate) mod self_host;
mod taints;
pub(crate) mod topology;
mod watching;

pub(crate) use instance::Instance;
pub(crate) use readiness::Readiness;
pub(crate) use watching::Backend;
