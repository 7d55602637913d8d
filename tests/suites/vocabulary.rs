//! Names that the tree does not use any more, and the words that took their place.
//!
//! 1. An old identifier may not come back in code, whole words compared; comments and strings are
//!    text, where the same letters may be another word.
//! 2. An old name of a file may not come back, with or without its extension.
//!
//! A rename adds a row here. docs/architecture.md has the glossary.

use crate::tidy::{none, sources};
use std::path::Path;

/// Old identifiers, each with what to use instead.
const IDENTIFIERS: &[(&str, &str)] = &[
    // Safepoints.
    ("Bell", "PollFlag"),
    ("bell", "poll_flag"),
    ("is_rung", "is_requested"),
    ("ring_all", "request_all"),
    ("call_all", "request_safepoints"),
    ("leave_native", "leave_blocking"),
    ("take_part", "participate"),
    ("tell_leader", "notify_leader"),
    ("tell_one", "notify_one"),
    ("tell_all", "notify_all"),
    // Mutators of a heap.
    ("Invitation", "MutatorTicket"),
    ("invitation", "mutator_ticket"),
    ("Lot", "NurserySlot"),
    ("HandedOver", "SentState"),
    // Locks.
    ("Turn", "StripeGuard"),
    ("Turns", "ReentrantLock"),
    ("turn_at", "lock_stripe_of"),
    ("turn_key", "lock_key"),
    ("own_turn", "lock_own_table"),
    ("count_turn", "advance_sequence"),
    // The collector.
    ("Team", "GcWorkers"),
    ("collect_own", "collect_locally"),
    ("may_collect_own", "may_collect_locally"),
    ("collections_own", "collections_local"),
    ("collections_helped", "collections_parallel"),
    ("join_others", "set_parallel"),
    ("mark_among_others", "mark_shared"),
    ("is_anybody_idle", "has_idle_worker"),
    ("Dice", "ScheduleRng"),
    // Allocation and globals.
    ("UNASKED_BYTES", "ROOM_UNCHECKED_BYTES"),
    ("beside_bytes", "off_heap_bytes"),
    ("existing_global", "global_unchecked"),
    ("reach_global", "ensure_global"),
    // The shim of lock-free code.
    ("Footprint", "AccessProbe"),
    ("Glance", "RelaxedPeek"),
    ("OwnLine", "CachePadded"),
    // The work-stealing pool.
    ("Lane", "Remote"),
    ("lanes", "remotes"),
    ("Seat", "Worker"),
    ("SEAT", "WORKER"),
    ("take_seat", "set_worker"),
    ("leave_seat", "clear_worker"),
    ("sit_down", "set_started"),
    ("fall_asleep", "park"),
    ("poll_rest", "poll_idle"),
    ("EXECUTOR_TURNS_BETWEEN_LOOKS", "EXECUTOR_GLOBAL_QUEUE_INTERVAL"),
    ("COMPLETION_OBSERVERS_MAX", "HANDLE_WAITERS_MAX"),
    // The test harness.
    ("Errand", "Job"),
    ("errand", "job"),
    ("Spool", "OutputBuffer"),
    ("spool", "output_buffer"),
    ("send_order", "send_request"),
    ("receive_order", "receive_request"),
    ("obey_order", "run_job"),
    ("note_panics", "install_hook"),
    ("SLOT_PATIENCE", "SUPERVISOR_TIMEOUT"),
    ("END_PATIENCE", "EXIT_TIMEOUT"),
    ("KILL_ROUNDS", "KILL_ATTEMPTS_MAX"),
    // The load generator.
    ("LinkUser", "SenderCache"),
    ("GateState", "QueuedArrivals"),
    ("PACER_GAP", "PACER_PAUSE_MIN"),
    ("PACER_NAP", "PACER_PAUSE_MAX"),
];

/// Old names of files without extension, each with what to use instead.
const FILE_STEMS: &[(&str, &str)] = &[
    ("dial", "dialer"),
    ("errand", "job"),
    ("glance", "relaxed_peek"),
    ("huge", "huge_page_policy"),
    ("lane", "remote"),
    ("own", "local_collection"),
    ("rounds", "benchmark"),
    ("seat", "worker"),
    ("signal", "spin_condvar"),
    ("slot", "supervisor"),
    ("spool", "output_buffer"),
    ("team", "gc_workers"),
    ("turn", "lock_stripes"),
    ("turns", "reentrant_lock"),
];

/// The code of a source: without comments that fill a line or end it, and without string literals.
fn code(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        let mut is_string = false;
        let mut before = ' ';
        for (at, letter) in line.char_indices() {
            if !is_string && line[at..].starts_with("//") {
                break;
            }
            if letter == '"' && before != '\\' && before != '\'' {
                is_string = !is_string;
            } else if !is_string {
                code.push(letter);
            }
            before = if before == '\\' { ' ' } else { letter };
        }
        code.push('\n');
    }
    code
}

/// The old names in these sources.
fn old_names(sources: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in sources {
        let stem = Path::new(path).file_stem().unwrap_or_default().to_string_lossy();
        for (old, new) in FILE_STEMS.iter().filter(|(old, _)| *old == stem) {
            wrong.push(format!("{path}: a file is not called `{old}`; use `{new}`"));
        }
        for (number, line) in code(text).lines().enumerate() {
            let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
            for word in line.split(|letter| !is_part(letter)) {
                for (old, new) in IDENTIFIERS.iter().filter(|(old, _)| *old == word) {
                    wrong.push(format!("{path}:{}: `{old}` is now `{new}`", number + 1));
                }
            }
        }
    }
    wrong
}

valk_harness::test! {
    fn old_names_do_not_come_back() {
        none(&old_names(&sources()));
    }

    fn an_old_name_is_found() {
        let planted = |path: &str, text: &str| old_names(&[(path.to_owned(), text.to_owned())]);
        assert_eq!(planted("a/b.rs", "//! Bell\n\nfn f(bell: Bell) {}").len(), 2);
        assert_eq!(planted("a/own.rs", ""), ["a/own.rs: a file is not called `own`; use `local_collection`"]);
        assert!(planted("a/b.rs", "let bells = \"a Bell\"; // Bell\nfn Bell_() {}").is_empty());
        assert_eq!(planted("b.rs", "x('\"'); Turns::new()"), ["b.rs:1: `Turns` is now `ReentrantLock`"]);
    }

    fn the_table_names_each_word_once() {
        for table in [IDENTIFIERS, FILE_STEMS] {
            let mut old: Vec<&str> = table.iter().map(|(old, _)| *old).collect();
            old.sort_unstable();
            assert!(old.windows(2).all(|pair| pair[0] != pair[1]), "{old:?}");
            assert!(table.iter().all(|(_, new)| old.binary_search(new).is_err()));
        }
    }
}
