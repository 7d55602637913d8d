//! Native objects: traced, found by type, dropped once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::model::{Dropped, Recorded};
use super::{collect, small_heap};
use crate::{Collection, Heap, HostObject, Tracer, Value};

struct Buffer(AtomicUsize);
impl HostObject for Buffer {
    fn trace(&mut self, _tracer: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "buffer"
    }
    fn external_bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn values(host: &Recorded) -> Vec<Value> {
    host.values.lock().expect("whole").clone()
}

fn recorded(heap: &mut Heap, number: usize, log: &Dropped) -> Value {
    let values = Mutex::new(vec![heap.string(b"inside")]);
    heap.host(Box::new(Recorded { number, values, dropped: Arc::clone(log) }))
}

valk_harness::test! {
    fn a_host_is_found_by_its_type_only() {
        let mut heap = small_heap();
        let buffer = heap.host(Box::new(Buffer(AtomicUsize::new(0))));
        assert!(buffer.host::<Buffer>(&heap).is_some());
        assert!(buffer.host::<Recorded>(&heap).is_none());
        assert_eq!(buffer.host_object(&heap).expect("a host").type_name(), "buffer");
        assert_eq!(buffer.field_count(), 0);
        let recorded = recorded(&mut heap, 1, &Arc::default());
        assert_eq!(recorded.host_object(&heap).expect("a host").type_name(), "recorded");
        assert_eq!(recorded.host_object(&heap).expect("a host").external_bytes(), 0);
    }
}

valk_harness::test! {
    fn a_host_never_moves_and_keeps_its_young_values() {
        let mut heap = small_heap();
        let mut roots = [recorded(&mut heap, 1, &Arc::default())];
        let address = roots[0].address();
        let inside = std::ptr::from_ref(roots[0].host::<Recorded>(&heap).expect("a host"));
        for kind in [Collection::Minor, Collection::Minor, Collection::Full] {
            collect(&mut heap, kind, &mut roots);
            assert_eq!(roots[0].address(), address);
            let host = roots[0].host::<Recorded>(&heap).expect("a host");
            assert_eq!(std::ptr::from_ref(host), inside);
            assert_eq!(values(host)[0].bytes(&heap), b"inside");
        }
    }
}

valk_harness::test! {
    fn a_changed_host_is_asked_again() {
        let mut heap = small_heap();
        let mut roots = [recorded(&mut heap, 1, &Arc::default())];
        collect(&mut heap, Collection::Minor, &mut roots);
        let text = heap.string(b"announced");
        heap.touch_host(roots[0]);
        let host = roots[0].host::<Recorded>(&heap).expect("a host");
        host.values.lock().expect("whole").push(text);
        collect(&mut heap, Collection::Minor, &mut roots);
        let host = roots[0].host::<Recorded>(&heap).expect("a host");
        assert_eq!(values(host)[1].bytes(&heap), b"announced");
        heap.touch_host(roots[0]);
        heap.touch_host(roots[0]);
        assert_eq!(heap.verify(&mut roots), 3);
    }
}

valk_harness::test! {
    fn finalisers_run_exactly_once() {
        let mut heap = small_heap();
        let log = Dropped::default();
        let mut roots: Vec<Value> = (0..100).map(|number| recorded(&mut heap, number, &log)).collect();
        collect(&mut heap, Collection::Full, &mut roots);
        assert!(log.lock().expect("whole").is_empty());
        roots.truncate(40);
        collect(&mut heap, Collection::Minor, &mut roots);
        assert!(log.lock().expect("whole").is_empty(), "hosts are old: a minor collection finds none dead");
        collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!(*log.lock().expect("whole"), (40..100).collect::<Vec<_>>());
        assert_eq!(heap.statistics().hosts_finalised, 60);
        collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!(log.lock().expect("whole").len(), 60);
        drop(heap);
        assert_eq!(log.lock().expect("whole").len(), 100, "the heap drops what is left");
    }
}

valk_harness::test! {
    fn external_bytes_count_and_call_for_a_collection() {
        let mut heap = small_heap();
        let mut roots = [heap.host(Box::new(Buffer(AtomicUsize::new(1000))))];
        let counted = heap.statistics().external_bytes;
        assert!((1000 + size_of::<Buffer>()..1100).contains(&counted), "{counted} bytes");
        assert!(!heap.wants_collection());
        heap.host(Box::new(Buffer(AtomicUsize::new(40 << 20))));
        assert!(heap.wants_collection());
        let collected = collect(&mut heap, Collection::Auto, &mut roots);
        assert_eq!(collected.kind, Collection::Full);
        assert!(collected.reclaimed_bytes >= 40 << 20);
        assert_eq!(heap.statistics().external_bytes, counted);
        roots[0].host::<Buffer>(&heap).expect("a buffer").0.store(5000, Ordering::Relaxed);
        collect(&mut heap, Collection::Full, &mut roots);
        let again = heap.statistics().external_bytes;
        assert_eq!(again, counted + 4000, "asked again at a full collection");
    }
}

struct Panics;
impl HostObject for Panics {
    fn trace(&mut self, _tracer: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "panics"
    }
}
impl Drop for Panics {
    fn drop(&mut self) {
        panic!("a destructor that fails");
    }
}

valk_harness::test! {
    fn a_failing_finaliser_leaves_the_heap_whole() {
        let mut heap = small_heap();
        let panics = heap.host(Box::new(Panics));
        assert_eq!(panics.host_object(&heap).expect("a host").type_name(), "panics");
        let mut roots = [heap.string(b"kept")];
        collect(&mut heap, Collection::Minor, &mut roots);
        let message = super::panic_message(|| {
            collect(&mut heap, Collection::Full, &mut roots);
        });
        assert_eq!(message, "a destructor that fails");
        assert_eq!(heap.verify(&mut roots), 1);
        collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!(roots[0].bytes(&heap), b"kept");
    }
}
