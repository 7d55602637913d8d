//! The server and a hundred clients on a simulated network: a bounded part of `just simulate`.

use std::time::Duration;
use valk_tests::simulation::{Report, Scenario, run};

const SCENARIO: Scenario = Scenario { seed: 1, time: Duration::from_secs(25), clients: 100 };

/// Every request ended in one way, at the server as at its clients.
fn check(report: &Report) {
    let totals = report.server.totals;
    assert_eq!((totals.connections_open, totals.requests_open), (0, 0));
    let unanswered = totals.cancelled + totals.stalled + totals.refused + totals.aborted;
    assert_eq!(totals.requests, totals.answered() + unanswered, "{totals:?}");
    assert_eq!(report.sent, report.answered + report.failed);
    assert!(report.answered <= totals.responses_2xx, "{report:?}");
    assert!(report.answered > report.sent / 2, "{report:?}");
    assert!(totals.cancelled > 0, "connections were lost: {totals:?}");
}

valk_harness::test! {
    fn a_seed_repeats_every_event_of_server_and_clients() {
        let (first, second) = (run(SCENARIO), run(SCENARIO));
        check(&first);
        assert_eq!(first, second);
        let other = run(Scenario { seed: 2, ..SCENARIO });
        check(&other);
        assert_ne!(first.trace_hash, other.trace_hash);
    }
}
