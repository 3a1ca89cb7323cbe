//! The one-process mode: Dynamo's OpenAI frontend beside the worker.
//!
//! It has tokio threads of its own. What it has running ends with them, silently: its watchers of
//! discovery would otherwise log warnings and errors when discovery goes.

pub(crate) mod requests;
mod service;
mod unsent;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::anyhow;
use dynamo_backend_environment::{HOME, TMPDIR};
use dynamo_llm::http::service::service_v2::HttpService;
use dynamo_runtime::DistributedRuntime;
use dynamo_runtime::error::DynamoError;
use parking_lot::Mutex;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::error::{invalid_argument, unknown};
use crate::forked;
use crate::home;
use crate::nodelay;
use crate::runtimes;

/// Clients that may wait to be accepted, as far as the kernel lets them.
const BACKLOG: u32 = 4096;
const POLL: Duration = Duration::from_millis(20);
/// How long an instance that leaves waits for the requests that the frontend prepares.
const PREPARING: Duration = Duration::from_millis(1500);
/// After how long it is told that a model which is already in discovery is not served yet.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the frontend is to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontend {
    address: SocketAddr,
}

impl Frontend {
    /// A frontend on `host`, an address of this machine, and `port`; 0: any free one.
    pub fn new(host: IpAddr, port: u16) -> Self {
        Self {
            address: SocketAddr::new(host, port),
        }
    }

    /// Where it is to listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finds out before anything starts whether the port can be had.
    pub(crate) fn check_port(&self) -> Result<(), DynamoError> {
        TcpListener::bind(self.address).map(drop).map_err(|error| {
            invalid_argument(format!(
                "http_port: cannot listen on {}: {error}; choose another port or stop what uses it",
                self.address
            ))
        })
    }

    /// Finds out before anything starts whether the files of a card can be kept: without them no
    /// model is ever listed.
    pub(crate) fn check_cache(&self) -> Result<(), DynamoError> {
        if home::is_provided() {
            return Ok(());
        }
        Err(invalid_argument(format!(
            "{HOME}: the frontend keeps files in .cache/dynamo below it, and it cannot be written to, nor \
             can the folder of temporary files ({TMPDIR}); set one of them to a folder that can"
        )))
    }

    pub(crate) async fn start(
        &self,
        drt: DistributedRuntime,
    ) -> Result<RunningFrontend, DynamoError> {
        let failed = |error: String| unknown(format!("http frontend: {error}"));
        let threads =
            runtimes::build_frontend_runtime().map_err(|error| failed(error.to_string()))?;
        let threads = Threads(Mutex::new(Some(threads)));
        let (wanted, stop) = (self.address, CancellationToken::new());
        let (served, serves) = watch::channel(HashSet::new());
        let (ended, end) = watch::channel(None);
        let (built, service) = tokio::sync::oneshot::channel();
        let stopped = stop.clone();
        threads.spawn(async move {
            forked::close_sockets_of_this_runtime();
            let (listener, address) = match listen(wanted) {
                Ok(listening) => listening,
                Err(error) => return drop(built.send(Err(error))),
            };
            let http = match service::build(&drt, address, &stopped, served).await {
                Ok(http) => http,
                Err(error) => return drop(built.send(Err(error))),
            };
            if built.send(Ok((http.clone(), address))).is_err() {
                return;
            }
            // A task within the task, so that a panic is an end like any other.
            let task = tokio::spawn(service::run(http, listener, drt, stopped));
            let error = match task.await {
                Ok(Ok(())) => unknown("the http frontend ended"),
                Ok(Err(error)) => {
                    unknown(format!("the http frontend on {address} ended: {error:#}"))
                }
                Err(error) => unknown(format!("the http frontend crashed: {error}")),
            };
            ended.send_replace(Some(error));
        });
        let (http, address) = match service.await {
            Ok(Ok(listening)) => listening,
            Ok(Err(error)) => return Err(failed(format!("{error:#}"))),
            Err(_) => return Err(failed("it crashed when it was built".to_owned())),
        };
        Ok(RunningFrontend {
            address,
            http,
            stop,
            serves,
            end,
            threads,
        })
    }
}

/// Listens on `wanted`, on the current reactor; answers the address with the port that it got.
fn listen(wanted: SocketAddr) -> anyhow::Result<(tokio::net::TcpListener, SocketAddr)> {
    let listening = || {
        let socket = match wanted {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(wanted)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listening().map_err(|error: std::io::Error| anyhow!("cannot listen on {wanted}: {error}"))
}

/// A frontend that was started.
pub(crate) struct RunningFrontend {
    address: SocketAddr,
    http: HttpService,
    stop: CancellationToken,
    serves: watch::Receiver<HashSet<String>>,
    end: watch::Receiver<Option<DynamoError>>,
    threads: Threads,
}

impl RunningFrontend {
    /// Resolves when the frontend answers requests for `model`, so that what is announced can be
    /// called. `None`: a model that it will not list.
    pub(crate) async fn until_it_serves(&self, model: Option<&str>) {
        let answers = async {
            while TcpStream::connect(self.address).await.is_err() {
                tokio::time::sleep(POLL).await;
            }
            nodelay::on_frontend(self.address);
            let Some(model) = model else { return };
            let mut serves = self.serves.clone();
            // Without a sender the frontend has ended, which is told elsewhere.
            let _ = serves.wait_for(|served| served.contains(model)).await;
            while !self.http.model_manager().is_model_ready_to_serve(model) {
                tokio::time::sleep(POLL).await;
            }
        };
        let mut answers = std::pin::pin!(answers);
        if tokio::time::timeout(PATIENCE, &mut answers).await.is_err() {
            tracing::warn!(
                model,
                "the frontend on {} does not serve the model yet; until it does the worker is not \
                 ready; its log says why",
                self.address
            );
            answers.await;
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests. What it is answering it answers to the end, and ends then.
    pub(crate) fn close(&self) {
        self.stop.cancel();
    }

    /// Whether it takes no more requests.
    pub(crate) fn is_closed(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Answers that are not written to their end, or that their client's kernel does not take.
    pub(crate) fn answering(&self) -> usize {
        self.unwritten()
            .max(unsent::peers(self.address.port()).len())
    }

    /// Answers whose end the connection to the client has not got from the frontend.
    pub(crate) fn unwritten(&self) -> usize {
        usize::try_from(self.http.state().inflight_count()).unwrap_or(usize::MAX)
    }

    /// Of a frontend that was closed: resolves when each answer's last byte is with its client's
    /// kernel. A connection that is written to only later has a refusal, and is not waited for.
    pub(crate) async fn answered(&self) {
        while self.unwritten() > 0 {
            tokio::time::sleep(POLL).await;
        }
        let mut unsent: Option<HashSet<String>> = None;
        while unsent.as_ref().is_none_or(|unsent| !unsent.is_empty()) {
            // The first time, too: the connection gets the end of an answer a moment after its
            // making ended.
            tokio::time::sleep(POLL).await;
            let now = unsent::peers(self.address.port());
            unsent = Some(match unsent {
                None => now,
                Some(before) => before.intersection(&now).cloned().collect(),
            });
        }
    }

    /// Resolves when what it prepares for the worker, whose `admission` that is, has come there: a
    /// prompt may be long. Without an instance in discovery it would be refused; neither worker nor
    /// report knows then of what only the frontend's own metrics count.
    pub(crate) async fn handed_over(&self, admission: &Admission) {
        let handed_over = async {
            while self.unwritten() > admission.in_flight() {
                tokio::time::sleep(POLL).await;
            }
        };
        // It goes on for ever beside clients that read slowly, and where requests come without end.
        let _ = tokio::time::timeout(PREPARING, handed_over).await;
    }

    /// Waits for the frontend's end and tells how it ended.
    pub(crate) async fn ended(&self) -> DynamoError {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(error) => error.clone(),
            Err(_) => None,
        }
        .unwrap_or_else(|| unknown("the http frontend was dropped"))
    }

    /// Ends what is left of it; on return nothing of it runs, unless that takes longer than `limit`.
    pub(crate) async fn end(&self, limit: Duration) {
        if let Some(threads) = self.threads.take() {
            let ending = tokio::task::spawn_blocking(move || threads.shutdown_timeout(limit));
            // Nothing in it can panic.
            let _ = ending.await;
        }
    }
}

/// The frontend's own tokio threads.
struct Threads(Mutex<Option<Runtime>>);

impl Threads {
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(threads) = &*self.0.lock() {
            threads.spawn(work);
        }
    }

    fn take(&self) -> Option<Runtime> {
        self.0.lock().take()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which tokio forbids in a task.
        if let Some(threads) = self.take() {
            threads.shutdown_background();
        }
    }
}
