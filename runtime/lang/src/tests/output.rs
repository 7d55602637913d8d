//! Standard output that cannot be written.

use crate::{NoWaiting, Output, Runtime};
use std::io::{Error, ErrorKind, Write};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
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

    fn a_thread_writes_what_several_fibers_print_in_its_order() {
        let target = Target::new();
        let output = Output::to(Box::new(target.clone()));
        output.write(b"0");
        output.share();
        output.share();
        for number in 1..=20_000 {
            output.print(format!("-{number}").as_bytes(), number % 3 == 0);
        }
        assert!(output.wait(Duration::from_mins(1)), "it is written");
        let expected: Vec<String> = (0..=20_000).map(|number| number.to_string()).collect();
        assert_eq!(target.taken(), expected.join("-"));
        output.write_error(b"");
        output.give_up();
        assert!(!output.has_lost_output());
    }

    fn who_prints_into_a_full_queue_is_to_wait_and_is_told_once() {
        let target = Target::new();
        let output = Output::to(Box::new(target.clone()));
        output.share();
        let stalled = target.taken.lock().expect("not poisoned");
        let text = [b'x'; 4096];
        let mut printed = 0_usize;
        while !output.print(&text, true) {
            printed += text.len();
            assert!(printed <= 1 << 20, "it is full some time");
        }
        printed += text.len();
        assert!(printed > 256 << 10, "{printed}");
        let capture = output.capture();
        assert!(!output.print(b"captured", true), "what is captured needs no room");
        assert_eq!(output.release(capture).standard, b"captured");
        let (tell, told) = mpsc::channel();
        let again = tell.clone();
        assert!(output.when_room(move || tell.send(1).expect("somebody listens")));
        assert!(told.try_recv().is_err(), "there is no room");
        assert!(!output.wait(Duration::from_millis(1)), "it is not written");
        output.write_error(b"");
        drop(stalled);
        assert_eq!(told.recv_timeout(Duration::from_mins(1)), Ok(1));
        assert!(output.wait(Duration::from_mins(1)));
        assert!(!output.when_room(move || again.send(2).expect("somebody listens")), "there is room");
        assert!(told.try_recv().is_err(), "once");
        assert_eq!(target.taken().len(), printed);
    }

    fn nobody_waits_at_the_end_and_what_is_lost_is_remembered() {
        let target = Target::new();
        let output = Output::to(Box::new(target.clone()));
        output.share();
        let stalled = target.taken.lock().expect("not poisoned");
        let text = vec![b'x'; 1 << 20];
        while !output.print(&text, true) {}
        let (tell, told) = mpsc::channel();
        assert!(output.when_room(move || tell.send(()).expect("somebody listens")));
        output.end_waits();
        assert_eq!(told.try_recv(), Ok(()), "it is told at once");
        for _ in 0..40 {
            assert!(!output.print(&text, true), "nobody waits");
        }
        assert!(output.has_lost_output(), "it has a bound");
        output.give_up();
        drop(stalled);
        assert!(output.wait(Duration::from_mins(1)));
        assert!(target.taken().len() <= 18 << 20);
    }

    fn a_thread_that_cannot_write_keeps_nobody_waiting() {
        for (kind, is_lost) in [(ErrorKind::BrokenPipe, false), (ErrorKind::StorageFull, true)] {
            let target = Target::new();
            let output = Output::to(Box::new(target.clone()));
            output.begin_service();
            output.share();
            target.fail(Some(kind));
            output.print(&vec![b'x'; 1 << 20], true);
            assert!(output.wait(Duration::from_mins(1)), "{kind}");
            // The thread tells of it before it takes more.
            output.print(b"y", true);
            assert!(output.wait(Duration::from_mins(1)), "{kind}");
            assert_eq!(output.has_lost_output(), is_lost, "{kind}");
            assert!(!output.print(b"z", true), "{kind}");
        }
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
