//! Printing to a reader that does not read.

use super::threads::threaded;
use crate::{Executor, register};
use std::io::Write;
use std::sync::{Arc, Mutex};
use valk_heap::{Config, Value};
use valk_lang::{Output, Ran, Runtime};
use valk_vm::{Arity, NativeKind};

/// Takes bytes while nobody else holds the lock.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The value of a program, in repr form.
fn value_of(runtime: &mut Runtime, executor: &mut Executor, program: &str) -> String {
    match runtime.run_text("p", program.as_bytes(), executor) {
        Ran::Value(value) => runtime.repr(value),
        Ran::Failed(error, _) => runtime.repr(error),
    }
}

valk_harness::test! {
    fn fibers_that_print_wait_for_the_reader_and_no_executor_does() {
        for config in [Config::default(), threaded()] {
            let pipe = Pipe::default();
            let mut runtime = Runtime::new(config, Output::to(Box::new(pipe.clone()))).expect("a heap");
            register(&runtime.vm);
            let mut executor = Executor::new(&runtime.vm).expect("a reactor");
            let mut value = |program: &str| value_of(&mut runtime, &mut executor, program);
            let unread = pipe.0.lock().expect("not poisoned");
            let printing = "(def {text} (make-string 1000 \"0123456789\"))
                (fun {prints n} {if (== n 0) {do :printed} {do (print text) (prints (- n 1))}})
                (def {printing} (map (\\ {_} {future (\\ {} {prints 100})}) {1 2 3}))
                (aio/await (nth 1 printing) 50)";
            assert!(value(printing).contains("await: timeout"));
            assert_eq!(value("(aio/await (future (\\ {} {+ 40 2})))"), "Num[42]");
            assert!(value("(ctx/with-deadline 5 {print text})").contains(":deadline-exceeded"));
            assert_eq!(value("(ctx/with-deadline 0 {print text})"), "()");
            assert!(value("(aio/await (future (\\ {} {print text})) 20)").contains("await: timeout"));
            drop(unread);
            assert_eq!(value("(map aio/await printing)"), "{:printed :printed :printed}");
            assert_eq!(value("(print text)"), "()");
            executor.finish(&runtime.vm);
            assert_eq!(pipe.0.lock().expect("not poisoned").len(), 304 * 10_001);
        }
    }

    fn a_signal_ends_the_waits_for_the_reader() {
        let pipe = Pipe::default();
        let mut runtime = Runtime::new(Config::default(), Output::to(Box::new(pipe.clone()))).expect("a heap");
        register(&runtime.vm);
        runtime.vm().define_native("signal", Arity::Any, NativeKind::Plain(|vm, _| {
            crate::executor::pool(vm).set_signal(15);
            Value::NIL.into()
        }));
        let mut executor = Executor::new(&runtime.vm).expect("a reactor");
        let unread = pipe.0.lock().expect("not poisoned");
        let program = "(def {text} (make-string 1000 \"0123456789\"))
            (fun {prints n} {if (== n 0) {do :printed} {do (print text) (prints (- n 1))}})
            (future (\\ {} {prints 100})) (future (\\ {} {do (sleep 20) (signal)})) (prints 100)";
        value_of(&mut runtime, &mut executor, program);
        executor.finish(&runtime.vm);
        assert!(runtime.vm().extension::<valk_lang::Language>().output.has_lost_output());
        drop(unread);
    }
}
