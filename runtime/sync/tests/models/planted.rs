//! Models with planted faults: the runner must catch each for the right reason, in every run.

use crate::model::{Model, Set};
use crate::verdict::Fault;
use std::time::Duration;
use valk_sync::coordinator::{Coordinator, Mutator};
use valk_sync::shim::{Arc, AtomicIsize, Ordering::Relaxed, UnsafeCell, thread};

/// The faults.
pub const MODELS: &[Model] = &[
    planted("planted::panic", Fault::Violation, || panic!("planted")),
    planted("planted::race", Fault::Violation, race),
    planted("planted::deadlock", Fault::Violation, thread::park),
    planted("planted::leak", Fault::Violation, || {
        std::mem::forget(loom::alloc::Track::new(()));
    }),
    planted("planted::endless_spin", Fault::Incomplete, endless_spin),
    Model {
        time_limit: Duration::from_millis(100),
        ..planted("planted::hang", Fault::Incomplete, || {
            loop {
                std::hint::spin_loop();
            }
        })
    },
    planted("planted::early_exit", Fault::NoToken, || std::process::exit(0)),
    Model {
        states: &["a state that does not exist"],
        ..planted("planted::unreached", Fault::Unreached, || ())
    },
    planted("planted::mutator_ignores_blocking", Fault::Violation, mutator_ignores_blocking),
    planted("planted::mutator_without_safepoint", Fault::Violation, mutator_without_safepoint),
    planted("planted::panic_in_a_round", Fault::Violation, panic_in_a_round),
    planted("planted::count_not_on_file", Fault::Count, || ()),
];

/// A model that must be caught for `fault`.
pub const fn planted(name: &'static str, fault: Fault, body: fn()) -> Model {
    Model { name, set: Set::Pull, planted: Some(fault), body, ..Model::EMPTY }
}

struct Unguarded(UnsafeCell<usize>);

// SAFETY: none; this is the planted fault, and loom must report it.
unsafe impl Sync for Unguarded {}
// SAFETY: as above.
unsafe impl Send for Unguarded {}

fn race() {
    let cell = Arc::new(Unguarded(UnsafeCell::new(0)));
    let other = cell.clone();
    let writer = thread::spawn(move || {
        // SAFETY: the pointer is not dereferenced; loom judges the access as such.
        other.0.with_mut(|_| ());
    });
    cell.0.with(|_| ());
    writer.join().expect("loom reports the race first");
}

fn endless_spin() {
    let never = AtomicIsize::new(0);
    while never.load(Relaxed) == 0 {}
}

/// Two members, one of them for a thread of its own.
fn two_members() -> (Mutator, Mutator) {
    let coordinator = Coordinator::new();
    let member = || coordinator.register().expect("two members are few");
    (member(), member())
}

/// A mutator that touches the heap in a blocking section; S7 is broken by the mutator.
fn mutator_ignores_blocking() {
    let (mut leader, mut other) = two_members();
    let heap = Arc::new(Unguarded(UnsafeCell::new(0)));
    let shared = heap.clone();
    let thread = thread::spawn(move || {
        // SAFETY: the pointer is not dereferenced; loom judges the access as such.
        other.blocking(|| shared.0.with_mut(|_| ()));
    });
    let _led = leader.collect(|_| heap.0.with_mut(|_| ()));
    leader.leave();
    thread.join().expect("loom reports the race first");
}

/// A member that neither polls nor leaves: the leader waits for ever (the premise of L1).
fn mutator_without_safepoint() {
    let (mut leader, other) = two_members();
    let _led = leader.collect(|_| ());
    drop(other);
}

/// R8: the process aborts; no thread is left in the round.
fn panic_in_a_round() {
    let (mut leader, mut other) = two_members();
    let thread = thread::spawn(move || other.safepoint());
    let _led = leader.collect(|world| world.parallel(|_| panic!("planted")));
    leader.leave();
    thread.join().expect("the process is dead");
}
