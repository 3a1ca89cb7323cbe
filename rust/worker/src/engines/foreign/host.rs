//! What an engine gets of its worker: log, publishers, adapter cards. One for each engine.

use std::collections::HashMap;
use std::ffi::c_void;
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dynamo_engine_abi as abi;
use dynamo_engine_abi::{Header, LogLevel, Status, host_feature};
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::pipeline::network::ingress::push_endpoint::VERSION;
use parking_lot::RwLock;
use tokio::runtime::Handle;

use super::adapter_card;
use super::lent::{fail, null, optional};
use crate::adapter_cards::AdapterCards;
use crate::error::invalid_argument;
use crate::publish::{KvPublisher, Snapshot, SnapshotPublisher, StoredBlock, StoredBlocks};

/// What one engine's host has.
pub(super) struct HostData {
    name: Arc<str>,
    open: RwLock<Open>,
}

/// What is there while the worker serves.
#[derive(Default)]
struct Open {
    snapshots: Option<SnapshotPublisher>,
    kv: HashMap<u32, KvPublisher>,
    cards: Option<(AdapterCards, Handle)>,
}

impl HostData {
    pub(super) fn of(name: Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            name,
            open: RwLock::default(),
        })
    }

    /// Lent for as long as it lives.
    pub(super) fn lend(this: &Arc<Self>) -> abi::Host {
        abi::Host {
            table: &TABLE,
            data: Arc::as_ptr(this).cast_mut().cast(),
        }
    }

    pub(super) fn publish_snapshots_by(&self, publisher: SnapshotPublisher) {
        self.open.write().snapshots = Some(publisher);
    }

    pub(super) fn publish_kv_events_by(&self, publisher: KvPublisher) {
        self.open.write().kv.insert(publisher.dp_rank(), publisher);
    }

    pub(super) fn register_cards_by(&self, cards: AdapterCards) {
        self.open.write().cards = Some((cards, Handle::current()));
    }

    /// Publishes nothing from here on.
    pub(super) fn close(&self) {
        *self.open.write() = Open::default();
    }

    fn publisher(&self, dp_rank: u32) -> Option<KvPublisher> {
        self.open.read().kv.get(&dp_rank).cloned()
    }

    fn log(&self, level: LogLevel, target: Option<&str>, message: &str) {
        let engine = &*self.name;
        macro_rules! line {
            ($level:ident) => {
                match target {
                    Some(part) => tracing::$level!(engine, part, "{message}"),
                    None => tracing::$level!(engine, "{message}"),
                }
            };
        }
        match level {
            LogLevel::ERROR => line!(error),
            LogLevel::WARN => line!(warn),
            LogLevel::INFO => line!(info),
            LogLevel::DEBUG => line!(debug),
            _ => line!(trace),
        }
    }

    /// SAFETY: what `stored` points to is lent for the call.
    unsafe fn store(&self, stored: &abi::StoredBlocks) -> Result<Status, DynamoError> {
        let refused = |what: String| invalid_argument(format!("publish_stored: {what}"));
        if (stored.size as usize) < size_of::<abi::StoredBlocks>() {
            return Err(refused(format!(
                "a size of {} bytes is too small",
                stored.size
            )));
        }
        let lora_name = unsafe { optional("lora_name", stored.lora_name) }.map_err(refused)?;
        let cache_salt = unsafe { optional("cache_salt", stored.cache_salt) }.map_err(refused)?;
        let Some(publisher) = self.publisher(stored.dp_rank) else {
            return Ok(Status::PENDING);
        };
        if stored.blocks.is_null() && stored.count > 0 {
            return Err(refused(null("blocks", stored.count)));
        }
        let blocks = (0..stored.count).map(|number| {
            let block = unsafe { &*stored.blocks.add(number) };
            let token_ids = unsafe { block.token_ids.get() }.ok_or_else(|| {
                refused(format!(
                    "block {number}: {}",
                    null("token_ids", block.token_ids.len)
                ))
            })?;
            Ok(StoredBlock {
                block_hash: block.block_hash,
                token_ids: token_ids.to_vec(),
            })
        });
        let blocks = blocks.collect::<Result<_, DynamoError>>()?;
        let has_parent = stored.has & abi::stored_has::PARENT_HASH != 0;
        publisher.publish_stored_blocks(StoredBlocks {
            parent_hash: has_parent.then_some(stored.parent_hash),
            blocks,
            block_mm_infos: Vec::new(),
            lora_name: lora_name.map(str::to_owned),
            cache_salt: cache_salt.map(str::to_owned),
            is_eagle: stored.has & abi::stored_has::EAGLE != 0,
        })?;
        Ok(Status::READY)
    }

    fn publish(&self, dp_rank: u32, publish: impl FnOnce(&KvPublisher)) -> Status {
        match self.publisher(dp_rank) {
            Some(publisher) => {
                publish(&publisher);
                Status::READY
            }
            None => Status::PENDING,
        }
    }
}

const TABLE: abi::HostTable = abi::HostTable {
    header: Header::of::<abi::HostTable>(host_feature::UPDATES | host_feature::KV_LORA_NAME),
    dynamo_version: abi::Str::lend(VERSION),
    log: Some(log),
    log_enabled: Some(log_enabled),
    push_snapshot: Some(push_snapshot),
    publish_stored: Some(publish_stored),
    publish_removed: Some(publish_removed),
    publish_cleared: Some(publish_cleared),
    adapter_card: Some(adapter_card),
};

/// What `work` does with the host; `otherwise` where it panics, which is printed where it happens.
///
/// SAFETY of this and all below: `data` is that of a host that an engine was lent, and what they are
/// lent lives for the call.
unsafe fn within<T>(data: *mut c_void, otherwise: T, work: impl FnOnce(&HostData) -> T) -> T {
    let host = unsafe { &*data.cast::<HostData>() };
    catch_unwind(AssertUnwindSafe(|| work(host))).unwrap_or(otherwise)
}

unsafe extern "C" fn log(data: *mut c_void, level: LogLevel, target: abi::Str, message: abi::Str) {
    unsafe {
        within(data, (), |host| {
            let text = |text: abi::Str| String::from_utf8_lossy(text.get().unwrap_or_default());
            let target = (!target.is_none()).then(|| text(target));
            host.log(level, target.as_deref(), &text(message));
        });
    }
}

unsafe extern "C" fn log_enabled(data: *mut c_void, level: LogLevel) -> bool {
    let enabled = |_: &HostData| match level {
        LogLevel::ERROR => tracing::enabled!(tracing::Level::ERROR),
        LogLevel::WARN => tracing::enabled!(tracing::Level::WARN),
        LogLevel::INFO => tracing::enabled!(tracing::Level::INFO),
        LogLevel::DEBUG => tracing::enabled!(tracing::Level::DEBUG),
        _ => tracing::enabled!(tracing::Level::TRACE),
    };
    unsafe { within(data, false, enabled) }
}

unsafe extern "C" fn push_snapshot(data: *mut c_void, snapshot: *const abi::Snapshot) -> Status {
    let push = |host: &HostData| {
        let Some(snapshot) = (unsafe { snapshot.as_ref() }) else {
            return Status::FAILED;
        };
        if (snapshot.size as usize) < size_of::<abi::Snapshot>() {
            return Status::FAILED;
        }
        let Some(publisher) = host.open.read().snapshots.clone() else {
            return Status::PENDING;
        };
        let has_rate = snapshot.has & abi::snapshot_has::KV_CACHE_HIT_RATE != 0;
        let pushed = Snapshot {
            total_blocks: snapshot.total_blocks,
            used_blocks: snapshot.used_blocks,
            kv_cache_hit_rate: has_rate.then_some(snapshot.kv_cache_hit_rate),
        };
        publisher.push(snapshot.dp_rank, pushed);
        Status::READY
    };
    unsafe { within(data, Status::FAILED, push) }
}

unsafe extern "C" fn publish_stored(
    data: *mut c_void,
    stored: *const abi::StoredBlocks,
    answer: *mut abi::Answer,
) -> Status {
    let publish = |host: &HostData| match unsafe { stored.as_ref() } {
        Some(stored) => unsafe { host.store(stored) },
        None => Err(invalid_argument("publish_stored: there are no blocks")),
    };
    let panicked = || Err(crate::error::unknown("publish_stored panicked"));
    match unsafe { within(data, panicked(), publish) } {
        Ok(status) => status,
        Err(error) => unsafe { fail(&error, answer) },
    }
}

unsafe extern "C" fn publish_removed(
    data: *mut c_void,
    dp_rank: u32,
    block_hashes: *const u64,
    count: usize,
) -> Status {
    let publish = |host: &HostData| {
        if block_hashes.is_null() && count > 0 {
            return Status::FAILED;
        }
        let hashes = (0..count).map(|number| unsafe { *block_hashes.add(number) });
        host.publish(dp_rank, |publisher| {
            publisher.publish_removed(hashes.collect())
        })
    };
    unsafe { within(data, Status::FAILED, publish) }
}

unsafe extern "C" fn publish_cleared(data: *mut c_void, dp_rank: u32) -> Status {
    let publish = |host: &HostData| host.publish(dp_rank, KvPublisher::publish_cleared);
    unsafe { within(data, Status::FAILED, publish) }
}

unsafe extern "C" fn adapter_card(
    data: *mut c_void,
    name: abi::Str,
    publish: bool,
    operation: *mut abi::Operation,
    answer: *mut abi::Answer,
) -> Status {
    let begin = |host: &HostData| {
        let name = unsafe { super::lent::text("the adapter's name", name) };
        let name = name.map_err(invalid_argument)?.to_owned();
        match host.open.read().cards.clone() {
            Some((cards, runtime)) => Ok(adapter_card::begin(cards, &runtime, name, publish)),
            None => Err(crate::error::unknown(
                "adapter_card: the worker does not serve, or on_adapter_cards was not called yet",
            )),
        }
    };
    let panicked = || Err(crate::error::unknown("adapter_card panicked"));
    match unsafe { within(data, panicked(), begin) } {
        Ok(begun) => {
            unsafe { operation.write(begun) };
            Status::PENDING
        }
        Err(error) => unsafe { fail(&error, answer) },
    }
}
