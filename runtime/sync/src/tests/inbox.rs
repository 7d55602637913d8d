//! The inbox with one thread and with several; the models cover the interleavings.

use crate::inbox::Inbox;
use crate::shim::thread;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

/// Counts how often it is used.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

fn waker() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes::default());
    (Arc::clone(&wakes), Waker::from(wakes))
}

valk_harness::test! {
    fn items_come_in_the_order_in_which_they_were_posted() {
        let inbox = Inbox::default();
        assert_eq!((inbox.take(), inbox.len(), inbox.is_empty()), (None, 0, true));
        for item in 1..=3 {
            inbox.post(item);
        }
        inbox.for_each_mut(|item| *item *= 10);
        assert_eq!((inbox.len(), inbox.is_empty()), (3, false));
        assert_eq!(format!("{inbox:?}"), "Inbox { len: 3, .. }");
        assert_eq!([(); 4].map(|()| inbox.take()), [Some(10), Some(20), Some(30), None]);
    }

    fn a_post_wakes_the_reader_that_waits() {
        let (inbox, (wakes, waker)) = (Inbox::new(), waker());
        let mut cx = Context::from_waker(&waker);
        inbox.post(1);
        assert_eq!(wakes.count(), 0, "the reader does not wait");
        assert_eq!(inbox.poll_arrived(&mut cx), Poll::Ready(()));
        assert_eq!(inbox.poll_arrived(&mut cx), Poll::Ready(()), "it is still there");
        assert_eq!(inbox.take(), Some(1));
        assert_eq!(inbox.poll_arrived(&mut cx), Poll::Pending);
        inbox.post(2);
        inbox.post(3);
        assert_eq!(wakes.count(), 1, "woken once");
        assert_eq!(inbox.poll_arrived(&mut cx), Poll::Ready(()));
    }

    fn a_wake_up_is_kept_until_the_reader_has_seen_it() {
        let (inbox, (wakes, waker)) = (Inbox::<u8>::new(), waker());
        let mut cx = Context::from_waker(&waker);
        inbox.wake();
        inbox.wake();
        assert_eq!(inbox.poll_arrived(&mut cx), Poll::Ready(()));
        assert_eq!(inbox.poll_arrived(&mut cx), Poll::Pending, "seen once");
        inbox.wake();
        assert_eq!(wakes.count(), 1);
        assert_eq!(inbox.poll_arrived(&mut cx), Poll::Ready(()));
        assert_eq!(inbox.poll_arrived(&mut cx), Poll::Pending);
    }

    fn the_last_waker_of_the_reader_counts() {
        let (inbox, (old_wakes, old), (wakes, waker)) = (Inbox::new(), waker(), waker());
        assert_eq!(inbox.poll_arrived(&mut Context::from_waker(&old)), Poll::Pending);
        assert_eq!(inbox.poll_arrived(&mut Context::from_waker(&waker)), Poll::Pending);
        inbox.post(1);
        assert_eq!((old_wakes.count(), wakes.count()), (0, 1));
    }
}

/// Wakes a thread that blocks in `park`.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Items of the stress run; Miri is some thousand times slower.
const STRESS_ITEMS: usize = if cfg!(miri) { 20 } else { 20_000 };
const STRESS_POSTERS: usize = 3;

valk_harness::test! {
    /// A lost wake-up is a test that hangs.
    fn three_threads_post_and_the_reader_misses_nothing() {
        let inbox = Arc::new(Inbox::new());
        let posters: Vec<_> = (0..STRESS_POSTERS)
            .map(|poster| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || {
                    for number in 0..STRESS_ITEMS {
                        inbox.post((poster, number));
                    }
                })
            })
            .collect();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        let mut next = [0; STRESS_POSTERS];
        while next.iter().sum::<usize>() < STRESS_ITEMS * STRESS_POSTERS {
            let mut arrived = std::pin::pin!(poll_fn(|cx| inbox.poll_arrived(cx)));
            while arrived.as_mut().poll(&mut cx).is_pending() {
                thread::park();
            }
            while let Some((poster, number)) = inbox.take() {
                assert_eq!(number, next[poster], "a poster's items in their order");
                next[poster] += 1;
            }
        }
        for poster in posters {
            poster.join().expect("it does not panic");
        }
    }
}
