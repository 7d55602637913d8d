//! Every example runs, and every suite written in the language passes.

use std::path::PathBuf;
use valk_harness::{Suites, TestDefinition, valk_suites};
use valk_tests::program::{Service, binary, root, run, stderr, stdout};

/// Examples that serve until they are stopped.
const SERVICES: &[&str] = &["service.valk"];

/// The examples that end by themselves.
fn programs() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(root().join("examples")).expect("examples/ exists");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let named = paths
        .map(|path| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path));
    named.filter(|(name, _)| !SERVICES.contains(&name.as_str())).collect()
}

valk_harness::cases! {
    fn runs(path: PathBuf) in programs() {
        let output = run(&[&path.display().to_string()]);
        assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
        assert!(!output.stdout.is_empty(), "an example prints something");
    }
}

valk_harness::test! {
    fn the_service_starts_and_stops() {
        for signal in ["INT", "TERM"] {
            let mut service = Service::start(&["examples/service.valk"]);
            assert!(service.line().starts_with("listening on https://127.0.0.1:"));
            assert!(service.line().starts_with("listening on http://127.0.0.1:"));
            service.signal(signal);
            assert_eq!(service.wait(), (Some(0), "stopped\n".to_string()));
        }
    }
}

valk_harness::dynamic! {
    fn suites() -> Vec<TestDefinition> {
        valk_suites(&Suites {
            binary: Some(binary()),
            directories: vec![PathBuf::from("tests/valk")],
            working_directory: root(),
            prefix: "valk/".to_string(),
        })
    }
}
