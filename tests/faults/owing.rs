//! Specimens that are skipped until a day.

use valk_harness::{SkipCode, skip_broken, skip_expected, test, test_fn};

test! {
    #[skip = broken("VALK-9", "loses an element")]
    #[owner = "anna"]
    #[until = "2027-01-31"]
    fn as_broken_in_the_source() {}
    #[owner = "anna"]
    #[until = "2027-01-31"]
    fn as_broken_while_it_runs() {
        skip_broken("VALK-10", "loses another one");
    }
    #[skip = broken("VALK-11", "nobody cares")]
    #[until = "2027-01-31"]
    fn as_broken_without_an_owner() {}
    #[ignore = "takes an hour"]
    #[until = "2027-01-31"]
    fn as_ignored() {}
    #[require = NeedsCores(4096)]
    #[until = "2027-01-31"]
    fn as_the_host_is_small() {}
    #[isolation = InProcess]
    #[until = "2027-01-31"]
    fn in_the_runner() {
        skip_expected(SkipCode::NeedsCores(4096), "wants many");
    }
    #[until = "2027-01-31"]
    fn not_at_all() {}
}

#[test_fn]
#[skip = expected(NeedsPlatform("plan9"), "no /net here")]
#[owner = "bert"]
#[until = "2027-01-31"]
fn by_an_attribute() {}
