//! What bodies return, and panics that are expected.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate as valk_harness;
use crate::cases::account::BodyOutcome;
use crate::cases::panics;
use crate::{SkipCode, skip_expected};

#[derive(Debug)]
struct Outer(std::num::ParseIntError);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no number in the file")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[derive(Debug)]
struct OnlyDebug;

/// The end of a body that ends like this.
fn outcome(body: impl FnOnce()) -> BodyOutcome {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(()) => BodyOutcome::Passed,
        Err(payload) => panics::outcome_of(payload),
    }
}

fn message(body: impl FnOnce()) -> String {
    match outcome(body) {
        BodyOutcome::Failed { message, file, line } => {
            assert_eq!((file.as_str(), line), ("", 0), "an error has no place of its own");
            message
        }
        other => panic!("{other:?}"),
    }
}

fn number() -> std::num::ParseIntError {
    "x".parse::<u8>().expect_err("is none")
}

valk_harness::test! {
    fn errors_fail_with_their_causes() {
        let with_cause = message(|| valk_harness::__end!(Err::<(), _>(Outer(number()))));
        let expected = "the test returned an error: no number in the file\n  caused by: invalid digit";
        assert!(with_cause.starts_with(expected), "{with_cause}");
        let text = message(|| valk_harness::__end!(Err::<(), _>("just a text")));
        assert_eq!(text, "the test returned an error: just a text");
        let boxed: Result<(), Box<dyn Error>> = Err(Box::new(Outer(number())));
        assert!(message(|| valk_harness::__end!(boxed)).contains("caused by"));
        let debug = message(|| valk_harness::__end!(Err::<(), _>(OnlyDebug)));
        assert_eq!(debug, "the test returned an error: OnlyDebug");
    }

    fn other_values_pass() {
        assert_eq!(outcome(|| valk_harness::__end!(())), BodyOutcome::Passed);
        assert_eq!(outcome(|| valk_harness::__end!(Ok::<(), OnlyDebug>(()))), BodyOutcome::Passed);
        assert_eq!(outcome(|| valk_harness::__end!(Ok::<(), String>(()))), BodyOutcome::Passed);
    }

    fn returns_ok() -> Result<(), OnlyDebug> {
        std::env::current_dir().map(drop).map_err(|_| OnlyDebug)
    }

    #[should_panic]
    fn panics_at_all() {
        panic!("anything");
    }

    #[should_panic = "thing"]
    fn panics_as_expected() {
        panic!("anything");
    }

    #[should_panic(expected = "any")]
    #[require = NeedsCores(1)]
    fn panics_as_expected_too() {
        panic!("anything");
    }

    #[cfg(any())]
    fn is_left_out() {
        no_such_function();
    }

    fn a_skip_in_another_thread_says_what_to_do() {
        let thread = std::thread::spawn(|| skip_expected(SkipCode::NeedsCores(1), "why"));
        let payload = thread.join().expect_err("it unwinds");
        let text = panics::panic_text(payload.as_ref());
        assert!(text.contains("a skip ends the test only from the thread that runs it"), "{text}");
    }
}
