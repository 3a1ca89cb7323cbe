//! What an engine control does to discovery, decided by its name and the engine's reply.
//!
//! | control | policy |
//! |---|---|
//! | `sleep`, `release_memory_occupation`, `pause_generation` | unregister first |
//! | `wake_up`, `resume_memory_occupation`, `resume_generation` | register after |
//! | every other | direct |
//!
//! An update of what the engine has beside its model changes nothing about the instance.
//!
//! [`Presence`] says whether a call may act at all, and what a shutdown finds to unregister;
//! [`Transitions`] act.

mod policy;
mod presence;
mod reply;
mod transitions;

pub use policy::{Policy, check_update_body};
pub use presence::{Out, Presence, Service};
pub use reply::{
    empty_body, error_reply, is_error_reply, lets_register, register_failed, says_sleeping,
    unregister_failed,
};
pub use transitions::{Place, Transitions};
