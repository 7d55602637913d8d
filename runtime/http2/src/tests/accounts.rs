//! What one connection may hold while others fill the process.

use super::*;
use crate::account::Account;

/// Two connections of a server, with room for 100 bytes each and for 60 together; a full server
/// lets each hold 10.
fn two() -> [Account; 2] {
    let limits = Limits {
        process_body_bytes: 60,
        max_connections: 6,
        stream_window: 0,
        ..Limits::default()
    };
    let bodies = ProcessBudgets::of_one_server(&limits).bodies;
    [(), ()].map(|()| Account::new(100, &bodies))
}

valk_harness::test! {
    fn a_full_process_grants_each_connection_its_share() {
        let [one, other] = two();
        let all = one.try_hold(60).expect("the process is empty");
        assert!(one.process().is_full());
        assert!(one.try_hold(1).is_none() && !one.allows(1), "it has more than its share");
        let mut held = other.try_hold(10).expect("its share");
        assert!(!held.try_grow(1), "no more than that");
        assert!(!held.try_grow_alone(1), "even as the only one of its connection");
        assert_eq!((held.bytes(), other.used(), other.process().used()), (10, 10, 70));
        drop(all);
        assert!(held.try_grow(1), "there is room again");
        assert!(held.try_grow_alone(200), "the only one may be larger than its connection's budget");
        assert_eq!((other.used(), other.process().used()), (211, 211));
        held.shrink_to(5);
        assert_eq!((other.used(), other.process().used()), (5, 5));
        drop(held);
        assert_eq!((other.used(), other.process().used()), (0, 0));
    }

    fn what_is_made_already_counts_unless_the_process_is_full() {
        let [one, other] = two();
        let made = one.try_hold_made(60, 20).expect("the process is empty");
        assert_eq!((made.bytes(), one.used(), one.process().used()), (60, 20, 60));
        assert!(one.try_hold_made(1, 1).is_none(), "the process is full");
        assert_eq!((one.used(), one.process().used()), (20, 60), "nothing was counted");
        let share = other.try_hold_made(10, 10).expect("its share");
        assert!(other.try_hold_made(1, 0).is_none());
        drop((made, share));
        assert!(one.try_hold_made(1, 1).is_some());
    }

    fn the_only_one_of_a_connection_alone_may_exceed_its_budget() {
        let limits = Limits::default();
        let account = Account::new(10, &ProcessBudgets::of_one_server(&limits).bodies);
        let (mut first, mut second) = (account.try_hold(4).expect("room"), account.open());
        assert!(second.try_grow_alone(6), "it is not alone, and has room");
        assert!(!second.try_grow_alone(1) && !first.try_grow_alone(1), "there is none");
        drop(second);
        assert!(first.try_grow_alone(7), "alone");
        assert_eq!(account.used(), 11);
    }
}
