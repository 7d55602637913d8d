//! Specimens with fixtures: such that fail in every way, and such whose end can be observed.
//!
//! Fixtures that end leave a line in the file that `FAULT_MARKS` names.

use std::io::Write;
use std::os::unix::process::parent_id;
use std::process::Command;
use std::time::Duration;

use valk_harness::{Fixture, FixtureScope, SkipCode, skip_expected, test};

use crate::processes::{self, Status};

fn mark(line: &str) {
    if let Some(path) = std::env::var_os("FAULT_MARKS") {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.append(true).create(true).open(path).expect("it is writable");
        // One write: other processes do the same.
        file.write_all(format!("{line}\n").as_bytes()).expect("it is writable");
    }
}

/// Leaves a line when it is made, and one when it is dropped.
struct Marked(&'static str);

impl Marked {
    fn new(name: &'static str) -> Self {
        mark(&format!("build {name}"));
        Self(name)
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        mark(&format!("drop {}", self.0));
    }
}

// ---- fixtures that cannot be built

static UNBUILDABLE: Fixture<u32> = Fixture::new("unbuildable", || panic!("no such table"));
static THREADED: Fixture<u32> = Fixture::new("threaded", || {
    std::thread::spawn(|| std::thread::sleep(Duration::from_mins(1)));
    1
});
static EXITS: Fixture<u32> = Fixture::new("exits", || std::process::exit(3));
static CRASHES: Fixture<u32> = Fixture::new("crashes", || std::process::abort());
static HANGS: Fixture<u32> = Fixture::new("hangs", || {
    loop {
        std::thread::sleep(Duration::from_mins(1));
    }
})
.timeout_ms(200);
static CYCLE: Fixture<u32> = Fixture::new("cycle", || *OTHER_HALF.get());
static OTHER_HALF: Fixture<u32> = Fixture::new("other half", || *CYCLE.get());
static ON_TOP: Fixture<u32> = Fixture::new("on top", || *EXITS.get()).needs(&[&EXITS]);
static SKIPS: Fixture<u32> =
    Fixture::new("skips", || skip_expected(SkipCode::NeedsCores(4096), "wants many"));

test! {
    #[fixture = UNBUILDABLE]
    fn wants_an_unbuildable_fixture() {
        UNBUILDABLE.get();
    }
    fn builds_an_unbuildable_fixture() {
        UNBUILDABLE.get();
    }
    #[fixture = THREADED]
    fn wants_a_threaded_fixture() {
        THREADED.get();
    }
    #[fixture = EXITS]
    fn wants_a_fixture_that_exits() {}
    #[fixture = CRASHES]
    fn wants_a_fixture_that_crashes() {}
    #[fixture = HANGS]
    fn wants_a_fixture_that_hangs() {}
    #[fixture = CYCLE]
    fn wants_a_fixture_that_needs_itself() {}
    #[fixture = ON_TOP]
    fn wants_a_fixture_on_top_of_one_that_exits() {}
    #[fixture = SKIPS]
    fn wants_a_fixture_that_skips() {
        panic!("must not run");
    }
    fn asks_a_fixture_that_skips() {
        SKIPS.get();
    }
    #[require = NeedsCores(4096)]
    #[fixture = EXITS]
    fn cannot_run_with_a_fixture_that_exits() {}
    #[skip = expected(NeedsCores(4096), "never here")]
    #[fixture = EXITS]
    fn is_skipped_with_a_fixture_that_exits() {}
    #[isolation = Exec]
    #[fixture = EXITS]
    fn exec_with_a_fixture_that_exits() {}
}

// ---- fixtures that end

static BASE: Fixture<Marked> = Fixture::new("base", || Marked::new("base"));
static UPPER: Fixture<Marked> = Fixture::new("upper", || {
    assert_eq!(BASE.get().0, "base");
    Marked::new("upper")
})
.needs(&[&BASE])
.tear_down(|_| mark("end upper"));
static PER_MODULE: Fixture<Marked> =
    Fixture::new("module", || Marked::new("module")).scope(FixtureScope::Module);
static PER_TEST: Fixture<Marked> =
    Fixture::new("test", || Marked::new("test")).scope(FixtureScope::Test);
static BAD_END: Fixture<Marked> =
    Fixture::new("bad end", || Marked::new("bad end")).tear_down(|_| panic!("cannot end"));
static CRASHING_END: Fixture<Marked> = Fixture::new("crashing end", || Marked::new("crashing end"))
    .needs(&[&BASE])
    .tear_down(|_| std::process::abort());
static HANGING_END: Fixture<Marked> = Fixture::new("hanging end", || Marked::new("hanging end"))
    .timeout_ms(300)
    .tear_down(|_| std::thread::sleep(Duration::from_mins(1)));
static MEMORY: Fixture<Vec<u8>> = Fixture::new("memory", || {
    let size = std::env::var("FAULT_MEGABYTES").ok().and_then(|text| text.parse().ok());
    vec![1; size.unwrap_or(64_usize) << 20]
});
static FILES: Fixture<std::path::PathBuf> = Fixture::new("files", || {
    let directory = std::env::temp_dir().join("my-fixture");
    std::fs::create_dir(&directory).expect("TMPDIR is ours");
    directory
});

test! {
    #[fixture = UPPER]
    fn uses_a_fixture() {
        mark(&format!("test {}", UPPER.get().0));
    }
    #[fixture = BASE]
    fn uses_the_base_only() {
        mark(&format!("test {}", BASE.get().0));
    }
    #[fixture = UPPER]
    fn uses_a_fixture_and_aborts() {
        std::process::abort();
    }
    #[fixture = UPPER]
    #[timeout_ms = 100]
    fn uses_a_fixture_and_hangs() {
        mark("hanging");
        std::thread::sleep(Duration::from_mins(1));
    }
    #[fixture = UPPER]
    fn uses_a_fixture_and_kills_its_parent() {
        processes::signal("-9", parent_id());
        std::thread::sleep(Duration::from_mins(1));
    }
    #[fixture = BASE]
    fn a_test_kills_all_above_it() {
        let supervisor = parent_id();
        processes::signal("-9", Status::of(supervisor).parent);
        processes::signal("-9", supervisor);
        std::thread::sleep(Duration::from_mins(1));
    }
    #[fixture = PER_TEST]
    fn has_its_own_fixture_1() {
        mark(&format!("test {}", PER_TEST.get().0));
    }
    #[fixture = PER_TEST]
    #[fixture = BASE]
    fn has_its_own_fixture_2() {
        mark(&format!("test {}", PER_TEST.get().0));
        std::process::abort();
    }
    #[fixture = BAD_END]
    fn uses_a_fixture_with_a_bad_end() {}
    #[fixture = CRASHING_END]
    fn uses_a_fixture_with_a_crashing_end() {}
    #[fixture = HANGING_END]
    fn uses_a_fixture_with_a_hanging_end() {}
    fn builds_a_fixture_itself() {
        mark(&format!("test {}", BASE.get().0));
    }
    #[fixture = FILES]
    fn uses_files() {
        assert!(FILES.get().is_dir() && FILES.get().join("..").join("my-fixture").exists());
        println!("files in {}", FILES.get().display());
    }
    #[fixture = MEMORY]
    fn uses_memory() {
        assert_eq!(MEMORY.get().last(), Some(&1));
    }
}

// ---- processes that are lost while no test runs in them, or stopped

/// The process that a test before this one has noted.
fn noted() -> u32 {
    let path = std::env::var_os("FAULT_MARKS").expect("set by the fault suite");
    let marks = std::fs::read_to_string(path).expect("a test has written it");
    let noted = marks.lines().find_map(|line| line.strip_prefix("process "));
    noted.and_then(|number| number.parse().ok()).expect("a test has noted it")
}

static HELPER: Fixture<u32> =
    Fixture::new("helper", || Command::new("sleep").arg("60").spawn().expect("sleep exists").id())
        .tear_down(|helper| {
            let state = Status::of(*helper).state;
            processes::signal("-9", *helper);
            assert_eq!(state, 'T', "it is still there");
        });

test! {
    fn idle_1_notes_its_supervisor() {
        mark(&format!("process {}", parent_id()));
    }
    #[fixture = BASE]
    fn idle_2_kills_it() {
        processes::signal("-9", noted());
        processes::wait_until(noted(), 'Z');
    }
    #[expect(clippy::zombie_processes, reason = "that nobody waits for it is the point")]
    fn stray_1_loses_its_supervisor() {
        let child = Command::new("sleep").arg("60").spawn().expect("sleep exists");
        mark(&format!("process {}", child.id()));
        processes::signal("-9", parent_id());
        std::thread::sleep(Duration::from_mins(1));
    }
    #[timeout_ms = 20_000]
    fn stray_2_is_gone() {
        processes::wait_until(noted(), 'Z');
    }
    #[fixture = HELPER]
    fn stops_the_process_of_its_fixture() {
        processes::signal("-STOP", *HELPER.get());
        processes::wait_until(*HELPER.get(), 'T');
    }
}

mod first {
    use super::{PER_MODULE, mark};

    valk_harness::test! {
        #[fixture = PER_MODULE]
        fn is_in_a_module_1() { mark(&format!("test {}", PER_MODULE.get().0)); }
        #[fixture = PER_MODULE]
        fn is_in_a_module_2() { mark(&format!("test {}", PER_MODULE.get().0)); }
    }
}

mod second {
    use super::{PER_MODULE, mark};

    valk_harness::test! {
        #[fixture = PER_MODULE]
        fn is_in_a_module_3() { mark(&format!("test {}", PER_MODULE.get().0)); }
    }
}
