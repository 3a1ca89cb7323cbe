//! The system HTTP server: one for the process, shared by the workers that run.
//!
//! | route | answers |
//! |---|---|
//! | `GET /live` | 200 while the process lives |
//! | `GET /health` | 200 when every worker is ready, else 503, with the reasons |
//! | `GET /metrics` | the metrics of all workers |
//! | `GET /v1/metadata/…` | files of a model card that points here |
//! | `POST /engine/NAME`, `POST /engine/control/NAME` | an engine's control |
//! | `POST /engine/NAMESPACE.COMPONENT.ENDPOINT/NAME` | the control of one worker of several |
//! | `POST /engine/update/NAME` | an engine's update; `model_taints` is the worker's own |
//! | `POST /engine/drain`, `POST /engine/resume` | takes the worker out of discovery, and back |
//! | `GET /engine/status` | what it does with requests, and whether it is safe to delete |
//!
//! What it is like say the fields `system_…` of [`RuntimeConfig`](crate::RuntimeConfig) of the worker
//! that opens it, and where they say nothing, their variables.

mod address;
mod connections;
mod controls;
mod exposition;
mod guard;
mod member;
mod metadata;
mod metrics;
mod origin;
mod probes;
mod refusal;
mod resolve;
mod router;
mod server;
mod service;
mod settings;
mod shared;
mod token;
mod warned;

pub(crate) use address::take_over;
pub(crate) use member::Member;
pub(crate) use server::{Membership, join};
