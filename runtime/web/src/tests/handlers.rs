//! The handler of one executor by itself: without metrics, without a time limit, behind its server.

use crate::handler::{FunctionHandler, Terms};
use crate::replaceable::{Current, Replaceable};
use bytes::Bytes;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use valk_heap::{Config, Value};
use valk_http2::{Handler, Reply, Request, Response};
use valk_lang::{NoWaiting, Output, Ran, Runtime};

/// A runtime with this program, whose value is the handler of a server.
fn served(program: &str) -> (Runtime, Arc<Replaceable>) {
    let mut runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
    valk_aio::register(&runtime.vm);
    crate::register(&runtime.vm);
    let Ran::Value(function) = runtime.run_text("handler", program.as_bytes(), &mut NoWaiting)
    else {
        panic!("the program runs");
    };
    let replaceable = Replaceable::new(&mut runtime.vm(), function, 80);
    (runtime, replaceable)
}

/// It counts nowhere and has no time limit.
fn handler(runtime: &Runtime, replaceable: &Arc<Replaceable>) -> FunctionHandler {
    let terms =
        Terms { time_limit: None, refusal: Arc::default(), metrics: None, classes: Arc::default() };
    FunctionHandler::new(runtime.vm.clone(), replaceable, terms)
}

fn request(path: &str) -> Request {
    let request = http::Request::builder().uri(path).body(Bytes::new());
    Request::new(request.expect("a valid request"), 1)
}

fn ready(reply: Reply) -> Response {
    match reply {
        Reply::Ready(response) => response,
        Reply::Pending(_) => panic!("the handler waits for nothing"),
    }
}

valk_harness::test! {
    fn a_response_needs_no_metrics() {
        let (runtime, replaceable) = served("(\\ {r} {list :status 201 :body (req/path r)})");
        let response = ready(handler(&runtime, &replaceable).handle(request("/here")));
        assert_eq!((response.status, &response.body[..]), (201, &b"/here"[..]));
    }

    fn a_deferred_response_without_a_time_limit_is_waited_for() {
        let (runtime, replaceable) = served("(\\ {_} {:deferred})");
        let handler = handler(&runtime, &replaceable);
        let Reply::Pending(mut reply) = handler.handle(request("/")) else { panic!("there is none") };
        let polled = reply.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending), "nothing ends it but the client");
    }

    fn a_server_that_has_ended_has_no_handler() {
        let (runtime, replaceable) = served("(\\ {_} {list :body \"served\"})");
        let handler = handler(&runtime, &replaceable);
        replaceable.clear(&mut runtime.vm());
        let response = ready(handler.handle(request("/")));
        assert_eq!((response.status, &response.body[..]), (503, &b"the server has been stopped\n"[..]));
        replaceable.clear(&mut runtime.vm());
        let vm = &mut *runtime.vm();
        assert!(!replaceable.replace(vm, Value::NIL), "it gets no other");
        assert_eq!(Current::new(&replaceable).get(vm).map(|(function, _)| function), None);
    }

    fn a_handler_can_be_dropped_while_the_vm_runs() {
        let (runtime, replaceable) = served("(\\ {_} {list :body \"served\"})");
        let [first, second] = [(), ()].map(|()| handler(&runtime, &replaceable));
        assert_eq!(ready(first.handle(request("/"))).status, 200);
        {
            let _running = runtime.vm.borrow_mut();
            drop(first);
        }
        assert_eq!(ready(second.handle(request("/"))).status, 200, "the other one goes on");
    }
}
