//! The bytes beside those of the runtime's own ingress.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use dynamo_protocols::types::CompletionUsage;
use dynamo_runtime::engine::AsyncEngineContext;
use dynamo_runtime::pipeline::context::Controller;
use dynamo_runtime::pipeline::network::codec::{TwoPartCodec, TwoPartMessage};
use dynamo_runtime::pipeline::network::tcp::TcpStreamConnectionInfo;
use dynamo_runtime::pipeline::network::tcp::client::TcpClient;
use dynamo_runtime::pipeline::network::{StreamPrologueError, StreamSender};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_util::codec::Decoder;

use super::*;
use crate::error::invalid_argument;

const CODECS: [RequestPlanePayloadCodec; 2] = [
    RequestPlanePayloadCodec::Msgpack,
    RequestPlanePayloadCodec::Json,
];
const SUBJECT: &str = "a-subject";
const ID: &str = "a-request";

/// Headers and data of frames, without their checksums.
fn frames(bytes: &[u8]) -> Vec<(Bytes, Bytes)> {
    let mut bytes = BytesMut::from(bytes);
    let mut codec = TwoPartCodec::default();
    let frames = std::iter::from_fn(|| codec.decode(&mut bytes).unwrap());
    let frames = frames.map(TwoPartMessage::into_parts).collect();
    assert!(bytes.is_empty(), "a frame is cut short");
    frames
}

/// What the runtime writes to a frontend when `answer` has sent what it sends.
async fn of_runtime(answer: impl AsyncFnOnce(&mut StreamSender)) -> Vec<(Bytes, Bytes)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let info = TcpStreamConnectionInfo {
        address: listener.local_addr().unwrap().to_string(),
        subject: SUBJECT.to_owned(),
        context: ID.to_owned(),
        stream_type: StreamType::Response,
    };
    let context: Arc<dyn AsyncEngineContext> = Arc::new(Controller::new(ID.to_owned()));
    let connecting = TcpClient::create_response_stream(context, info.into(), None);
    let (sender, accepted) = tokio::join!(connecting, listener.accept());
    let (mut sender, mut socket) = (sender.unwrap(), accepted.unwrap().0);
    answer(&mut sender).await;
    drop(sender);
    let mut bytes = Vec::new();
    while !bytes.ends_with(br#""sentinel""#) {
        assert_ne!(socket.read_buf(&mut bytes).await.unwrap(), 0);
    }
    frames(&bytes)
}

fn chunks() -> Vec<LLMEngineOutput> {
    let ids = [0, 127, 128, 255, 256, 65_535, 65_536, u32::MAX];
    let of = |token_ids: Vec<u32>| LLMEngineOutput {
        token_ids,
        ..Default::default()
    };
    let first = of(vec![5]);
    vec![
        of(Vec::new()),
        of(ids.to_vec()),
        of((0..15).collect()),
        of((0..16).collect()),
        of((0..70_000).collect()),
        LLMEngineOutput {
            log_probs: Some(vec![-0.5]),
            cum_log_probs: Some(-1e300),
            index: Some(0),
            ..first.clone()
        },
        LLMEngineOutput {
            log_probs: Some(Vec::new()),
            index: Some(u32::MAX),
            ..first.clone()
        },
        LLMEngineOutput::stop(),
        LLMEngineOutput::length(),
        LLMEngineOutput::cancelled(),
        LLMEngineOutput::error("no room".into()),
        LLMEngineOutput {
            finish_reason: Some(FinishReason::EoS),
            ..first.clone()
        },
        LLMEngineOutput {
            finish_reason: Some(FinishReason::ContentFilter),
            ..first.clone()
        },
        LLMEngineOutput {
            text: Some("five".into()),
            tokens: Some(vec![Some("five".into()), None]),
            ..first.clone()
        },
        LLMEngineOutput {
            completion_usage: Some(CompletionUsage::default()),
            ..LLMEngineOutput::stop()
        },
        LLMEngineOutput {
            disaggregated_params: Some(json!({"blocks": [1, 2]})),
            output_type: OutputType::Image,
            ..first
        },
    ]
}

#[tokio::test]
async fn an_answer_is_what_the_runtime_writes() {
    for codec in CODECS {
        let items: Vec<_> = chunks()
            .into_iter()
            .map(Ok)
            .chain([Err(invalid_argument("too long"))])
            .collect();
        let mut out = Vec::new();
        handshake(&mut out, SUBJECT).unwrap();
        prologue(&mut out, None).unwrap();
        let mut bytes = Vec::new();
        for each in items.clone() {
            bytes.push(item(&mut out, codec, each).unwrap());
        }
        bytes.push(complete(&mut out, codec).unwrap());
        sentinel(&mut out).unwrap();

        let theirs = of_runtime(async |sender| {
            sender.send_prologue(None).await.unwrap();
            let of_items = items.into_iter().map(|item| NetworkStreamWrapper {
                data: Some(match item {
                    Ok(chunk) => Annotated::from_data(chunk),
                    Err(error) => Annotated::from_err(error),
                }),
                complete_final: false,
            });
            let end = NetworkStreamWrapper {
                data: None,
                complete_final: true,
            };
            for wrapper in of_items.chain([end]) {
                let data = codec.encode(&wrapper).unwrap();
                sender.send(data.into()).await.unwrap();
            }
        })
        .await;
        let ours = frames(&out);
        assert_eq!(ours, theirs, "{codec:?}");
        let data = ours.iter().map(|(_, data)| data.len());
        assert!(data.filter(|length| *length > 0).eq(bytes));
    }
}

#[tokio::test]
async fn a_refusal_is_what_the_runtime_writes() {
    let error = invalid_argument("too long");
    let text = "Generate Error: too long";
    let mut out = Vec::new();
    handshake(&mut out, SUBJECT).unwrap();
    prologue(&mut out, Some((text, &error))).unwrap();
    sentinel(&mut out).unwrap();
    let theirs = of_runtime(async |sender| {
        let refusal = StreamPrologueError::new(text, error);
        sender.send_prologue_typed(Some(refusal)).await.unwrap();
    })
    .await;
    assert_eq!(frames(&out), theirs);
}

#[test]
fn nothing_is_left_of_a_frame_that_cannot_be_made() {
    let mut out = b"before".to_vec();
    let made = framed(&mut out, |out| {
        out.extend_from_slice(b"half");
        anyhow::bail!("no")
    });
    assert!(made.is_err());
    assert_eq!(out, b"before");
}
