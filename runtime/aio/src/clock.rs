//! The clock of a program: handles that are to be ended at a time.
//!
//! 1. One thread, started with the first alarm, waits for the next time. It is no mutator and only
//!    hands the handle to somebody who is.
//! 2. An alarm rings once or is taken back, so its root has one owner.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use std::{io, mem};
use valk_heap::Root;
use valk_sync::shim::{lock, wait_until};

/// Hands a handle to a mutator that ends it.
pub(crate) type Ring = Box<dyn FnOnce(Root) + Send>;

/// When an alarm rings, and which of those at that time it is.
type Time = (Instant, u64);

#[derive(Default)]
struct Alarms {
    pending: BTreeMap<Time, (Root, Ring)>,
    last: u64,
    is_ending: bool,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Face {
    alarms: Mutex<Alarms>,
    changed: Condvar,
}

/// The clock; ends its thread when it is dropped.
#[derive(Default)]
pub(crate) struct Clock {
    face: Arc<Face>,
}

/// An alarm that may be taken back.
pub(crate) struct Alarm {
    clock: Arc<Clock>,
    time: Time,
}

impl Clock {
    /// Has `ring` called with the root at that time.
    ///
    /// # Errors
    /// When the system gives no thread; the root comes back.
    pub fn set(
        self: &Arc<Clock>,
        at: Instant,
        root: Root,
        ring: Ring,
    ) -> Result<Alarm, (Root, io::Error)> {
        let mut alarms = lock(&self.face.alarms);
        if alarms.thread.is_none() {
            let face = Arc::clone(&self.face);
            let thread = thread::Builder::new().name("valk-clock".to_owned());
            match thread.spawn(move || tick(&face)) {
                Ok(thread) => alarms.thread = Some(thread),
                Err(error) => return Err((root, error)),
            }
        }
        alarms.last += 1;
        let time = (at, alarms.last);
        alarms.pending.insert(time, (root, ring));
        self.face.changed.notify_one();
        Ok(Alarm { clock: Arc::clone(self), time })
    }

    /// Number of alarms that have not rung.
    #[cfg(test)]
    pub fn pending(&self) -> usize {
        lock(&self.face.alarms).pending.len()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let mut alarms = lock(&self.face.alarms);
        alarms.is_ending = true;
        let thread = alarms.thread.take();
        drop(alarms);
        self.face.changed.notify_one();
        // The last owner may be the thread itself, inside a ring.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id())
        {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&self.time).finish()
    }
}

impl Alarm {
    /// The root, unless the alarm has rung.
    pub fn take_back(self) -> Option<Root> {
        let pending = &mut lock(&self.clock.face.alarms).pending;
        pending.remove(&self.time).map(|(root, _)| root)
    }
}

/// The clock's thread.
fn tick(face: &Face) {
    let mut alarms = lock(&face.alarms);
    while !alarms.is_ending {
        let now = Instant::now();
        let later = alarms.pending.split_off(&(now, u64::MAX));
        let due = mem::replace(&mut alarms.pending, later);
        if !due.is_empty() {
            drop(alarms);
            for (root, ring) in due.into_values() {
                ring(root);
            }
            alarms = lock(&face.alarms);
            continue;
        }
        let next = alarms.pending.first_key_value().map(|((at, _), _)| *at);
        (alarms, _) = wait_until(&face.changed, alarms, next);
    }
}
