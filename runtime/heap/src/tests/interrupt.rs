//! Requests of other threads.

use super::{collect, small_heap};
use crate::Collection;

valk_harness::test! {
    fn a_request_is_seen_once() {
        let heap = small_heap();
        let interrupt = heap.interrupt().clone();
        assert!(!heap.wants_safepoint() && !heap.interrupt().take());
        std::thread::spawn(move || interrupt.request()).join().expect("a thread");
        assert!(heap.wants_safepoint() && !heap.wants_collection());
        assert!(heap.interrupt().take() && !heap.interrupt().take());
        assert!(!heap.wants_safepoint());
    }

    fn a_collection_forgets_no_request() {
        let mut heap = small_heap();
        heap.interrupt().request();
        heap.interrupt().request();
        collect(&mut heap, Collection::Auto, &mut ());
        assert!(heap.wants_safepoint(), "the request is still there");
        assert!(heap.interrupt().take());
        assert!(!heap.wants_safepoint(), "a request made twice is one request");
    }

    fn requests_are_to_one_heap_and_end_with_it() {
        let (one, other) = (small_heap(), small_heap());
        one.interrupt().request();
        assert!(other.wants_safepoint(), "every mutator has a look");
        assert!(!other.interrupt().take(), "at its own flag");
        drop(one);
        assert!(!other.wants_safepoint());
    }
}
