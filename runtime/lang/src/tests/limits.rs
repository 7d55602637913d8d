//! The hard limit holds for every builtin: no call takes more of the heap than there is.

use crate::{NoWaiting, Output, Ran, Runtime};
use valk_heap::Config;

/// Room that a program has beside the library.
const ROOM_BYTES: usize = 1 << 20;

/// What may be taken without asking, and until the next safepoint.
const UNCHECKED_BYTES: usize = 4 * valk_heap::ROOM_UNCHECKED_BYTES + (64 << 10);

/// They end the process, wait for input or time, change files, or are about the limit itself.
const NOT_CALLED: [&str; 11] = [
    "dir/create",
    "exit",
    "file/append",
    "file/delete",
    "load",
    "mem/heap/set-hard-limit",
    "shutdown",
    "sleep",
    "stdin/read-all",
    "stdin/read-line",
    "write-file",
];

/// Values of which builtins make much.
const LARGE: [&str; 7] = ["text", "umlauts", "source", "items", "vector", "table", "json"];

/// What stands beside them.
const OTHERS: [&str; 5] = ["\",\"", "1", "200000", "items", "(\\ {& x} {list x x})"];

/// A runtime with the large values and little room beside them.
fn limited() -> Runtime {
    let config = Config { nursery_bytes: 64 << 10, ..Config::default() };
    let mut runtime = Runtime::new(config, Output::memory()).expect("a heap");
    run(
        &mut runtime,
        "(def {text} (make-string 24000 \"1,\"))
         (def {umlauts} (make-string 30000 \"ü\"))
         (def {source} (str \"(\" (make-string 10000 \"1 \") \")\"))
         (def {items} (range 0 6000))
         (def {vector} (vec/from-list items))
         (def {table} (map/from-list (map (\\ {i} {list (str i) i}) (range 0 2000))))
         (def {json} (str \"[\" (make-string 10000 \"{},\") \"1]\"))
         (mem/gc/collect)",
    );
    let used = runtime.vm().heap.used_bytes();
    runtime.vm().heap.set_hard_limit(used + ROOM_BYTES).expect("more than is used");
    runtime
}

/// Whether the program ran to its end.
fn run(runtime: &mut Runtime, program: &str) -> bool {
    let ran = runtime.run_text("limits", program.as_bytes(), &mut NoWaiting);
    let _ = runtime.take_output();
    matches!(ran, Ran::Value(_))
}

/// Calls of a builtin with one to three arguments, at least one of them large.
fn calls(name: &str) -> Vec<String> {
    let mut calls = Vec::new();
    for large in LARGE {
        calls.push(format!("({name} {large})"));
        for other in OTHERS {
            calls.push(format!("({name} {large} {other})"));
            calls.push(format!("({name} {other} {large})"));
            calls.push(format!("({name} {large} {other} \"long enough to grow\")"));
            calls.push(format!("({name} {other} {large} \"long enough to grow\")"));
        }
    }
    calls
}

fn builtins(runtime: &Runtime) -> Vec<String> {
    let vm = runtime.vm();
    let bindings = vm.global_bindings().into_iter();
    let builtins = bindings.filter(|(_, value)| value.as_builtin().is_some());
    let name = |symbol| String::from_utf8_lossy(vm.heap.symbols().name(symbol)).into_owned();
    let mut names: Vec<String> = builtins.map(|(symbol, _)| name(symbol)).collect();
    names.retain(|name| !NOT_CALLED.contains(&name.as_str()));
    names.sort();
    names
}

/// The builtins in parts, one of which is called in a process.
fn parts() -> Vec<(String, usize)> {
    (0..PARTS).map(|part| (format!("part {part}"), part)).collect()
}

const PARTS: usize = 16;

valk_harness::cases! {
    fn no_builtin_takes_more_than_there_is(part: usize) in parts() {
        let mut runtime = limited();
        let names = builtins(&runtime);
        assert!(names.len() > 150, "{} builtins", names.len());
        let limit = runtime.vm().heap.hard_limit_bytes();
        for name in names.iter().skip(part).step_by(PARTS) {
            for call in calls(name) {
                let _ = run(&mut runtime, &call);
                let used = runtime.vm().heap.used_bytes();
                let most = limit + UNCHECKED_BYTES;
                assert!(used <= most, "{call}: {used} bytes in use, {most} allowed");
                if used > limit - ROOM_BYTES / 2 {
                    run(&mut runtime, "(mem/gc/collect)");
                }
            }
        }
        assert!(run(&mut runtime, "(str/split \"a,b\" \",\")"), "there is room again");
    }
}

/// The error of a program that does not fit.
fn refused(program: &str) {
    let mut runtime = limited();
    let ran = runtime.run_text("limits", program.as_bytes(), &mut NoWaiting);
    let Ran::Failed(error, diagnostic) = ran else { panic!("{program} fits") };
    let text = runtime.repr(error);
    assert!(text.contains("out of memory"), "{program}: {text}");
    assert!(!diagnostic.labels.is_empty(), "{program}: the error has a place");
}

valk_harness::test! {
    fn what_does_not_fit_is_an_error_with_its_place() {
        refused("(len (str/split text \",\"))");
        refused("(len (regex/find-all \"[0-9]\" (str text text)))");
        refused("(len (read source))");
        refused("(len (read-file \"/dev/zero\"))");
        refused("(len (json/decode-map json))");
        refused("(len (str/join (list text text text text text text text text text text \
                 text text text text text text text text text text text text text) text))");
        refused("(builder text text text text text text text text text text text text text \
                 text text text text text text text text text text text text text text text)");
        refused("(foldl (\\ {b i} {builder/add b text}) (builder) (range 0 100))");
        refused("(len (str/chars umlauts))");
        refused("(len (make-string 2000000 \"x\"))");
        refused("(len (str/code-points (str text text umlauts)))");
    }
}

valk_harness::test! {
    fn files_with_and_without_a_size_are_read() {
        let mut runtime = limited();
        let directory = std::env::temp_dir().join(format!("valk-limits-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let path = directory.join("file");
        std::fs::write(&path, vec![b'x'; 300_000]).expect("a file");
        let large = directory.join("large");
        let file = std::fs::File::create(&large).expect("a file");
        file.set_len(40 << 20).expect("a file with a hole");
        let huge = directory.join("huge");
        let file = std::fs::File::create(&huge).expect("a file");
        file.set_len(1 << 32).expect("a file with a hole");
        let lines = [
            format!("(if (== (len (read-file {path:?})) 300000) 1 (error \"short\"))"),
            "(if (> (len (read-file \"/proc/self/status\")) 100) 1 (error \"empty\"))".to_owned(),
            "(if (== (len (read-file \"/dev/null\")) 0) 1 (error \"full\"))".to_owned(),
            format!("(if (error? (read-file {large:?})) 1 (error \"it fits\"))"),
            format!("(if (str/contains? (error/message (read-file {huge:?})) \"a string has at most 4294967295 bytes\") 1 (error \"a string\"))"),
            format!("(if (error? (read-file {directory:?})) 1 (error \"a directory\"))"),
            "(if (error? (read-file \"/no/such\")) 1 (error \"a file\"))".to_owned(),
        ];
        for line in lines {
            assert!(run(&mut runtime, &line), "{line}");
        }
        std::fs::remove_dir_all(&directory).expect("its own");
    }
}
