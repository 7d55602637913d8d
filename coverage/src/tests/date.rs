use crate::date::Day;

fn is_day(text: &str) {
    assert_eq!(Day::parse(text).unwrap().to_string(), text);
}

fn is_no_day(text: &str) {
    let message = Day::parse(text).unwrap_err().to_string();
    assert!(message.contains(text) && message.contains("YYYY-MM-DD"), "{message}");
}

valk_harness::test! {
    fn days_that_exist_are_read_and_printed() {
        for text in ["1970-01-01", "2024-02-29", "2000-02-29", "2026-12-31", "2027-03-01", "0001-01-01"] {
            is_day(text);
        }
    }
}

valk_harness::test! {
    fn days_that_do_not_exist_are_refused() {
        for text in ["2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "2026-01-00"] {
            is_no_day(text);
        }
    }
}

valk_harness::test! {
    fn other_shapes_are_refused() {
        for text in ["tomorrow", "2026-1-1", "2026/01/01", "2026-01-011", "+026-01-01", "20é6-01-01"] {
            is_no_day(text);
        }
    }
}

valk_harness::test! {
    fn days_are_ordered_and_counted() {
        let day = |text| Day::parse(text).unwrap();
        assert!(day("2026-12-31") < day("2027-01-01"));
        assert_eq!(day("2024-02-28").plus(2), day("2024-03-01"));
        assert_eq!(day("1970-01-01").plus(20_000), day("2024-10-04"));
        assert!(Day::today() > day("2026-01-01"));
    }
}
