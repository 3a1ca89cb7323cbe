//! The connections of the system server: how many there may be, and how long one may say nothing.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many there may be at once. One more takes the place of the oldest that has no control at work,
/// so that a probe always gets in, whoever sits on the others.
const MOST: usize = 128;
/// How long the head of a request may take, and how long a connection is kept for the next one.
const HEAD: Duration = Duration::from_secs(10);
/// Before the next try, where no connection can be accepted, as without descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether a connection has a control at work.
#[derive(Clone, Default)]
pub(super) struct Busy(Arc<AtomicUsize>);

/// A control is at work while it lives.
pub(super) struct AtWork(Busy);

impl Busy {
    pub(super) fn begin(&self) -> AtWork {
        self.0.fetch_add(1, Ordering::Relaxed);
        AtWork(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Open {
    busy: Busy,
    close: CancellationToken,
}

/// Serves until `stop`; answers that were begun by then are finished.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut open: VecDeque<Open> = VecDeque::new();
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = tasks.join_next() => {
                open.retain(|connection| !connection.close.is_cancelled());
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                if !is_the_connections_own(&error) {
                    tracing::warn!(%error, "the system server cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
                continue;
            }
        };
        if open.len() >= MOST {
            let Some(index) = open
                .iter()
                .position(|connection| !connection.busy.is_busy())
            else {
                continue;
            };
            if let Some(oldest) = open.remove(index) {
                oldest.close.cancel();
            }
        }
        let (busy, close) = (Busy::default(), CancellationToken::new());
        open.push_back(Open {
            busy: busy.clone(),
            close: close.clone(),
        });
        let router = router.clone().layer(Extension(busy));
        tasks.spawn(connection(stream, router, close, stop.clone()));
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    router: Router,
    close: CancellationToken,
    stop: CancellationToken,
) {
    // However it ends, its place is free.
    let _closed = close.clone().drop_guard();
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    tokio::select! {
        // How it ended is the client's doing.
        _ = served.as_mut() => return,
        () = close.cancelled() => return,
        () = stop.cancelled() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

fn is_the_connections_own(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
