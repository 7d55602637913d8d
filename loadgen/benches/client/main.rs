//! The least client that the h2 crate makes possible: what the engine is measured against by
//! ci/bench-load. A task for each stream, one thread, one histogram, no account of anything.
//!
//! `client HOST:PORT CONNECTIONS STREAMS SECONDS` prints how many requests were answered.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::Request;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [address, connections, streams, seconds] = &words[..] else {
        // `cargo bench` without the script has nothing to measure.
        println!("usage: client HOST:PORT CONNECTIONS STREAMS SECONDS; see ci/bench-load");
        return;
    };
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let (connections, streams, seconds) = (number(connections), number(streams), number(seconds));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a reactor");
    let latencies = Rc::new(RefCell::new(Histogram::<u64>::new(3).expect("three digits")));
    LocalSet::new().block_on(&runtime, async {
        for _ in 0..connections {
            connect(address, streams, &latencies).await;
        }
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    });
    println!("requests {}", latencies.borrow().len());
}

async fn connect(address: &str, streams: u64, latencies: &Rc<RefCell<Histogram<u64>>>) {
    let tcp = TcpStream::connect(address).await.expect("the server listens");
    tcp.set_nodelay(true).expect("a TCP socket");
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(4 << 20)
        .initial_connection_window_size(64 << 20)
        .handshake::<_, Bytes>(tcp)
        .await
        .expect("an HTTP/2 server");
    tokio::task::spawn_local(connection);
    for _ in 0..streams {
        let (mut sender, latencies) = (sender.clone(), Rc::clone(latencies));
        let uri: http::Uri = format!("http://{address}/").parse().expect("an address");
        tokio::task::spawn_local(async move {
            loop {
                poll_fn(|cx| sender.poll_ready(cx)).await.expect("a stream");
                let mut request = Request::new(());
                *request.uri_mut() = uri.clone();
                let begin = Instant::now();
                let (response, _) = sender.send_request(request, true).expect("a request");
                let mut body = response.await.expect("a response").into_body();
                while let Some(part) = body.data().await {
                    let length = part.expect("a body").len();
                    // Fails only when the stream is closed and no window is left to return.
                    let _ = body.flow_control().release_capacity(length);
                }
                let us = begin.elapsed().as_micros() as u64;
                latencies.borrow_mut().saturating_record(us);
            }
        });
    }
}
