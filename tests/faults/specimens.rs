//! Deliberately bad tests, each with one fault, plus a few good ones to compare with.
//!
//! Runs only if `FAULT_SPECIMENS` is set: the fault suite starts this binary and asserts that the
//! harness notices. Nothing here tests anything.
#![forbid(unsafe_code)]

use std::io::Write;
use std::os::unix::process::{CommandExt, parent_id};
use std::process::{Command, ExitCode};
use std::time::Duration;

use valk_harness::snapshot::{filters, snapshot};
use valk_harness::{
    Attributes, Fixture, Isolation, Setup, SkipCode, SubtestState, Suites, TestDefinition, cases,
    dynamic, fault, skip_broken, skip_expected, test, valk_suites,
};

mod fixtures;
mod owing;
mod processes;
mod unsteady;

fn main() -> ExitCode {
    if std::env::var_os("FAULT_SPECIMENS").is_none() {
        valk_harness::run_no_tests();
        eprintln!("this binary holds broken tests; it is run by the fault suite only");
        return ExitCode::from(2);
    }
    if std::env::var_os("FAULT_NONBLOCKING").is_some() {
        fault::make_output_nonblocking();
    }
    if let Some(budget) = std::env::var("FAULT_BUDGET").ok().and_then(|text| text.parse().ok()) {
        return Setup::new().max_skips(budget).max_broken(budget).main();
    }
    valk_harness::main()
}

fn sleep_for_ever() {
    loop {
        std::thread::sleep(Duration::from_mins(1));
    }
}

// ---- good ones

static ANSWER: Fixture<u32> = Fixture::new("answer", || {
    eprintln!("building the answer");
    42
});

test! {
    fn passes() {}
    #[fixture = ANSWER]
    fn shares_a_fixture_1() {
        assert_eq!(*ANSWER.get(), 42);
    }
    #[fixture = ANSWER]
    fn shares_a_fixture_2() {
        assert_eq!(*ANSWER.get(), 42);
    }
    #[isolation = Exec]
    fn exec_passes() {
        println!("fresh");
    }
    #[isolation = InProcess]
    fn in_process_passes() {}
    #[expect(clippy::zombie_processes, reason = "that it is not waited for is the point")]
    fn ends_its_children() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep exists");
        child.kill().expect("it is ours"); // and is not waited for
    }
    fn skips_as_expected() {
        skip_expected(SkipCode::NeedsCores(4096), "wants <4096> \"cores\"");
    }
    #[require = ToolMissing("no-such-tool")]
    fn requires_a_tool() {
        panic!("must not run");
    }
    #[require = NeedsCores(1)]
    fn requires_a_core() {}
    #[skip = expected(NeedsPlatform("plan9"), "no /net here")]
    fn skipped_in_the_source() {
        panic!("must not run");
    }
    fn prints_and_passes() {
        println!("a word");
    }
    fn records_subtests() {
        valk_harness::record_subtest("inner", SubtestState::Pass, 7);
    }
}

// ---- bad ends

test! {
    fn exits_early() {
        std::process::exit(0);
    }
    fn exits_with_three() {
        std::process::exit(3);
    }
    fn exits_now() {
        fault::exit_now(0);
    }
    fn becomes_another_program() {
        panic!("{}", Command::new("true").exec());
    }
    fn aborts() {
        std::process::abort();
    }
    fn segfaults() {
        fault::crash();
    }
    fn overflows_the_stack() {
        assert_eq!(deep(1), 0);
    }
    fn panics_while_panicking() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("second panic");
            }
        }
        let _bomb = Bomb;
        panic!("first panic");
    }
    fn panics_with_a_number() {
        std::panic::panic_any(42);
    }
    fn fails_an_assertion() {
        assert_eq!(1 + 1, 3, "arithmetic");
    }
    fn fails_with_a_seed() {
        panic!("seed {}", valk_harness::seed());
    }
    #[isolation = InProcess]
    fn in_process_exits() {
        std::process::exit(0);
    }
    #[isolation = InProcess]
    fn in_process_fails() {
        panic!("in the runner");
    }
    fn kills_its_supervisor() {
        let _ = Command::new("kill").args(["-9", &parent_id().to_string()]).status();
        sleep_for_ever();
    }
    fn kills_the_zygote() {
        let above = processes::Status::of(parent_id()).parent;
        processes::signal("-9", above);
        processes::wait_until(above, 'Z');
    }
    fn stops_its_supervisor() {
        let _ = Command::new("kill").args(["-STOP", &parent_id().to_string()]).status();
        sleep_for_ever();
    }
    #[isolation = InProcess]
    fn in_process_exits_now() {
        fault::exit_now(0);
    }
    #[isolation = InProcess]
    fn in_process_becomes_another_program() {
        panic!("{}", Command::new("true").exec());
    }
    #[isolation = InProcess]
    fn in_process_is_stopped_and_goes_on() {
        let script = "kill -STOP $PPID; \
            while ! grep -q '^State:.*stopped' /proc/$PPID/status; do :; done; kill -CONT $PPID";
        let ended = Command::new("sh").args(["-c", script]).status().expect("sh exists");
        assert!(ended.success());
    }
    #[isolation = InProcess]
    fn in_process_prints() {
        println!("printed by the runner");
    }
    fn leaks_memory() {
        leak();
    }
    #[isolation = Exec]
    fn exec_leaks_memory() {
        leak();
    }
    fn throws_another_payload() {
        let _ = std::panic::catch_unwind(|| panic!("caught"));
        std::panic::resume_unwind(Box::new("thrown again"));
    }
    fn panics_in_another_thread() {
        let thread = std::thread::spawn(|| panic!("nobody joins me"));
        while !thread.is_finished() {
            std::thread::yield_now();
        }
    }
    #[should_panic(expected = "this")]
    fn panics_with_something_else() {
        panic!("that");
    }
    #[should_panic]
    fn does_not_panic() {}
    fn returns_an_error() -> Result<(), Box<dyn std::error::Error>> {
        "x".parse::<u8>()?;
        Ok(())
    }
    fn has_a_core_limit() {
        println!("core {:?}", fault::core_limits());
    }
}

#[valk_harness::test_fn]
fn attribute_form_fails() {
    panic!("written with an attribute");
}

/// Seen in a build with `LeakSanitizer` only.
fn leak() {
    for byte in 0..10_u8 {
        let leaked = Box::into_raw(Box::new([byte; 4096]));
        std::hint::black_box(leaked as usize ^ 0x5555);
    }
}

fn deep(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 512]);
    if n == u64::MAX { 0 } else { deep(n.wrapping_add(frame[0])).wrapping_add(frame[1]) }
}

// ---- time

test! {
    #[timeout_ms = 50]
    fn hangs() {
        sleep_for_ever();
    }
    #[timeout_ms = 50]
    fn hangs_ignoring_sigterm() {
        fault::ignore_sigterm();
        sleep_for_ever();
    }
    #[timeout_ms = 18_446_744_073_709_551_615]
    fn has_the_longest_limit() {}
    #[timeout_ms = 200]
    fn stops_itself() {
        let _ = Command::new("kill").args(["-STOP", &std::process::id().to_string()]).status();
    }
    #[timeout_ms = 200]
    fn chatters_for_ever() {
        loop {
            println!("still here");
            std::thread::yield_now();
        }
    }
}

// ---- processes left behind

test! {
    fn leaves_a_child() {
        Command::new("sleep").arg("60").spawn().map(drop).expect("sleep exists");
    }
    fn leaves_a_daemon() {
        let pid = fault::fork(&mut || {
            fault::start_session().expect("a fork is no group leader");
            let _ = fault::fork(&mut || {
                fault::close_from(0);
                sleep_for_ever();
            });
            fault::exit_now(0);
        });
        assert!(pid.expect("fork works") > 0);
    }
    fn leaves_a_process_that_keeps_forking() {
        let _ = fault::fork(&mut || {
            let started = std::time::Instant::now();
            while started.elapsed() < Duration::from_secs(8) {
                // The child goes on, the parent ends.
                let child = fault::fork_runner();
                if !matches!(child, Ok(None)) {
                    fault::exit_now(0);
                }
            }
            fault::exit_now(0);
        });
    }
    fn leaves_a_child_that_ends_by_itself() {
        Command::new("sleep").arg("0.25").spawn().map(drop).expect("sleep exists");
    }
    fn leaves_a_child_in_the_group_of_its_supervisor() {
        let group = processes::Status::of(parent_id()).group;
        let mut command = Command::new("sleep");
        command.arg("60").process_group(group);
        command.spawn().map(drop).expect("sleep exists");
    }
    fn leaves_many_children() {
        for _ in 0..70 {
            Command::new("sleep").arg("60").spawn().map(drop).expect("sleep exists");
        }
    }
    fn fails_and_leaves_a_child() {
        Command::new("sleep").arg("60").spawn().map(drop).expect("sleep exists");
        panic!("and fails");
    }
}

// ---- output

test! {
    fn prints_a_fake_pass() {
        println!("test prints_a_fake_pass ... ok\n\ntest result: ok. 1 passed; 0 failed");
        println!("1 passed, 0 failed, 0 skipped");
        std::process::exit(0);
    }
    fn prints_a_fake_token() {
        let mut token = b"VTOK".to_vec();
        token.extend([0; 12]);
        token.extend(49u32.to_le_bytes());
        token.extend(br#"{"outcome":"passed","seed_used":false,"subtests":[]}"#);
        let mut stream = std::io::stdout().lock();
        stream.write_all(&token).expect("stdout is open");
        stream.flush().expect("stdout is open");
        std::process::exit(0);
    }
    fn writes_a_fake_token_everywhere() {
        for descriptor in 3..32 {
            let path = format!("/proc/self/fd/{descriptor}");
            if let Ok(mut file) = std::fs::OpenOptions::new().write(true).open(path) {
                let _ = file.write_all(b"VTOK and so on, and nothing is true of it");
            }
        }
        std::process::exit(0);
    }
    fn closes_its_output() {
        fault::close_output();
        println!("lost");
        panic!("after closing");
    }
    fn closes_other_descriptors() {
        fault::close_from(3);
        println!("still printed");
    }
    fn closes_and_opens_descriptors() {
        fault::close_from(3);
        let files: Vec<_> = (0..8).map(|_| std::fs::File::open("/dev/null")).collect();
        assert!(files.iter().all(Result::is_ok));
    }
    fn prints_much() {
        let line = vec![b'x'; 1 << 16];
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(b"the beginning\n").expect("stdout is open");
        for _ in 0..800 {
            stdout.write_all(&line).expect("stdout is open");
        }
        stdout.write_all(b"\nthe end\n").expect("stdout is open");
        panic!("after 50 megabytes");
    }
    fn prints_garbage() {
        std::io::stdout().write_all(b"a\xff\xfeb \x1b[31mred\x07\n").expect("stdout is open");
        panic!("after garbage");
    }
}

// ---- skips

test! {
    fn skips_as_broken() {
        skip_broken("VALK-7", "deque loses an element");
    }
    #[skip = broken("VALK-8", "never worked")]
    fn skipped_as_broken() {}
    fn skips_for_a_stale_reason() {
        skip_expected(SkipCode::NeedsCores(1), "wants one core");
    }
    #[skip = expected(NeedsCores(1), "wants one core")]
    fn skipped_for_a_stale_reason() {}
    #[ignore = "takes an hour"]
    fn ignored_panics() {
        panic!("ran although ignored");
    }
    #[ignore = "takes an hour"]
    #[isolation = Exec]
    fn ignored_exec_panics() {
        panic!("ran afresh although ignored");
    }
}

// ---- exec class

test! {
    #[isolation = Exec]
    fn exec_panics() {
        println!("printed afresh");
        panic!("in the fresh process");
    }
    #[isolation = Exec]
    fn exec_exits_early() {
        std::process::exit(0);
    }
    #[isolation = Exec]
    fn exec_aborts() {
        std::process::abort();
    }
    #[isolation = Exec]
    #[timeout_ms = 500]
    fn exec_hangs() {
        sleep_for_ever();
    }
    #[isolation = Exec]
    fn exec_skips() {
        skip_expected(SkipCode::NeedsCores(4096), "wants many");
    }
}

// ---- names and providers

cases! {
    fn doubles((input, output): (i32, i32)) [
        "one" => (1, 2),
        "two" => (2, 5),
    ] { assert_eq!(input * 2, output); }
}

cases! {
    #[timeout_ms = 1000]
    fn counted(row: u32) in rows() { assert!(row < 2, "row {row}"); }
}

fn rows() -> impl Iterator<Item = (String, u32)> {
    (0..3).map(|row| (format!("row {row}"), row))
}

dynamic! {
    fn unstable() -> Vec<TestDefinition> {
        // rusty-fork's mark: in the fresh process the test has another name.
        let name = match std::env::var_os("RUSTY_FORK_OCCURS") {
            None => "exec_runs_nothing",
            Some(_) => "renamed",
        };
        let exec = Attributes::new().isolation(Isolation::Exec);
        let mut tests = vec![TestDefinition::new(name, || {}).with(exec)];
        if let Some(number) = std::env::var("FAULT_BULK").ok().and_then(|n| n.parse().ok()) {
            // Generated trivial tests, to measure the cost of isolation.
            let bulk = |n: u32| TestDefinition::new(format!("bulk/{n}"), || {});
            tests.extend((0..number).map(bulk));
        }
        if std::env::var_os("FAULT_DUPLICATE").is_some() {
            tests.push(TestDefinition::new("passes", || {}));
        }
        if std::env::var_os("FAULT_BAD_NAME").is_some() {
            tests.push(TestDefinition::new("two\nlines", || {}));
        }
        if std::env::var_os("FAULT_FLAG_NAME").is_some() {
            tests.push(TestDefinition::new("--help", || panic!("never runs")));
        }
        tests.push(
            TestDefinition::new("made_from_a_file", || panic!("wrong row")).at("data/b.txt", 3),
        );
        if let Some(directory) = std::env::var_os("FAULT_SUITES") {
            let suites = Suites {
                directories: vec![directory.into()],
                working_directory: ".".into(),
                prefix: "suite/".into(),
                ..Suites::default()
            };
            tests.extend(valk_suites(&suites));
        }
        tests
    }
}

dynamic! {
    fn nothing() -> Vec<TestDefinition> {
        match std::env::var_os("FAULT_EMPTY") {
            Some(_) => Vec::new(),
            None => vec![TestDefinition::new("the_only_one", || {})],
        }
    }
}

test! {
    fn matches_a_missing_snapshot() {
        valk_harness::assert_snapshot!("missing", "value");
    }
    fn matches_a_snapshot_of_its_own() {
        let directory = std::env::var("FAULT_SNAPSHOTS").expect("set by the fault suite");
        let value = std::env::var("FAULT_VALUE").expect("set by the fault suite");
        let test = valk_harness::current_test();
        let filters: &[_] = match std::env::var_os("FAULT_FILTERS") {
            Some(_) => &[filters::PORTS, filters::TIMES],
            None => &[],
        };
        snapshot(directory.as_ref(), &test, "value", &value, filters);
    }
}
