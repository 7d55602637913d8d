//! A program in which a test is registered and `valk_harness::main` is never called; run by the fault
//! suite only.
#![forbid(unsafe_code)]

valk_harness::test! {
    fn fails() { panic!("must be seen"); }
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("--declared") {
        valk_harness::run_no_tests();
    }
    println!("test result: ok. 0 passed; 0 failed");
}
