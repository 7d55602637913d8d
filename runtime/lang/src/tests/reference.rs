//! The examples of the reference, stdlib/reference/*.txt: `(expression) => display form`.

use crate::{NoWaiting, Output, Runtime};
use valk_heap::Config;

/// Every example of every file: file and line, expression, expected output.
fn examples() -> Vec<(String, (String, String))> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../stdlib/reference");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the reference") {
        let path = entry.expect("a readable entry").path();
        let text = std::fs::read_to_string(&path).expect("UTF-8 text");
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with("  (")) {
            if let Some((code, expected)) = line.trim().rsplit_once(" => ") {
                let label = format!("{name}:{}", index + 1);
                found.push((label, (code.to_owned(), expected.to_owned())));
            }
        }
    }
    found.sort();
    found
}

valk_harness::cases! {
    fn example((code, expected): (String, String)) in examples() {
        let output = Output::memory();
        let mut runtime = Runtime::new(Config::default(), output).expect("a heap");
        let _ = runtime.run_text("example", format!("(print {code})").as_bytes(), &mut NoWaiting);
        let printed = String::from_utf8(runtime.take_output()).expect("UTF-8 text");
        assert_eq!(printed.trim_end_matches('\n'), expected);
    }
}
