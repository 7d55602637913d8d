use crate::{MODULES, PRELUDE, TEST, defining, definitions, find, is_embedded};
use std::collections::HashMap;

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

valk_harness::test! {
    fn a_name_leads_to_the_module_that_defines_it() {
        assert_eq!(defining("sequential-map").map(|module| module.name), Some("stdlib/async_handles.valk"));
        let timeouts = "*test-default-suite-timeout-ms*";
        assert_eq!(defining(timeouts), Some(&TEST), "the second of two variables");
        assert_eq!(defining("map"), None, "the prelude is always there");
        assert_eq!(defining("items"), None, "a parameter is not a definition");
    }
}

valk_harness::test! {
    fn no_two_modules_define_the_same_name() {
        let mut found: HashMap<&str, &str> = HashMap::new();
        for module in MODULES {
            assert!(definitions(module).count() > 0, "{} defines nothing", module.name);
            for name in definitions(module) {
                let other = found.insert(name, module.name);
                assert!(other.is_none_or(|other| other == module.name), "{name}: {other:?} and {}", module.name);
            }
        }
    }
}
