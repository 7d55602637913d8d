//! Models of the free list of a slab.
//!
//! Each slot has a cell that loom tracks and that its user writes: two users of one slot, or an
//! access that the slab did not order, are reported.

use crate::model::{Model, Set};
use valk_sync::shim::thread::spawn;
use valk_sync::shim::{Arc, UnsafeCell, reached_if};
use valk_sync::slab::{Index, NotInUse, Slab};

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model { name: "slab::hand_over", states: &[TAKEN, REFUSED], body: hand_over, ..Model::EMPTY },
    Model {
        name: "slab::two_takers_one_slot",
        states: &[MOVED, REFUSED],
        body: two_takers_one_slot,
        ..Model::EMPTY
    },
    Model { name: "slab::put_back_twice", states: &[TWICE], body: put_back_twice, ..Model::EMPTY },
    Model {
        name: "slab::same_head_again",
        preemptions: Some(3),
        states: &[MOVED],
        body: same_head_again,
        ..Model::EMPTY
    },
    Model {
        name: "slab::passed_on_below_the_top",
        preemptions: Some(2),
        states: &[BOTH],
        body: passed_on_below_the_top,
        ..Model::EMPTY
    },
    Model {
        name: "slab::take_and_put_back",
        preemptions: Some(3),
        states: &[MOVED, TAKEN, REFUSED],
        body: take_and_put_back,
        ..Model::EMPTY
    },
    Model {
        name: "slab::same_head_again_exhaustive",
        set: Set::Nightly,
        states: &[MOVED],
        body: same_head_again,
        ..Model::EMPTY
    },
    Model {
        name: "slab::passed_on_below_the_top_exhaustive",
        set: Set::Nightly,
        states: &[BOTH],
        body: passed_on_below_the_top,
        ..Model::EMPTY
    },
];

// States recorded by the slab itself.
const MOVED: &str = "slab: the head moved under a taker";
// States recorded here.
const TAKEN: &str = "a slot was taken";
const REFUSED: &str = "there was no free slot";
const TWICE: &str = "a slot was put back twice";
const BOTH: &str = "both slots were taken after they were put back";

/// A slab and what is in its slots.
struct Slots {
    slab: Slab,
    cells: Vec<UnsafeCell<usize>>,
}

// SAFETY: that accesses to the cells are ordered is what the models check; loom reports others.
unsafe impl Sync for Slots {}
// SAFETY: as above.
unsafe impl Send for Slots {}

impl Slots {
    fn new(slots: usize) -> Arc<Self> {
        let cells = (0..slots).map(|_| UnsafeCell::new(0)).collect();
        Arc::new(Self { slab: Slab::new(slots), cells })
    }

    /// Takes a slot and uses it.
    fn take(&self) -> Option<Index> {
        let index = self.slab.acquire();
        reached_if(index.is_some(), TAKEN);
        reached_if(index.is_none(), REFUSED);
        index.inspect(|index| self.touch(*index))
    }

    /// Uses a slot for the last time and puts it back.
    fn put_back(&self, index: Index) {
        self.touch(index);
        self.slab.release(index).expect("the slot was out");
    }

    fn touch(&self, index: Index) {
        // SAFETY: loom checks it.
        self.cells[index.get()].with_mut(|cell| unsafe { *cell += 1 });
    }

    /// Takes all that is free, while no other thread uses the slab: what is out and what is not is
    /// all there is.
    fn finish(&self, out: usize) {
        let numbers = self.slab.statistics();
        assert_eq!(numbers.in_use, out);
        assert!(out <= numbers.high_water && numbers.high_water <= numbers.slots);
        let free = std::iter::from_fn(|| self.take()).count();
        assert_eq!(free + out, numbers.slots, "a slot was lost or is there twice");
        let used: u32 = self.slab.bitmap().map(u64::count_ones).sum();
        assert_eq!(used as usize, numbers.slots, "all are out");
    }
}

/// The edge from putting back to taking, with nothing else between the threads.
fn hand_over() {
    let slots = Slots::new(1);
    let index = slots.take().expect("one slot");
    let theirs = slots.clone();
    let thread = spawn(move || theirs.take().is_some());
    slots.put_back(index);
    let taken = thread.join().expect("loom reports a panic first");
    slots.finish(usize::from(taken));
}

/// One slot, two threads that take it: one gets it.
fn two_takers_one_slot() {
    let slots = Slots::new(1);
    let theirs = slots.clone();
    let thread = spawn(move || theirs.take().is_some());
    let mine = slots.take().is_some();
    let theirs = thread.join().expect("loom reports a panic first");
    assert_ne!(mine, theirs, "a slot has one user");
    assert_eq!(slots.slab.statistics().refused, 1);
    slots.finish(1);
}

/// Two threads put the same slot back: one of them gets an error.
fn put_back_twice() {
    let slots = Slots::new(2);
    let index = slots.take().expect("two slots");
    let theirs = slots.clone();
    let thread = spawn(move || theirs.slab.release(index));
    let mine = slots.slab.release(index);
    let theirs = thread.join().expect("loom reports a panic first");
    reached_if(mine == Err(NotInUse(index)), TWICE);
    assert_ne!(mine.is_ok(), theirs.is_ok(), "it was out once");
    slots.finish(0);
}

/// The head has the same top again while a taker is between reading and exchanging; the slot below
/// is another by then. Without the number of changes it would be given out twice (ABA).
fn same_head_again() {
    let slots = Slots::new(2);
    let theirs = slots.clone();
    let thread = spawn(move || theirs.take());
    let (first, second) = (slots.take(), slots.take());
    if let (Some(first), Some(_)) = (first, second) {
        slots.put_back(first);
    }
    let theirs = thread.join().expect("loom reports a panic first");
    // Mine: both, or one, or the second alone; one was put back when I had both.
    let mine = [first, second].into_iter().flatten().count();
    let out = usize::from(theirs.is_some()) + if mine == 2 { 1 } else { mine };
    slots.finish(out);
}

/// Two threads put back, one on top of the other; a thread that takes both is ordered after both,
/// although the lower one was put under it by an exchange of another thread.
fn passed_on_below_the_top() {
    let slots = Slots::new(2);
    let out = [slots.take().expect("two slots"), slots.take().expect("one slot")];
    let threads = out.map(|index| {
        let theirs = slots.clone();
        spawn(move || theirs.put_back(index))
    });
    let taken = [slots.take(), slots.take()].into_iter().flatten().count();
    reached_if(taken == 2, BOTH);
    for thread in threads {
        thread.join().expect("loom reports a panic first");
    }
    slots.finish(taken);
}

/// Two threads take and put back, twice each.
fn take_and_put_back() {
    let slots = Slots::new(1);
    let theirs = slots.clone();
    let turns = |slots: &Slots| {
        for _ in 0..2 {
            if let Some(index) = slots.take() {
                slots.put_back(index);
            }
        }
    };
    let thread = spawn(move || turns(&theirs));
    turns(&slots);
    thread.join().expect("loom reports a panic first");
    slots.finish(0);
}
