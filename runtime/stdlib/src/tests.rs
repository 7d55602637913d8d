use crate::{PRELUDE, TEST, find, is_embedded};

valk_harness::test! {
    fn load_paths_of_older_programs_find_modules() {
        assert_eq!(find("src/prelude.valk"), Some(PRELUDE));
        assert_eq!(find("src/modules/test.valk"), Some(TEST));
        assert_eq!(find("no/such.valk"), None);
        let preloaded = ["prelude", "test"].map(|path| find(path).is_some_and(|m| m.preloaded));
        assert_eq!(preloaded, [true, false]);
    }
}

valk_harness::test! {
    fn embedded_texts_are_known_by_name() {
        assert!(is_embedded(PRELUDE.name) && is_embedded(TEST.name));
        assert!(!is_embedded("prelude.valk"));
    }
}
