//! Models of the safepoint coordinator.
//!
//! Each member has a cell of "heap" that loom tracks: its mutator writes it while running, and
//! the leader of a collection writes all of them. Loom reports any two accesses that the
//! coordinator did not order, which is S7: in a stopped world no mutator is at the heap.

use crate::model::{Model, Set};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use valk_sync::coordinator::{
    CollectOutcome, Coordinator, Mutator, Participant, RegisterError, World,
};
use valk_sync::shim::thread::spawn;
use valk_sync::shim::{Arc, Condvar, Mutex, UnsafeCell, lock, reached_if, wait};

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model {
        name: "coordinator::s1_s2_s7_l1_l3_one_mutator",
        states: &[HELPED],
        body: one_mutator,
        ..Model::EMPTY
    },
    Model {
        name: "coordinator::s1_s2_l6_two_leaders",
        states: &[HELPED],
        body: two_leaders,
        ..Model::EMPTY
    },
    Model { name: "coordinator::s4_s8_l2_rounds", states: &[HELPED], body: rounds, ..Model::EMPTY },
    Model {
        name: "coordinator::s3_two_cycles",
        states: &[HELPED],
        body: two_cycles,
        ..Model::EMPTY
    },
    Model {
        name: "coordinator::s5_s6_l4_register",
        states: &[HELPED, LATE],
        body: register,
        ..Model::EMPTY
    },
    Model {
        name: "coordinator::s5_s6_l4_leave",
        states: &[HELPED, FROZEN, LEFT],
        body: leave,
        ..Model::EMPTY
    },
    Model {
        name: "coordinator::s3_poll_flag",
        states: &[HELPED, FROZEN, ACKNOWLEDGED],
        body: poll_flag,
        ..Model::EMPTY
    },
    Model {
        name: "coordinator::s7_blocking",
        states: &[HELPED, FROZEN, FOUND_SAFE, ASKED, WAITED],
        body: blocking,
        ..Model::EMPTY
    },
    Model {
        name: "coordinator::l5_blocking_for_ever",
        states: &[FROZEN],
        body: blocking_for_ever,
        ..Model::EMPTY
    },
    Model {
        name: "coordinator::s21_l7_shutdown",
        states: &[LED, REFUSED],
        body: shutdown,
        ..Model::EMPTY
    },
    Model {
        name: "coordinator::s4_s5_s7_three_mutators",
        preemptions: Some(2),
        states: &[HELPED, FROZEN],
        body: three_mutators,
        ..Model::EMPTY
    },
    Model {
        name: "coordinator::s4_s5_s7_three_mutators_deep",
        set: Set::Nightly,
        preemptions: Some(3),
        states: &[HELPED, FROZEN],
        body: three_mutators,
        ..Model::EMPTY
    },
];

// States recorded by the coordinator itself.
const FOUND_SAFE: &str = "request: found a member in a blocking section";
const ASKED: &str = "blocking: entered while asked to stop";
const WAITED: &str = "blocking: waited for the end of a collection";
// States recorded here.
const HELPED: &str = "a stopped mutator took part in a round";
const FROZEN: &str = "a member was frozen in a blocking section";
const ACKNOWLEDGED: &str = "a mutator acknowledged its poll flag";
const LED: &str = "a collection was led";
const LATE: &str = "a thread registered after the collection";
const LEFT: &str = "a member left before the collection";
const REFUSED: &str = "a collection was refused";

/// One tracked cell per slot, and an untracked count of leaders.
struct Heap {
    cells: Vec<UnsafeCell<usize>>,
    leaders: AtomicUsize,
}

// SAFETY: that accesses to the cells are ordered is what the models check; loom reports others.
unsafe impl Sync for Heap {}
// SAFETY: as above.
unsafe impl Send for Heap {}

impl Heap {
    fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self {
            cells: (0..slots).map(|_| UnsafeCell::new(0)).collect(),
            leaders: AtomicUsize::new(0),
        })
    }

    /// Adds one to the cell of `slot`; the new value.
    fn touch(&self, slot: usize) -> usize {
        // SAFETY: loom checks it.
        self.cells[slot].with_mut(|cell| unsafe {
            *cell += 1;
            *cell
        })
    }

    fn mutate(&self, mutator: &Mutator) {
        self.touch(mutator.slot());
    }

    /// The leader's part: all cells are its own (S7), and it is alone (S1).
    fn collect(&self, world: &World<'_>) {
        assert_eq!(self.leaders.fetch_add(1, Relaxed), 0, "S1: one leader");
        for slot in 0..self.cells.len() {
            self.touch(slot);
        }
        reached_if(world.frozen().next().is_some(), FROZEN);
        world.parallel(|participant| {
            assert!(participant.index < participant.count, "S4: participants are numbered");
            reached_if(participant.index > 0, HELPED);
            self.touch(participant.slot);
        });
        assert_eq!(self.leaders.fetch_sub(1, Relaxed), 1, "S1: one leader");
    }
}

fn member(coordinator: &Coordinator) -> Mutator {
    coordinator.register().expect("the model stays below the limit")
}

/// A mutator's life: it touches the heap on both sides of `safepoints` safepoints.
fn run(mutator: &mut Mutator, heap: &Heap, safepoints: usize) {
    heap.mutate(mutator);
    for _ in 0..safepoints {
        mutator.safepoint();
        heap.mutate(mutator);
    }
}

fn lead(mutator: &mut Mutator, heap: &Heap) {
    let outcome = mutator.collect(|world| heap.collect(world));
    assert_eq!(outcome, CollectOutcome::Led(()), "no other mutator collects");
}

/// Leader and one mutator with a safepoint: the world stops and resumes.
fn one_mutator() {
    let (coordinator, heap) = (Coordinator::new(), Heap::new(2));
    let (mut leader, mut other) = (member(&coordinator), member(&coordinator));
    let shared = heap.clone();
    let thread = spawn(move || run(&mut other, &shared, 1));
    run(&mut leader, &heap, 0);
    lead(&mut leader, &heap);
    run(&mut leader, &heap, 0);
    leader.leave();
    thread.join().expect("loom reports a panic first");
    assert_eq!(coordinator.members(), 0);
}

/// A mutator that reads nothing but its poll flag: after it acknowledges a request it finds that it
/// is asked to stop.
fn poll_flag() {
    let (coordinator, heap) = (Coordinator::new(), Heap::new(2));
    let (mut leader, mut other) = (member(&coordinator), member(&coordinator));
    let shared = heap.clone();
    let thread = spawn(move || {
        let poll_flag = other.poll_flag();
        shared.mutate(&other);
        if poll_flag.acknowledge() {
            reached_if(true, ACKNOWLEDGED);
            assert!(other.is_asked_to_stop(), "rule 9: the reason is there before the ring");
            other.safepoint();
            shared.mutate(&other);
        }
    });
    lead(&mut leader, &heap);
    leader.leave();
    thread.join().expect("loom reports a panic first");
}

/// Both request a collection: one leads, the other, whose request is also its safepoint, takes
/// part. Both return (L6).
fn two_leaders() {
    let (coordinator, heap) = (Coordinator::new(), Heap::new(2));
    let (mut first, mut second) = (member(&coordinator), member(&coordinator));
    let shared = heap.clone();
    let thread = spawn(move || heap_and_collect(&mut second, &shared));
    let mine = heap_and_collect(&mut first, &heap);
    first.leave();
    let theirs = thread.join().expect("loom reports a panic first");
    assert_ne!(mine, theirs, "S1: one led, the other took part");
}

fn heap_and_collect(mutator: &mut Mutator, heap: &Heap) -> bool {
    heap.mutate(mutator);
    let outcome = mutator.collect(|world| heap.collect(world));
    heap.mutate(mutator);
    assert_ne!(outcome, CollectOutcome::Refused);
    outcome == CollectOutcome::Led(())
}

/// In each round every participant writes its own cell; in the next it reads all cells (S8). Each
/// round has one arrival per participant (S4).
fn rounds() {
    let (coordinator, heap) = (Coordinator::new(), Heap::new(2));
    let (mut leader, mut other) = (member(&coordinator), member(&coordinator));
    let shared = heap.clone();
    let thread = spawn(move || run(&mut other, &shared, 1));
    let outcome = leader.collect(|world| {
        let arrivals = AtomicUsize::new(0);
        let arrive = |participant: Participant| {
            assert_eq!(participant.count, world_size(&arrivals, participant));
            reached_if(participant.index > 0, HELPED);
        };
        let count = world.participants();
        world.parallel(|participant| {
            arrive(participant);
            heap.touch(participant.slot);
        });
        assert_eq!(arrivals.load(Relaxed), count, "S4: one arrival each");
        world.parallel(|participant| {
            arrive(participant);
            // One at a time, by index: nothing but the round orders the other's access.
            let seen = heap.cells[1 - participant.slot].with(|cell| {
                // SAFETY: loom checks it: written in the round before, by the other.
                unsafe { *cell }
            });
            assert!(seen <= 2, "S8: the round before is over");
        });
        assert_eq!(arrivals.load(Relaxed), 2 * count, "S4: one arrival each");
    });
    assert_eq!(outcome, CollectOutcome::Led(()));
    leader.leave();
    thread.join().expect("loom reports a panic first");
}

/// Counts an arrival; the number of participants.
fn world_size(arrivals: &AtomicUsize, participant: Participant) -> usize {
    arrivals.fetch_add(1, Relaxed);
    participant.count
}

/// A participant that is slow to leave the first collection finds the second one requested.
fn two_cycles() {
    let (coordinator, heap) = (Coordinator::new(), Heap::new(2));
    let (mut leader, mut other) = (member(&coordinator), member(&coordinator));
    let shared = heap.clone();
    let thread = spawn(move || run(&mut other, &shared, 1));
    lead(&mut leader, &heap);
    lead(&mut leader, &heap);
    leader.leave();
    thread.join().expect("loom reports a panic first");
}

/// A thread registers while a collection is requested: it is in it or comes after it.
fn register() {
    let (coordinator, heap) = (Coordinator::new(), Heap::new(2));
    let mut leader = member(&coordinator);
    let (theirs, shared) = (coordinator.clone(), heap.clone());
    let thread = spawn(move || {
        let mut late = member(&theirs);
        assert_eq!(late.slot(), 1, "S6: the lowest free slot");
        reached_if(shared.touch(1) > 1, LATE);
        run(&mut late, &shared, 1);
    });
    let outcome = leader.collect(|world| {
        // Members are fixed: what was true at the start is true at the end.
        let before = world.participants();
        heap.collect(world);
        assert_eq!(before, world.participants(), "S5: participants are constant");
    });
    assert_eq!(outcome, CollectOutcome::Led(()));
    thread.join().expect("loom reports a panic first");
    leader.leave();
    assert_eq!(coordinator.members(), 0);
}

/// A member leaves, without a safepoint, while a collection is requested; its slot is free after.
fn leave() {
    let (coordinator, heap) = (Coordinator::new(), Heap::new(2));
    let (mut leader, mut other) = (member(&coordinator), member(&coordinator));
    let (theirs, shared) = (coordinator.clone(), heap.clone());
    let thread = spawn(move || {
        run(&mut other, &shared, 1);
        other.leave();
        let again = member(&theirs);
        assert_eq!(again.slot(), 1, "S6: a slot is reused after its owner left");
        shared.mutate(&again);
    });
    let outcome = leader.collect(|world| {
        heap.collect(world);
        world.participants() == 1 && world.frozen().next().is_none()
    });
    reached_if(outcome == CollectOutcome::Led(true), LEFT);
    thread.join().expect("loom reports a panic first");
    leader.leave();
}

/// Into a blocking section and out again, with the heap touched on both sides: the edges of the two
/// exchanges, with nothing else between the threads.
fn blocking() {
    let (coordinator, heap) = (Coordinator::new(), Heap::new(2));
    let (mut leader, mut other) = (member(&coordinator), member(&coordinator));
    let shared = heap.clone();
    let thread = spawn(move || {
        shared.mutate(&other);
        other.blocking(|| ());
        shared.mutate(&other);
        other.safepoint();
        // Leaving takes the lock, too late to order what was touched before.
        other.leave();
    });
    lead(&mut leader, &heap);
    leader.leave();
    thread.join().expect("loom reports a panic first");
}

/// A blocking section that ends only after the collection has: the collection does not wait for
/// it (L5).
fn blocking_for_ever() {
    let (coordinator, heap) = (Coordinator::new(), Heap::new(2));
    let (mut leader, mut other) = (member(&coordinator), member(&coordinator));
    let over = Arc::new((Mutex::new(false), Condvar::new()));
    let (theirs, shared) = (over.clone(), heap.clone());
    let thread = spawn(move || {
        shared.mutate(&other);
        other.blocking(|| {
            let mut is_over = lock(&theirs.0);
            while !*is_over {
                is_over = wait(&theirs.1, is_over);
            }
        });
        shared.mutate(&other);
    });
    lead(&mut leader, &heap);
    *lock(&over.0) = true;
    over.1.notify_all();
    leader.leave();
    thread.join().expect("loom reports a panic first");
}

/// Shutdown against a request: the collection completes or is refused, nothing comes after, and the
/// wait for the members ends.
fn shutdown() {
    let (coordinator, heap) = (Coordinator::new(), Heap::new(2));
    let (mut main, mut other) = (member(&coordinator), member(&coordinator));
    let shared = heap.clone();
    let thread = spawn(move || {
        let outcome = other.collect(|world| shared.collect(world));
        reached_if(outcome == CollectOutcome::Led(()), LED);
        reached_if(outcome == CollectOutcome::Refused, REFUSED);
        assert_ne!(outcome, CollectOutcome::Joined, "no other mutator collects");
    });
    heap.mutate(&main);
    coordinator.begin_shutdown();
    main.blocking(|| coordinator.wait_for_members(1));
    assert_eq!(
        main.collect(|_| ()),
        CollectOutcome::Refused,
        "S21: no collection after shutdown began"
    );
    let late = coordinator.register().map(|mutator| mutator.slot());
    assert_eq!(late, Err(RegisterError::ShuttingDown));
    main.leave();
    thread.join().expect("loom reports a panic first");
}

/// Leader, a mutator with a safepoint, and one that goes through a blocking section and leaves.
fn three_mutators() {
    let (coordinator, heap) = (Coordinator::new(), Heap::new(3));
    let mut leader = member(&coordinator);
    let (mut second, mut third) = (member(&coordinator), member(&coordinator));
    let shared = heap.clone();
    let polling = spawn(move || run(&mut second, &shared, 1));
    let shared = heap.clone();
    let visiting = spawn(move || {
        shared.mutate(&third);
        third.blocking(|| ());
        shared.mutate(&third);
    });
    lead(&mut leader, &heap);
    leader.leave();
    polling.join().expect("loom reports a panic first");
    visiting.join().expect("loom reports a panic first");
}
