//! The 80 cells of the connection's state machine.

use crate::{Phase, PhaseEvent, phase_table};

/// Phases after each event, in the order of [`PhaseEvent::ALL`].
const TABLE: &[(&str, [&str; 10])] = &[
    ("INIT", ["HANDSHAKING", "ESTABLISHED", "-", "-", "-", "-", "CLOSING", "-", "ERROR", "-"]),
    (
        "HANDSHAKING",
        ["-", "ESTABLISHED", "ERROR", "-", "-", "-", "CLOSING", "-", "ERROR", "CLOSING"],
    ),
    ("ESTABLISHED", ["-", "-", "-", "GOAWAY_SENT", "-", "-", "CLOSING", "-", "ERROR", "CLOSING"]),
    (
        "GOAWAY_SENT",
        ["-", "-", "-", "-", "DRAINING", "CLOSING", "CLOSING", "-", "ERROR", "CLOSING"],
    ),
    ("DRAINING", ["-", "-", "-", "-", "-", "CLOSING", "CLOSING", "-", "ERROR", "CLOSING"]),
    ("CLOSING", ["-", "-", "-", "-", "-", "-", "-", "CLOSED", "-", "-"]),
    ("CLOSED", ["-", "-", "-", "-", "-", "-", "-", "-", "-", "-"]),
    ("ERROR", ["-", "-", "-", "-", "-", "-", "CLOSING", "CLOSED", "-", "-"]),
];

/// Names of the events.
const EVENTS: [&str; 10] = [
    "START_HANDSHAKE",
    "HANDSHAKE_COMPLETE",
    "HANDSHAKE_FAILED",
    "SEND_GOAWAY",
    "GOAWAY_ACKED",
    "STREAMS_DRAINED",
    "CLOSE",
    "CLOSED",
    "ERROR",
    "TIMEOUT",
];

valk_harness::test! {
    fn each_of_eighty_cells_is_as_the_table_says() {
        let mut cells = 0;
        for (phase, (name, row)) in Phase::ALL.iter().zip(TABLE) {
            assert_eq!(phase.to_string(), *name);
            for (event, (event_name, next)) in PhaseEvent::ALL.iter().zip(EVENTS.iter().zip(row)) {
                assert_eq!(event.to_string(), *event_name);
                let after = phase.after(*event).map_or("-".to_owned(), |phase| phase.to_string());
                assert_eq!(after, *next, "{phase} on {event}");
                let mut advanced = *phase;
                assert_eq!(advanced.advance(*event), *next != "-");
                assert_eq!(advanced, phase.after(*event).unwrap_or(*phase));
                cells += 1;
            }
        }
        assert_eq!(cells, 80);
    }

    fn the_printed_table_has_a_line_for_each_cell() {
        let table = phase_table();
        let lines: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 80);
        assert_eq!(lines[0], ["INIT", "START_HANDSHAKE", "HANDSHAKING"]);
        assert_eq!(lines[23], ["ESTABLISHED", "SEND_GOAWAY", "GOAWAY_SENT"]);
        assert_eq!(lines[79], ["ERROR", "TIMEOUT", "-"]);
    }
}
