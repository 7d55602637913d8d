//! Every wait of a request has an end.

use super::*;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// The error of a request to a peer, and after how many whole seconds it came.
async fn late(sent: JoinHandle<Result<ClientResponse, ClientError>>) -> (String, u64) {
    let began = Instant::now();
    let error = sent.await.unwrap().unwrap_err().to_string();
    (error, began.elapsed().as_secs())
}

valk_harness::test! {
    fn connecting_has_its_time() {
        simulated(|simulation| async move {
            simulation.partition("client", "server");
            let client = client(&simulation, ClientLimits::default());
            let request = with_options(get_from("server", "/"), |o| o.connect_timeout = 5 * SECOND);
            let (error, seconds) = late(send(&client, request)).await;
            assert_eq!(
                error,
                "request timeout: no connection was ready within 5000 ms; :connect-timeout-ms sets the limit"
            );
            assert_eq!(seconds, 5);
            settle().await;
            assert_eq!(client.connections(), 0);
        });
    }

    fn a_head_has_its_time_and_a_silent_connection_is_left() {
        simulated(|simulation| async move {
            let mut peer = Peer::listen(&simulation);
            let client = client(&simulation, ClientLimits::default());
            let request = with_options(get_from("server", "/"), |o| o.headers_timeout = 7 * SECOND);
            let sent = send(&client, request.clone());
            let mut talk = peer.accept().await;
            talk.request().await;
            let (error, seconds) = late(sent).await;
            assert!(error.contains("no response came within 7000 ms"), "{error}");
            assert!((6..=7).contains(&seconds), "{seconds}");
            assert_eq!(talk.until(RST_STREAM).await.code(), CANCEL);
            // The peer's settings had come: the connection was not silent.
            let sent = send(&client, request.clone());
            talk.request().await;
            late(sent).await;
            // Nothing at all has come during this one.
            let sent = send(&client, request);
            let mut talk = peer.accept().await;
            let stream = talk.request().await;
            talk.answer(stream).await;
            assert_eq!(sent.await.unwrap().unwrap().status, 200);
        });
    }

    fn a_body_has_its_time_between_any_two_parts() {
        simulated(|simulation| async move {
            let mut peer = Peer::listen(&simulation);
            let client = client(&simulation, ClientLimits::default());
            let request = with_options(get_from("server", "/"), |o| o.idle_timeout = 3 * SECOND);
            let sent = send(&client, request);
            let mut talk = peer.accept().await;
            let stream = talk.request().await;
            talk.say(&frame(HEADERS, END_HEADERS, stream, OK_BLOCK)).await;
            for _ in 0..5 {
                tokio::time::sleep(2 * SECOND).await;
                talk.say(&frame(DATA, 0, stream, b"part")).await;
            }
            let (error, seconds) = late(sent).await;
            assert!(error.contains("nothing more was sent or came within 3000 ms"), "{error}");
            assert!((2..=3).contains(&seconds), "{seconds}");
        });
    }

    fn an_upload_that_is_not_read_has_its_time() {
        simulated(|simulation| async move {
            let mut peer = Peer::listen(&simulation);
            let client = client(&simulation, ClientLimits::default());
            let request = post_to("server", vec![0; 1 << 20]);
            let request = with_options(request, |o| {
                o.idle_timeout = 4 * SECOND;
                o.headers_timeout = 100 * SECOND;
            });
            let sent = send(&client, request);
            let _talk = peer.accept().await;
            let (error, seconds) = late(sent).await;
            assert!(error.contains("nothing more was sent or came within 4000 ms"), "{error}");
            assert!((3..=4).contains(&seconds), "{seconds}");
        });
    }

    fn everything_together_has_its_time() {
        simulated(|simulation| async move {
            let mut peer = Peer::listen(&simulation);
            let client = client(&simulation, ClientLimits::default());
            let request =
                with_options(get_from("server", "/"), |o| o.total_timeout = Some(10 * SECOND));
            let sent = send(&client, request);
            let mut talk = peer.accept().await;
            let stream = talk.request().await;
            talk.say(&frame(HEADERS, END_HEADERS, stream, OK_BLOCK)).await;
            let trickle = spawn_local(async move {
                loop {
                    tokio::time::sleep(SECOND).await;
                    talk.say(&frame(DATA, 0, stream, b"x")).await;
                }
            });
            let (error, seconds) = late(sent).await;
            assert!(error.contains("the response was not complete within 10000 ms"), "{error}");
            assert!((9..=10).contains(&seconds), "{seconds}");
            trickle.abort();
        });
    }
}
