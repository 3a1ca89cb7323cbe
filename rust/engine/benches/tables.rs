//! What a token costs from an engine's hands through the tables, without a worker.
//!
//! ```text
//! cargo bench -p dynamo-engine --bench tables
//! ```
//!
//! Printed are nanoseconds a token: through the tables, with the list that a worker makes of each chunk,
//! and for such a list alone. The difference is the door's. `rust/worker/benches/door.rs` has the
//! worker's side, too.

use std::ffi::c_void;
use std::hint::black_box;
use std::task::Waker;
use std::time::Instant;

use dynamo_engine::abi::{self, Header, Status, crossing};
use dynamo_engine::{Answer, Engine, EngineConfig, Error, Exported, Finish, Host, Request, export};

const TOKENS: u32 = 10_000;
const TURNS: usize = 201;

struct Echo;

impl Engine for Echo {
    async fn start(&self, _host: Host, _worker_id: u64) -> Result<EngineConfig, Error> {
        Ok(EngineConfig::new("echo"))
    }
    async fn generate(&self, request: &Request, answer: &mut Answer) -> Result<Finish, Error> {
        for &token in request.token_ids() {
            answer.token(token).await?;
        }
        Ok(Finish::stop())
    }
    async fn cleanup(&self) -> Result<(), Error> {
        Ok(())
    }
}

unsafe extern "C" fn is_stopped(stopped: *mut c_void) -> bool {
    unsafe { *stopped.cast::<bool>() }
}
unsafe extern "C" fn poll_stopped(_: *mut c_void, _: *const abi::Waker) -> Status {
    Status::PENDING
}
unsafe extern "C" fn notify_first_token(_: *mut c_void) {}
unsafe extern "C" fn no_json(_: *mut c_void, _: *mut abi::Str) -> Status {
    Status::FAILED
}

const REQUEST: abi::RequestTable = abi::RequestTable {
    header: Header::of::<abi::RequestTable>(0),
    is_stopped: Some(is_stopped),
    poll_stopped: Some(poll_stopped),
    notify_first_token: Some(notify_first_token),
    json: Some(no_json),
    context: Some(no_json),
};

/// Reads one answer as a worker does.
fn answer(engine: &abi::Engine, prompt: &[u32]) -> usize {
    let mut stopped = false;
    // SAFETY: zero is a request of which nothing is set.
    let mut request: abi::Request = unsafe { std::mem::zeroed() };
    request.table = &REQUEST;
    request.data = (&raw mut stopped).cast();
    request.size = size_of::<abi::Request>() as u32;
    request.token_ids = abi::TokenIds::lend(prompt);
    let (mut stream, mut refused) = (abi::Stream::NONE, abi::Answer::NONE);
    // SAFETY: the engine was exported above, and is called as a worker calls it.
    unsafe {
        let generate = (*engine.table).generate.expect("it has one");
        generate(engine.data, &request, &mut stream, &mut refused);
        let table = *stream.table;
        let poll = table.poll.expect("it has one");
        let mut tokens = 0;
        loop {
            let waker = crossing::lend_waker(Waker::noop());
            let mut chunk = abi::Chunk::EMPTY;
            if poll(stream.data, &waker, &mut chunk) != Status::READY {
                break;
            }
            let list = chunk.token_ids.get().expect("it is one").to_vec();
            tokens += black_box(list).len();
        }
        table.release.expect("it has one")(stream.data);
        tokens
    }
}

fn lists(prompt: &[u32]) -> usize {
    let lists = black_box(prompt)
        .iter()
        .map(|&token| black_box(vec![token]));
    lists.map(|list| list.len()).sum()
}

/// Nanoseconds a token, the median of all turns.
fn median(mut answer: impl FnMut() -> usize) -> f64 {
    let mut times: Vec<f64> = (0..TURNS)
        .map(|_| {
            let begun = Instant::now();
            assert_eq!(answer(), TOKENS as usize);
            begun.elapsed().as_nanos() as f64 / f64::from(TOKENS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[TURNS / 2]
}

fn main() {
    let prompt: Vec<u32> = (0..TOKENS).collect();
    let exported = export(Echo).into_raw();
    // SAFETY: it was exported, and is freed below.
    let engine = unsafe { exported.read() };
    let (tables, alone) = (
        median(|| answer(&engine, &prompt)),
        median(|| lists(&prompt)),
    );
    println!(
        "{tables:.1} ns a token, {alone:.1} for its list: the door takes {:.1}",
        tables - alone
    );
    // SAFETY: as above.
    drop(unsafe { Exported::from_raw(exported) });
}
