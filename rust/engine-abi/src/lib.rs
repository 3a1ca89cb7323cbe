//! The interface by which an engine enters a worker that it was not compiled with: by another
//! compiler, in another language, with another tokio. Plain structures and tables of functions in C's
//! layout; `include/dynamo_engine.h` has the same for C and C++, and a test holds them equal.
//!
//! `dynamo-engine` is for authors of engines in Rust, and the worker has the other side. What both do
//! alike is in [`crossing`]; nothing else here does anything.
//!
//! # Who is who
//!
//! The *host* is the worker. The *engine* is an object of the library that was loaded. An object that
//! crosses is a pair of a table and a pointer ([`Engine`], [`Host`], [`Request`], [`Stream`],
//! [`Operation`], [`Waker`]): the table's functions get the pointer as their first argument.
//!
//! # Versions
//!
//! A table begins with a [`Header`]: its size, the version that its maker was compiled for, and its
//! features. Until version 1.0 a host takes engines of its own major version, from minor version
//! [`OLDEST_MINOR`] on. A later minor version may
//!
//! - append functions to a table and fields to a structure: who reads one looks at `size` first;
//! - give a bit of a set, or a code of a kind, a meaning that it did not have;
//! - accept another key in a JSON text of an engine's, or add one to a text of the host's.
//!
//! What lists are made of ([`StoredBlock`], [`TopLogprob`]) stays as it is: a later version lends another
//! list beside.
//!
//! It may not change, move or remove what is there, or have a function called at another time. An
//! engine that was compiled for a later minor version than its host sends it nothing that the host's
//! version, which is in [`HostTable`], does not have.
//!
//! # Who owns what
//!
//! - Tables live as long as the process; an engine's own, and the name in it, until its `release` is
//!   called. A library is never unloaded: a waker of its own may still be held by somebody, and a
//!   thread of its own may run.
//! - An [`Engine`] is the engine's until it is taken, and the host's from then on. Who takes it writes
//!   null over `table`; whoever is left with an engine that nobody took calls its `release`.
//! - What is *lent* ([`Str`], [`TokenIds`], [`Numbers`] and the pointers of other structures) is copied
//!   by whoever needs it for longer. Arguments are lent for the call. A [`Request`] and all that it
//!   lends is lent until its stream is released, or `generate` answered [`Status::FAILED`]. What a
//!   [`Chunk`] points to is lent until the next `poll` or the `release` of its stream.
//! - A [`Text`] is given away: who gets one calls its `release`, where there is one, once.
//! - A [`Stream`], an [`Operation`] and a clone of a [`Waker`] belong to who got them, and are
//!   released once.
//! - The [`Host`] that `attach` gets is lent from then until the engine's `release` returns.
//!
//! A null pointer with a length of 0 is an empty list; a null `ptr` of a [`Str`] says that there is none
//! where a field may be missing.
//!
//! # Threads
//!
//! Every function may be called on any thread, also on one whose stack ran other code of the library
//! before. Those of one stream, or of one operation, are never called at the same time, and what one
//! did is seen by the next, whatever thread that is on; those of an engine, a host, a request and a
//! waker may be. None may wait for long, `generate`, `poll` and `abort` least of all: they run on the
//! threads that serve all requests.
//!
//! Two runtimes never mix. The host polls on its own threads, where no runtime of the engine's is
//! current: an engine that uses tokio brings one, and enters it while it is polled. A waker is the
//! only way back: the engine clones that of the last `poll` and calls `wake` on any thread, as often
//! as it likes, also after its stream is gone.
//!
//! A forked child has none of the threads of either side. Nothing is called in it by the host, and
//! whoever forks may call nothing of the host's there.
//!
//! # Polling and cancellation
//!
//! `poll` answers [`Status::PENDING`] when there is nothing yet and the waker of that very call will
//! be woken, else what there is. An operation is over with its first answer that is not `PENDING`, a
//! stream with [`Status::FAILED`] or [`Status::DONE`]; a `poll` after that answers `DONE`.
//! Cancellation is `release`, at any time and on any thread: whatever was under way ends.
//!
//! # Panics and exceptions
//!
//! Neither crosses. A function that cannot do what it is for answers [`Status::FAILED`], where it has
//! a status; one that unwinds into its caller ends the process. So a library that is compiled to
//! abort on panic takes the worker with it.
//!
//! # Errors
//!
//! A kind ([`ErrorKind`]) and a message in UTF-8, never empty. Of a kind that the host does not know
//! it makes [`ErrorKind::UNKNOWN`]. The message of an [`ErrorKind::INVALID_ARGUMENT`] is shown to
//! whoever sent the request.
//!
//! # JSON
//!
//! What is asked for at every request or token has a field. The rest is JSON in UTF-8, and only made
//! when it is asked for: a request's is Dynamo's own form, of the release that
//! [`HostTable::dynamo_version`] names; what calls take and answer is said at each.

#![no_std]
#![warn(missing_docs)]

extern crate alloc;

mod call;
mod chunk;
pub mod crossing;
mod engine;
mod header;
mod host;
mod lent;
mod operation;
mod publish;
mod request;
mod status;
mod stream;
mod text;
mod waker;

pub use call::{Attach, Begin, Generate, Tell};
pub use chunk::{Chunk, FinishReason, StopKind, TopLogprob, Usage, chunk_has};
pub use engine::{Engine, EngineTable};
pub use header::{Header, MAJOR, MINOR, OLDEST_MINOR, REQUIRED_FEATURES, VERSION};
pub use host::{Host, HostTable, LogLevel, host_feature};
pub use lent::{Numbers, Str, TokenIds};
pub use operation::{Answer, Operation, OperationTable};
pub use publish::{Snapshot, StoredBlock, StoredBlocks, snapshot_has, stored_has};
pub use request::{Request, RequestTable, request_has};
pub use status::{ErrorKind, Status};
pub use stream::{Stream, StreamTable};
pub use text::Text;
pub use waker::{Waker, WakerTable};

/// Name of a `PyCapsule` whose pointer is an [`Engine`] that nobody has taken.
pub const CAPSULE: &core::ffi::CStr = c"dynamo_engine";

/// Name of the capsule once its engine was taken.
pub const USED_CAPSULE: &core::ffi::CStr = c"used_dynamo_engine";

/// Name of the function that a library exports for those that load it by name: its type is
/// [`NewEngine`].
pub const SYMBOL: &core::ffi::CStr = c"dynamo_engine_new";

/// Makes an engine of arguments, which are text of the library's own choice.
///
/// `READY`: `engine` was written, and is the caller's. `FAILED`: `answer` says why.
pub type NewEngine =
    unsafe extern "C" fn(arguments: Str, engine: *mut Engine, answer: *mut Answer) -> Status;
