//! Standard output that cannot be written.

use crate::{NoWaiting, Output, Runtime};
use std::io::{Error, ErrorKind, Write};
use std::sync::{Arc, Mutex};
use valk_heap::Config;

/// Takes bytes until it fails.
#[derive(Clone)]
struct Target {
    taken: Arc<Mutex<Vec<u8>>>,
    failure: Arc<Mutex<Option<ErrorKind>>>,
}

impl Target {
    fn new() -> Target {
        Target { taken: Arc::default(), failure: Arc::default() }
    }

    fn fail(&self, failure: Option<ErrorKind>) {
        *self.failure.lock().expect("not poisoned") = failure;
    }

    fn taken(&self) -> String {
        String::from_utf8(self.taken.lock().expect("not poisoned").clone()).expect("text")
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(failure) = *self.failure.lock().expect("not poisoned") {
            return Err(Error::from(failure));
        }
        self.taken.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Prints a text and passes it on.
fn print(output: &Output, text: &str) {
    output.write(text.as_bytes());
    output.flush();
}

valk_harness::test! {
    fn a_service_goes_on_when_its_reader_has_gone() {
        let target = Target::new();
        let output = Output::to(Box::new(target.clone()));
        output.begin_service();
        print(&output, "1");
        target.fail(Some(ErrorKind::BrokenPipe));
        print(&output, "2");
        assert!(!output.has_lost_output(), "the reader did not want it");
        // What is printed from now on is discarded, also after the service.
        target.fail(None);
        print(&output, "3");
        output.end_service();
        print(&output, "4");
        output.write_error(b"");
        assert_eq!((target.taken().as_str(), output.take()), ("1", Vec::new()));
        output.end_service();
    }

    fn output_that_cannot_be_stored_is_lost_and_remembered() {
        let target = Target::new();
        let output = Output::to(Box::new(target.clone()));
        target.fail(Some(ErrorKind::StorageFull));
        print(&output, "1");
        print(&output, "2");
        assert!(output.has_lost_output());
        target.fail(None);
        print(&output, "3");
        assert!(target.taken().ends_with('3'), "{}", target.taken());
    }

    fn a_captured_text_cannot_fail() {
        let target = Target::new();
        target.fail(Some(ErrorKind::StorageFull));
        let output = Output::to(Box::new(target));
        let capture = output.capture();
        print(&output, "1");
        assert_eq!(output.release(capture).standard, b"1");
        assert!(!output.has_lost_output());
    }

    fn the_log_threshold_is_the_embedder_s() {
        let mut runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
        let threshold = valk_log::Threshold::new(valk_log::Level::Error);
        runtime.set_log_threshold(threshold.clone());
        for (name, level) in [("DEBUG", valk_log::Level::Debug), ("nosuch", valk_log::Level::Warn)] {
            let program = format!("(sys/log/set-level \"{name}\")");
            let ran = runtime.run_text("test", program.as_bytes(), &mut NoWaiting);
            let crate::Ran::Value(value) = ran else { panic!("{program} runs") };
            assert_eq!(runtime.repr(value), format!("\"{name}\""));
            assert_eq!(threshold.level(), level);
        }
    }
}
