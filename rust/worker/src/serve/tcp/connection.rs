//! The connection to the frontend by which one answer leaves.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use dynamo_runtime::pipeline::network::ControlMessage;
use dynamo_runtime::pipeline::network::codec::TwoPartCodec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop;
use tokio_util::codec::Decoder;

/// How long a frontend has for taking the connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Between two tries where the machine has no port left.
const PORT_PAUSE: Duration = Duration::from_millis(200);
/// Frames that are ready together are written together, up to so many bytes.
const MOST_WAITING: usize = 16 << 10;
/// A frontend says one word.
const MOST_HEARD: usize = 4096;

/// Frames wait in it while the socket is full, and no longer.
pub(super) struct Connection {
    socket: TcpStream,
    out: Vec<u8>,
    /// How much of `out` the kernel has.
    written: usize,
    /// The kernel had no room for the rest.
    stalled: bool,
    heard: BytesMut,
}

/// What a frontend said.
pub(super) enum Heard {
    Control(ControlMessage),
    /// It closed the connection.
    Closed,
}

impl Connection {
    /// Connects to the frontend at `address`.
    ///
    /// # Errors
    ///
    /// It does not take the connection, or not in time.
    pub(super) async fn open(address: &str) -> io::Result<Self> {
        let socket = tokio::time::timeout(CONNECT, connect(address))
            .await
            .map_err(|_| {
                let text = format!("no connection within {CONNECT:?}");
                io::Error::new(ErrorKind::TimedOut, text)
            })??;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            out: Vec::new(),
            written: 0,
            stalled: false,
            heard: BytesMut::new(),
        })
    }

    /// Where frames are appended; [`poll_flush`](Self::poll_flush) writes them.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// What is not written yet never will be.
    pub(super) fn discard(&mut self) {
        self.out.clear();
        self.written = 0;
        self.stalled = false;
    }

    /// Whether nothing more is to be appended before what waits is written.
    pub(super) fn is_full(&self) -> bool {
        self.stalled || self.out.len() >= MOST_WAITING
    }

    /// Resolves when the kernel has all that was appended. A task whose turn is over may still write:
    /// what it has made is not to wait for its next one.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let unwritten = &self.out[self.written..];
            let mut socket = Pin::new(&mut self.socket);
            let write = poll_fn(|cx| socket.as_mut().poll_write(cx, unwritten));
            let written = pin!(coop::unconstrained(write)).poll(cx);
            self.stalled = written.is_pending();
            match ready!(written)? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.discard();
        Poll::Ready(Ok(()))
    }

    /// The next that the frontend says.
    ///
    /// # Errors
    ///
    /// The connection is broken, or what came is no control message.
    pub(super) fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<anyhow::Result<Heard>> {
        let mut codec = TwoPartCodec::new(Some(MOST_HEARD));
        loop {
            if let Some(message) = codec.decode(&mut self.heard)? {
                let (header, data) = message.into_parts();
                if !data.is_empty() {
                    let error = anyhow::anyhow!("it sent data where it may only stop the request");
                    return Poll::Ready(Err(error));
                }
                return Poll::Ready(Ok(Heard::Control(serde_json::from_slice(&header)?)));
            }
            let mut room = [0; 128];
            let mut room = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut room))?;
            if room.filled().is_empty() {
                return Poll::Ready(Ok(Heard::Closed));
            }
            self.heard.extend_from_slice(room.filled());
        }
    }

    /// Resolves when the frontend has closed the connection, or lost it. What it says is not heard.
    pub(super) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut room = [0; 128];
            let mut room = ReadBuf::new(&mut room);
            let read = ready!(Pin::new(&mut self.socket).poll_read(cx, &mut room));
            if read.is_err() || room.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    loop {
        match TcpStream::connect(address).await {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                tracing::warn!(
                    "no port is free for a connection to {address}: {error}; trying again"
                );
                tokio::time::sleep(PORT_PAUSE).await;
            }
            other => return other,
        }
    }
}
