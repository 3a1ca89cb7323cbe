//! What a request arrives in.
//!
//! Two lengths and a checksum, a header in JSON that says whose request it is and where its answer
//! goes, and the request. The field names are the runtime's (`RequestControlMessage`), which keeps
//! its type for itself.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use dynamo_runtime::engine::{AsyncEngineContext, AsyncEngineContextProvider};
use dynamo_runtime::metrics::prometheus_names::work_handler::error_types;
use dynamo_runtime::pipeline::network::{ConnectionInfo, RequestPlanePayloadCodec};
use dynamo_runtime::pipeline::{PipelineError, SingleIn};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A request as it was sent.
pub(super) struct Envelope {
    pub(super) header: Header,
    request: Bytes,
}

#[derive(Deserialize)]
pub(super) struct Header {
    id: String,
    #[serde(default)]
    pub(super) payload_codec: RequestPlanePayloadCodec,
    pub(super) connection_info: ConnectionInfo,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// Nanoseconds since 1970 by the sender's clock.
    pub(super) frontend_send_ts_ns: Option<u64>,
}

/// A request that cannot be read, by somebody who can be told.
pub(super) struct Unreadable {
    pub(super) header: Header,
    pub(super) context: Arc<dyn AsyncEngineContext>,
    pub(super) error: PipelineError,
}

/// What is wrong with an envelope, and one of the runtime's names for that.
pub(super) type Malformed = (&'static str, PipelineError);

impl Envelope {
    /// Takes the envelope apart, without copying the request.
    pub(super) fn open(payload: &Bytes) -> Result<Self, Malformed> {
        let (header, request) = parts(payload).ok_or_else(|| {
            let text = "a request's envelope ends before its header and its request do";
            (
                error_types::INVALID_MESSAGE,
                PipelineError::Generic(text.to_owned()),
            )
        })?;
        if header.is_empty() || request.is_empty() {
            let text = "a request came in an envelope without a header or without a request; this \
                        endpoint takes one request at a time";
            return Err((
                error_types::INVALID_MESSAGE,
                PipelineError::Generic(text.to_owned()),
            ));
        }
        match serde_json::from_slice(&payload[header]) {
            Ok(header) => Ok(Self {
                header,
                request: payload.slice(request),
            }),
            Err(error) => {
                let text = format!("the header of a request's envelope: {error}");
                let error = PipelineError::DeserializationError(text);
                Err((error_types::DESERIALIZATION, error))
            }
        }
    }

    /// The request, with the context of its id and its metadata.
    pub(super) fn request<R: DeserializeOwned + Send + Sync + 'static>(
        self,
    ) -> Result<(Header, SingleIn<R>), Box<Unreadable>> {
        let Self {
            mut header,
            request,
        } = self;
        let codec = header.payload_codec;
        let (id, metadata) = (
            std::mem::take(&mut header.id),
            std::mem::take(&mut header.metadata),
        );
        match codec.decode(&request) {
            Ok(request) => Ok((
                header,
                SingleIn::with_id_and_metadata(request, id, metadata),
            )),
            Err(error) => Err(Box::new(Unreadable {
                header,
                context: SingleIn::with_id_and_metadata((), id, metadata).context(),
                error: PipelineError::DeserializationError(format!(
                    "Failed deserializing {} request payload: {error}",
                    codec.name()
                )),
            })),
        }
    }
}

/// Where the header and the request are, of a payload that has both whole.
fn parts(payload: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    const LENGTHS_AND_CHECKSUM: usize = 24;
    if payload.len() < LENGTHS_AND_CHECKSUM {
        return None;
    }
    let mut lengths = payload;
    let header = usize::try_from(lengths.get_u64()).ok()?;
    let request = usize::try_from(lengths.get_u64()).ok()?;
    let header = LENGTHS_AND_CHECKSUM..LENGTHS_AND_CHECKSUM.checked_add(header)?;
    let request = header.end..header.end.checked_add(request)?;
    (request.end <= payload.len()).then_some((header, request))
}

#[cfg(test)]
mod tests {
    use dynamo_llm::protocols::common::preprocessor::PreprocessedRequest;
    use dynamo_runtime::pipeline::network::codec::{TwoPartCodec, TwoPartMessage};
    use serde_json::json;

    use super::*;

    /// As a frontend packs it.
    fn packed(header: &str, request: &'static [u8]) -> Bytes {
        let message = TwoPartMessage::from_parts(
            Bytes::copy_from_slice(header.as_bytes()),
            Bytes::from_static(request),
        );
        TwoPartCodec::default().encode_message(message).unwrap()
    }

    fn header() -> String {
        json!({
            "id": "a-request",
            "request_type": "single_in",
            "response_type": "many_out",
            "connection_info": {"transport": "tcp_server", "info": "{}"},
            "metadata": {"key": "value"},
            "unknown": [1],
        })
        .to_string()
    }

    #[test]
    fn a_request_has_its_id_its_metadata_and_the_codec_that_old_frontends_mean() {
        let payload = packed(&header(), br#"{"token_ids": [1, 2]}"#);
        let envelope = Envelope::open(&payload).ok().unwrap();
        let (header, request) = envelope.request::<PreprocessedRequest>().ok().unwrap();
        assert_eq!(header.payload_codec, RequestPlanePayloadCodec::Json);
        assert_eq!(header.connection_info.transport, "tcp_server");
        assert_eq!(header.frontend_send_ts_ns, None);
        assert_eq!(request.id(), "a-request");
        assert_eq!(request.metadata()["key"], "value");
        assert_eq!(*request.token_ids, [1, 2]);
    }

    #[test]
    fn what_is_cut_short_or_has_one_part_is_no_request() {
        let whole = packed(&header(), b"{}");
        for payload in [
            Bytes::new(),
            whole.slice(..23),
            whole.slice(..whole.len() - 1),
            Bytes::from(vec![0xff; 64]),
            packed(&header(), b""),
            packed("", b"{}"),
        ] {
            assert!(matches!(
                Envelope::open(&payload),
                Err((error_types::INVALID_MESSAGE, _))
            ));
        }
    }

    #[test]
    fn a_header_or_a_request_that_cannot_be_read_is_named() {
        let no_header = packed("{}", b"{}");
        assert!(matches!(
            Envelope::open(&no_header),
            Err((error_types::DESERIALIZATION, _))
        ));
        let envelope = Envelope::open(&packed(&header(), b"[]")).ok().unwrap();
        let unreadable = envelope.request::<PreprocessedRequest>().err().unwrap();
        assert_eq!(unreadable.context.id(), "a-request");
        let error = unreadable.error.to_string();
        assert!(error.contains("json request payload"), "{error}");
    }
}
