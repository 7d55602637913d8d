//! Requests of other threads.

use super::{collect, small_heap};
use crate::Collection;

valk_harness::test! {
    fn a_request_is_seen_once() {
        let mut heap = small_heap();
        let interrupt = heap.interrupt().clone();
        assert!(!heap.wants_safepoint() && !heap.interrupt().take());
        std::thread::spawn(move || interrupt.request()).join().expect("a thread");
        assert!(heap.wants_safepoint() && !heap.wants_collection());
        assert!(heap.interrupt().take() && !heap.interrupt().take());
        // SAFETY: nothing was allocated.
        unsafe { heap.stop(&mut ()) };
        assert!(!heap.wants_safepoint());
    }

    fn a_collection_forgets_no_request() {
        let mut heap = small_heap();
        heap.interrupt().request();
        heap.interrupt().request();
        collect(&mut heap, Collection::Auto, &mut ());
        assert!(heap.wants_safepoint(), "the request is still there");
        assert!(heap.interrupt().take() && !heap.interrupt().take(), "a request made twice is one");
        collect(&mut heap, Collection::Auto, &mut ());
        assert!(!heap.wants_safepoint());
    }

    fn requests_are_to_one_mutator() {
        let (one, other) = (small_heap(), small_heap());
        one.interrupt().request();
        assert!(one.wants_safepoint() && !other.wants_safepoint());
        drop(one);
        assert!(!other.interrupt().take());
    }

    fn a_preemption_is_a_request_of_its_own() {
        let mut heap = small_heap();
        let flag = heap.preempt_flag().clone();
        std::thread::spawn(move || flag.request()).join().expect("a thread");
        assert!(heap.wants_safepoint() && !heap.interrupt().take());
        assert!(!heap.acknowledge(), "no collection waits");
        assert!(heap.wants_safepoint(), "nobody has taken the request");
        collect(&mut heap, Collection::Auto, &mut ());
        assert!(heap.wants_safepoint(), "it outlives a collection");
        assert!(heap.preempt_flag().take() && !heap.preempt_flag().take());
        assert!(!heap.acknowledge() && !heap.wants_safepoint());
    }

    fn a_mutator_may_see_every_safepoint() {
        let mut heap = small_heap();
        heap.poll_always(true);
        for _ in 0..2 {
            assert!(heap.wants_safepoint() && !heap.acknowledge());
        }
        collect(&mut heap, Collection::Auto, &mut ());
        assert!(heap.wants_safepoint());
        heap.poll_always(false);
        assert!(heap.wants_safepoint() && !heap.acknowledge() && !heap.wants_safepoint());
    }
}
