//! The completion cell with one thread; the models cover the interleavings.

use crate::cell::{AlreadySettled, CompletionCell, End, NotSubscribed, Status, Token, Waiters};
use std::rc::Rc;

type Cell = CompletionCell<u32, &'static str>;

fn names(waiters: Waiters<&'static str>) -> Vec<&'static str> {
    waiters.into_iter().collect()
}

valk_harness::test! {
    fn an_operation_is_pending_then_running_then_ends() {
        let cell = Cell::new();
        assert_eq!((cell.status(), cell.end()), (Status::Pending, None));
        assert!(cell.start(), "it begins once");
        assert!(!cell.start());
        assert_eq!(cell.status(), Status::Running);
        assert!(names(cell.settle(End::Completed(1)).expect("it is open")).is_empty());
        assert!(!cell.start(), "it has ended");
        assert_eq!((cell.status(), cell.end()), (Status::Completed, Some(End::Completed(1))));
        assert_eq!(Cell::running().status(), Status::Running);
        assert_eq!(Cell::default().status(), Status::Pending);
        let ends = [
            (End::Completed(1), Status::Completed),
            (End::Failed(2), Status::Failed),
            (End::Cancelled, Status::Cancelled),
        ];
        for (end, status) in ends {
            assert_eq!((Cell::settled(end).status(), Cell::settled(end).end()), (status, Some(end)));
            assert!(status.is_terminal());
        }
        assert!(!Status::Pending.is_terminal() && !Status::Running.is_terminal());
    }

    fn an_operation_ends_once_and_the_second_end_comes_back() {
        for cell in [Cell::new(), Cell::running()] {
            cell.settle(End::Failed(1)).expect("it is open");
            for end in [End::Completed(2), End::Failed(3), End::Cancelled] {
                let refused = cell.settle(end).expect_err("it has ended");
                assert_eq!(refused, AlreadySettled(end));
                assert!(refused.to_string().contains("its first end stands"));
            }
            assert_eq!(cell.end(), Some(End::Failed(1)));
        }
    }

    fn an_end_returns_waiters_in_the_order_of_arrival() {
        let cell = Cell::new();
        assert_eq!(cell.waiters(), 0);
        let tokens: Vec<Token> =
            ["a", "b", "c", "d"].map(|name| cell.subscribe(name).expect("it is open")).into();
        assert_eq!(cell.waiters(), 4);
        assert_eq!(cell.unsubscribe(tokens[1]), Some("b"));
        assert_eq!(cell.unsubscribe(tokens[1]), None, "it has left");
        assert_eq!(names(cell.settle(End::Cancelled).expect("it is open")), ["a", "c", "d"]);
        assert_eq!(cell.waiters(), 0);
        assert_eq!(cell.unsubscribe(tokens[0]), None, "it was notified");
        assert_eq!(cell.subscribe("e"), Err(("e", End::Cancelled)));
    }

    fn one_waiter_needs_no_list() {
        let cell = Cell::new();
        let token = cell.subscribe("a").expect("it is open");
        assert_eq!(cell.with_waiters(Waiters::bytes), 0);
        cell.subscribe("b").expect("it is open");
        assert!(cell.with_waiters(Waiters::bytes) > 0);
        assert_eq!(cell.unsubscribe(token), Some("a"));
        assert_eq!(names(cell.settle(End::Completed(1)).expect("it is open")), ["b"]);
        let one = Cell::new();
        one.subscribe("a").expect("it is open");
        assert_eq!(names(one.settle(End::Completed(1)).expect("it is open")), ["a"]);
    }
}

valk_harness::test! {
    /// In each of the three forms of the list: one waiter, several, none again.
    fn a_token_that_was_used_never_reaches_a_later_waiter() {
        let cell = Cell::new();
        let first = cell.subscribe("a").expect("it is open");
        assert_eq!(cell.unsubscribe(first), Some("a"));
        let second = cell.subscribe("b").expect("it is open");
        assert_ne!(first, second);
        assert_eq!((cell.unsubscribe(first), cell.replace(first, "x")), (None, Err("x")));
        let third = cell.subscribe("c").expect("it is open");
        assert_eq!(cell.unsubscribe(first), None);
        assert_eq!((cell.unsubscribe(third), cell.unsubscribe(second)), (Some("c"), Some("b")));
        assert_eq!(cell.with_waiters(Waiters::bytes), 0, "nothing is left of the list");
        let fourth = cell.subscribe("d").expect("it is open");
        for used in [first, second, third] {
            assert_eq!((cell.unsubscribe(used), cell.replace(used, "x")), (None, Err("x")));
        }
        assert_eq!(cell.unsubscribe(fourth), Some("d"));
    }

    fn a_waiter_is_exchanged_in_its_place() {
        let cell = Cell::new();
        let first = cell.subscribe("a").expect("it is open");
        assert_eq!(cell.replace(first, "A"), Ok("a"));
        let second = cell.subscribe("b").expect("it is open");
        assert_eq!(cell.replace(first, "aa"), Ok("A"));
        assert_eq!(cell.replace(second, "bb"), Ok("b"));
        assert_eq!(cell.waiters(), 2);
        assert_eq!(cell.unsubscribe(second), Some("bb"));
        assert_eq!(cell.replace(second, "x"), Err("x"), "it is gone");
        assert_eq!(names(cell.settle(End::Completed(1)).expect("it is open")), ["aa"]);
        assert_eq!(cell.replace(first, "x"), Err("x"));
    }

    fn a_list_that_most_have_left_is_packed() {
        const MANY: usize = 1000;
        let cell = CompletionCell::<u32, usize>::new();
        let tokens: Vec<Token> =
            (0..MANY).map(|waiter| cell.subscribe(waiter).expect("it is open")).collect();
        let bytes = cell.with_waiters(Waiters::bytes);
        let left = |number: usize| number.is_multiple_of(10);
        for (number, token) in tokens.iter().enumerate().filter(|(number, _)| !left(*number)) {
            assert_eq!(cell.unsubscribe(*token), Some(number));
        }
        assert!(cell.with_waiters(Waiters::bytes) < bytes / 2, "places were given back");
        assert_eq!(cell.waiters(), MANY / 10);
        for (number, token) in tokens.iter().enumerate() {
            let expected = if left(number) { Ok(number) } else { Err(number) };
            assert_eq!(cell.replace(*token, number), expected, "packing moves no token");
        }
        let last = cell.subscribe(MANY).expect("it is open");
        assert_eq!(cell.replace(last, MANY), Ok(MANY));
        let expected: Vec<_> = (0..=MANY).filter(|number| left(*number)).collect();
        assert_eq!(cell.with_waiters(|waiters| waiters.iter().copied().collect::<Vec<_>>()), expected);
        let notified: Vec<_> = cell.settle(End::Cancelled).expect("it is open").into_iter().collect();
        assert_eq!(notified, expected);
    }
}

valk_harness::test! {
    fn waiters_are_changed_in_place_by_the_owner_of_the_cell() {
        for count in 0..4 {
            let mut cell = CompletionCell::<u32, u32>::new();
            let tokens: Vec<Token> =
                (0..count).map(|waiter| cell.subscribe(waiter).expect("it is open")).collect();
            if let Some(token) = tokens.get(1) {
                cell.unsubscribe(*token);
            }
            let (end, waiters) = cell.get_mut();
            assert!(end.is_none());
            assert_eq!(waiters.is_empty(), count == 0);
            waiters.iter_mut().for_each(|waiter| *waiter += 10);
            let expected: Vec<_> = (0..count).filter(|w| *w != 1).map(|w| w + 10).collect();
            assert_eq!(cell.with_waiters(|waiters| waiters.iter().copied().collect::<Vec<_>>()), expected);
            cell.settle(End::Completed(1)).expect("it is open");
            let (end, waiters) = cell.get_mut();
            assert!(waiters.is_empty() && Waiters::<u32>::default().is_empty());
            *end.expect("it has ended") = End::Completed(2);
            assert_eq!(cell.end(), Some(End::Completed(2)));
        }
    }

    fn a_request_to_cancel_is_a_mark_until_the_end() {
        let cell = Cell::running();
        assert!(!cell.is_cancel_requested());
        assert!(cell.request_cancel() && cell.request_cancel());
        assert_eq!((cell.is_cancel_requested(), cell.status()), (true, Status::Running));
        cell.settle(End::Completed(1)).expect("a request ends nothing");
        assert!(!cell.is_cancel_requested(), "it ended with a value after all");
        assert!(!cell.request_cancel(), "too late");
        assert!(!cell.is_cancel_requested());
        let cancelled = Cell::settled(End::Cancelled);
        assert!(cancelled.is_cancel_requested() && !cancelled.request_cancel());
    }

    fn waiters_are_bounded_where_the_caller_says_so() {
        let cell = Cell::new();
        let token = cell.subscribe_within(1, "a").expect("there is room");
        assert_eq!(cell.subscribe_within(1, "b"), Err(NotSubscribed::Full("b")));
        assert_eq!(cell.unsubscribe(token), Some("a"));
        cell.subscribe_within(1, "c").expect("there is room again");
        assert_eq!(names(cell.settle(End::Completed(1)).expect("it is open")), ["c"]);
        let ended = NotSubscribed::Ended("d", End::Completed(1));
        assert_eq!(cell.subscribe_within(0, "d"), Err(ended));
    }

    fn a_pending_cell_drops_its_waiters() {
        for count in 1..4 {
            let (cell, owned) = (CompletionCell::<u32, Rc<()>>::new(), Rc::new(()));
            for _ in 0..count {
                cell.subscribe(Rc::clone(&owned)).expect("it is open");
            }
            assert_eq!(Rc::strong_count(&owned), 1 + count);
            drop(cell);
            assert_eq!(Rc::strong_count(&owned), 1);
        }
    }
}
