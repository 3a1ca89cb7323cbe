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
//! | `POST /engine/drain`, `POST /engine/resume` | takes the worker out of discovery, and back |
//! | `GET /engine/status` | what it does with requests, and whether it is safe to delete |
//!
//! | variable | default | |
//! |---|---|---|
//! | `DYN_SYSTEM_PORT` | `-1` | port; 0: any free one, negative: no server |
//! | `DYN_SYSTEM_HOST` | `127.0.0.1` | address to listen on |
//! | `DYN_SYSTEM_TOKEN` | unset | what `/engine/…` requires as `Authorization: Bearer …` |
//! | `DYN_SYSTEM_LIVE_PATH`, `DYN_SYSTEM_HEALTH_PATH` | `/live`, `/health` | |

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
mod router;
mod server;
mod service;
mod shared;
mod token;
mod warned;

pub(crate) use address::take_over;
pub(crate) use member::Member;
pub(crate) use server::{Membership, join};
