//! What an engine does with its host.

use std::sync::{Arc, Mutex};

use dynamo_engine::{
    Answer, Engine, EngineConfig, Error, ErrorKind, Finish, Host, Level, Published, Request,
    Snapshot, StoredBlock, export,
};
use dynamo_llm::kv_router::protocols::KvCacheEventData;

use super::{enter, shared};
use crate::engine::LLMEngine;
use crate::publish::{KvPublisher, MediaTokens, SnapshotPublisher};

/// Hands its host out.
#[derive(Clone, Default)]
struct Lends(Arc<Mutex<Option<Host>>>);

impl Engine for Lends {
    fn name(&self) -> String {
        "Lends".into()
    }
    async fn start(&self, host: Host, _worker_id: u64) -> Result<EngineConfig, Error> {
        *self.0.lock().unwrap() = Some(host);
        Ok(EngineConfig::new("lends"))
    }
    async fn generate(&self, _request: &Request, _answer: &mut Answer) -> Result<Finish, Error> {
        Ok(Finish::stop())
    }
    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }
}

const BLOCK: StoredBlock<'_> = StoredBlock {
    block_hash: 1,
    token_ids: &[5, 6],
};

#[tokio::test]
async fn what_is_published_goes_to_the_rank_s_publisher_while_there_is_one() {
    let lends = Lends::default();
    let engine = enter(export(lends.clone()));
    engine.start(7).await.unwrap();
    let host = lends.0.lock().unwrap().clone().unwrap();
    let snapshot = Snapshot {
        total_blocks: 2,
        used_blocks: 1,
        kv_cache_hit_rate: Some(0.5),
    };

    assert_eq!(host.push_snapshot(0, snapshot), Published::NobodyListens);
    assert_eq!(
        host.publish_stored(0, None, &[BLOCK]),
        Ok(Published::NobodyListens)
    );

    let events = Arc::<Mutex<Vec<_>>>::default();
    let taken = events.clone();
    let publisher = KvPublisher::to(0, 2, MediaTokens::default(), move |published| {
        let data = published.into_iter().map(|(event, _)| event.data);
        taken.lock().unwrap().extend(data);
        true
    });
    engine.engine.host.publish_kv_events_by(publisher);
    engine
        .engine
        .host
        .publish_snapshots_by(SnapshotPublisher::unread());
    assert_eq!(host.push_snapshot(0, snapshot), Published::Yes);
    assert_eq!(
        host.publish_stored(0, Some(9), &[BLOCK]),
        Ok(Published::Yes)
    );
    assert_eq!(host.publish_removed(0, &[1]), Published::Yes);
    assert_eq!(host.publish_cleared(0), Published::Yes);
    assert_eq!(host.publish_cleared(1), Published::NobodyListens);
    let events = std::mem::take(&mut *events.lock().unwrap());
    let [
        KvCacheEventData::Stored(stored),
        KvCacheEventData::Removed(removed),
        KvCacheEventData::Cleared,
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(stored.parent_hash.map(|hash| hash.0), Some(9));
    assert_eq!(stored.blocks[0].block_hash.0, 1);
    assert_eq!(removed.block_hashes[0].0, 1);

    let short = StoredBlock {
        block_hash: 2,
        token_ids: &[5],
    };
    let error = host.publish_stored(0, None, &[BLOCK, short]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("block 1 of 2"), "{error}");

    engine.cleanup().await.unwrap();
    assert_eq!(host.publish_removed(0, &[1]), Published::NobodyListens);
}

#[tokio::test]
async fn a_host_that_is_gone_does_nothing() {
    let lends = Lends::default();
    let engine = shared(export(lends.clone()));
    engine.start(7).await.unwrap();
    let host = lends.0.lock().unwrap().clone().unwrap();
    assert_eq!(host.dynamo_version(), crate::DYNAMO_VERSION);
    assert!(!host.knows_updates());
    let early = host.publish_adapter("a").await.unwrap_err();
    assert!(early.message().starts_with("adapter_card: "), "{early}");
    drop(engine);
    assert_eq!(host.dynamo_version(), "");
    assert!(!host.logs(Level::Error));
    host.log(Level::Error, "nobody reads this");
    let late = host.publish_adapter("a").await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::EngineShutdown);
}

#[tokio::test]
async fn lines_reach_the_log_with_the_engine_s_name() {
    let lends = Lends::default();
    let engine = enter(export(lends.clone()));
    engine.start(7).await.unwrap();
    let host = lends.0.lock().unwrap().clone().unwrap();
    let lines = Arc::<Mutex<Vec<u8>>>::default();
    let written = Written(lines.clone());
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || written.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        dynamo_engine::log!(host, Warn, "{} layers", 3);
        host.log_of("loader", Level::Info, "ready");
        assert!(host.logs(Level::Info) && !host.logs(Level::Debug));
        dynamo_engine::log!(host, Debug, "not wanted");
    });
    let lines = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains(" WARN ") && lines[0].contains("3 layers engine=\"Lends\""),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("ready engine=\"Lends\" part=\"loader\""),
        "{lines:?}"
    );
}

#[derive(Clone)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
