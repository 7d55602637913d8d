//! Where request bodies are received: memory of their own, buffers, and back.

use super::*;
use crate::ReceiveBuffer;
use crate::body::{Body, SMALL_BODY_BYTES};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

const KIB: usize = 1024;

/// Buffers that are counted.
#[derive(Clone, Debug)]
struct Pool(Arc<PoolCounts>);

#[derive(Debug)]
struct PoolCounts {
    buffers: usize,
    capacity_bytes: usize,
    in_use: AtomicUsize,
    acquired: AtomicUsize,
    refused: AtomicUsize,
}

struct PoolBuffer {
    pool: Pool,
    bytes: Vec<u8>,
}

impl Pool {
    fn new(buffers: usize, capacity_bytes: usize) -> Self {
        Self(Arc::new(PoolCounts {
            buffers,
            capacity_bytes,
            in_use: AtomicUsize::new(0),
            acquired: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }))
    }

    fn in_use(&self) -> usize {
        self.0.in_use.load(Relaxed)
    }

    fn acquired(&self) -> usize {
        self.0.acquired.load(Relaxed)
    }

    fn refused(&self) -> usize {
        self.0.refused.load(Relaxed)
    }
}

impl ReceiveBuffers for Pool {
    fn capacity_bytes(&self) -> usize {
        self.0.capacity_bytes
    }

    fn acquire(&self) -> Option<Box<dyn ReceiveBuffer>> {
        if self.in_use() == self.0.buffers {
            self.0.refused.fetch_add(1, Relaxed);
            return None;
        }
        self.0.in_use.fetch_add(1, Relaxed);
        self.0.acquired.fetch_add(1, Relaxed);
        Some(Box::new(PoolBuffer { pool: self.clone(), bytes: Vec::new() }))
    }
}

impl ReceiveBuffer for PoolBuffer {
    fn append(&mut self, bytes: &[u8]) -> bool {
        let fits = self.bytes.len() + bytes.len() <= self.pool.0.capacity_bytes;
        if fits {
            self.bytes.extend_from_slice(bytes);
        }
        fits
    }

    fn filled(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PoolBuffer {
    fn drop(&mut self) {
        self.pool.0.in_use.fetch_sub(1, Relaxed);
    }
}

/// One buffer of 128 KiB.
fn one_buffer() -> Pool {
    Pool::new(1, 128 * KIB)
}

/// Bytes that are different everywhere.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n % 251) as u8).collect()
}

/// Receives `whole` in chunks of `chunk` bytes; also how many buffers were out at the end.
fn receive(pool: &Pool, declared: usize, whole: &[u8], chunk: usize) -> usize {
    let mut body = Body::new(Some(pool), declared);
    for chunk in whole.chunks(chunk) {
        body.push(chunk);
    }
    assert_eq!(body.len(), whole.len());
    let out = pool.in_use();
    assert!(body.finish() == whole, "the body came out changed");
    assert_eq!(pool.in_use(), 0, "the buffer is free as soon as the body is whole");
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
        assert_eq!(pool.refused(), 0);
    }

    fn bodies_larger_than_a_buffer_do_without() {
        let pool = one_buffer();
        let whole = bytes(300 * KIB);
        // Promised: no buffer is taken. Not promised: one is taken and given back.
        assert_eq!(receive(&pool, whole.len(), &whole, 10 * KIB), 0);
        assert_eq!(pool.acquired(), 0);
        assert_eq!(receive(&pool, 0, &whole, 10 * KIB), 0);
        assert_eq!(pool.acquired(), 1);
        assert_eq!(receive(&pool, 0, &whole, 300 * KIB), 0, "in one chunk");
        assert_eq!(pool.acquired(), 1);
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
        assert_eq!(pool.in_use(), 0, "it has its place");
        assert_eq!(pool.refused(), 1, "asked once");
        assert_eq!(body.finish(), [&whole[..], b"!"].concat());
        let mut body = Body::new(None, 0);
        body.push(&whole);
        assert_eq!(body.finish(), whole);
    }

    fn a_body_dropped_half_way_gives_its_buffer_back() {
        let pool = one_buffer();
        let mut body = Body::new(Some(&pool), 100 * KIB);
        body.push(b"the beginning");
        assert_eq!(pool.in_use(), 1);
        drop(body);
        assert_eq!(pool.in_use(), 0);
    }
}

valk_harness::test! {
    fn uploads_share_the_buffers_of_the_server_and_give_them_back() {
        virtual_time(async {
            let pool = Pool::new(2, 256 * KIB);
            let seen = pool.clone();
            let answer = move |request: Request| {
                assert_eq!(seen.in_use(), 0, "the body is whole");
                Reply::Ready(Response::new(200).with_body(request.body().clone()))
            };
            let server = TestServer::start_with(Limits::default(), Some(Arc::new(pool.clone())), answer);
            let mut client = server.connect().await;
            for size in [1, 64 * KIB, 200 * KIB, 1000 * KIB] {
                let whole = bytes(size);
                let answer = client.post(whole.clone()).await.unwrap();
                assert!(answer.status == 200 && answer.body == whole, "{size} bytes came back changed");
            }
            assert_eq!((pool.acquired(), pool.in_use()), (2, 0));
            // A client that leaves in the middle frees its buffer at once.
            let (response, mut body) = client.start(request("POST", "/"), false);
            body.reserve_capacity(100 * KIB);
            body.send_data(bytes(100 * KIB).into(), false).unwrap();
            settle().await;
            assert_eq!(pool.in_use(), 1);
            body.send_reset(h2::Reason::CANCEL);
            drop(response);
            settle().await;
            assert_eq!(pool.in_use(), 0);
            drop((client, body));
            assert!(server.finish().await.is_clean());
        });
    }
}
