//! What a worker gives its engine.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::{PoisonError, RwLock};
use std::task::Poll;

use dynamo_engine_abi as abi;
use dynamo_engine_abi::{Status, crossing};

use crate::error::{Error, ErrorKind};
use crate::publish::{Published, Snapshot, StoredBlock, StoredBlocks};

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something is wrong.
    Error,
    /// Something may be wrong.
    Warn,
    /// What an operator may want to read.
    Info,
    /// What a developer may want to read.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    fn raw(self) -> abi::LogLevel {
        match self {
            Self::Error => abi::LogLevel::ERROR,
            Self::Warn => abi::LogLevel::WARN,
            Self::Info => abi::LogLevel::INFO,
            Self::Debug => abi::LogLevel::DEBUG,
            Self::Trace => abi::LogLevel::TRACE,
        }
    }
}

/// The worker that an engine is in: its log, its router, its discovery. Cheap to clone, to be used from
/// any thread. When the worker has let go of the engine, calls do nothing.
#[derive(Clone)]
pub struct Host {
    shared: Arc<RwLock<Option<Raw>>>,
}

#[derive(Clone, Copy)]
struct Raw(abi::Host);

// SAFETY: its functions may be called on any thread, several at a time.
unsafe impl Send for Raw {}
// SAFETY: as above.
unsafe impl Sync for Raw {}

impl Host {
    pub(crate) fn absent() -> Self {
        Self {
            shared: Arc::default(),
        }
    }

    /// # Safety
    ///
    /// `host` is a host until `close` returns.
    pub(crate) unsafe fn open(&self, host: abi::Host) {
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        *shared = Some(Raw(host));
    }

    /// Waits for calls that are under way, and makes no more.
    pub(crate) fn close(&self) {
        *self.shared.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What `call` answers, with the host and its functions; `None` where it is gone.
    fn with<T>(&self, call: impl FnOnce(&abi::Host, &abi::HostTable) -> Option<T>) -> Option<T> {
        let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        let host = &shared.as_ref()?.0;
        // SAFETY: the host is there while the lock is held.
        call(host, unsafe { host.table.as_ref() }?)
    }

    /// The release of Dynamo whose JSON requests have: `1.6.1`.
    pub fn dynamo_version(&self) -> String {
        let version = self.with(|_, table| {
            // SAFETY: lent as the host is.
            let bytes = unsafe { table.dynamo_version.get() }?;
            Some(String::from_utf8_lossy(bytes).into_owned())
        });
        version.unwrap_or_default()
    }

    /// Whether the worker calls `supported_updates` and `engine_update`.
    pub fn knows_updates(&self) -> bool {
        let features = self.with(|_, table| Some(table.header.features));
        features.unwrap_or_default() & abi::host_feature::UPDATES != 0
    }

    /// Whether a line of this level would be written.
    pub fn logs(&self, level: Level) -> bool {
        let logs = self.with(|host, table| {
            // SAFETY: the host is there.
            table
                .log_enabled
                .map(|enabled| unsafe { enabled(host.data, level.raw()) })
        });
        logs.unwrap_or(false)
    }

    /// Writes a line into the worker's log; [`log!`](crate::log!) formats it, too.
    pub fn log(&self, level: Level, message: &str) {
        self.log_of("", level, message);
    }

    /// The same, of a part of the engine: `target` is its name.
    pub fn log_of(&self, target: &str, level: Level, message: &str) {
        let target = match target {
            "" => abi::Str::NONE,
            _ => abi::Str::lend(target),
        };
        self.with(|host, table| {
            // SAFETY: the host is there, and what it is lent lives for the call.
            table.log.map(|log| unsafe {
                log(host.data, level.raw(), target, abi::Str::lend(message));
            })
        });
    }

    /// Publishes the state of a rank that `setup_metrics` declared. Never waits.
    pub fn push_snapshot(&self, dp_rank: u32, snapshot: Snapshot) -> Published {
        let rate = snapshot.kv_cache_hit_rate;
        let snapshot = abi::Snapshot {
            size: size_of::<abi::Snapshot>() as u32,
            dp_rank,
            has: rate.map_or(0, |_| abi::snapshot_has::KV_CACHE_HIT_RATE),
            total_blocks: snapshot.total_blocks,
            used_blocks: snapshot.used_blocks,
            kv_cache_hit_rate: rate.unwrap_or_default(),
        };
        // SAFETY: the host is there, and what it is lent lives for the call.
        published(self.with(|host, table| {
            table
                .push_snapshot
                .map(|push| unsafe { push(host.data, &snapshot) })
        }))
    }

    /// Blocks were stored behind `parent_hash` (`None`: at the start of a sequence), each behind the
    /// one before it, of a rank that `kv_event_sources` has. Never waits.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` that names the block that is wrong. Nothing was published then.
    pub fn publish_stored(
        &self,
        dp_rank: u32,
        parent_hash: Option<u64>,
        blocks: &[StoredBlock<'_>],
    ) -> Result<Published, Error> {
        let stored = StoredBlocks {
            parent_hash,
            blocks,
            ..StoredBlocks::default()
        };
        self.publish_stored_blocks(dp_rank, stored)
    }

    /// The same, of blocks that belong to an adapter or a salt, or are Eagle's.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn publish_stored_blocks(
        &self,
        dp_rank: u32,
        stored: StoredBlocks<'_>,
    ) -> Result<Published, Error> {
        let blocks: Vec<_> = stored
            .blocks
            .iter()
            .map(|block| abi::StoredBlock {
                block_hash: block.block_hash,
                token_ids: abi::TokenIds::lend(block.token_ids),
            })
            .collect();
        let has_parent = stored.parent_hash.is_some();
        let has = [
            (has_parent, abi::stored_has::PARENT_HASH),
            (stored.is_eagle, abi::stored_has::EAGLE),
        ];
        let stored = abi::StoredBlocks {
            size: size_of::<abi::StoredBlocks>() as u32,
            dp_rank,
            has: has.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum(),
            parent_hash: stored.parent_hash.unwrap_or_default(),
            blocks: blocks.as_ptr(),
            count: blocks.len(),
            lora_name: stored.lora_name.map_or(abi::Str::NONE, abi::Str::lend),
            cache_salt: stored.cache_salt.map_or(abi::Str::NONE, abi::Str::lend),
        };
        let mut answer = abi::Answer::NONE;
        let status = self.with(|host, table| {
            // SAFETY: the host is there, and what it is lent lives for the call.
            table
                .publish_stored
                .map(|publish| unsafe { publish(host.data, &stored, &mut answer) })
        });
        match status {
            Some(Status::FAILED) => Err(error_of(answer)),
            status => Ok(published(status)),
        }
    }

    /// Blocks were removed, named by their hashes. Never waits.
    pub fn publish_removed(&self, dp_rank: u32, block_hashes: &[u64]) -> Published {
        let (first, count) = (block_hashes.as_ptr(), block_hashes.len());
        // SAFETY: the host is there, and what it is lent lives for the call.
        published(self.with(|host, table| {
            let publish = table.publish_removed;
            publish.map(|publish| unsafe { publish(host.data, dp_rank, first, count) })
        }))
    }

    /// All blocks of the rank were removed. Never waits.
    pub fn publish_cleared(&self, dp_rank: u32) -> Published {
        // SAFETY: the host is there.
        published(self.with(|host, table| {
            table
                .publish_cleared
                .map(|publish| unsafe { publish(host.data, dp_rank) })
        }))
    }

    /// Registers a card for a LoRA adapter, so that frontends serve it by this name. From
    /// `on_adapter_cards` on, and while the worker serves.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a name that discovery cannot have, `EngineShutdown` when the worker has
    /// ended, `Unknown` before `on_adapter_cards` and after `cleanup`.
    pub fn publish_adapter(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        self.adapter_card(name, true)
    }

    /// Takes the card of a LoRA adapter out of discovery.
    ///
    /// # Errors
    ///
    /// As [`publish_adapter`](Self::publish_adapter).
    pub fn withdraw_adapter(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        self.adapter_card(name, false)
    }

    fn adapter_card(
        &self,
        name: &str,
        publish: bool,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let (host, name) = (self.clone(), name.to_owned());
        async move {
            let mut card = UnderWay::new();
            let begun = host.with(|host, table| {
                let begin = table.adapter_card?;
                let (operation, answer) = (&mut card.operation, &mut card.answer);
                // SAFETY: the host is there, and what it is lent lives for the call.
                Some(unsafe { begin(host.data, abi::Str::lend(&name), publish, operation, answer) })
            });
            let status = match begun {
                Some(Status::PENDING) => {
                    poll_fn(|cx| card.poll(&crossing::lend_waker(cx.waker()))).await
                }
                Some(status) => status,
                None => {
                    return Err(Error::new(
                        ErrorKind::EngineShutdown,
                        "the worker has ended",
                    ));
                }
            };
            match status {
                Status::READY => Ok(()),
                _ => Err(error_of(card.answer)),
            }
        }
    }
}

/// An operation of the worker's, which ends with it.
struct UnderWay {
    operation: abi::Operation,
    answer: abi::Answer,
}

// SAFETY: its functions may be called on any thread, one at a time.
unsafe impl Send for UnderWay {}

impl UnderWay {
    fn new() -> Self {
        Self {
            operation: abi::Operation::NONE,
            answer: abi::Answer::NONE,
        }
    }

    fn poll(&mut self, waker: &abi::Waker) -> Poll<Status> {
        // SAFETY: a table lives as long as the process, and the operation is owned.
        let poll = unsafe { self.operation.table.as_ref() }.and_then(|table| table.poll);
        match poll.map(|poll| unsafe { poll(self.operation.data, waker, &mut self.answer) }) {
            Some(Status::PENDING) => Poll::Pending,
            status => Poll::Ready(status.unwrap_or(Status::FAILED)),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // SAFETY: as above; this is its end.
        let table = unsafe { self.operation.table.as_ref() };
        if let Some(release) = table.and_then(|table| table.release) {
            unsafe { release(self.operation.data) }
        }
    }
}

fn published(status: Option<Status>) -> Published {
    match status {
        Some(Status::READY) => Published::Yes,
        _ => Published::NobodyListens,
    }
}

/// The error of an answer, whose text is freed.
fn error_of(answer: abi::Answer) -> Error {
    // SAFETY: the text was given away, and is freed below.
    let message = unsafe { answer.text.text.get() }.unwrap_or_default();
    let message = String::from_utf8_lossy(message).into_owned();
    if let Some(release) = answer.text.release {
        unsafe { release(answer.text.owner) }
    }
    Error::new(ErrorKind::of(answer.kind), message)
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// Formats a line and writes it into the worker's log, where a line of that level is wanted:
/// `log!(host, Info, "loaded {count} layers")`.
#[macro_export]
macro_rules! log {
    ($host:expr, $level:ident, $($format:tt)+) => {{
        let host: &$crate::Host = &$host;
        if host.logs($crate::Level::$level) {
            host.log($crate::Level::$level, &::std::format!($($format)+));
        }
    }};
}
