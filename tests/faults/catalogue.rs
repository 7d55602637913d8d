//! What can go wrong, and what the harness must say to it: name, words given, words expected.

/// Arguments of a run, or words that its output must contain.
pub type Words = &'static [&'static str];

/// Exit status, a variable that is set to 1, arguments, words.
pub type BadRun = (i32, &'static str, Words, Words);

/// No fault is asked for.
const NONE: &str = "FAULT_NONE";

/// One specimen each.
pub fn bad_tests() -> Vec<(&'static str, (Words, Words))> {
    vec![
        (
            "exit 0 before the end",
            (&["exits_early"], &["early-exit", "status 0", "without the token"]),
        ),
        ("exit 3 before the end", (&["exits_with_three"], &["early-exit", "status 3"])),
        (
            "_exit 0 before the token",
            (&["exits_now"], &["early-exit", "status 0", "without the token"]),
        ),
        ("exec of another program", (&["becomes_another_program"], &["early-exit", "status 0"])),
        ("abort", (&["aborts"], &["crash", "SIGABRT"])),
        ("segmentation fault", (&["segfaults"], &["crash", "SIGSEGV"])),
        (
            "stack overflow",
            (&["overflows_the_stack"], &["crash", "SIGABRT", "has overflowed its stack"]),
        ),
        (
            "double panic",
            (&["panics_while_panicking"], &["crash", "SIGABRT", "first panic", "second panic"]),
        ),
        (
            "payload that is no text",
            (&["panics_with_a_number"], &["fail", "payload that is not text"]),
        ),
        (
            "assertion",
            (&["fails_an_assertion"], &["specimens.rs:", "left: 2", "right: 3", "arithmetic"]),
        ),
        ("in process", (&["in_process_fails"], &["fail", "in the runner", "[in-process"])),
        (
            "supervisor killed",
            (&["kills_its_supervisor"], &["crash", "supervised the test was lost"]),
        ),
        (
            "hang",
            (
                &["hangs"],
                &[
                    "timeout",
                    "timed out after 50 ms; it ended after SIGTERM",
                    "threads at the time limit",
                    "waits in",
                ],
            ),
        ),
        (
            "hang that ignores SIGTERM",
            (
                &["hangs_ignoring_sigterm"],
                &["timed out after 50 ms; it ignored SIGTERM for 1000 ms", "SIGKILL"],
            ),
        ),
        ("hang that prints", (&["chatters_for_ever"], &["timed out after 200 ms", "still here"])),
        ("child left behind", (&["leaves_a_child"], &["leak", "leaked 1 process", "sleep (pid"])),
        (
            "daemon left behind",
            (&["leaves_a_daemon"], &["leak", "leaked 1 process", "fault-specimens"]),
        ),
        (
            "child left behind in the group of the supervisor",
            (&["leaves_a_child_in_the_group_of_its_supervisor"], &["leak", "leaked 1 process"]),
        ),
        (
            "many children left behind",
            (&["leaves_many_children"], &["leak", "leaked 64 processes, now killed: sleep (pid"]),
        ),
        (
            "failure and leak",
            (&["fails_and_leaves_a_child"], &["fail", "and fails; it also leaked 1 process"]),
        ),
        (
            "fake pass line",
            (&["prints_a_fake_pass"], &["early-exit", "0 passed, 1 failed, 0 skipped\n"]),
        ),
        ("fake token on stdout", (&["prints_a_fake_token"], &["early-exit", "without the token"])),
        (
            "fake token on every descriptor",
            (&["writes_a_fake_token_everywhere"], &["early-exit", "damaged token"]),
        ),
        ("closed output", (&["closes_its_output"], &["fail", "after closing"])),
        (
            "50 megabytes",
            (
                &["prints_much"],
                &["the beginning", "bytes left out", "the end", "after 50 megabytes"],
            ),
        ),
        ("invalid UTF-8", (&["prints_garbage"], &["a\u{fffd}\u{fffd}b \\x1b[31mred\\x07"])),
        (
            "broken skip",
            (
                &["skips_as_broken"],
                &["skip-broken", "skipped as broken [VALK-7]: deque loses an element"],
            ),
        ),
        (
            "broken skip in the source",
            (&["skipped_as_broken"], &["skip-broken", "[VALK-8]: never worked"]),
        ),
        (
            "stale skip",
            (
                &["skips_for_a_stale_reason"],
                &[
                    "skip-stale",
                    "stale skip [needs-cores(1)]: wants one core - but on this host cores = ",
                ],
            ),
        ),
        (
            "stale skip in the source",
            (&["skipped_for_a_stale_reason"], &["skip-stale", "[needs-cores(1)]"]),
        ),
        (
            "exec: panic",
            (&["exec_panics"], &["fail", "in the fresh process", "printed afresh", "[exec"]),
        ),
        (
            "exec: exit 0",
            (&["exec_exits_early"], &["fail", "fresh process ended", "without the token"]),
        ),
        ("exec: abort", (&["exec_aborts"], &["fail", "fresh process ended", "without the token"])),
        ("exec: hang", (&["exec_hangs"], &["timeout", "timed out after 500 ms"])),
        (
            "exec: child runs nothing",
            (
                &["exec_runs_nothing"],
                &["fail", "no test named `exec_runs_nothing` in the fresh process"],
            ),
        ),
        (
            "exec: --nocapture",
            (
                &["exec_panics", "--nocapture", "--include-ignored"],
                &["fail", "in the fresh process"],
            ),
        ),
        (
            "exec: --no-capture",
            (&["exec_panics", "--no-capture"], &["fail", "in the fresh process"]),
        ),
        (
            "ignored test panics under --nocapture --ignored",
            (&["--nocapture", "--ignored", "ignored_panics"], &["fail", "ran although ignored"]),
        ),
        (
            "ignored exec test panics under --nocapture --ignored",
            (
                &["--nocapture", "--ignored", "ignored_exec_panics"],
                &["fail", "ran afresh although ignored"],
            ),
        ),
        (
            "fixture cannot be built",
            (
                &["fixtures::wants_an_unbuildable_fixture"],
                &[
                    "session fixture `unbuildable` could not be built: no such table",
                    "fail: tests/faults/fixtures.rs:",
                ],
            ),
        ),
        (
            "fixture cannot be built in the test",
            (
                &["fixtures::builds_an_unbuildable_fixture"],
                &["session fixture `unbuildable` could not be built: no such table"],
            ),
        ),
        (
            "fixture exits",
            (
                &["fixtures::wants_a_fixture_that_exits"],
                &["fail", "fixture `exits` could not be built: it ended its process with status 3"],
            ),
        ),
        (
            "fixture crashes",
            (
                &["fixtures::wants_a_fixture_that_crashes"],
                &["fixture `crashes` could not be built: it crashed with SIGABRT"],
            ),
        ),
        (
            "fixture hangs",
            (
                &["fixtures::wants_a_fixture_that_hangs"],
                &["fixture `hangs` could not be built: it was not built within 200 ms", "waits in"],
            ),
        ),
        (
            "fixture needs itself",
            (
                &["fixtures::wants_a_fixture_that_needs_itself"],
                &["fixture `cycle` needs itself: `cycle` -> `other half` -> `cycle`"],
            ),
        ),
        (
            "fixture needs one that exits",
            (
                &["fixtures::wants_a_fixture_on_top_of_one_that_exits"],
                &["`on top` could not be built: it needs fixture `exits`: it ended its process"],
            ),
        ),
        ("thrown again", (&["throws_another_payload"], &["fail", "thrown again"])),
        (
            "another panic than expected",
            (
                &["panics_with_something_else"],
                &["fail", "expected a panic with \"this\", found: that"],
            ),
        ),
        ("no panic where one is expected", (&["does_not_panic"], &["the test did not panic"])),
        (
            "error returned",
            (&["returns_an_error"], &["the test returned an error: invalid digit found in string"]),
        ),
        (
            "attribute form",
            (&["attribute_form_fails"], &["written with an attribute", "specimens.rs:"]),
        ),
        ("data file", (&["made_from_a_file"], &["wrong row", "the test is at data/b.txt:3"])),
        (
            "stopped",
            (&["stops_itself"], &["timeout", "after 200 ms; it had been stopped by SIGSTOP"]),
        ),
        (
            "supervisor stopped",
            (&["stops_its_supervisor"], &["crash", "supervised the test was lost"]),
        ),
        (
            "process that keeps forking",
            (&["leaves_a_process_that_keeps_forking"], &["leak", "leaked"]),
        ),
        (
            "fixture with threads",
            (
                &["fixtures::wants_a_threaded_fixture"],
                &["fixture `threaded` could not be built: it left 1 threads running"],
            ),
        ),
        ("case", (&["doubles/two"], &["doubles/two", "left: 4"])),
        ("case from data", (&["counted/row 2"], &["counted/row 2", "row 2"])),
        (
            "missing snapshot",
            (
                &["matches_a_missing_snapshot"],
                &["there is no snapshot", "VALK_UPDATE_SNAPSHOTS=1", "value"],
            ),
        ),
    ]
}

/// The run itself is at fault.
pub fn bad_runs() -> Vec<(&'static str, BadRun)> {
    vec![
        (
            "renamed test",
            (
                4,
                NONE,
                &["--exact", "passed"],
                &["no test is selected by [\"passed\"]", "0 passed, 0 failed, 0 skipped\n"],
            ),
        ),
        ("zero tests", (4, NONE, &["no such name at all"], &["no test is selected"])),
        (
            "duplicate names",
            (2, "FAULT_DUPLICATE", &["passes"], &["duplicate test name `passes`", "specimens.rs:"]),
        ),
        (
            "duplicate names in the list",
            (2, "FAULT_DUPLICATE", &["--list"], &["duplicate test name `passes`"]),
        ),
        (
            "name of two lines",
            (2, "FAULT_BAD_NAME", &["passes"], &["\"two\\nlines\"", "control character"]),
        ),
        (
            "name that is a flag",
            (2, "FAULT_FLAG_NAME", &["passes"], &["\"--help\"", "begins with `-`"]),
        ),
        (
            "provider without tests",
            (2, "FAULT_EMPTY", &["passes"], &["specimens.rs:", "but there is none"]),
        ),
        (
            "malformed job",
            (
                101,
                "VALK_TEST_EXEC_JOB",
                &[],
                &["VALK_TEST_EXEC_JOB is \"1\", expected descriptor:nonce:seed:name"],
            ),
        ),
        (
            "unknown flag",
            (2, NONE, &["--shufle"], &["unknown flag `--shufle`. Did you mean `--shuffle`?"]),
        ),
        ("flag without value", (2, NONE, &["--junit"], &["--junit needs a value: --junit FILE"])),
        (
            "malformed number",
            (2, NONE, &["--repeat", "many"], &["--repeat needs a whole number, found `many`"]),
        ),
        ("zero repetitions", (2, NONE, &["--repeat=0"], &["at least 1"])),
        (
            "ledger cannot be written",
            (
                101,
                NONE,
                &["--exact", "passes", "--ledger", "/proc/nowhere/x"],
                &["cannot write the ledger /proc/nowhere/x"],
            ),
        ),
        (
            "JUnit cannot be written",
            (
                101,
                NONE,
                &["--exact", "passes", "--junit", "/proc/nowhere/x"],
                &["cannot write the JUnit report"],
            ),
        ),
        (
            "disk full",
            (
                101,
                NONE,
                &["--exact", "passes", "--ledger", "/dev/full"],
                &["cannot write the ledger /dev/full"],
            ),
        ),
    ]
}

/// Runs in which all is well.
pub fn good_tests() -> Vec<(&'static str, (Words, Words))> {
    vec![
        ("pass", (&["--exact", "passes"], &["1 passed, 0 failed, 0 skipped\n"])),
        ("several filters", (&["--exact", "passes", "in_process_passes"], &["2 passed, 0 failed"])),
        (
            "exec",
            (
                &["--exact", "exec_passes", "--test-threads", "1", "--seed=5"],
                &["1 passed, 0 failed"],
            ),
        ),
        (
            "exec skip",
            (&["--exact", "exec_skips"], &["0 passed, 0 failed, 1 skipped\n", "needs-cores(4096)"]),
        ),
        ("longest limit", (&["--exact", "has_the_longest_limit"], &["1 passed"])),
        (
            "child that ends by itself",
            (&["--exact", "leaves_a_child_that_ends_by_itself"], &["1 passed"]),
        ),
        ("descriptors closed", (&["--exact", "closes_other_descriptors"], &["1 passed"])),
        (
            "descriptors closed and others opened",
            (&["--exact", "closes_and_opens_descriptors"], &["1 passed"]),
        ),
        (
            "fixture that skips",
            (
                &[
                    "--exact",
                    "fixtures::wants_a_fixture_that_skips",
                    "fixtures::asks_a_fixture_that_skips",
                ],
                &["0 passed, 0 failed, 2 skipped\n", "needs-cores(4096)]: wants many"],
            ),
        ),
        (
            "fixture of tests that do not run",
            (
                &["with_a_fixture_that_exits"],
                &["1 passed, 0 failed, 2 skipped\n", "needs-cores(4096)"],
            ),
        ),
        ("shared fixture", (&["shares_a_fixture"], &["2 passed, 0 failed"])),
        ("killed child, not waited for", (&["--exact", "ends_its_children"], &["1 passed"])),
        (
            "expected skip",
            (
                &["--exact", "skips_as_expected"],
                &[
                    "0 passed, 0 failed, 1 skipped\n",
                    "skipped [needs-cores(4096)]: wants <4096> \"cores\"",
                ],
            ),
        ),
        (
            "requirement not met",
            (
                &["--exact", "requires_a_tool"],
                &["1 skipped\n", "[tool-missing(no-such-tool)]", "not on PATH"],
            ),
        ),
        ("requirement met", (&["--exact", "requires_a_core"], &["1 passed"])),
        (
            "expected skip in the source",
            (&["--exact", "skipped_in_the_source"], &["1 skipped\n", "no /net here"]),
        ),
        ("ignored by default", (&["--exact", "ignored_panics"], &["1 skipped\n", "takes an hour"])),
        (
            "allowed to be empty",
            (&["no such name", "--allow-empty"], &["0 passed, 0 failed, 0 skipped\n"]),
        ),
        (
            "runner that is stopped and goes on",
            (&["--exact", "in_process_is_stopped_and_goes_on"], &["1 passed, 0 failed"]),
        ),
        (
            "panic of another thread",
            (
                &["--exact", "panics_in_another_thread"],
                &[
                    "other threads of passed tests panicked:\n    panics_in_another_thread: thread '",
                    "panicked at tests/faults/specimens.rs:",
                    ": nobody joins me",
                    "1 passed, 0 failed",
                ],
            ),
        ),
        ("repeat", (&["--exact", "passes", "--repeat", "3"], &["passes#3", "3 passed"])),
        (
            "no capture",
            (&["--exact", "prints_and_passes", "--nocapture"], &["a word\n", "1 passed"]),
        ),
        (
            "captured",
            (
                &["--exact", "prints_and_passes", "--show-output"],
                &["output of prints_and_passes", "a word", "1 passed"],
            ),
        ),
        ("slowest", (&["--exact", "passes", "--slowest", "2"], &["slowest:"])),
        ("case", (&["--exact", "doubles/one"], &["1 passed"])),
        ("shuffle", (&["shares", "--shuffle=7"], &["shuffled with --shuffle=7", "2 passed"])),
        ("help", (&["--help"], &["--shuffle[=SEED]", "EXIT STATUS"])),
        ("skip filter", (&["shares", "--skip", "_1"], &["1 passed", "not selected"])),
        ("json", (&["--exact", "passes", "--format", "json"], &["\"event\": \"ok\"", "1 passed"])),
        ("bench", (&["--bench"], &["running 0 tests"])),
    ]
}
