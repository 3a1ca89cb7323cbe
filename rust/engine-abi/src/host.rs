//! What a worker gives its engine.

use core::ffi::c_void;

use crate::header::Header;
use crate::lent::Str;
use crate::operation::{Answer, Operation};
use crate::publish::{Snapshot, StoredBlocks};
use crate::status::Status;

/// Bits of the features of a [`HostTable`].
pub mod host_feature {
    /// The host calls `supported_updates` and `engine_update`.
    pub const UPDATES: u64 = 1 << 0;
    /// The host publishes `lora_name` of stored blocks.
    pub const KV_LORA_NAME: u64 = 1 << 1;
}

/// How important a line of the log is.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub u32);

impl LogLevel {
    /// Something is wrong.
    pub const ERROR: Self = Self(1);
    /// Something may be wrong.
    pub const WARN: Self = Self(2);
    /// What an operator may want to read.
    pub const INFO: Self = Self(3);
    /// What a developer may want to read.
    pub const DEBUG: Self = Self(4);
    /// Everything.
    pub const TRACE: Self = Self(5);
}

/// What a worker gives its engine, for each engine another. Lent from `attach` until the engine's
/// `release` returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Its functions.
    pub table: *const HostTable,
    /// Their first argument.
    pub data: *mut c_void,
}

/// The functions of a [`Host`], which may be called on any thread, several at a time. None is null.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HostTable {
    /// Size, version, features.
    pub header: Header,
    /// The release of Dynamo whose JSON this is: `1.6.1`.
    pub dynamo_version: Str,
    /// Writes a line into the worker's log. `target` says whose it is; none: the engine's name.
    pub log:
        Option<unsafe extern "C" fn(data: *mut c_void, level: LogLevel, target: Str, message: Str)>,
    /// Whether a line of that level would be written.
    pub log_enabled: Option<unsafe extern "C" fn(data: *mut c_void, level: LogLevel) -> bool>,
    /// Publishes the state of a rank that `setup_metrics` declared. Never waits. `PENDING`: the
    /// publisher is not there yet, or not any more; nothing was published.
    pub push_snapshot:
        Option<unsafe extern "C" fn(data: *mut c_void, snapshot: *const Snapshot) -> Status>,
    /// Blocks were stored, of a rank that `kv_event_sources` has. Never waits. `PENDING` as with
    /// snapshots; `FAILED`: `answer` names the block that is wrong, and nothing was published.
    pub publish_stored: Option<
        unsafe extern "C" fn(
            data: *mut c_void,
            stored: *const StoredBlocks,
            answer: *mut Answer,
        ) -> Status,
    >,
    /// Blocks were removed, named by their hashes. Never waits. `PENDING` as with snapshots.
    pub publish_removed: Option<
        unsafe extern "C" fn(
            data: *mut c_void,
            dp_rank: u32,
            block_hashes: *const u64,
            count: usize,
        ) -> Status,
    >,
    /// All blocks of the rank were removed. Never waits. `PENDING` as with snapshots.
    pub publish_cleared: Option<unsafe extern "C" fn(data: *mut c_void, dp_rank: u32) -> Status>,
    /// Registers a card for a LoRA adapter, or takes it out of discovery (`publish` is false). As a
    /// [`Begin`](crate::Begin) of the engine's: `PENDING` with an operation, which the engine polls
    /// and releases, `READY`, or `FAILED`. Only while the worker serves, and from the engine's
    /// `on_adapter_cards` on.
    pub adapter_card: Option<
        unsafe extern "C" fn(
            data: *mut c_void,
            name: Str,
            publish: bool,
            operation: *mut Operation,
            answer: *mut Answer,
        ) -> Status,
    >,
}
