//! What a request of the client leaves behind.

use super::sink::FunctionSink;
use bytes::Bytes;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use valk_heap::Config;
use valk_http2::BodySink;
use valk_lang::{NoWaiting, Output, Ran, Runtime};

valk_harness::test! {
    fn a_request_may_end_while_the_vm_runs() {
        let mut runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
        valk_aio::register(&runtime.vm);
        let program = b"(\\ {part} {if (== part \"good\") {nil} {error part}})";
        let Ran::Value(function) = runtime.run_text("sink", program, &mut NoWaiting) else {
            panic!("the program runs");
        };
        let sink = FunctionSink::new(&mut runtime.vm(), &runtime.vm, function);
        for (part, expected) in [("good", Ok(())), ("no more", Err("no more".to_owned()))] {
            let taken = pin!(sink.take(Bytes::from_static(part.as_bytes())));
            let polled = taken.poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(polled, Poll::Ready(expected));
        }
        {
            let _running = runtime.vm.borrow_mut();
            drop(sink);
        }
        assert!(matches!(runtime.run_text("then", b"(+ 1 2)", &mut NoWaiting), Ran::Value(_)));
    }
}
