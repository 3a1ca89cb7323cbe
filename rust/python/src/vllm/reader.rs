//! The thread that reads the engine core's messages.

use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use dynamo_backend_handoff::eventfd::EventFd;
use dynamo_backend_handoff::mailbox::Bell;
use dynamo_backend_vllm::step::Message;
use dynamo_backend_vllm::{ENGINE_CORE_DEAD, Layout};
use dynamo_backend_worker::error::{BackendError, backend};
use parking_lot::Mutex;
use zmq::{Context, DONTWAIT, POLLIN, PollItem, SNDMORE, Socket};

use super::state::State;
use crate::step;

/// Milliseconds that the end waits for what vLLM's client has not taken yet.
const LINGER: i32 = 200;

/// What the thread and its handle have in common.
pub(super) struct Shared {
    pub(super) steps: Arc<step::Shared>,
    pub(super) state: Mutex<State>,
    layout: Layout,
    wake: EventFd,
    is_over: AtomicBool,
}

impl Shared {
    pub(super) fn new(steps: Arc<step::Shared>, layout: Layout, state: State) -> io::Result<Self> {
        Ok(Self {
            steps,
            state: Mutex::new(state),
            layout,
            wake: EventFd::open(libc::EFD_NONBLOCK)?,
            is_over: AtomicBool::new(false),
        })
    }

    /// Has the thread end.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.wake.ring();
    }
}

/// Binds `address`, and reads in a thread of its own what comes there, until the end.
///
/// # Errors
///
/// One of the addresses cannot be used; the text names it.
pub(super) fn start(
    shared: Arc<Shared>,
    address: &str,
    forward_to: &str,
) -> Result<JoinHandle<()>, String> {
    // libzmq would take the address from whoever listens there.
    let path = address.strip_prefix("ipc://");
    if path.is_some_and(|path| UnixStream::connect(path).is_ok()) {
        return Err(format!("{address}: another socket is bound to it"));
    }
    let refused = |address: &str, error: &dyn std::fmt::Display| format!("{address}: {error}");
    let context = Context::new();
    let pull = context.socket(zmq::PULL);
    let pull = pull.and_then(|socket| {
        socket.set_rcvhwm(0)?;
        socket.set_linger(0)?;
        socket.bind(address).map(|()| socket)
    });
    let push = context.socket(zmq::PUSH);
    let push = push.and_then(|socket| {
        socket.set_sndhwm(0)?;
        socket.set_linger(LINGER)?;
        socket.connect(forward_to).map(|()| socket)
    });
    let reader = Reader {
        pull: pull.map_err(|error| refused(address, &error))?,
        push: push.map_err(|error| refused(forward_to, &error))?,
        frames: Vec::new(),
        has_told: false,
        shared,
        _context: context,
    };
    thread::Builder::new()
        .name("dynamo-vllm".into())
        .spawn(move || reader.run())
        .map_err(|error| refused(address, &error))
}

/// Its fields are dropped in order: a context waits for its sockets.
struct Reader {
    pull: Socket,
    push: Socket,
    /// Of the message at hand.
    frames: Vec<zmq::Message>,
    has_told: bool,
    shared: Arc<Shared>,
    _context: Context,
}

impl Reader {
    fn run(mut self) {
        let why = match catch_unwind(AssertUnwindSafe(|| self.read_all())) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it panicked".into(),
        };
        let message = format!("the reader of vLLM's output socket has ended: {why}");
        tracing::error!("{message}");
        let error = backend(BackendError::EngineShutdown, message);
        self.shared.steps.fail(&error);
        // To vLLM's client it is the same: nothing comes any more.
        self.frames.clear();
        self.frames.push(ENGINE_CORE_DEAD.into());
        let _ = self.forward();
    }

    fn read_all(&mut self) -> zmq::Result<()> {
        while !self.shared.is_over.load(Ordering::Acquire) {
            if self.receive()? {
                self.take()?;
            } else {
                self.wait()?;
            }
        }
        Ok(())
    }

    /// Receives a message, where there is one.
    fn receive(&mut self) -> zmq::Result<bool> {
        self.frames.clear();
        loop {
            let flags = if self.frames.is_empty() { DONTWAIT } else { 0 };
            match self.pull.recv_msg(flags) {
                Ok(frame) => {
                    let more = frame.get_more();
                    self.frames.push(frame);
                    if !more {
                        return Ok(true);
                    }
                }
                Err(zmq::Error::EAGAIN) => return Ok(false),
                Err(zmq::Error::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for a message or the end.
    fn wait(&self) -> zmq::Result<()> {
        let mut items = [
            self.pull.as_poll_item(POLLIN),
            PollItem::from_fd(self.shared.wake.number(), POLLIN),
        ];
        match zmq::poll(&mut items, -1) {
            Ok(_) | Err(zmq::Error::EINTR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Hands over what the message has for the streams, and the rest of it to vLLM's client.
    fn take(&mut self) -> zmq::Result<()> {
        let shared = &self.shared;
        let message = match &self.frames[..] {
            [only] if **only == *ENGINE_CORE_DEAD => Ok(Message::Utility),
            frames => shared.layout.read(&frames[0]),
        };
        let rest = match message {
            Ok(Message::Utility) => None,
            Ok(Message::Step(step)) => {
                let mut state = shared.state.lock();
                let rest = state.take_step(&shared.layout, &step, &self.frames, &shared.steps);
                match rest {
                    Some(rest) => Some(rest),
                    None => return Ok(()),
                }
            }
            Err(field) => {
                if !std::mem::replace(&mut self.has_told, true) {
                    tracing::error!(
                        "a message of vLLM's engine core is left to vLLM's own client, and all \
                         requests fail whose tokens it may have: its '{field}' cannot be read; this \
                         is not logged again"
                    );
                }
                shared.state.lock().fail(field, &shared.steps);
                None
            }
        };
        if let Some(rest) = rest {
            self.frames[0] = rest.into();
        }
        self.forward()
    }

    fn forward(&mut self) -> zmq::Result<()> {
        let mut left = self.frames.len();
        for frame in self.frames.drain(..) {
            left -= 1;
            let flags = if left > 0 { SNDMORE } else { 0 };
            self.push.send(frame, DONTWAIT | flags)?;
        }
        Ok(())
    }
}
