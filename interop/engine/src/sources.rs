//! Where an engine's KV events come from.

use dynamo_backend_common as reference;
use dynamo_engine::{Error, KvEventSource};

pub(crate) fn ours(source: reference::KvEventSource) -> Result<KvEventSource, Error> {
    match source {
        reference::KvEventSource::Zmq {
            endpoint,
            topic,
            dp_rank,
            image_token_id,
        } => Ok(KvEventSource::Zmq {
            dp_rank,
            endpoint,
            topic,
            image_token_id,
            video_token_id: None,
        }),
        reference::KvEventSource::Push { dp_rank, .. } => Err(Error::unknown(format!(
            "the engine pushes the KV events of rank {dp_rank} to a publisher of the reference's, \
             which this worker does not have; one that publishes them by ZMQ can be served"
        ))),
    }
}
