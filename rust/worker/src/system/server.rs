//! The one server of the process: bound by the first worker's run, closed after the last one's.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dynamo_backend_environment::{DYN_SYSTEM_HOST, DYN_SYSTEM_PORT, DYN_SYSTEM_TOKEN};
use dynamo_runtime::error::DynamoError;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::address;
use super::connections;
use super::member::Member;
use super::router;
use super::settings::SystemSettings;
use super::shared::Members;
use crate::config::RuntimeConfig;
use crate::error::invalid_argument;

/// What answers that were begun before the close have for their end.
const CLOSING: Duration = Duration::from_secs(1);

static SERVER: Mutex<Option<Server>> = Mutex::const_new(None);

struct Server {
    settings: SystemSettings,
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
/// `InvalidArgument`, where the configured address is none or cannot be had, or the worker wants
/// another server than the one that is open.
pub(crate) async fn join(
    member: Arc<Member>,
    config: &RuntimeConfig,
) -> Result<Membership, DynamoError> {
    let mut slot = SERVER.lock().await;
    // A server whose tokio runtime is gone has ended without being closed.
    if slot.as_ref().is_none_or(|server| server.task.is_finished()) {
        *slot = Server::open(config).await?;
    }
    if let Some(server) = slot.as_ref() {
        server.settings.check(config)?;
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
    async fn open(config: &RuntimeConfig) -> Result<Option<Self>, DynamoError> {
        let settings = SystemSettings::new(config)?;
        let Some(port) = settings.port else {
            return Ok(None);
        };
        let host = &settings.host;
        let cannot_listen = |error: io::Error| {
            invalid_argument(format!(
                "system server: cannot listen on {host}:{port}: {error}; choose another port with \
                 system_port or {DYN_SYSTEM_PORT} (0: any free port, -1: no system server), or \
                 another address with system_host or {DYN_SYSTEM_HOST}, or stop what uses it"
            ))
        };
        let listener = address::listen(host, port).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        if !address.ip().is_loopback() && settings.token.is_none() {
            tracing::warn!(
                %address,
                "the system server is reachable from other machines, and its engine controls need \
                 no token; system_token or {DYN_SYSTEM_TOKEN} sets one"
            );
        }
        let members = Members::default();
        let SystemSettings { paths, token, .. } = settings.clone();
        let router = router::build(members.clone(), paths, token);
        let stop = CancellationToken::new();
        let task = tokio::spawn(connections::serve(listener, router, stop.clone()));
        tracing::info!("System server on http://{address}");
        Ok(Some(Self {
            settings,
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

    fn on_any_port() -> RuntimeConfig {
        RuntimeConfig {
            system_port: Some(0),
            system_host: Some("127.0.0.1".into()),
            ..Default::default()
        }
    }

    fn member() -> Arc<Member> {
        Member::new(&WorkerConfig::default())
    }

    /// Each wants one thing otherwise than [`on_any_port`].
    fn others() -> [(RuntimeConfig, &'static str); 6] {
        let other = |change: fn(&mut RuntimeConfig)| {
            let mut config = on_any_port();
            change(&mut config);
            config
        };
        [
            (other(|c| c.system_port = Some(1)), "system_port"),
            (other(|c| c.system_port = Some(-1)), "system_port"),
            (other(|c| c.system_host = Some("::1".into())), "system_host"),
            (
                other(|c| c.system_live_path = Some("/l".into())),
                "system_live_path",
            ),
            (
                other(|c| c.system_health_path = Some("/h".into())),
                "system_health_path",
            ),
            (other(|c| c.system_token = Some("t".into())), "system_token"),
        ]
    }

    fn listens(member: &Member) -> bool {
        TcpStream::connect(member.address.get().unwrap()).is_ok()
    }

    #[test]
    fn section_12_8_a_server_without_a_worker_is_not_ready() {
        let tokio = runtime();
        let server = tokio
            .block_on(Server::open(&on_any_port()))
            .unwrap()
            .unwrap();
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
        let config = on_any_port();
        let (first, second, third) = (member(), member(), member());
        let tokio = runtime();
        let (one, two) = tokio.block_on(async {
            let one = join(first.clone(), &config).await.unwrap();
            // What a worker leaves unset is the server's.
            let unset = RuntimeConfig::default();
            (one, join(second.clone(), &unset).await.unwrap())
        });
        assert_eq!(first.address, second.address);
        for (wanted, name) in others() {
            let refused = tokio.block_on(join(third.clone(), &wanted));
            let message = refused.err().unwrap().message().to_owned();
            assert!(message.starts_with(&format!("{name}: ")), "{message}");
        }
        tokio.block_on(one.leave());
        assert!(listens(&second));
        tokio.block_on(two.leave());
        assert!(!listens(&second));

        // A run that was never polled to its end takes its server with its runtime.
        let abandoned = tokio.block_on(join(first.clone(), &config)).is_ok();
        drop(tokio);
        assert!(abandoned);
        let tokio = runtime();
        let three = tokio.block_on(join(third.clone(), &config)).unwrap();
        assert!(listens(&third));
        tokio.block_on(three.leave());
    }
}
