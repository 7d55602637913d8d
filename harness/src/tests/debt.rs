//! Days, and what a skip owes.

use crate as valk_harness;
use crate::Attributes;
use crate::cases::debt::{Day, Debt};
use crate::cases::skip::{Skip, SkipClass, SkipCode};
use crate::verdicts::verdict::{Judgement, Verdict};

fn day(text: &str) -> Day {
    Day::parse(text).unwrap_or_else(|| panic!("{text} is a day"))
}

valk_harness::cases! {
    fn days_are_counted((text, number): (&str, u64)) [
        "first" => ("1970-01-01", 0),
        "end of February" => ("1972-02-29", 789),
        "leap year of a century" => ("2000-03-01", 11_017),
        "no leap year of a century" => ("2100-03-01", 47_541),
        "end of a year" => ("2026-12-31", 20_818),
        "last" => ("9999-12-31", 2_932_896),
    ] {
        assert_eq!(day(text).number(), number);
        assert_eq!(Day::from_number(number), day(text));
        assert_eq!(day(text).to_string(), text);
        assert_eq!(text.parse(), Ok(day(text)));
    }

    fn no_day(text: &str) [
        "empty" => "",
        "no thirteenth month" => "2027-13-01",
        "no month 0" => "2027-00-01",
        "no day 0" => "2027-01-00",
        "no leap year" => "2027-02-29",
        "no leap year of a century" => "2100-02-29",
        "no 31st" => "2027-04-31",
        "before the count" => "1969-12-31",
        "other order" => "31-01-2027",
        "other sign" => "2027/01/31",
        "letters" => "2027-0a-31",
        "letters in the year" => "2o27-01-31",
        "letters in the day" => "2027-01-3x",
        "too long" => "2027-01-311",
    ] {
        assert_eq!(Day::parse(text), None);
        assert!(std::panic::catch_unwind(|| Attributes::new().until(text)).is_err());
    }
}

valk_harness::test! {
    fn days_follow_each_other() {
        for number in 0..60_000 {
            let this = Day::from_number(number);
            assert!(this < Day::from_number(number + 1));
            assert_eq!(this.number(), number);
        }
        assert_eq!(Day::from_number(u64::MAX), day("9999-12-31"));
        let (today, seconds) = (Day::today(), std::time::UNIX_EPOCH.elapsed().expect("after 1970"));
        assert!(seconds.as_secs() / 86_400 - today.number() <= 1, "{today}");
    }

    fn a_skip_is_accepted_until_its_day() {
        let many = Skip::expected(SkipCode::NeedsCores(9999), "why");
        let stale = Skip::expected(SkipCode::NeedsCores(1), "why");
        let broken = Skip::broken("V-1", "why");
        let class = |skip: &Skip, owner, until: Option<&str>, today: &str| {
            let debt = Debt { owner, until: until.map(day) };
            let once = skip.clone().with_debt(&debt, day(today));
            assert_eq!(once.clone().with_debt(&debt, day(today)), once, "twice is once");
            assert_eq!(Skip::from_json(&once.to_json()), Some(once.clone()));
            once.class
        };
        let (anna, day) = (Some("anna"), Some("2027-01-31"));
        assert_eq!(class(&many, None, day, "2027-01-31"), SkipClass::Expected);
        assert_eq!(class(&many, None, day, "2027-02-01"), SkipClass::Expired);
        assert_eq!(class(&stale, anna, day, "2027-01-31"), SkipClass::Stale);
        assert_eq!(class(&stale, anna, day, "2027-02-01"), SkipClass::Stale);
        assert_eq!(class(&broken, anna, day, "2027-01-31"), SkipClass::Owed);
        assert_eq!(class(&broken, anna, day, "2027-02-01"), SkipClass::Expired);
        for (owner, until) in [(None, None), (anna, None), (None, day)] {
            assert_eq!(class(&broken, owner, until, "2027-01-31"), SkipClass::Broken, "incomplete");
        }
    }

    fn judgements_other_than_skips_owe_nothing() {
        let failed = Judgement::new(Verdict::Fail, "no");
        let debt = Debt { owner: Some("anna"), until: Some(day("2027-01-31")) };
        assert_eq!(failed.clone().with_debt(&debt, day("2028-01-01")), failed);
        let broken = Judgement::of_skip(Skip::broken("V-1", "why"));
        let debt = Debt { owner: Some("anna"), until: None };
        let message = broken.with_debt(&debt, day("2027-01-31")).message;
        assert_eq!(message, "skipped as broken [V-1]: why; owner: anna");
    }
}
