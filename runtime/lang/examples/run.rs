//! Runs files: a driver for trying the language without the command line.
use valk_lang::{NoWaiting, Output, Ran, Runtime};
fn main() {
    let mut runtime = Runtime::new(valk_heap::Config::default(), Output::default()).expect("heap");
    for path in std::env::args().skip(1) {
        let ran = runtime.run_file(&path, &mut NoWaiting);
        runtime.output().flush();
        if let Ran::Failed(error, _) = ran {
            println!("{}", runtime.repr(error));
        }
    }
}
