//! The reentrant lock on threads of the system.

use crate::reentrant_lock::ReentrantLock;
use std::cell::UnsafeCell;
use std::sync::Arc;
use std::thread;

struct Counter {
    lock: ReentrantLock,
    count: UnsafeCell<usize>,
}

// SAFETY: the count is accessed under the lock.
unsafe impl Sync for Counter {}

impl Counter {
    fn add(&self, key: usize) {
        self.lock.lock(key);
        self.lock.lock(key);
        // SAFETY: this thread has the lock.
        unsafe { *self.count.get() += 1 };
        self.lock.unlock();
        self.lock.unlock();
    }
}

valk_harness::test! {
    fn no_increment_is_lost_and_every_thread_gets_the_lock() {
        const ROUNDS: usize = 20_000;
        let counter = Arc::new(Counter { lock: ReentrantLock::default(), count: UnsafeCell::new(0) });
        let threads: Vec<_> = (1..5)
            .map(|key| {
                let counter = Arc::clone(&counter);
                thread::spawn(move || (0..ROUNDS).for_each(|_| counter.add(key)))
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
        counter.lock.lock(9);
        // SAFETY: this thread has the lock.
        assert_eq!(unsafe { *counter.count.get() }, 4 * ROUNDS);
        assert!(format!("{:?}", counter.lock).contains("owner: 9"));
    }
}
