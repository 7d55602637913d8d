//! A test of another harness beside one of ours, where the compiler leaves it out; run by the fault
//! suite only.
#![forbid(unsafe_code)]

valk_harness::test! {
    fn passes() {}
}

#[test]
fn ordinary() {
    panic!("never noticed");
}

fn main() -> std::process::ExitCode {
    valk_harness::main()
}
