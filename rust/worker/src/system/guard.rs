//! What a request for `/engine/…` has to pass before a handler sees it: who sends it, and a body that
//! is JSON, small, and there in time. Until the sender is known nothing of the body is read.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dynamo_backend_environment::DYN_SYSTEM_TOKEN;
use dynamo_backend_lifecycle::controls::error_reply;
use futures::StreamExt;

use super::connections::Busy;
use super::origin;
use super::shared::Shared;

const PREFIX: &str = "/engine/";
/// The largest body.
const LIMIT: usize = 2 * 1024 * 1024;
/// What is read, and forgotten, of a larger one, so that its sender gets to read the answer.
const PATIENCE: usize = 64 * 1024 * 1024;
/// How long a body may take.
const IN_TIME: Duration = Duration::from_secs(10);

pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if !request.uri().path().starts_with(PREFIX) {
        return Ok(next.run(request).await);
    }
    admit(&shared, request.headers())?;
    let (parts, body) = request.into_parts();
    let body = if parts.method == Method::POST {
        is_json(&parts.headers)?;
        Body::from(read(body).await?)
    } else {
        Body::empty()
    };
    let busy = parts.extensions.get::<Busy>().map(Busy::begin);
    let answer = next.run(Request::from_parts(parts, body)).await;
    drop(busy);
    Ok(answer)
}

/// What is answered in the handler's place, as its own errors are: in JSON.
pub(super) struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(code, message) = self;
        let mut response = (code, Json(error_reply(message))).into_response();
        if code == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

fn admit(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    match &shared.token {
        Some(token) if token.admits(headers) => Ok(()),
        Some(_) => Err(Refusal(
            StatusCode::UNAUTHORIZED,
            "engine controls need the header 'Authorization: Bearer TOKEN'".into(),
        )),
        None if origin::is_elsewhere(headers) => Err(Refusal(
            StatusCode::FORBIDDEN,
            format!(
                "a browser sends this for a web page of another origin, and engine controls are not \
                 for such pages; a request that has the token of {DYN_SYSTEM_TOKEN} is taken from \
                 anywhere"
            ),
        )),
        None => Ok(()),
    }
}

/// A body whose kind is not told counts as JSON.
fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(kind) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = String::from_utf8_lossy(kind.as_bytes()).to_ascii_lowercase();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
    {
        return Ok(());
    }
    Err(Refusal(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!(
            "engine controls take JSON, and the request says that its body is '{essence}'; send the \
             header 'Content-Type: application/json'"
        ),
    ))
}

async fn read(body: Body) -> Result<Bytes, Refusal> {
    let mut parts = body.into_data_stream();
    let (mut body, mut size) = (Vec::new(), 0);
    let all = async {
        while let Some(part) = parts.next().await {
            let part = part?;
            size += part.len();
            if size <= LIMIT {
                body.extend_from_slice(&part);
            } else if size > PATIENCE {
                break;
            }
        }
        Ok::<(), axum::Error>(())
    };
    match tokio::time::timeout(IN_TIME, all).await {
        _ if size > LIMIT => Err(Refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request's body is larger than {LIMIT} bytes"),
        )),
        Ok(Ok(())) => Ok(Bytes::from(body)),
        Ok(Err(broken)) => Err(Refusal(
            StatusCode::BAD_REQUEST,
            format!("the request's body cannot be read: {broken}"),
        )),
        Err(_) => Err(Refusal(
            StatusCode::REQUEST_TIMEOUT,
            format!("the request's body was not there within {IN_TIME:?}"),
        )),
    }
}
