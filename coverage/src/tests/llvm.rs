use super::{Tree, export, file};
use crate::error::Error;
use crate::llvm::{parse, read};
use crate::model::{FileCoverage, Outcomes, Span};

/// A branch that keeps an export from being refused as made without branches.
const BRANCH: &str = "[9,1,9,2,1,1,0,0,4]";

fn counts(text: &str, path: &str) -> FileCoverage {
    parse("in.json", text.as_bytes()).unwrap().files.remove(path).unwrap()
}

fn lines(segments: &str) -> Vec<(u32, u64)> {
    let text = export(&file("a.rs", segments, BRANCH), "");
    counts(&text, "a.rs").lines.into_iter().collect()
}

fn refused(text: &str) -> Error {
    parse("in.json", text.as_bytes()).unwrap_err()
}

valk_harness::test! {
    fn a_region_counts_every_line_it_reaches() {
        assert_eq!(
            lines("[1,1,5,true,true,false],[4,2,0,false,false,false]"),
            [(1, 5), (2, 5), (3, 5), (4, 5)]
        );
    }
}

valk_harness::test! {
    fn a_line_takes_its_highest_count() {
        // An untaken block inside an executed line does not make the line missed.
        assert_eq!(
            lines("[1,1,5,true,true,false],[2,9,0,true,true,false],[2,14,5,true,false,false],\
                   [3,1,0,false,false,false]"),
            [(1, 5), (2, 5), (3, 5)]
        );
    }
}

valk_harness::test! {
    fn an_untaken_block_on_its_own_lines_is_missed() {
        assert_eq!(
            lines("[1,1,5,true,true,false],[2,9,0,true,true,false],[4,6,5,true,false,false],\
                   [5,2,0,false,false,false]"),
            [(1, 5), (2, 5), (3, 0), (4, 0), (5, 5)]
        );
    }
}

valk_harness::test! {
    fn gaps_and_skipped_text_do_not_begin_lines() {
        assert_eq!(lines("[2,1,7,true,true,true]"), []);
        assert_eq!(
            lines("[1,1,5,true,true,false],[3,1,0,false,true,false],[5,1,5,true,true,false],\
                   [6,2,0,false,false,false]"),
            [(1, 5), (2, 5), (5, 5), (6, 5)]
        );
    }
}

valk_harness::test! {
    fn instances_of_a_generic_are_one_condition() {
        let rows = "[2,8,2,13,3,0,0,0,4],[2,8,2,13,0,4,0,0,4],[5,8,5,9,0,0,0,0,4]";
        let found = counts(&export(&file("a.rs", "[1,1,1,true,true,false]", rows), ""), "a.rs");
        let span = |line, column, end_column| Span { line, column, end_line: line, end_column };
        assert_eq!(
            found.branches,
            [
                (span(2, 8, 13), Outcomes { on_true: 3, on_false: 4 }),
                (span(5, 8, 9), Outcomes::default()),
            ]
            .into()
        );
    }
}

valk_harness::test! {
    fn branches_of_an_expansion_belong_to_the_file_they_stand_in() {
        let text = export(
            r#"{"filename":"a.rs","segments":[],"branches":[],"expansions":[
                {"filenames":["a.rs","m.rs"],"branches":[[7,5,7,9,0,2,1,0,4]],
                 "source_region":[3,5,3,12,1,0,1,1],"target_regions":[]}]}"#,
            "",
        );
        let seen: Vec<Outcomes> = counts(&text, "m.rs").branches.into_values().collect();
        assert_eq!(seen, [Outcomes { on_true: 0, on_false: 2 }]);
    }
}

valk_harness::test! {
    fn regions_are_added_over_functions_and_only_code_counts() {
        let text = export(
            &file("a.rs", "[1,1,1,true,true,false]", BRANCH),
            r#"{"filenames":["gone.rs","a.rs"],"regions":[[1,1,2,2,0,1,0,0],[3,1,3,2,0,1,0,3],[1,1,1,2,9,0,0,0]]},
               {"filenames":["a.rs"],"regions":[[1,1,2,2,4,0,0,0],[5,1,5,2,0,0,0,0]]},
               {"filenames":["a.rs"]}"#,
        );
        let counts: Vec<u64> = counts(&text, "a.rs").regions.into_values().collect();
        assert_eq!(counts, [4, 0]);
    }
}

valk_harness::test! {
    fn a_missing_file_is_refused() {
        let tree = Tree::new(&[]);
        let error = read(&tree.path("none.json")).unwrap_err();
        assert!(matches!(error, Error::Read { .. }), "{error}");
    }
}

valk_harness::test! {
    fn an_empty_file_is_refused() {
        let tree = Tree::new(&[("in.json", " \n")]);
        let error = read(&tree.path("in.json")).unwrap_err();
        assert!(matches!(error, Error::Empty { .. }), "{error}");
    }
}

valk_harness::test! {
    fn a_cut_off_file_is_refused_at_every_length() {
        let text = export(&file("a.rs", "[1,1,5,true,true,false]", BRANCH), "");
        for end in 1..text.len() {
            let error = refused(&text[..end]);
            assert_eq!(error, Error::Truncated { path: "in.json".to_owned(), bytes: end });
        }
    }
}

valk_harness::test! {
    fn other_content_is_refused() {
        assert!(matches!(refused("no json"), Error::Corrupt { .. }));
        assert!(matches!(refused("{\"data\": 3}"), Error::Corrupt { .. }));
        let negative = export(&file("a.rs", "[1,1,-1,true,true,false]", BRANCH), "");
        assert!(matches!(refused(&negative), Error::Corrupt { .. }));
        let good = export(&file("a.rs", "", BRANCH), "");
        let kind = refused(&good.replace("llvm.coverage.json.export", "lcov"));
        assert!(matches!(&kind, Error::WrongKind { found, .. } if found == "lcov"));
        let version = refused(&good.replace("3.0.1", "4.0.0"));
        assert!(matches!(&version, Error::WrongVersion { found, .. } if found == "4.0.0"));
    }
}

valk_harness::test! {
    fn exports_without_content_are_refused() {
        assert!(matches!(refused(&export("", "")), Error::NoFiles { .. }));
        let no_data = r#"{"data":[],"type":"llvm.coverage.json.export","version":"2.0.1"}"#;
        assert!(matches!(refused(no_data), Error::NoFiles { .. }));
        let plain = export(&file("a.rs", "[1,1,5,true,true,false]", ""), "");
        assert!(matches!(refused(&plain), Error::NoBranches { .. }));
        let summary = export(r#"{"filename":"a.rs","summary":{}}"#, "");
        assert!(matches!(refused(&summary), Error::SummaryOnly { .. }));
    }
}

valk_harness::test! {
    fn rows_that_make_no_sense_are_refused() {
        let with = |branches: &str| export(&file("a.rs", "", branches), "");
        for text in [
            with("[1,2,3]"),
            with("[4294967296,1,1,1,1,1,0,0,4]"),
            export(&file("a.rs", "", BRANCH), r#"{"filenames":["a.rs"],"regions":[[1,2]]}"#),
            export(
                &file("a.rs", "", BRANCH),
                r#"{"filenames":["a.rs"],"regions":[[1,4294967296,1,1,1,0,0,0]]}"#,
            ),
            export(
                r#"{"filename":"a.rs","segments":[],"expansions":[
                    {"filenames":["a.rs"],"branches":[[7,5,7,9,0,2,1,0,4]]}]}"#,
                "",
            ),
            export(
                r#"{"filename":"a.rs","segments":[],"expansions":[
                    {"filenames":["a.rs"],"branches":[[4294967296,5,7,9,0,2,0,0,4]]}]}"#,
                "",
            ),
        ] {
            assert!(matches!(refused(&text), Error::BadRow { .. }), "{text}");
        }
    }
}
