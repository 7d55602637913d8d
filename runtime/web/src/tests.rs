//! The pieces that need no running server; the `service` suite drives the rest.

use crate::receive::PooledBuffers;
use valk_heap::BufferPool;
use valk_http2::ReceiveBuffers;

valk_harness::test! {
    fn a_pool_of_the_heap_lends_its_buffers_to_bodies() {
        let pool = BufferPool::new(1, 64 << 10, 0).expect("small");
        let buffers = PooledBuffers::new(pool.clone());
        let in_use = || pool.statistics().buffers.in_use;
        assert_eq!(buffers.capacity_bytes(), 64 << 10);
        let mut buffer = buffers.acquire().expect("free");
        assert!(buffer.append(b"some ") && buffer.append(b"bytes"));
        assert!(!buffer.append(&vec![b'x'; 64 << 10]), "does not fit");
        assert_eq!(buffer.filled(), b"some bytes");
        assert!(buffers.acquire().is_none());
        assert_eq!(in_use(), 1);
        drop(buffer);
        assert_eq!(in_use(), 0);
    }
}
