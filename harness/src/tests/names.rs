//! Names, definitions, command line.

use crate as valk_harness;
use crate::cases::definition::{self, TestDefinition, check_names, full_name};
use crate::error::Error;
use crate::execution::fresh_process::find;
use crate::options::{Options, Order, help};
use crate::reports::test_binary::{rerun_command, without_hash};
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
        for name in ["", "a\u{1b}b"] {
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
            .isolation(Isolation::Exec)
            .ignore("slow")
            .require(SkipCode::NeedsRoot)
            .require(SkipCode::NeedsCores(2))
            .skip(StaticSkip::Broken("V-1", "why"))
            .fixture(&FIRST)
            .fixture(&SECOND);
        assert_eq!(attributes.timeout_ms, Some(5));
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

    fn hashes_of_cargo_are_cut_off() {
        assert_eq!(without_hash("valk_heap-9ef4231ba9595bd2"), "valk_heap");
        assert_eq!(without_hash("fault-specimens"), "fault-specimens");
        assert_eq!(without_hash("a-0000000000000zzz"), "a-0000000000000zzz");
    }

    fn rerun_commands_fit_the_target() {
        assert_eq!(rerun_command(None, "x", "/t/x"), "/t/x --exact {}");
        assert_eq!(
            rerun_command(Some("valk-heap"), "valk_heap", ""),
            "cargo test -p valk-heap --lib -- --exact {}"
        );
        assert_eq!(
            rerun_command(Some("valk-tests"), "faults", ""),
            "cargo test -p valk-tests --test faults -- --exact {}"
        );
        assert_eq!(crate::reports::summary::rerun_command("x {}", "it's"), "x 'it'\\''s'");
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
