//! Where request bodies are received: memory of their own, buffers, and back.

use super::*;
use crate::body::{Body, SMALL_BODY_BYTES};

const KIB: usize = 1024;

/// One buffer of 128 KiB.
fn one_buffer() -> BufferPool {
    BufferPool::new(1, 128 * KIB, 0).expect("small")
}

fn in_use(pool: &BufferPool) -> usize {
    pool.statistics().buffers.in_use
}

/// Bytes that are different everywhere.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n % 251) as u8).collect()
}

/// Receives `whole` in chunks of `chunk` bytes; also how many buffers were out at the end.
fn receive(pool: &BufferPool, declared: usize, whole: &[u8], chunk: usize) -> usize {
    let mut body = Body::new(Some(pool), declared);
    for chunk in whole.chunks(chunk) {
        body.push(chunk);
    }
    assert_eq!(body.len(), whole.len());
    let out = in_use(pool);
    assert!(body.finish() == whole, "the body came out changed");
    assert_eq!(in_use(pool), 0, "the buffer is free as soon as the body is whole");
    out
}

valk_harness::test! {
    fn large_bodies_are_received_in_buffers() {
        let pool = one_buffer();
        let whole = bytes(128 * KIB);
        for chunk in [1000, 16 * KIB, 128 * KIB] {
            assert_eq!(receive(&pool, 0, &whole, chunk), 1);
            assert_eq!(receive(&pool, whole.len(), &whole, chunk), 1);
        }
        assert_eq!(receive(&pool, 0, &whole[..=SMALL_BODY_BYTES], KIB), 1);
        assert_eq!(receive(&pool, 0, &whole[..SMALL_BODY_BYTES], KIB), 0);
        assert_eq!(receive(&pool, 5, b"five!", 1), 0);
        assert_eq!(receive(&pool, 0, b"", 1), 0);
        assert_eq!(receive(&pool, SMALL_BODY_BYTES + 1, b"less than promised", 4), 1);
        assert_eq!(pool.statistics().buffers.refused, 0);
    }

    fn bodies_larger_than_a_buffer_do_without() {
        let pool = one_buffer();
        let whole = bytes(300 * KIB);
        // Promised: no buffer is taken. Not promised: one is taken and given back.
        assert_eq!(receive(&pool, whole.len(), &whole, 10 * KIB), 0);
        assert_eq!(pool.statistics().buffers.acquired, 0);
        assert_eq!(receive(&pool, 0, &whole, 10 * KIB), 0);
        assert_eq!(pool.statistics().buffers.acquired, 1);
        assert_eq!(receive(&pool, 0, &whole, 300 * KIB), 0, "in one chunk");
        assert_eq!(pool.statistics().buffers.acquired, 1);
    }

    fn without_a_free_buffer_bodies_do_without() {
        let pool = one_buffer();
        let whole = bytes(100 * KIB);
        let taken = pool.acquire().expect("free");
        let mut body = Body::new(Some(&pool), 0);
        for chunk in whole.chunks(KIB) {
            body.push(chunk);
        }
        drop(taken);
        body.push(b"!");
        assert_eq!(in_use(&pool), 0, "it has its place");
        assert_eq!(pool.statistics().buffers.refused, 1, "asked once");
        assert_eq!(body.finish(), [&whole[..], b"!"].concat());
        let mut body = Body::new(None, 0);
        body.push(&whole);
        assert_eq!(body.finish(), whole);
    }

    fn a_body_dropped_half_way_gives_its_buffer_back() {
        let pool = one_buffer();
        let mut body = Body::new(Some(&pool), 100 * KIB);
        body.push(b"the beginning");
        assert_eq!(in_use(&pool), 1);
        drop(body);
        assert_eq!(in_use(&pool), 0);
    }
}

valk_harness::test! {
    fn uploads_share_the_buffers_of_the_server_and_give_them_back() {
        virtual_time(async {
            let pool = BufferPool::new(2, 256 * KIB, 0).expect("small");
            let seen = pool.clone();
            let answer = move |request: Request| {
                assert_eq!(in_use(&seen), 0, "the body is whole");
                Reply::Ready(Response::new(200).with_body(request.body().clone()))
            };
            let server = TestServer::start_with(Limits::default(), Some(pool.clone()), answer);
            let mut client = server.connect().await;
            for size in [1, 64 * KIB, 200 * KIB, 1000 * KIB] {
                let whole = bytes(size);
                let answer = client.post(whole.clone()).await.unwrap();
                assert!(answer.status == 200 && answer.body == whole, "{size} bytes came back changed");
            }
            let numbers = pool.statistics();
            assert_eq!((numbers.buffers.acquired, numbers.buffers.in_use), (2, 0));
            assert!(numbers.returned_bytes >= 400 * KIB as u64);
            // A client that leaves in the middle frees its buffer at once.
            let (response, mut body) = client.start(request("POST", "/"), false);
            body.reserve_capacity(100 * KIB);
            body.send_data(bytes(100 * KIB).into(), false).unwrap();
            settle().await;
            assert_eq!(in_use(&pool), 1);
            body.send_reset(h2::Reason::CANCEL);
            drop(response);
            settle().await;
            assert_eq!(in_use(&pool), 0);
            drop((client, body));
            assert!(server.finish().await.is_clean());
        });
    }
}
