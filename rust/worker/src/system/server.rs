//! The one server of the process: bound by the first worker's run, closed after the last one's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dynamo_backend_environment::DYN_SYSTEM_TOKEN;
use dynamo_runtime::config::RuntimeConfig as RuntimeSettings;
use dynamo_runtime::error::DynamoError;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::address;
use super::connections;
use super::member::Member;
use super::router;
use super::shared::{Members, Paths};
use super::token::Token;
use crate::error::invalid_argument;

/// What answers that were begun before the close have for their end.
const CLOSING: Duration = Duration::from_secs(1);

static SERVER: Mutex<Option<Server>> = Mutex::const_new(None);

struct Server {
    address: SocketAddr,
    members: Members,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A worker's part in the server. To be given back with [`leave`](Self::leave).
pub(crate) struct Membership {
    member: Arc<Member>,
}

/// Puts a worker on the process's server, which begins with the first of them.
///
/// # Errors
///
/// `InvalidArgument`, where the configured address is none or cannot be had.
pub(crate) async fn join(member: Arc<Member>) -> Result<Membership, DynamoError> {
    let mut slot = SERVER.lock().await;
    // A server whose tokio runtime is gone has ended without being closed.
    if slot.as_ref().is_none_or(|server| server.task.is_finished()) {
        *slot = Server::open().await?;
    }
    if let Some(server) = slot.as_ref() {
        // A worker joins once.
        let _ = member.address.set(server.address);
        server.members.write().push(member.clone());
    }
    Ok(Membership { member })
}

impl Membership {
    /// Takes the worker off the server. After the last one the port is free.
    pub(crate) async fn leave(self) {
        let mut slot = SERVER.lock().await;
        let Some(server) = slot.as_ref() else { return };
        let is_last = {
            let mut members = server.members.write();
            members.retain(|member| !Arc::ptr_eq(member, &self.member));
            members.is_empty()
        };
        // Closed under the lock: whoever comes next finds the port free.
        if is_last && let Some(server) = slot.take() {
            server.close().await;
        }
    }
}

impl Server {
    async fn open() -> Result<Option<Self>, DynamoError> {
        let settings = RuntimeSettings::from_settings()
            .map_err(|error| invalid_argument(format!("system server: {error:#}")))?;
        let Some((listener, address)) = address::listen(&settings.system_host).await? else {
            return Ok(None);
        };
        let token = Token::from_env();
        if !address.ip().is_loopback() && token.is_none() {
            tracing::warn!(
                %address,
                "the system server is reachable from other machines, and its engine controls need \
                 no token; {DYN_SYSTEM_TOKEN} sets one"
            );
        }
        let members = Members::default();
        let paths = Paths {
            live: settings.system_live_path,
            health: settings.system_health_path,
        };
        let router = router::build(members.clone(), paths, token);
        let stop = CancellationToken::new();
        let task = tokio::spawn(connections::serve(listener, router, stop.clone()));
        tracing::info!("System server on http://{address}");
        Ok(Some(Self {
            address,
            members,
            stop,
            task,
        }))
    }

    async fn close(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(CLOSING, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use dynamo_backend_lifecycle::Reason;

    use super::*;
    use crate::config::WorkerConfig;
    use crate::engines::Echo;
    use crate::process::{Scope, prepare_environment};
    use crate::shutdown::Shutdown;
    use crate::worker::Worker;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    }

    fn member() -> Arc<Member> {
        Member::new(&WorkerConfig::default())
    }

    fn listens(member: &Member) -> bool {
        TcpStream::connect(member.address.get().unwrap()).is_ok()
    }

    #[test]
    fn section_12_8_a_server_without_a_worker_is_not_ready() {
        address::listen_on_any_port();
        let tokio = runtime();
        let server = tokio.block_on(Server::open()).unwrap().unwrap();
        let mut client = TcpStream::connect(server.address).unwrap();
        write!(client, "GET /health HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 503 "), "{answer}");
        assert!(answer.contains("no worker runs"), "{answer}");
        tokio.block_on(server.close());
    }

    #[test]
    fn section_12_7_shutdown_ends_the_wait_for_the_server() {
        let mut config = WorkerConfig::default();
        config.runtime.discovery_backend = Some("mem".into());
        prepare_environment(&config, Scope::Process);
        let shutdown = Shutdown::default();
        let engine = Arc::new(Echo::new("echo", Duration::ZERO));
        let worker = Worker::new(engine, config).with_shutdown(shutdown.clone());
        let ended = runtime().block_on(async {
            let _opening = SERVER.lock().await;
            let asked = async {
                tokio::task::yield_now().await;
                shutdown.ask();
            };
            tokio::join!(worker.run_alone(), asked).0
        });
        assert_eq!(ended.unwrap().reason, Reason::Asked);
    }

    #[test]
    fn section_12_11_the_server_lasts_from_the_first_join_to_the_last_leave() {
        address::listen_on_any_port();
        let (first, second, third) = (member(), member(), member());
        let tokio = runtime();
        let (one, two) = tokio.block_on(async {
            let one = join(first.clone()).await.unwrap();
            (one, join(second.clone()).await.unwrap())
        });
        assert_eq!(first.address, second.address);
        tokio.block_on(one.leave());
        assert!(listens(&second));
        tokio.block_on(two.leave());
        assert!(!listens(&second));

        // A run that was never polled to its end takes its server with its runtime.
        let abandoned = tokio.block_on(join(first.clone())).is_ok();
        drop(tokio);
        assert!(abandoned);
        let tokio = runtime();
        let three = tokio.block_on(join(third.clone())).unwrap();
        assert!(listens(&third));
        tokio.block_on(three.leave());
    }
}
