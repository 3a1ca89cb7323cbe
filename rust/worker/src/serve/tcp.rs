//! Answers over the TCP response plane, which the worker writes itself.
//!
//! The runtime's ingress gives each answer a queue and three tasks, out of sight. Here the task of a
//! request writes to its connection, so it is known when the answer has left, and a frame costs one
//! write. Frontends see no difference.

mod answer;
mod connection;
mod counted;
mod envelope;
mod frame;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dynamo_backend_environment::{
    DYN_TCP_TLS_CA_CERT_PATH, DYN_TCP_TLS_CERT_PATH, DYN_TCP_TLS_CLIENT_CERT_PATH,
    DYN_TCP_TLS_CLIENT_KEY_PATH, DYN_TCP_TLS_INSECURE,
};
use dynamo_runtime::component::Endpoint;
use dynamo_runtime::engine::{AsyncEngineContext, AsyncEngineContextProvider};
use dynamo_runtime::metrics::prometheus_names::work_handler::error_types;
use dynamo_runtime::pipeline::PipelineError;
use dynamo_runtime::pipeline::network::ingress::push_handler::WorkHandlerMetrics;
use dynamo_runtime::pipeline::network::tcp::TcpStreamConnectionInfo;
use dynamo_runtime::pipeline::network::{
    ConnectionInfo, PushWorkHandler, ResponsePlaneMode, StreamType,
};
use dynamo_runtime::traits::DistributedRuntimeProvider;

use answer::Answer;
use connection::Connection;
use counted::{Counted, LOG};
use envelope::{Envelope, Unreadable};

use super::adapter::EngineAdapter;
use super::kind::Serves;
use crate::admission::Unanswered;
use crate::error::invalid_argument;

/// How a request says that its answer goes over TCP.
const TRANSPORT: &str = "tcp_server";

/// Whether answers go over TCP and are not encrypted, as far as the process is configured.
pub(super) fn is_configured(endpoint: &Endpoint) -> bool {
    let variables = [
        DYN_TCP_TLS_CERT_PATH,
        DYN_TCP_TLS_CA_CERT_PATH,
        DYN_TCP_TLS_INSECURE,
        DYN_TCP_TLS_CLIENT_CERT_PATH,
        DYN_TCP_TLS_CLIENT_KEY_PATH,
    ];
    let is_encrypted = variables.iter().any(|variable| variable.value().is_some());
    endpoint.drt().response_plane() == ResponsePlaneMode::Tcp && !is_encrypted
}

/// Serves an endpoint's requests.
pub(super) struct TcpAnswers<E: ?Sized> {
    adapter: Arc<EngineAdapter<E>>,
    /// For envelopes of another response plane: the runtime's own, which says what is wrong.
    others: Arc<dyn PushWorkHandler>,
    metrics: WorkHandlerMetrics,
}

impl<E: Serves + ?Sized> TcpAnswers<E> {
    /// Registers the runtime's metrics of the endpoint.
    pub(super) fn new(
        adapter: Arc<EngineAdapter<E>>,
        others: Arc<dyn PushWorkHandler>,
        endpoint: &Endpoint,
        labels: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Ok(Self {
            adapter,
            others,
            metrics: counted::register(endpoint, &labels)?,
        })
    }

    async fn answer(&self, envelope: Envelope, counted: Counted<'_>) -> Result<(), PipelineError> {
        let admission = self.adapter.admission();
        let unanswered = admission.unanswered();
        let (header, request) = match envelope.request::<E::Request>() {
            Ok(request) => request,
            Err(unreadable) => return refuse(*unreadable, counted, unanswered).await,
        };
        let admitted = admission.enter();
        if let Some(sent) = header.frontend_send_ts_ns {
            counted.sent_at(sent);
        }
        let context = request.context();
        let connected = tokio::select! {
            biased;
            connected = connect(header.connection_info, &*context) => connected,
            // Who came after a cut is told that the worker takes no requests.
            () = admission.until_cut(), if admitted.is_some() => {
                Err(anyhow::anyhow!("the request was cut"))
            }
        };
        let connection = match connected {
            Ok(connection) => connection,
            Err(error) => {
                if let Some(admitted) = admitted {
                    admitted.refuse();
                }
                counted.failed(error_types::RESPONSE_STREAM);
                let text = format!("Failed to create response stream: {error:#}");
                return Err(PipelineError::Generic(text));
            }
        };
        let mut answer = Answer::new(
            connection,
            context,
            header.payload_codec,
            counted,
            unanswered,
        );
        let opened = answer.hearing(self.adapter.open(request, admitted)).await;
        match opened {
            Ok(stream) => answer.send(stream).await.map_err(broken),
            Err(error) => {
                let failed = PipelineError::GenerateError(error.clone().into());
                let text = failed.to_string();
                tracing::error!(target: LOG, "Failed to generate response stream: {text}");
                tell(answer.refuse(&text, &error, error_types::GENERATE)).await;
                Err(failed)
            }
        }
    }
}

#[async_trait]
impl<E: Serves + ?Sized> PushWorkHandler for TcpAnswers<E> {
    fn bind_endpoint(&self, endpoint: &Endpoint) {
        self.others.bind_endpoint(endpoint);
    }

    fn add_metrics(
        &self,
        _endpoint: &Endpoint,
        _labels: Option<&[(&str, &str)]>,
    ) -> anyhow::Result<()> {
        // They are there since it was made.
        Ok(())
    }

    async fn handle_payload(
        &self,
        payload: Bytes,
        request_id: Option<String>,
    ) -> Result<(), PipelineError> {
        let counted = Counted::begin(&self.metrics, payload.len(), request_id);
        let envelope = Envelope::open(&payload).map_err(|(error_type, error)| {
            counted.failed(error_type);
            error
        })?;
        if envelope.header.connection_info.transport != TRANSPORT {
            return self.others.handle_payload(payload, None).await;
        }
        drop(payload);
        self.answer(envelope, counted).await
    }
}

/// Tells who sent a request that cannot be read, as one for an engine of another kind: nobody else
/// would, and it would wait for ever.
async fn refuse(
    unreadable: Unreadable,
    counted: Counted<'_>,
    unanswered: Unanswered,
) -> Result<(), PipelineError> {
    let Unreadable {
        header,
        context,
        error,
    } = unreadable;
    let refused = invalid_argument(format!("not as this worker takes requests: {error}"));
    match connect(header.connection_info, &*context).await {
        Ok(connection) => {
            let codec = header.payload_codec;
            let answer = Answer::new(connection, context, codec, counted, unanswered);
            let text = refused.to_string();
            tell(answer.refuse(&text, &refused, error_types::DESERIALIZATION)).await;
        }
        Err(unreachable) => {
            counted.failed(error_types::DESERIALIZATION);
            tracing::debug!(error = %unreachable, "a request cannot be read, nor its sender be told");
        }
    }
    Err(error)
}

/// Nobody waits for a refusal that cannot be written.
async fn tell(refusal: impl Future<Output = anyhow::Result<()>>) {
    if let Err(unwritten) = refusal.await {
        tracing::debug!(error = %unwritten, "a refusal could not be written");
    }
}

/// Connects to the frontend, and tells it whose answer this will be.
async fn connect(
    info: ConnectionInfo,
    context: &dyn AsyncEngineContext,
) -> anyhow::Result<Connection> {
    let info = TcpStreamConnectionInfo::try_from(info)?;
    anyhow::ensure!(
        info.stream_type == StreamType::Response,
        "the frontend gave a place for requests, not for an answer"
    );
    anyhow::ensure!(
        info.context == context.id(),
        "the frontend gave the place of the answer to request {:?} for request {:?}",
        info.context,
        context.id()
    );
    let mut connection = Connection::open(&info.address).await?;
    frame::handshake(connection.out(), &info.subject)?;
    std::future::poll_fn(|cx| connection.poll_flush(cx)).await?;
    Ok(connection)
}

fn broken(error: anyhow::Error) -> PipelineError {
    PipelineError::Generic(format!("an answer could not be written: {error:#}"))
}

#[cfg(test)]
mod tests;
