//! The row table docs/rows.md: every test it names exists.

use valk_tests::program::root;

/// Rows of the table: requirement, tests.
fn rows() -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(root().join("docs/rows.md")).expect("docs/rows.md");
    let lines = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Row"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let tests = cells.last().expect("a row has cells").split(' ');
            let tests = tests.map(|name| name.trim_matches(['`', ',']).to_string());
            (cells[0].to_string(), tests.filter(|name| !name.is_empty()).collect())
        })
        .collect()
}

/// True when some source declares the test, or it is a file.
fn exists(test: &str, sources: &str) -> bool {
    sources.contains(&format!("fn {test}(")) || root().join(test).exists()
}

valk_harness::test! {
    fn every_test_of_the_row_table_exists() {
        let listing = std::process::Command::new("sh")
            .args(["-c", "cat $(find runtime harness loadgen coverage tests -name '*.rs')"])
            .current_dir(root())
            .output()
            .expect("sh runs");
        let sources = String::from_utf8_lossy(&listing.stdout);
        let rows = rows();
        assert!(rows.len() > 10, "the table is read");
        for (row, tests) in rows {
            assert!(!tests.is_empty(), "row {row} names a test");
            for test in tests {
                assert!(exists(&test, &sources), "row {row} names `{test}`, which does not exist");
            }
        }
    }
}
