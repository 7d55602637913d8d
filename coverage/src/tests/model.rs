use crate::language::Language;
use crate::model::{Coverage, FileCoverage, Outcomes, Ratio, Span};

const SPAN: Span = Span { line: 3, column: 8, end_line: 3, end_column: 12 };

fn one(line: u32, count: u64, on_true: u64, on_false: u64) -> Coverage {
    let mut counts = FileCoverage::default();
    counts.add_line(line, count);
    counts.add_branch(SPAN, Outcomes { on_true, on_false });
    counts.add_region(SPAN, count);
    Coverage { files: [("a.rs".to_owned(), counts)].into() }
}

valk_harness::test! {
    fn merging_is_the_union_of_two_runs() {
        let mut coverage = one(3, 0, 1, 0);
        coverage.merge(one(3, 5, 0, 2));
        coverage.merge(one(4, 0, 0, 0));
        let counts = &coverage.files["a.rs"];
        assert_eq!(counts.lines, [(3, 5), (4, 0)].into());
        assert_eq!(counts.branches, [(SPAN, Outcomes { on_true: 1, on_false: 2 })].into());
        assert_eq!(counts.regions, [(SPAN, 5)].into());
        assert_eq!(counts.last_line(), 4);
        assert_eq!(FileCoverage::default().last_line(), 0);
    }
}

valk_harness::test! {
    fn counts_saturate() {
        let mut coverage = one(3, u64::MAX, u64::MAX, u64::MAX);
        coverage.merge(one(3, 2, 2, 2));
        assert_eq!(coverage.files["a.rs"].lines[&3], u64::MAX);
    }
}

valk_harness::test! {
    fn ratios_never_round_up() {
        let ratio = |covered, total| Ratio { covered, total };
        assert!(ratio(9, 10).reaches(90));
        assert!(!ratio(8_999, 10_000).reaches(90));
        assert_eq!(ratio(89_999, 100_000).permille(), Some(899));
        assert_eq!(ratio(0, 0).permille(), None);
        assert!(ratio(0, 0).reaches(90));
        assert_eq!(ratio(8, 11).gap(90), 2);
        assert_eq!(ratio(10, 11).gap(90), 0);
        assert!(!ratio(u64::MAX - 1, u64::MAX).reaches(100));
    }
}

valk_harness::test! {
    fn languages_are_told_by_extension() {
        assert_eq!(Language::of("a/b.rs"), Some(Language::Rust));
        assert_eq!(Language::of("stdlib/list.valk"), Some(Language::Valk));
        assert_eq!(Language::of("notes.md"), None);
        assert_eq!(Language::of("Makefile"), None);
        assert_eq!((Language::Rust.unit(), Language::Valk.unit()), ("lines", "expressions"));
    }
}
