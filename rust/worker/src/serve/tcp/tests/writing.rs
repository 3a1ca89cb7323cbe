//! When what an answer has made is written.

use std::future::poll_fn;
use std::task::Poll;

use tokio::task::{coop, yield_now};

use super::*;

#[tokio::test]
async fn an_answer_that_is_always_ready_lets_others_have_a_turn() {
    let worker = Worker::new().await;
    worker.says_more_than_a_socket_takes();
    let answered = worker.request();
    let frontend = worker.answer().await;
    let (mut left, mut most) = (worker.chunks.len(), 0);
    for _ in 0..1000 {
        yield_now().await;
        most = most.max(left - worker.chunks.len());
        left = worker.chunks.len();
    }
    assert!((1..=256).contains(&most), "{most} chunks in one turn");
    drop(frontend);
    answered.abort();
}

#[tokio::test]
async fn what_is_made_leaves_though_the_turn_is_over() {
    let frontend = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = frontend.local_addr().unwrap().to_string();
    let mut connection = Connection::open(&address).await.unwrap();
    connection.out().extend_from_slice(b"a token");
    let written = poll_fn(|cx| {
        while let Poll::Ready(turn) = coop::poll_proceed(cx) {
            turn.made_progress();
        }
        Poll::Ready(connection.poll_flush(cx))
    });
    assert!(matches!(written.await, Poll::Ready(Ok(()))));
}
