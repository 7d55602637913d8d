//! Token, output buffer, verdict, skips: which evidence leads to which result.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate as valk_harness;
use crate::cases::account::{Account, BodyOutcome, Subtest, SubtestState};
use crate::cases::skip::{Skip, SkipClass, SkipCode, StaticSkip};
use crate::execution::fresh_process::check_account;
use crate::execution::job::without_leaks;
use crate::execution::output_buffer::{HEAD_BYTES, OutputBuffer, TAIL_BYTES, printable};
use crate::execution::processes::{describe_threads, parse_stat};
use crate::ffi;
use crate::verdicts::token::{self, Identity, TokenError};
use crate::verdicts::verdict::{Evidence, Leaked, Overrun, Verdict, judge, signal_name};

const IDENTITY: Identity = Identity { nonce: 0x0123_4567_89ab_cdef, test: 3 };

fn accounts() -> Vec<(&'static str, Account)> {
    let failed = BodyOutcome::Failed { message: "a \"b\"\n".into(), file: "x.rs".into(), line: 9 };
    let subtests =
        SubtestState::ALL.map(|state| Subtest { name: "n".into(), state, duration_us: 5 }).to_vec();
    vec![
        ("passed", Account::of(BodyOutcome::Passed)),
        ("failed", Account::of(failed)),
        ("skipped", Account::of(BodyOutcome::Skipped(Skip::broken("V-1", "why")))),
        ("subtests", Account { subtests, seed_used: true, ..Account::of(BodyOutcome::Passed) }),
        (
            "thread panics",
            Account { thread_panics: vec!["t".into()], ..Account::of(BodyOutcome::Passed) },
        ),
    ]
}

valk_harness::cases! {
    fn token_carries_the_account(account: Account) in accounts() {
        let mut bytes = Vec::new();
        token::send(&mut bytes, IDENTITY, &account).expect("memory is writable");
        assert_eq!(token::receive(&bytes, IDENTITY), Ok(account));
        for length in 1..bytes.len() {
            assert_eq!(token::receive(&bytes[..length], IDENTITY), Err(TokenError::Malformed));
        }
        let twice = bytes.repeat(2);
        assert_eq!(token::receive(&twice, IDENTITY), Err(TokenError::Malformed));
        for other in [Identity { nonce: 1, ..IDENTITY }, Identity { test: 4, ..IDENTITY }] {
            assert_eq!(token::receive(&bytes, other), Err(TokenError::WrongIdentity));
        }
        assert_eq!(token::receive(&[], IDENTITY), Err(TokenError::Missing));
    }
}

valk_harness::cases! {
    fn token_refuses_an_account(payload: &str) [
        "no JSON" => "{",
        "no outcome" => "{}",
        "unknown outcome" => r#"{"outcome":"splendid","seed_used":false,"subtests":[]}"#,
        "failure without message" => r#"{"outcome":"failed","seed_used":false,"subtests":[]}"#,
        "skip of no class" => r#"{"outcome":"skipped","skip":{"class":"x"},"seed_used":false,"subtests":[]}"#,
        "subtest of no state" => r#"{"outcome":"passed","seed_used":false,"subtests":[["a","x",1]]}"#,
    ] {
        let mut bytes = b"VTOK".to_vec();
        bytes.extend(IDENTITY.nonce.to_le_bytes());
        bytes.extend(IDENTITY.test.to_le_bytes());
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(payload.as_bytes());
        assert_eq!(token::receive(&bytes, IDENTITY), Err(TokenError::Malformed));
    }
}

/// What is observed, and the verdict and words it must lead to.
struct Row {
    account: Result<BodyOutcome, TokenError>,
    /// Raw wait status: exit code in the second byte, signal in the first.
    status: i32,
    overrun: Option<bool>,
    stopped_by: Option<i32>,
    leaks: usize,
    verdict: Verdict,
    says: &'static str,
}

fn failed() -> BodyOutcome {
    BodyOutcome::Failed { message: "boom".into(), file: "f.rs".into(), line: 1 }
}

fn row(
    account: Result<BodyOutcome, TokenError>,
    status: i32,
    verdict: Verdict,
    says: &'static str,
) -> Row {
    Row { account, status, overrun: None, stopped_by: None, leaks: 0, verdict, says }
}

const EXIT_1: i32 = 1 << 8;

valk_harness::cases! {
    fn verdict(row: Row) [
        "all evidence" => row(Ok(BodyOutcome::Passed), 0, Verdict::Pass, ""),
        "status 1" => row(Ok(BodyOutcome::Passed), EXIT_1, Verdict::EarlyExit, "ended with status 1"),
        "skip and status 1" => row(Ok(BodyOutcome::Skipped(Skip::broken("a", "b"))), EXIT_1, Verdict::EarlyExit, "status 1"),
        "no token" => row(Err(TokenError::Missing), 0, Verdict::EarlyExit, "without the token"),
        "damaged token" => row(Err(TokenError::Malformed), 0, Verdict::EarlyExit, "damaged token"),
        "token of another test" => row(Err(TokenError::WrongIdentity), 0, Verdict::EarlyExit, "another test or run"),
        "signal" => row(Err(TokenError::Missing), 11, Verdict::Crash, "SIGSEGV (signal 11)"),
        "signal after the token" => row(Ok(BodyOutcome::Passed), 6, Verdict::Crash, "SIGABRT"),
        "panic" => row(Ok(failed()), 101 << 8, Verdict::Fail, "boom"),
        "panic and status 0" => row(Ok(failed()), 0, Verdict::Fail, "boom"),
        "broken" => row(Ok(BodyOutcome::Skipped(Skip::broken("V-1", "slow"))), 0, Verdict::SkipBroken, "skipped as broken [V-1]: slow"),
        "timeout beats token" => Row { overrun: Some(false), ..row(Ok(BodyOutcome::Passed), 0, Verdict::Timeout, "ended after SIGTERM") },
        "timeout with kill" => Row { overrun: Some(true), ..row(Err(TokenError::Missing), 9, Verdict::Timeout, "SIGKILL") },
        "stopped" => Row { overrun: Some(false), stopped_by: Some(19), ..row(Err(TokenError::Missing), 15, Verdict::Timeout, "had been stopped by SIGSTOP") },
        "stopped by reading" => Row { overrun: Some(false), stopped_by: Some(21), ..row(Err(TokenError::Missing), 15, Verdict::Timeout, "SIGTTIN, as a process in the background is that reads") },
        "stopped by the terminal" => Row { overrun: Some(true), stopped_by: Some(22), ..row(Err(TokenError::Missing), 9, Verdict::Timeout, "SIGTTOU, as a process in the background is that changes") },
        "leak" => Row { leaks: 1, ..row(Ok(BodyOutcome::Passed), 0, Verdict::Leak, "leaked 1 process, now killed: sh (pid 7)") },
        "leaks" => Row { leaks: 2, ..row(Ok(BodyOutcome::Passed), 0, Verdict::Leak, "leaked 2 processes") },
        "panic and leak" => Row { leaks: 1, ..row(Ok(failed()), 101 << 8, Verdict::Fail, "boom; it also leaked 1 process") },
    ] {
        let overrun = row
            .overrun
            .map(|killed| Overrun { limit_ms: 5, grace_ms: 2, killed, stopped_by: row.stopped_by });
        let judgement = judge(&Evidence {
            account: row.account.map(Account::of),
            status: ExitStatus::from_raw(row.status),
            overrun,
            leaked: vec![Leaked { command: "sh".into(), pid: 7 }; row.leaks],
        });
        assert_eq!(judgement.verdict, row.verdict);
        assert!(judgement.message.contains(row.says), "{}", judgement.message);
        assert_eq!(judgement.verdict.is_red(), row.verdict != Verdict::Pass);
        assert_eq!(Verdict::from_name(row.verdict.name()), Some(row.verdict));
    }
}

valk_harness::cases! {
    /// The predicate must agree with the fact it reports, and decides between expected and stale.
    fn skip_code((code, name): (SkipCode, &str)) [
        "root" => (SkipCode::NeedsRoot, "needs-root"),
        "network namespace" => (SkipCode::NeedsNetworkNamespace, "needs-network-namespace"),
        "cores, few" => (SkipCode::NeedsCores(1), "needs-cores(1)"),
        "cores, many" => (SkipCode::NeedsCores(9999), "needs-cores(9999)"),
        "this platform" => (SkipCode::NeedsPlatform("linux"), "not-on-this-platform(linux)"),
        "tool that exists" => (SkipCode::ToolMissing("sh"), "tool-missing(sh)"),
        "tool that is missing" => (SkipCode::ToolMissing("no-such-tool"), "tool-missing(no-such-tool)"),
        "IPv6" => (SkipCode::NeedsIpv6, "needs-ipv6"),
        "release build" => (SkipCode::NeedsReleaseBuild, "needs-release-build"),
        "coverage build" => (SkipCode::CoverageBuild, "coverage-build"),
        "not requested" => (SkipCode::NotRequested("NO_SUCH_VARIABLE"), "not-requested(NO_SUCH_VARIABLE)"),
    ] {
        assert_eq!(code.name(), name);
        let skip = Skip::from_static(StaticSkip::Expected(code, "why"));
        assert_eq!(skip.code, name);
        let expected = if code.holds() { SkipClass::Expected } else { SkipClass::Stale };
        assert_eq!(skip.class, expected);
        assert_eq!(skip.reason.contains(&code.fact()), expected == SkipClass::Stale);
        assert_eq!(Skip::from_json(&skip.to_json()), Some(skip));
    }
}

valk_harness::test! {
    fn predicates_follow_the_host() {
        assert!(SkipCode::NeedsCores(9999).holds() && !SkipCode::NeedsCores(1).holds());
        assert!(
            SkipCode::ToolMissing("no-such-tool").holds() && !SkipCode::ToolMissing("sh").holds()
        );
        assert!(
            SkipCode::NotRequested("NO_SUCH_VARIABLE").holds()
                && !SkipCode::NotRequested("PATH").holds()
        );
        assert!(SkipCode::NeedsPlatform("plan9").holds());
        assert!(!SkipCode::NeedsPlatform(std::env::consts::OS).holds());
        assert_eq!(SkipCode::NeedsReleaseBuild.holds(), cfg!(debug_assertions));
    }

    fn buffer_keeps_head_and_tail() {
        let mut buffer = OutputBuffer::default();
        buffer.push(b"start");
        for _ in 0..200 {
            buffer.push(&[b'.'; 1000]);
        }
        buffer.push(b"end");
        let text = buffer.into_text();
        let dropped = 5 + 200_000 + 3 - HEAD_BYTES - TAIL_BYTES;
        assert!(text.starts_with("start") && text.ends_with("end"));
        assert!(text.contains(&format!("[… {dropped} bytes left out …]")));
    }

    fn buffer_keeps_everything_that_fits() {
        let mut buffer = OutputBuffer::default();
        let bytes = vec![b'x'; HEAD_BYTES + TAIL_BYTES];
        buffer.push(&bytes[..10]);
        buffer.push(&bytes[10..]);
        assert_eq!(buffer.into_text().len(), bytes.len());
    }

    fn output_is_made_printable() {
        assert_eq!(printable(b"a\tb\nc\x1b[0m\x00\xffz"), "a\tb\nc\\x1b[0m\\x00\u{fffd}z");
        assert_eq!(printable("\u{9b}é".as_bytes()), "\\x9bé");
    }

    fn a_fresh_process_is_accepted_with_token_and_exit_status() {
        let passed = Account::of(BodyOutcome::Passed);
        let failed = Account::of(failed());
        assert_eq!(check_account(Ok(passed.clone()), true, "0"), Ok(passed.clone()));
        assert_eq!(check_account(Ok(failed.clone()), false, "70"), Ok(failed));
        let refusal = check_account(Ok(passed), false, "signal 9").expect_err("not without status 0");
        assert!(refusal.contains("ended badly (signal 9)"), "{refusal}");
        let refusal = check_account(Err(TokenError::Missing), true, "0").expect_err("not without token");
        assert!(refusal.contains("ended (0) without the token"), "{refusal}");
    }

    fn system_calls_report_errors() {
        assert!(ffi::adopt_descriptor(9999).is_err(), "it is not open");
        let error = ffi::die_with_parent(0).expect_err("process 0 is nobody's parent");
        assert!(error.to_string().contains("is gone"));
    }

    fn a_pass_must_not_leak_memory() {
        assert_eq!(without_leaks(BodyOutcome::Passed, || false), BodyOutcome::Passed);
        assert_eq!(without_leaks(failed(), || unreachable!("not asked")), failed());
        let BodyOutcome::Failed { message, .. } = without_leaks(BodyOutcome::Passed, || true) else {
            panic!("it leaks");
        };
        assert!(message.contains("LeakSanitizer found memory leaks"), "{message}");
    }

    fn signals_have_names() {
        assert_eq!(signal_name(9), "SIGKILL");
        assert_eq!(signal_name(31), "SIGSYS");
        assert_eq!(signal_name(34), "signal 34");
        assert_eq!(signal_name(0), "signal 0");
    }

    fn process_lines_are_read() {
        let (parent, process) = parse_stat("12 (a) b (c) S 7 11 12").expect("a living process");
        assert_eq!((parent, process.pid, process.group), (7, 12, 11));
        assert_eq!(process.command, "a) b (c");
        assert_eq!(parse_stat("12 (dead) Z 7 12"), None);
        assert_eq!(parse_stat(""), None);
    }

    fn threads_are_described() {
        let this = describe_threads(std::process::id() as ffi::Pid);
        assert!(this.contains("state R waits in user code"), "{this}");
        assert_eq!(describe_threads(0), "");
    }
}
