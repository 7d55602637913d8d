//! Names, definitions, command line.

use std::path::Path;

use crate as valk_harness;
use crate::BuildTarget;
use crate::cases::debt::{Day, Debt};
use crate::cases::definition::{self, TestDefinition, check_names, full_name};
use crate::cases::foreign_tests::{find as find_foreign, in_source, sources};
use crate::error::Error;
use crate::execution::fresh_process::find;
use crate::options::{Options, Order, help};
use crate::reports::invocation::{Invocation, build_flags};
use crate::reports::test_binary::{Rerun, profile_flags, without_hash};
use crate::runner::settings::Settings;
use crate::snapshot::file_stem;
use crate::{Attributes, Fixture, Isolation, SessionFixture, SkipCode, StaticSkip};

fn parse(words: &[&str]) -> Result<Options, String> {
    Options::parse(words.iter().map(ToString::to_string)).map_err(|error| error.to_string())
}

valk_harness::test! {
    fn names_leave_out_crate_and_tests() {
        assert_eq!(full_name("valk_heap", "a"), "a");
        assert_eq!(full_name("valk_heap::tests", "a"), "a");
        assert_eq!(full_name("valk_heap::tests::nursery", "a/b"), "nursery::a/b");
        assert_eq!(full_name("valk_heap::old::tests", "a"), "old::a");
    }

    fn equal_names_are_refused() {
        let tests = ["a", "b", "b"]
            .map(|name| TestDefinition::new(name, || {}).at(format!("{name}.rs"), 3));
        let error = check_names(&tests).expect_err("b is there twice");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("`b`: defined at b.rs:3 and at b.rs:3"), "{error}");
        assert!(check_names(&tests[..2]).is_ok());
        for name in ["", "a\u{1b}b", "--help"] {
            assert!(matches!(
                check_names(&[TestDefinition::new(name, || {})]),
                Err(Error::BadName { .. })
            ));
        }
    }

    fn errors_say_what_to_do() {
        let source = || std::io::Error::other("no memory");
        let errors = [
            (Error::Zygote(source()), 101, "could not be started: no memory"),
            (
                Error::File { action: "write", path: "x".into(), source: source() },
                101,
                "cannot write x: no memory",
            ),
            (Error::Usage("what.".into()), 2, "what.\nTry --help."),
            (
                Error::ForeignTests { places: vec!["a.rs:3: #[test]".into(), "b.rs:1: x".into()] },
                2,
                "#[valk_harness::test_fn]:\n    a.rs:3: #[test]\n    b.rs:1: x",
            ),
        ];
        for (error, code, says) in errors {
            assert_eq!(error.exit_code(), code);
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    fn definitions_are_sorted_and_found() {
        let tests = definition::collect().expect("this binary is in order");
        assert!(tests.is_sorted_by(|a, b| a.name < b.name));
        let this = find(&tests, &crate::current_test()).expect("this test is one of them");
        assert!(this.file.ends_with("names.rs") && this.line > 0);
        assert!(find(&tests, "no such test").is_none());
    }

    fn attributes_add_up() {
        static FIRST: Fixture<u32> = Fixture::new("first", || 1);
        static SECOND: Fixture<u32> = Fixture::new("second", || 2);
        let attributes = Attributes::default()
            .timeout_ms(5)
            .retries(2)
            .owner("anna")
            .until("2027-01-31")
            .isolation(Isolation::Exec)
            .ignore("slow")
            .require(SkipCode::NeedsRoot)
            .require(SkipCode::NeedsCores(2))
            .skip(StaticSkip::Broken("V-1", "why"))
            .fixture(&FIRST)
            .fixture(&SECOND);
        assert_eq!(attributes.timeout_ms, Some(5));
        assert_eq!(attributes.retries, Some(2));
        let until = Day::parse("2027-01-31");
        assert_eq!(attributes.debt, Debt { owner: Some("anna"), until });
        assert_eq!(attributes.ignore, Some("slow"));
        assert_eq!(attributes.isolation.name(), "exec");
        let codes: Vec<_> = attributes.requirements().collect();
        assert_eq!(codes, [SkipCode::NeedsRoot, SkipCode::NeedsCores(2)]);
        assert_eq!(attributes.skip, Some(StaticSkip::Broken("V-1", "why")));
        let fixtures: Vec<_> = attributes.fixtures().map(SessionFixture::name).collect();
        assert_eq!(fixtures, ["first", "second"]);
    }

    fn snapshot_files_have_safe_distinct_names() {
        assert_eq!(file_stem("a::b", "label"), "a__b.label");
        let (slash, space) = (file_stem("a/b", "x"), file_stem("a b", "x"));
        assert!(slash.starts_with("a-b.x-") && space.starts_with("a-b.x-") && slash != space);
        assert!(!file_stem("../../etc", "x").starts_with('.'));
    }

    fn tests_of_other_harnesses_are_found() {
        let source = "//! #[test]\n#[test]\nfn a() {}\n  # [ tokio :: test (x)]\nconst A: &str = \"\n\
            #[test]\";\n/* \n#[rstest]\n*/ proptest! {\nconst B: &str = r#\"\n#[test]\"#;\n\
            const C: char = '\"';\n#[bench]\nlet s = \"\\\"\n#[test]\";\nfor_r\"\n#[test]\"";
        let expected =
            [(2, "#[test]"), (4, "#[tokio::test"), (9, "proptest!{"), (13, "#[bench]")];
        assert_eq!(in_source(source), expected);
        assert_eq!(in_source("use valk_harness::test_fn as test;\n#[test]\nfn a() {}"), []);
        assert_eq!(in_source("proptest! { }\n/* open"), [(1, "proptest!{")]);
        let list = "/t/x: a.rs b\\ c.rs Cargo.toml\n\na.rs:\n";
        assert_eq!(sources(list), [Path::new("a.rs"), Path::new("b c.rs")]);
        assert_eq!(find_foreign(), [] as [String; 0]);
    }

    fn hashes_of_cargo_are_cut_off() {
        assert_eq!(without_hash("valk_heap-9ef4231ba9595bd2"), "valk_heap");
        assert_eq!(without_hash("fault-specimens"), "fault-specimens");
        assert_eq!(without_hash("a-0000000000000zzz"), "a-0000000000000zzz");
    }

    fn rerun_commands_fit_the_target() {
        let directory = std::env::temp_dir();
        let manifest = "[package]\nname = \"x\"\n[[test]]\nname = \"in-manifest\" # why\n\
                        harness = false\n[[bin]]\nname = \"tool\"\n";
        std::fs::write(directory.join("Cargo.toml"), manifest).expect("scratch is writable");
        std::fs::create_dir_all(directory.join("tests/with-main")).expect("scratch is writable");
        for file in ["tests/my-file.rs", "tests/with-main/main.rs", "tests/notes.md"] {
            std::fs::write(directory.join(file), "").expect("scratch is writable");
        }
        let integration = BuildTarget { temporary_directory: Some("/t"), binary: None };
        let template = |package: Option<&str>, binary: &str, target, path: &str| {
            Rerun {
                package: package.map(String::from),
                manifest_directory: Some(directory.clone()),
                binary: binary.into(),
                path: path.into(),
                target,
                flags: vec!["--features".into(), "a b".into()],
            }
            .template()
        };
        let lib = BuildTarget::default();
        assert_eq!(template(None, "x", lib, "/t/x"), "/t/x --exact {}");
        let start = "cargo test -p app --features 'a b'";
        for (binary, target, path, end) in [
            ("app", lib, "/t/debug/deps/app", "--lib"),
            ("my_file", integration, "/t/debug/deps/my_file", "--test my-file"),
            ("with_main", integration, "/t/debug/deps/with_main", "--test with-main"),
            ("in_manifest", integration, "/t/debug/deps/in_manifest", "--test in-manifest"),
            ("tool", BuildTarget { binary: Some("tool"), ..lib }, "/t/deps/tool", "--bin tool"),
            ("e", BuildTarget { binary: Some("e"), ..lib }, "/t/examples/e", "--example e"),
        ] {
            let expected = format!("{start} {end} -- --exact {{}}");
            assert_eq!(template(Some("app"), binary, target, path), expected);
        }
        let unknown = template(Some("app"), "elsewhere", integration, "/t/else where");
        assert!(unknown.ends_with(" '/t/else where' --exact {})"), "{unknown}");
        assert!(unknown.starts_with("(cd "), "{unknown}");
        assert_eq!(crate::reports::summary::rerun_command("x {}", "it's"), "x 'it'\\''s'");
    }

    fn flags_of_the_build_are_kept() {
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        let line = "/bin/cargo test --release -q --features=a,b -F c --profile fast it -- --release";
        let expected = words("--release --features=a,b -F c --profile fast");
        assert_eq!(build_flags(&words(line)), Some(expected));
        assert_eq!(build_flags(&words("bash test --release")), None);
        assert_eq!(build_flags(&[]), None);
        for (path, flags) in [
            ("/t/debug/deps/x", ""),
            ("/t/release/deps/x", "--release"),
            ("/t/fast/deps/x", "--profile fast"),
            ("x", ""),
        ] {
            assert_eq!(profile_flags(path.as_ref()).join(" "), flags, "{path}");
        }
    }

    fn relative_reports_lie_where_the_command_was_typed() {
        let invocation = Invocation { directory: Some("/typed".into()), ..Invocation::default() };
        assert_eq!(invocation.resolve("x.xml".as_ref()).to_str(), Some("/typed/x.xml"));
        assert_eq!(invocation.resolve("/t/x.xml".as_ref()).to_str(), Some("/t/x.xml"));
        assert_eq!(Invocation::default().resolve("x".as_ref()).to_str(), Some("x"));
        let (one, two) = (Invocation::read(), Invocation::read());
        assert_eq!(one, two);
        assert!(!one.run_id.is_empty());
    }

    fn settings_are_read() {
        let read = |name: &'static str, value: &'static str| {
            Settings::from(|variable| (variable == name).then(|| value.to_string()))
        };
        let plain = read("", "").expect("nothing is set");
        assert_eq!((plain.limit_ms, plain.time_scale, plain.seed), (60_000, 1.0, None));
        assert_eq!(read("VALK_TEST_TIMEOUT_SECONDS", "2").expect("right").limit_ms, 2_000);
        let longest = read("VALK_TEST_TIMEOUT_SECONDS", "18446744073709551615").expect("right");
        assert_eq!(longest.limit_ms, 30 * 24 * 3_600_000);
        assert!(plain.today > Day::parse("2026-01-01").expect("a day"), "the clock is set");
        assert_eq!(read("VALK_TEST_TODAY", "2028-02-29").expect("right").today.to_string(), "2028-02-29");
        assert_eq!((plain.retries, plain.no_flaky), (0, false));
        assert_eq!(read("VALK_TEST_RETRIES", "2").expect("right").retries, 2);
        assert!(read("VALK_TEST_NO_FLAKY", "1").expect("right").no_flaky);
        assert_eq!(read("VALK_TEST_SEED", "7").expect("right").seed, Some(7));
        assert!(read("VALK_TEST_NO_FORK", "1").expect("right").no_fork);
        for (name, value) in [
            ("VALK_TEST_TIMEOUT_SECONDS", "0"),
            ("VALK_TEST_TIMEOUT_SECONDS", "soon"),
            ("VALK_TEST_TIME_SCALE", "inf"),
            ("VALK_TEST_TIME_SCALE", "NaN"),
            ("VALK_TEST_TIME_SCALE", "-1"),
            ("VALK_TEST_TIME_SCALE", "0"),
            ("VALK_TEST_SEED", "-1"),
            ("VALK_TEST_RETRIES", "101"),
            ("VALK_TEST_TODAY", "tomorrow"),
            ("VALK_TEST_TODAY", "2027-02-29"),
        ] {
            let error = read(name, value).expect_err("refused").to_string();
            assert!(error.contains(name) && error.contains(&format!("found `{value}`")), "{error}");
        }
    }

    fn flags_are_understood() {
        let options = parse(&[
            "a",
            "--exact",
            "--skip",
            "b",
            "--skip=c",
            "--ignored",
            "--include-ignored",
            "--test-threads=3",
            "--nocapture",
            "--show-output",
            "--fail-fast",
            "--shuffle",
            "--seed",
            "4",
            "--repeat",
            "5",
            "--slowest=6",
            "--last-failed",
            "--list-skips",
            "--max-skips=8",
            "--max-broken",
            "9",
            "--failed-first",
            "--retries=7",
            "--no-flaky",
            "--junit",
            "j",
            "--ledger",
            "l",
            "--allow-empty",
            "-q",
            "--color",
            "never",
            "--logfile",
            "f",
            "-Z",
            "unstable-options",
            "--test",
            "-h",
            "--",
            "--d",
        ])
        .expect("all flags exist");
        assert_eq!(options.filters, ["a", "--d"]);
        assert_eq!(options.mimic.skip, ["b", "c"]);
        assert_eq!(options.mimic.test_threads, Some(3));
        assert!(options.mimic.exact && options.mimic.ignored && options.mimic.include_ignored);
        assert!(options.no_capture && options.mimic.show_output && options.fail_fast);
        assert_eq!((options.order, options.seed), (Order::Shuffled, Some(4)));
        assert_eq!(options.shuffle_seed(8), Some(8));
        assert_eq!((options.repeat, options.slowest), (5, 6));
        assert!(options.last_failed && options.failed_first && options.no_flaky);
        assert_eq!(options.retries, Some(7));
        assert!(options.list_skips);
        assert_eq!((options.budget.skips, options.budget.broken), (Some(8), Some(9)));
        assert!(options.junit.is_some() && options.ledger.is_some() && options.allow_empty);
        assert!(options.mimic.quiet && options.help && options.mimic.logfile.is_some());
        assert!(options.selects("a") && options.selects("--d") && !options.selects("ab"));
        assert_eq!(parse(&["--shuffle=9"]).map(|o| o.shuffle_seed(1)), Ok(Some(9)));
        assert_eq!(parse(&[]).map(|o| (o.shuffle_seed(1), o.selects("any"))), Ok((None, true)));
    }
}

valk_harness::cases! {
    fn flag_is_refused((words, says): (&[&str], &str)) [
        "unknown" => (&["--nonsense"], "unknown flag `--nonsense`."),
        "nearly known" => (&["--ledge"], "Did you mean `--ledger`?"),
        "value too many" => (&["--exact=yes"], "--exact takes no value"),
        "value missing" => (&["--seed"], "--seed needs a value: --seed N"),
        "no number" => (&["--seed=x"], "whole number, found `x`"),
        "zero threads" => (&["--test-threads", "0"], "at least 1"),
        "budget of words" => (&["--max-skips", "few"], "whole number, found `few`"),
        "too many retries" => (&["--retries", "101"], "at most 100, found 101"),
        "shard of none" => (&["--shard", "1/0"], "I from 1 to N, found `1/0`"),
        "shard beyond the last" => (&["--shard=3/2"], "found `3/2`"),
        "shard without parts" => (&["--shard=1"], "found `1`"),
        "format" => (&["--format", "xml"], "pretty, terse or json, found `xml`"),
        "colour" => (&["--color", "blue"], "auto, always or never, found `blue`"),
    ] {
        let error = parse(words).expect_err("must be refused");
        assert!(error.contains(says), "{error}");
        assert!(error.ends_with("Try --help."), "{error}");
    }
}

valk_harness::cases! {
    fn format_and_color_are_known((words, _unit): (&[&str], ())) [
        "pretty" => (&["--format", "pretty", "--color=auto"], ()),
        "terse" => (&["--format", "terse", "--color=always"], ()),
        "json" => (&["--format=json", "--bench", "--list"], ()),
    ] {
        parse(words).expect("known");
    }
}

valk_harness::test! {
    fn shards_share_all_tests_out() {
        let shards: Vec<Options> = (1..=3)
            .map(|part| parse(&["--shard", &format!("{part}/3")]).expect("a shard"))
            .collect();
        let mut counts = [0; 3];
        for number in 0..300 {
            let name = format!("module::test_{number}");
            let of: Vec<usize> = (0..3).filter(|at| shards[*at].selects(&name)).collect();
            assert_eq!(of.len(), 1, "{name}");
            counts[of[0]] += 1;
        }
        assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
    }

    fn help_names_every_flag() {
        let text = help();
        for flag in [
            "--junit FILE",
            "--shuffle[=SEED]",
            "--no-capture, --nocapture",
            "VALK_TEST_TIME_SCALE",
        ] {
            assert!(text.contains(flag), "no {flag} in {text}");
        }
    }
}
