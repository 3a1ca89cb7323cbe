//! What functions answer, and what kinds of errors there are.

/// What a function answers. Any other value is a mistake of the other side's.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    /// Not yet: the waker will be woken. Of a function without a waker: nobody is there to hear it,
    /// and nothing was done.
    pub const PENDING: Self = Self(0);
    /// Done, or there is something.
    pub const READY: Self = Self(1);
    /// An error, which is where the function writes its answer.
    pub const FAILED: Self = Self(2);
    /// Nothing more comes.
    pub const DONE: Self = Self(3);
}

/// The kind of an error, as Dynamo's frontends distinguish them.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorKind(pub u32);

impl ErrorKind {
    /// Everything without a kind of its own.
    pub const UNKNOWN: Self = Self(0);
    /// What the user wrote is wrong; whoever sent the request reads the message.
    pub const INVALID_ARGUMENT: Self = Self(1);
    /// Something that is needed cannot be reached.
    pub const CANNOT_CONNECT: Self = Self(2);
    /// A connection was lost.
    pub const DISCONNECTED: Self = Self(3);
    /// A connection could not be made in time.
    pub const CONNECTION_TIMEOUT: Self = Self(4);
    /// An answer did not come in time.
    pub const RESPONSE_TIMEOUT: Self = Self(5);
    /// The request was cancelled.
    pub const CANCELLED: Self = Self(6);
    /// The engine can serve no more; frontends try another worker.
    pub const ENGINE_SHUTDOWN: Self = Self(7);
    /// The answer broke off; frontends try another worker.
    pub const STREAM_INCOMPLETE: Self = Self(8);
}
