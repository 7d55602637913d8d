//! Attacks: every one fails a server that is weak on purpose, and some pass a good one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::attacks::catalog::{Attack, Expect, Reading, Step, all, most_sent, select};
use crate::attacks::driver::{self, Seen};
use crate::attacks::frames::{PREFACE, integer, status};
use crate::attacks::verdict::{Conditions, Evidence, Verdict, judge, resident_bytes};
use crate::attacks::witness::Testimony;
use crate::connections::dialer::Dialer;
use crate::connections::target::Target;
use crate::interrupt::Interrupt;
use crate::recording::counts::histogram;
use crate::requests::template::Template;

use super::servers::{command, never, raw, start};
use super::weak_servers::{Weakness, weak};

const KIB: u64 = 1024;

fn conditions(base: &str) -> Conditions {
    let target = Target::parse(base, &[]).unwrap();
    Conditions {
        dialer: Dialer::new(&target, None).unwrap(),
        template: Arc::new(Template::get(vec![target.uri("/", None).unwrap()])),
        // Far above what a busy machine does to a witness.
        witness_p99: Duration::from_mins(1),
        pid: None,
    }
}

/// Runs these attacks at the same time, each on a weak server of its own.
fn against_weak(is_meant: fn(&Attack) -> bool) -> Vec<Verdict> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut runs = JoinSet::new();
        for attack in all().filter(|attack| is_meant(attack)) {
            let weakness = match attack.expect {
                Expect::Bears => Weakness::Fragile,
                _ => Weakness::Naive,
            };
            let conditions = conditions(&weak(weakness));
            runs.spawn(async move { judge(attack, &conditions).await });
        }
        runs.join_all().await
    })
}

fn all_fail(verdicts: &[Verdict], reason: &str, least: usize) {
    assert!(verdicts.len() >= least, "{}", verdicts.len());
    for verdict in verdicts {
        assert!(!verdict.passed(), "{}", verdict.line());
        assert!(verdict.reasons.iter().any(|why| why.contains(reason)), "{}", verdict.line());
        assert!(verdict.line().starts_with("FAIL"), "{}", verdict.line());
    }
}

valk_harness::test! {
    fn what_must_end_a_connection_fails_a_server_that_ends_none() {
        let verdicts = against_weak(|attack| matches!(attack.expect, Expect::Ends { .. }));
        all_fail(&verdicts, "the connection goes on", 20);
    }
}

valk_harness::test! {
    fn what_must_be_refused_fails_a_server_that_answers_everything() {
        let verdicts = against_weak(|attack| attack.expect == Expect::Refuses);
        all_fail(&verdicts, "a good server refuses it", 20);
    }
}

/// Bytes of an attack on one connection.
fn bytes_of(attack: &Attack) -> u64 {
    let of = |step| match step {
        Step::Send(bytes) => bytes.len(),
        Step::Repeat(count, make) | Step::Drip(count, _, make) => {
            (0..count).map(|i| make(i).len()).sum()
        }
        Step::Wait(_) => 0,
    };
    (attack.steps)().into_iter().map(of).sum::<usize>() as u64
}

valk_harness::test! {
    fn what_lives_by_its_length_is_longer_than_a_good_server_and_all_buffers_take() {
        for attack in all() {
            let Expect::Ends { within } = attack.expect else { continue };
            let is_short = bytes_of(attack) <= KIB;
            assert!(is_short || bytes_of(attack) > most_sent(within), "{}", attack.name);
        }
    }
}

/// Judges one attack on a server that goes on for a while after it has seen the attack, and then ends
/// the connection.
fn against_ending(name: &str, after: usize) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let attack = select(name).unwrap()[0];
    runtime.block_on(judge(attack, &conditions(&weak(Weakness::Ends { after }))))
}

valk_harness::test! {
    fn what_waits_in_buffers_is_not_held_against_a_server() {
        for name in ["continuation-flood", "rapid-reset", "made-you-reset-content-length"] {
            let verdict = against_ending(name, 200 * KIB as usize);
            assert!(verdict.passed(), "{}", verdict.line());
            assert_eq!(verdict.reaction, "ended with ENHANCE_YOUR_CALM", "{}", verdict.line());
            // The buffers of this system, as wide as it likes, would hold the whole attack.
            assert!(verdict.sent >= 200 * KIB, "{}", verdict.line());
        }
    }
}

valk_harness::test! {
    fn a_server_that_reads_on_ends_the_connection_too_late() {
        for (name, after) in [("continuation-flood", 1024), ("made-you-reset-content-length", 2560)] {
            let verdict = against_ending(name, after * KIB as usize);
            assert!(!verdict.passed(), "{}", verdict.line());
            assert!(verdict.reasons[0].starts_with("ended too late"), "{}", verdict.line());
            assert_eq!(verdict.reaction, "ended with ENHANCE_YOUR_CALM", "{}", verdict.line());
        }
    }
}

valk_harness::test! {
    fn what_comes_back_is_counted() {
        let answer: &[&[u8]] = &[
            // GOAWAY without an error, and two streams that are answered and one that is not.
            &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0],
            &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88],
            &[0, 0, 1, 1, 5, 0, 0, 0, 3, 0x8c],
            &[0, 0, 4, 3, 0, 0, 0, 0, 5, 0, 0, 0, 7],
            // Half a frame is none.
            &[0, 0, 4, 3, 0, 0, 0, 0, 7, 0],
        ];
        let base = raw(answer.concat().leak());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let wait: fn() -> Vec<Step> = || vec![Step::Wait(Duration::from_secs(10))];
        let attack = Attack { steps: wait, ..*select("window-overflow").unwrap()[0] };
        let seen = runtime.block_on(driver::run(&attack, &conditions(&base).dialer));
        assert_eq!((seen.answered, seen.refused, seen.resets), (1, 1, 1), "{seen:?}");
        assert_eq!((seen.goaway, seen.reset_code), (None, Some(7)), "{seen:?}");
        assert!(seen.ended && seen.failure.is_none(), "{seen:?}");
        assert_eq!(seen.sent, PREFACE.len() as u64 + 9);
        // Who does not read notices the end when a write fails.
        let flood: fn() -> Vec<Step> = || {
            vec![Step::Drip(1_000, Duration::from_millis(10), |_| vec![0; 9])]
        };
        let attack = Attack { reading: Reading::Ignores, steps: flood, ..attack };
        let seen = runtime.block_on(driver::run(&attack, &conditions(&base).dialer));
        assert!(seen.ended && seen.sent < 9_000, "{seen:?}");
        assert_eq!((seen.answered, seen.goaway), (0, None), "{seen:?}");
    }
}

valk_harness::test! {
    fn silence_fails_a_server_without_patience_limits() {
        let verdicts = against_weak(|attack| attack.expect == Expect::GivesUp);
        all_fail(&verdicts, "stays open", 4);
    }
}

valk_harness::test! {
    fn what_may_be_borne_fails_a_server_that_falls_over() {
        let verdicts = against_weak(|attack| attack.expect == Expect::Bears);
        all_fail(&verdicts, "a new connection is not served afterwards", 25);
        all_fail(&verdicts, "requests of others failed", 25);
    }
}

valk_harness::test! {
    fn a_good_server_passes() {
        let server = start();
        let names = "ping-length,stream-number-even,data-on-idle-stream,field-upper-case,hpack-index-zero";
        let patient = ["--witness-p99", "1m", "--pid"];
        let pid = std::process::id().to_string();
        let args = ["attack", names, "--target", &server.base];
        let outcome = command(&[&args[..], &patient, &[&pid]].concat(), never());
        assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
        assert!(outcome.out.contains("result: PASS (0 of 5 attacks failed)"), "{}", outcome.out);
        assert!(outcome.out.contains("pass  ping-length"), "{}", outcome.out);
        assert!(outcome.out.contains("memory +"), "{}", outcome.out);

        // The same server answers this one, which no good server does.
        let server = start();
        let args = ["attack", "client-push,field-upper-case", "--target", &server.base, "--json"];
        let outcome = command(&args, never());
        let json = outcome.json();
        assert_eq!(json["attacks"].as_array().unwrap().len(), 2);
        assert_eq!(json["attacks"][1]["passed"], true, "{json:#}");
        assert_eq!(json["attacks"][1]["source"], "RFC 9113 section 8.2.1");
    }
}

valk_harness::test! {
    fn an_interrupt_ends_the_attacks() {
        let server = start();
        let (count, seen) = watch::channel(0);
        count.send_modify(|count| *count += 1);
        // The receiver has not seen the first one.
        let args = ["attack", "all", "--target", &server.base, "--json"];
        let outcome = command(&args, Interrupt::counted(seen));
        assert_eq!(outcome.code, 130, "{}{}", outcome.out, outcome.err);
        assert_eq!(outcome.json()["interrupted"], true);
    }
}

valk_harness::test! {
    fn attacks_have_names_and_stay_at_home() {
        let names: Vec<&str> = all().map(|attack| attack.name).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
        assert!(names.len() >= 60, "{}", names.len());
        assert_eq!(select("ping-flood, rapid-reset").unwrap().len(), 2);
        let list = command(&["attack", "list"], never());
        assert_eq!(list.out.lines().count(), names.len());
        for (args, why) in [
            (&["attack", "all"][..], "give --target"),
            (&["attack", "nothing", "--target", "http://127.0.0.1:1"], "no attack `nothing`"),
            (&["attack", "all", "--target", "http://example.test"], "if you own it, add --i-own example.test"),
            (&["attack", "all", "--target", "x"], "has no scheme"),
            (&["attack", "all", "--target", "http://127.0.0.1:1", "--pid", "4194304"], "no such process"),
        ] {
            let outcome = command(args, never());
            assert_eq!(outcome.code, 2, "{args:?}: {}", outcome.err);
            assert!(outcome.err.contains(why), "{args:?}: {}", outcome.err);
        }
        let outcome = command(&["attack", "all", "--target", "http://127.0.0.1:1"], never());
        assert_eq!(outcome.code, 3);
        assert_eq!(resident_bytes(u32::MAX), None);
    }
}

valk_harness::test! {
    fn a_server_that_is_gone_fails() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let attack = select("ping-flood").unwrap()[0];
        let verdict = runtime.block_on(judge(attack, &conditions("http://127.0.0.1:1")));
        assert!(!verdict.passed());
        assert!(verdict.reaction.contains("no connection"), "{}", verdict.line());
        assert!(verdict.reasons.iter().any(|why| why == "the attack did not begin"), "{}", verdict.line());
    }
}

valk_harness::test! {
    fn statuses_are_read_as_servers_write_them() {
        for (block, expected) in [
            (&[0x88][..], Some(200)),
            (&[0x8c], Some(400)),
            (&[0x20, 0x8d, 1], Some(404)),
            (&[0x48, 3, b'4', b'3', b'1'], Some(431)),
            // The code of 5, 0, 3: 011011 00000 011001.
            (&[0x08, 0x83, 0b0110_1100, 0b0000_1100, 0b1111_1111], Some(503)),
            // 2, 0, 0: 00010 00000 00000, and no place for another digit.
            (&[0x08, 0x82, 0b0001_0000, 0b0000_0001], Some(200)),
            // An entry of the static table with a name of another meaning.
            (&[0x98, 3, b'4', b'3', b'1'], None),
            (&[0x48, 3, b'4'], None),
            (&[0xbe], None),
            (&[], None),
        ] {
            assert_eq!(status(block), expected, "{block:02x?}");
        }
        let mut bytes = Vec::new();
        integer(&mut bytes, 0x20, 5, 1337);
        // RFC 7541 section C.1.2, behind another prefix.
        assert_eq!(bytes, [0x3f, 0x9a, 0x0a]);
    }
}

valk_harness::test! {
    fn evidence_is_weighed() {
        let mut calm = Testimony { latency: histogram(), errors: 0, error: None };
        calm.latency.record(1_000).unwrap();
        let mut slow = Testimony { latency: histogram(), errors: 0, error: None };
        slow.latency.record(900_000).unwrap();
        let silent = Testimony { latency: histogram(), errors: 0, error: None };
        let failed = Testimony { errors: 1, error: Some("timeout".to_string()), ..calm.clone() };
        let ended = Seen { ended: true, sent: 400 << 10, ..Seen::default() };
        let borne = Seen { sent: 100 << 10, ..Seen::default() };
        let answered = Seen { answered: 1, ..Seen::default() };
        let refused = Seen { refused: 1, ..Seen::default() };
        let reset = Seen { resets: 1, ..Seen::default() };
        let ends = Expect::Ends { within: 64 << 10 };
        let patient = Expect::Ends { within: 128 << 10 };
        let (mib, nobody) = (1 << 20, None);
        for (seen, testimony, growth, expect, why) in [
            (&ended, Some(&calm), nobody, ends, Some("ended too late: a good server does it within 64 KiB")),
            (&ended, Some(&calm), nobody, patient, None),
            (&borne, Some(&calm), nobody, patient, Some("the connection goes on")),
            (&borne, Some(&calm), nobody, Expect::Refuses, Some("nothing happens")),
            (&answered, Some(&calm), nobody, Expect::Refuses, Some("it is answered")),
            (&refused, Some(&calm), nobody, Expect::Refuses, None),
            (&reset, Some(&calm), nobody, Expect::Refuses, None),
            (&borne, Some(&calm), nobody, Expect::GivesUp, Some("stays open")),
            (&borne, Some(&calm), nobody, Expect::Bears, None),
            (&borne, Some(&slow), nobody, Expect::Bears, Some("others wait: p99 900")),
            (&borne, Some(&silent), nobody, Expect::Bears, Some("others are not served")),
            (&borne, Some(&failed), nobody, Expect::Bears, Some("requests of others failed: timeout")),
            (&borne, None, nobody, Expect::Bears, Some("the witness broke down")),
            (&borne, Some(&calm), Some(8 * mib), Expect::Bears, None),
            (&borne, Some(&calm), Some(9 * mib), Expect::Bears, Some("memory grew by 9216 KiB; at most 8592")),
        ] {
            let reasons = Evidence { seen, testimony, growth }.against(expect, Duration::from_millis(500));
            match why {
                None => assert_eq!(reasons, Vec::<String>::new()),
                Some(why) => assert!(reasons.iter().any(|r| r.contains(why)), "{why}: {reasons:?}"),
            }
        }
        // Of several connections all must have ended.
        let mut sum = ended.clone();
        sum.add(&borne);
        assert!(!sum.ended && sum.sent == 500 << 10);
    }
}
