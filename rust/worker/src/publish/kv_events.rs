//! KV events: which blocks a rank holds, told to the router.

use std::collections::HashMap;
use std::sync::Arc;

use dynamo_llm::kv_router::publisher::KvEventPublisher;
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::error::DynamoError;
use dynamo_runtime::protocols::EndpointId;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::kv_publisher::KvPublisher;
use super::kv_socket::{Dropped, KvSocket};
use super::media_tokens::MediaTokens;
use super::open_kv_publisher::OpenKvPublisher;
use super::zmq_address;
use crate::engine_config::EngineConfig;
use crate::error::{at_step, invalid_argument, unknown};

/// Called once with a rank's publisher, when it is ready. Its error ends the run.
pub type OnKvPublisherReady =
    Arc<dyn Fn(KvPublisher) -> BoxFuture<'static, Result<(), DynamoError>> + Send + Sync>;

/// Where the KV events of one data-parallel rank come from.
#[derive(Clone)]
pub enum KvEventSource {
    /// The engine publishes on a ZMQ socket, in vLLM's format.
    Zmq {
        /// Address of the socket, `tcp://HOST:PORT` or `ipc://PATH`; the host `*` is this machine.
        endpoint: String,
        /// Topic that is subscribed to; empty: all.
        topic: String,
        /// The rank, which the engine's batches name too: one without a rank counts as rank 0's.
        dp_rank: u32,
        media: MediaTokens,
    },
    /// The engine calls a publisher that it is handed.
    Push {
        dp_rank: u32,
        media: MediaTokens,
        on_ready: OnKvPublisherReady,
    },
}

impl KvEventSource {
    /// A source that hands its publisher to `on_ready`, before requests are served.
    pub fn push(dp_rank: u32, on_ready: impl Fn(KvPublisher) + Send + Sync + 'static) -> Self {
        Self::Push {
            dp_rank,
            media: MediaTokens::default(),
            on_ready: Arc::new(move |publisher| {
                on_ready(publisher);
                std::future::ready(Ok(())).boxed()
            }),
        }
    }

    /// The same, where these tokens stand for images and videos.
    pub fn with_media(mut self, tokens: MediaTokens) -> Self {
        match &mut self {
            Self::Zmq { media, .. } | Self::Push { media, .. } => *media = tokens,
        }
        self
    }

    pub fn dp_rank(&self) -> u32 {
        match self {
            Self::Zmq { dp_rank, .. } | Self::Push { dp_rank, .. } => *dp_rank,
        }
    }

    pub fn media(&self) -> MediaTokens {
        match self {
            Self::Zmq { media, .. } | Self::Push { media, .. } => *media,
        }
    }
}

/// Refuses sources that the router could make nothing of, and puts in what `*` stands for.
pub(crate) fn check(
    sources: &mut [KvEventSource],
    config: &EngineConfig,
) -> Result<(), DynamoError> {
    let refused = |number: usize, what: String| {
        Err(invalid_argument(format!(
            "source {number} of {}, counted from 0: {what}",
            sources.len()
        )))
    };
    let first = config.data_parallel_start_rank.unwrap_or(0);
    let size = config.data_parallel_size.unwrap_or(1);
    let mut seen = HashMap::new();
    for (number, source) in sources.iter().enumerate() {
        let dp_rank = source.dp_rank();
        if let Some(other) = seen.insert(dp_rank, number) {
            return refused(
                number,
                format!("dp_rank {dp_rank} is that of source {other}"),
            );
        }
        if dp_rank.checked_sub(first).is_none_or(|rank| rank >= size) {
            return refused(
                number,
                format!(
                    "dp_rank {dp_rank} is none of the engine's ranks; its configuration has \
                     data_parallel_start_rank {first} and data_parallel_size {size}"
                ),
            );
        }
        if let Err(what) = source.media().check() {
            return refused(number, what);
        }
        if let KvEventSource::Zmq { endpoint, .. } = source
            && let Err(what) = zmq_address::to_connect(endpoint)
        {
            return refused(number, format!("endpoint {what}"));
        }
    }
    if config.kv_cache_block_size == Some(0) && !sources.is_empty() {
        return Err(invalid_argument(
            "kv_cache_block_size is 0; accepted: 1 or more, or unset to have no KV events",
        ));
    }
    for source in sources {
        if let KvEventSource::Zmq { endpoint, .. } = source
            && let Ok(connected) = zmq_address::to_connect(endpoint)
        {
            *endpoint = connected;
        }
    }
    Ok(())
}

/// Starts a publisher per source, of events for the endpoint `state`. They are open as long as the answer lives.
pub(crate) async fn start_kv_publishers(
    endpoint: &Endpoint,
    state: EndpointId,
    block_size: u32,
    local_indexer: bool,
    sources: Vec<KvEventSource>,
) -> Result<Vec<OpenKvPublisher>, DynamoError> {
    let mut publishers = Vec::with_capacity(sources.len());
    let mut dropped = None;
    for source in sources {
        let (dp_rank, media) = (source.dp_rank(), source.media());
        let failed = |error: anyhow::Error| unknown(format!("dp_rank {dp_rank}: {error:#}"));
        let started = KvEventPublisher::new_with_local_indexer_at(
            endpoint.clone(),
            state.clone(),
            block_size,
            None,
            local_indexer,
            dp_rank,
            None,
        )
        .map_err(failed)?;
        let mut open = OpenKvPublisher::new(KvPublisher::new(started, dp_rank, block_size, media));
        let publisher = open.publisher.clone();
        match source {
            KvEventSource::Push { on_ready, .. } => on_ready(publisher)
                .await
                .map_err(|error| at_step(&format!("on_ready of dp_rank {dp_rank}"), error))?,
            KvEventSource::Zmq {
                endpoint: address,
                topic,
                ..
            } => {
                // One counter for all ranks.
                let dropped = match &dropped {
                    Some(dropped) => Dropped::clone(dropped),
                    None => dropped
                        .insert(Dropped::register(endpoint).map_err(failed)?)
                        .clone(),
                };
                let socket = KvSocket::open(endpoint, address, &topic, publisher, dropped);
                open.socket = Some(socket.map_err(failed)?);
            }
        }
        publishers.push(open);
    }
    Ok(publishers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zmq(endpoint: &str, dp_rank: u32) -> KvEventSource {
        KvEventSource::Zmq {
            endpoint: endpoint.into(),
            topic: String::new(),
            dp_rank,
            media: MediaTokens::default(),
        }
    }

    fn push(dp_rank: u32) -> KvEventSource {
        KvEventSource::push(dp_rank, drop)
    }

    fn ranks(first: Option<u32>, size: Option<u32>) -> EngineConfig {
        EngineConfig {
            data_parallel_start_rank: first,
            data_parallel_size: size,
            kv_cache_block_size: Some(16),
            ..EngineConfig::default()
        }
    }

    fn refusal(sources: &mut [KvEventSource], config: &EngineConfig) -> String {
        check(sources, config).unwrap_err().message().to_owned()
    }

    #[test]
    fn a_source_per_declared_rank_is_accepted() {
        check(&mut [push(0)], &ranks(None, None)).unwrap();
        check(&mut [push(5), push(4)], &ranks(Some(4), Some(2))).unwrap();
        check(&mut [push(u32::MAX)], &ranks(Some(u32::MAX), None)).unwrap();
    }

    #[test]
    fn a_socket_that_is_bound_everywhere_is_connected_to_here() {
        let mut sources = [zmq("tcp://*:5557", 0)];
        check(&mut sources, &ranks(None, None)).unwrap();
        let [KvEventSource::Zmq { endpoint, .. }] = sources else {
            panic!("another source");
        };
        assert_eq!(endpoint, "tcp://127.0.0.1:5557");
    }

    #[test]
    fn a_rank_twice_is_named() {
        let message = refusal(&mut [push(0), push(1), push(0)], &ranks(None, Some(2)));
        assert_eq!(
            message,
            "source 2 of 3, counted from 0: dp_rank 0 is that of source 0"
        );
    }

    #[test]
    fn a_rank_that_was_not_declared_is_named() {
        for (first, size, rank) in [
            (None, None, 1),
            (Some(4), Some(2), 3),
            (Some(4), Some(2), 6),
        ] {
            let message = refusal(&mut [push(rank)], &ranks(first, size));
            let named = format!("dp_rank {rank} is none of the engine's ranks");
            assert!(message.contains(&named), "{message}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_parsed_is_named() {
        let message = refusal(&mut [push(0), zmq("tcp://x", 1)], &ranks(None, Some(2)));
        assert!(
            message.contains("source 1 of 2, counted from 0: endpoint 'tcp://x': has no port"),
            "{message}"
        );
    }

    #[test]
    fn one_token_for_images_and_videos_is_refused() {
        let both = MediaTokens {
            image_token_id: Some(7),
            video_token_id: Some(7),
        };
        let KvEventSource::Push {
            dp_rank, on_ready, ..
        } = push(0)
        else {
            panic!("another source");
        };
        let source = KvEventSource::Push {
            dp_rank,
            on_ready,
            media: both,
        };
        let message = refusal(&mut [source], &ranks(None, None));
        assert!(
            message
                .contains("source 0 of 1, counted from 0: image_token_id and video_token_id are"),
            "{message}"
        );
        let two = MediaTokens {
            video_token_id: Some(8),
            ..both
        };
        assert_eq!(two.check(), Ok(()));
    }

    #[test]
    fn blocks_without_tokens_are_refused_where_there_are_sources() {
        let config = EngineConfig {
            kv_cache_block_size: Some(0),
            ..EngineConfig::default()
        };
        assert!(refusal(&mut [push(0)], &config).starts_with("kv_cache_block_size is 0"));
        check(&mut [], &config).unwrap();
    }
}
