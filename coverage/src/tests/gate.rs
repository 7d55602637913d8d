use std::path::Path;

use crate::date::Day;
use crate::gate::{
    Evidence, Failure, FileVerdict, MissedBranch, Missing, Thresholds, Verdict, judge,
};
use crate::model::{Coverage, FileCoverage, Outcomes, Ratio, Span};
use crate::sources::{SourceFile, Sources};
use crate::waivers::{self, WAIVERS_MAX};

const ROOT: &str = "/repo";

fn at(line: u32) -> Span {
    Span { line, column: 8, end_line: line, end_column: 14 }
}

/// Counts of a file of `total` lines and regions whose first `missed` were never executed.
fn lines(missed: u32, total: u32) -> FileCoverage {
    let mut counts = FileCoverage::default();
    for line in 1..=total {
        counts.add_line(line, u64::from(line > missed));
        counts.add_region(at(line), u64::from(line > missed));
    }
    counts
}

/// The same with one condition per line, the first `half` of them never true.
fn branches(half: u32, total: u32) -> FileCoverage {
    let mut counts = lines(0, total);
    for line in 1..=total {
        counts.add_branch(at(line), Outcomes { on_true: u64::from(line > half), on_false: 1 });
    }
    counts
}

fn source(lines: usize) -> SourceFile {
    SourceFile { text: "x\n".repeat(lines), executable: true }
}

struct Case {
    coverage: Coverage,
    sources: Sources,
    waivers: String,
    need: Thresholds,
}

impl Case {
    fn new(files: &[(&str, FileCoverage)]) -> Self {
        let mut case = Self {
            coverage: Coverage::default(),
            sources: Sources::new(),
            waivers: String::new(),
            need: Thresholds::default(),
        };
        for (path, counts) in files {
            case.coverage.files.insert(format!("{ROOT}/{path}"), counts.clone());
            case.sources.insert((*path).to_owned(), source(1000));
        }
        case
    }

    fn waive(mut self, path: &str, lines: &str) -> Self {
        use std::fmt::Write as _;
        let range = if lines.is_empty() { String::new() } else { format!("lines = \"{lines}\"") };
        writeln!(
            self.waivers,
            "[[waiver]]\npath = \"{path}\"\n{range}\ncategory = \"platform\"\n\
             reason = \"because\"\nowner = \"me\"\nexpires = \"2026-12-31\""
        )
        .unwrap();
        self
    }

    fn judge(&self) -> Verdict {
        let waivers = waivers::parse("w.toml", &self.waivers).unwrap();
        let evidence = Evidence {
            root: Path::new(ROOT),
            under: &["src".to_owned()],
            coverage: &self.coverage,
            sources: &self.sources,
            waivers: &waivers,
            today: Day::parse("2026-11-24").unwrap(),
        };
        judge(&evidence, self.need)
    }

    fn file(&self) -> FileVerdict {
        let verdict = self.judge();
        assert_eq!(verdict.files.len(), 1, "{verdict:?}");
        verdict.files[0].clone()
    }

    fn problem(&self) -> String {
        let verdict = self.judge();
        assert!(!verdict.is_green());
        let lines: Vec<String> =
            verdict.problems.iter().map(|p| format!("{}: {}\n", p.line, p.text)).collect();
        lines.concat()
    }
}

fn one(counts: FileCoverage) -> Case {
    Case::new(&[("src/a.rs", counts)])
}

valk_harness::test! {
    fn exactly_ninety_percent_of_lines_pass() {
        assert!(one(lines(10, 100)).judge().is_green());
        assert_eq!(one(lines(101, 1000)).file().failures, [Failure::Lines { gap: 1 }]);
        assert_eq!(one(lines(11, 100)).file().missed_lines, [(1, 11)]);
    }
}

valk_harness::test! {
    fn exactly_eighty_five_percent_of_outcomes_pass() {
        assert!(one(branches(30, 100)).judge().is_green());
        let file = one(branches(31, 100)).file();
        assert_eq!(file.failures, [Failure::Branches { gap: 1 }]);
        assert_eq!(file.branches, Ratio { covered: 169, total: 200 });
        assert_eq!(file.missed_branches[0], MissedBranch { span: at(1), missing: Missing::True });
    }
}

valk_harness::test! {
    fn missing_outcomes_are_told_apart() {
        let mut counts = lines(0, 3);
        counts.add_branch(at(1), Outcomes { on_true: 1, on_false: 0 });
        counts.add_branch(at(2), Outcomes { on_true: 0, on_false: 1 });
        counts.add_branch(at(3), Outcomes { on_true: 0, on_false: 0 });
        let missing: Vec<Missing> =
            one(counts).file().missed_branches.iter().map(|branch| branch.missing).collect();
        assert_eq!(missing, [Missing::False, Missing::True, Missing::Both]);
    }
}

valk_harness::test! {
    fn regions_are_judged_only_on_request() {
        let mut case = one(lines(10, 100));
        assert!(case.judge().is_green());
        case.need.regions = Some(90);
        assert!(case.judge().is_green());
        case.need.regions = Some(91);
        assert_eq!(case.file().failures, [Failure::Regions { gap: 1 }]);
        for counts in case.coverage.files.values_mut() {
            counts.regions.clear();
        }
        assert_eq!(case.file().failures, [Failure::Regions { gap: 1 }]);
    }
}

valk_harness::test! {
    fn the_head_of_a_match_is_executed_if_an_arm_is() {
        let text = "fn f(x: u8) {\n    match x {\n        0 => 10,\n\n        n if n > 1 => 12,\n    }\n}\n\
                    fn g(x: u8) {\n    match x {\n        0 => 10,\n    }\n    h()\n}\n";
        let mut counts = FileCoverage::default();
        for (line, count) in [(1, 4), (2, 0), (3, 4), (5, 0), (8, 1), (9, 0), (10, 0), (12, 1)] {
            counts.add_line(line, count);
            counts.add_region(at(line), count);
        }
        let mut case = one(counts);
        case.sources.insert("src/a.rs".to_owned(), SourceFile { text: text.into(), executable: true });
        let file = case.file();
        assert_eq!(file.missed_lines, [(5, 5), (9, 10)]);
        assert_eq!(file.regions, Ratio { covered: 5, total: 8 });
    }
}

valk_harness::test! {
    fn lines_of_macros_without_data_are_counted() {
        let text = "fn f() {}\nmacro_rules! m {\n    () => {\n        1\n    };\n}\n";
        let mut case = one(lines(0, 1));
        case.sources.insert("src/a.rs".to_owned(), SourceFile { text: text.into(), executable: true });
        assert_eq!(case.file().uncounted_macro_lines, 1);
        let options = crate::render::Options { spans_max: 1, all_files: true };
        let shown = crate::render::terminal(&case.judge(), &case.sources, options);
        assert!(shown.contains("src/a.rs (1 lines of macros not counted)"), "{shown}");
        assert!(shown.contains("not counted by the compiler: 1 lines in bodies of macros"), "{shown}");
        let shown = crate::render::markdown(&case.judge(), &case.sources, options);
        assert!(shown.contains("`src/a.rs` (1 lines of macros not counted) |"), "{shown}");
    }
}

valk_harness::test! {
    fn nothing_of_nothing_is_red() {
        assert_eq!(one(FileCoverage::default()).file().failures, [Failure::NoLines]);
    }
}

valk_harness::test! {
    fn a_source_file_without_data_is_red_if_it_holds_code() {
        let mut case = one(lines(0, 10));
        case.sources.insert("src/new.rs".to_owned(), source(3));
        let mut types_only = source(3);
        types_only.executable = false;
        case.sources.insert("src/types.rs".to_owned(), types_only);
        let verdict = case.judge();
        assert!(!verdict.is_green());
        assert_eq!(verdict.files.len(), 2);
        assert_eq!(verdict.files[0].path, "src/new.rs");
        assert_eq!(verdict.files[0].failures, [Failure::Absent]);
    }
}

valk_harness::test! {
    fn a_report_of_another_version_is_red() {
        let mut case = one(lines(0, 10));
        case.sources.insert("src/a.rs".to_owned(), source(9));
        assert_eq!(case.file().failures, [Failure::Stale]);
        case.sources.clear();
        assert_eq!(case.file().failures, [Failure::Stale]);
    }
}

valk_harness::test! {
    fn files_elsewhere_are_not_judged() {
        let mut case = one(lines(0, 10));
        for path in ["/repo/other/b.rs", "/elsewhere/src/c.rs", "/repo/src/tests.rs"] {
            case.coverage.files.insert(path.to_owned(), lines(10, 10));
        }
        case.coverage.files.insert("src/a.rs".to_owned(), lines(10, 11));
        let file = case.file();
        assert_eq!(file.lines, Ratio { covered: 11, total: 11 }, "relative paths are the same file");
        assert!(file.is_green());
    }
}

valk_harness::test! {
    fn the_worst_file_comes_first() {
        let verdict = Case::new(&[
            ("src/a.rs", lines(0, 100)),
            ("src/b.rs", lines(20, 100)),
            ("src/c.rs", FileCoverage::default()),
            ("src/d.rs", branches(90, 100)),
            ("src/e.rs", lines(5, 100)),
            ("src/f.rs", lines(0, 100)),
        ])
        .judge();
        let order: Vec<&str> = verdict.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            order,
            ["src/c.rs", "src/d.rs", "src/b.rs", "src/e.rs", "src/a.rs", "src/f.rs"]
        );
        assert_eq!(verdict.totals()[0], Ratio { covered: 475, total: 500 });
    }
}

valk_harness::test! {
    fn a_line_waiver_takes_missed_items_out() {
        let case = one(lines(20, 100));
        assert!(!case.judge().is_green());
        let file = case.waive("src/a.rs", "1-15").file();
        assert_eq!(file.lines, Ratio { covered: 80, total: 85 });
        assert_eq!(file.regions, Ratio { covered: 80, total: 85 });
        assert_eq!(file.missed_lines, [(16, 20)]);
        assert!(file.is_green() && !file.waived);
        let file = one(branches(40, 100)).waive("src/a.rs", "1-39").file();
        assert_eq!(file.branches, Ratio { covered: 121, total: 122 });
    }
}

valk_harness::test! {
    fn a_file_waiver_exempts_every_failure() {
        let case = one(lines(20, 100)).waive("src/a.rs", "");
        assert!(case.judge().is_green());
        assert!(case.file().waived);
        let mut absent = one(lines(0, 10)).waive("src/fork.rs", "");
        absent.sources.insert("src/fork.rs".to_owned(), source(3));
        assert!(absent.judge().is_green());
    }
}

valk_harness::test! {
    fn a_waiver_that_changes_nothing_is_red() {
        let expected = "1: waiver for src/a.rs matches nothing that is missed: remove it\n";
        assert_eq!(one(lines(0, 100)).waive("src/a.rs", "").problem(), expected);
        let problem = one(lines(5, 100)).waive("src/a.rs", "6-9").problem();
        assert_eq!(problem, expected.replace("a.rs", "a.rs:6-9"));
        assert!(one(lines(0, 9)).waive("src/gone.rs", "").problem().contains("src/gone.rs"));
    }
}

valk_harness::test! {
    fn a_waiver_for_a_file_outside_this_run_is_left_alone() {
        let tree = super::Tree::new(&[("other/b.rs", "fn f() {}")]);
        let case = Case::new(&[]).waive("other/b.rs", "");
        let waivers = waivers::parse("w.toml", &case.waivers).unwrap();
        let mut evidence = Evidence {
            root: tree.root(),
            under: &["src".to_owned()],
            coverage: &case.coverage,
            sources: &case.sources,
            waivers: &waivers,
            today: Day::parse("2026-11-24").unwrap(),
        };
        assert!(judge(&evidence, case.need).is_green());
        evidence.root = Path::new("/nowhere");
        assert!(!judge(&evidence, case.need).is_green());
    }
}

valk_harness::test! {
    fn expiry_is_the_last_valid_day() {
        let case = |day: &str| {
            let mut case = one(lines(20, 100)).waive("src/a.rs", "");
            case.waivers = case.waivers.replace("2026-12-31", day);
            case
        };
        assert!(case("2026-11-24").judge().is_green());
        assert!(case("2027-11-25").judge().is_green());
        assert!(case("2026-11-23").problem().contains("expired on 2026-11-23"));
        assert!(case("2027-11-26").problem().contains("later than 2027-11-25 is not allowed"));
        assert!(case("soon").problem().contains("`soon` is not a date"));
        assert!(!case("2026-11-23").judge().files[0].is_green(), "an expired waiver excuses nothing");
    }
}

valk_harness::test! {
    fn incomplete_waivers_are_red() {
        for (from, expected) in [
            ("path = \"src/a.rs\"", "no path"),
            ("reason = \"because\"", "no reason"),
            ("owner = \"me\"", "no owner"),
            ("expires = \"2026-12-31\"", "no expires"),
            ("category = \"platform\"", "category ``, expected one of platform, out-of-memory"),
        ] {
            let mut case = one(lines(20, 100)).waive("src/a.rs", "");
            case.waivers = case.waivers.replace(from, "");
            assert!(case.problem().contains(expected), "{}", case.problem());
        }
        let mut case = one(lines(20, 100)).waive("src/a.rs", "");
        case.waivers = case.waivers.replace("platform", "hard");
        assert!(case.problem().contains("category `hard`"));
    }
}

valk_harness::test! {
    fn more_than_ten_waivers_are_red() {
        let full = (0..WAIVERS_MAX).fold(one(lines(100, 200)), |case, index| {
            case.waive("src/a.rs", &format!("{}-{}", index * 10 + 1, index * 10 + 10))
        });
        assert!(full.judge().is_green());
        let problem = full.waive("src/a.rs", "1-2").problem();
        assert_eq!(problem, "0: 11 waivers, at most 10 are allowed: test or remove code\n");
    }
}
