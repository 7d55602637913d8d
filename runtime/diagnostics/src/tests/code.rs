//! The table of codes.

use crate::Code;
use std::collections::HashSet;

valk_harness::test! {
    fn numbers_ascend_and_names_differ() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}

valk_harness::test! {
    fn every_code_is_explained_in_one_sentence() {
        for code in Code::ALL {
            let text = code.explain();
            assert!(text.ends_with('.') && !text.starts_with(' '), "{code:?}: {text:?}");
            assert!(text.len() > 20, "{code:?}: {text:?}");
            assert!(!text.trim_end_matches('.').contains(". "), "{code:?}: {text:?}");
        }
        assert_eq!(Code::StrayCloser.explain(), "A closing bracket appears where no list is open.");
    }
}

valk_harness::test! {
    fn names_are_lower_case_words() {
        for code in Code::ALL {
            let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(code.name().chars().all(ok), "{}", code.name());
        }
    }
}

valk_harness::test! {
    fn codes_are_found_by_identifier_and_name() {
        for &code in Code::ALL {
            assert_eq!(Code::find(&code.id()), Some(code));
            assert_eq!(Code::find(code.name()), Some(code));
        }
        assert_eq!(Code::find("e0003"), Some(Code::BadEscape));
        assert_eq!(Code::find("E9999"), None);
        assert_eq!(Code::find(""), None);
    }
}

valk_harness::test! {
    // These appear in scripts and documents of users; a change here breaks them.
    fn published_numbers_do_not_move() {
        let published = [
            (Code::EndInList, "E0001"),
            (Code::EndInString, "E0002"),
            (Code::BadEscape, "E0003"),
            (Code::IllegalCharacter, "E0004"),
            (Code::StrayCloser, "E0005"),
            (Code::MismatchedCloser, "E0006"),
            (Code::IntegerRange, "E0007"),
            (Code::EndOfInput, "E0008"),
            (Code::PrefixWithoutDatum, "E0009"),
            (Code::NotUtf8, "E0010"),
            (Code::SourceTooLarge, "E0011"),
            (Code::DecimalRange, "E0012"),
            (Code::MalformedNumber, "E0013"),
            (Code::SymbolTooLong, "E0014"),
            (Code::FileNotFound, "E0020"),
            (Code::FileUnreadable, "E0021"),
            (Code::RuntimeError, "E0030"),
            (Code::UnknownKey, "E0031"),
            (Code::UnboundSymbol, "E0032"),
            (Code::WrongType, "E0033"),
            (Code::ArgumentCount, "E0034"),
            (Code::NotAFunction, "E0035"),
            (Code::DivisionByZero, "E0036"),
            (Code::OutOfMemory, "E0037"),
            (Code::MalformedForm, "E0038"),
            (Code::Interrupted, "E0039"),
            (Code::Usage, "E0040"),
        ];
        assert_eq!(published.len(), Code::ALL.len());
        for (code, id) in published {
            assert_eq!(code.id(), id);
        }
    }
}
