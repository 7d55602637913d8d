//! The pool with real threads; the models cover the interleavings.

use crate::completion::Outcome;
use crate::executor::{Executor, Options, Reason};
use std::time::Duration;

valk_harness::test! {
    fn smoke() {
        let pool = Executor::new(&Options { workers: 2, ..Options::default() }).expect("threads");
        let handle = pool.spawn(|| 42).expect("room");
        assert_eq!(handle.wait(), &Outcome::Resolved(42));
        let report = pool.shutdown(Duration::MAX);
        assert_eq!((report.ran, report.dropped, report.running), (1, 0, 0));
        let refused = pool.spawn(|| 1).expect_err("closed");
        assert_eq!(refused.reason, Reason::ShuttingDown);
    }
}
