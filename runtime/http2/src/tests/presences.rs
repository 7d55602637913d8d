//! Which connection of a thread makes room.

use super::*;
use crate::acceptor::WorkerState;
use crate::presence::Presences;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

valk_harness::test! {
    fn the_connection_that_is_idle_longest_makes_room() {
        let worker = Arc::<WorkerState>::default();
        let presences = Presences::new(&worker);
        let (now, tasks) = (Instant::now(), [(), (), ()].map(|()| Arc::<Woken>::default()));
        let wakers = tasks.each_ref().map(|task| Waker::from(Arc::clone(task)));
        let [(_, busy), (first_number, first), (last_number, last)] = [(), (), ()].map(|()| presences.enter());
        assert!(!presences.make_room(), "none is idle");
        presences.note(&busy, None, &wakers[0]);
        presences.note(&last, Some(now + Duration::from_secs(1)), &wakers[2]);
        presences.note(&first, Some(now), &wakers[1]);
        presences.note(&first, Some(now), &wakers[1]);
        assert!(presences.make_room() && first.is_chosen() && !last.is_chosen());
        assert!(presences.make_room() && last.is_chosen(), "each is chosen once");
        assert!(!presences.make_room() && !busy.is_chosen());
        assert_eq!(tasks.map(|task| task.0.load(Ordering::Relaxed)), [0, 1, 1]);
        for number in [first_number, last_number] {
            presences.leave(number);
        }
        assert!(!presences.make_room(), "those that have left make no room");
        assert_eq!(worker.idle(), 0);
    }

    fn a_connection_that_is_served_again_makes_no_room() {
        let worker = Arc::<WorkerState>::default();
        let presences = Presences::new(&worker);
        let (number, presence) = presences.enter();
        presences.note(&presence, Some(Instant::now()), Waker::noop());
        assert_eq!(worker.idle(), 1);
        presences.note(&presence, None, Waker::noop());
        assert!(!presences.make_room() && !presence.is_chosen());
        assert_eq!(worker.idle(), 0);
        presences.leave(number);
        assert_eq!(worker.idle(), 0, "it was not idle when it left");
    }
}
