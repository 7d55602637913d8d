//! The pieces that need no running server; the `service` suite drives the rest.

use crate::receive::PooledBuffers;
use valk_heap::BufferPool;
use valk_http2::ReceiveBuffers;
use valk_lang::property_list::OptionKind;

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

valk_harness::test! {
    fn the_default_body_size_is_the_server_s() {
        let key = crate::server::LISTEN.keys.iter().find(|key| key.name == ":max-request-body-size");
        let key = key.expect("a key");
        assert_eq!(key.default as usize, valk_http2::Limits::default().body_bytes);
        assert!(matches!(key.kind, OptionKind::Integer { min: 1024, max: 1_073_741_824 }));
    }
}
