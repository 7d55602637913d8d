//! The event loop: closed loops, threads, bodies, signals.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use tokio::sync::watch;

use crate::engines::event_loop::{Signals, Stop, StreamSignals};

use super::servers::{Setup, load, start, start_with};

valk_harness::test! {
    fn closed_loops_keep_every_stream_busy() {
        let server = start();
        for flags in [&["--max"][..], &["--closed"], &["--closed", "--think", "5ms"]] {
            let fixed = ["--duration", "300ms", "--connections", "2", "--streams", "4", "--threads", "2"];
            let args = ["run", "steady", "--target", &server.base, "--json", "--quiet"];
            let outcome = super::servers::command(&[&args[..], &fixed, flags].concat(), super::servers::never());
            let json = outcome.json();
            let group = &json["groups"]["steady"];
            assert_eq!(outcome.code, 0, "{json:#}");
            assert!(group["ok"].as_u64().unwrap() > 20, "{group:#}");
            assert_eq!(json["config"]["closed"], true);
            assert_eq!(json["config"]["threads"], 2);
            assert_eq!(json["config"].get("rate"), None);
            assert_eq!(json["config"]["think_us"].as_u64(), (flags.len() > 2).then_some(5_000));
        }
    }
}

valk_harness::test! {
    fn threads_divide_the_arrivals() {
        let server = start();
        let flags = ["--duration", "500ms", "--rate", "400", "--connections", "3", "--threads", "2"];
        let json = load("steady", &server.base, &flags).json();
        assert_eq!(json["groups"]["steady"]["offered"], 200);
        assert_eq!(json["groups"]["steady"]["ok"], 200);
    }
}

valk_harness::test! {
    fn stages_and_shapes_offer_what_they_say() {
        let server = start();
        for (flags, offered) in [
            (&["--stages", "200ms:400,200ms:400,200ms:0"][..], 160),
            (&["--shape", "ramp", "--rate", "100", "--peak", "300", "--duration", "500ms"], 100),
            (&["--stages", "400ms:100", "--rate", "100"], 40),
        ] {
            let json = load("steady", &server.base, flags).json();
            assert_eq!(json["groups"]["steady"]["offered"], offered, "{flags:?} {json:#}");
            let is_constant = flags.contains(&"400ms:100");
            assert_eq!(json["config"]["rates"].is_array(), !is_constant, "{json:#}");
        }
    }
}

valk_harness::test! {
    fn a_peer_that_does_not_read_does_not_stop_the_loop() {
        // Bodies above the server's windows leave as it gives them back.
        let server = start_with(Setup { max_streams: 4, ..Setup::default() });
        let path = std::env::temp_dir().join(format!("valk-load-body-{}", std::process::id()));
        std::fs::write(&path, vec![b'b'; 200_000]).unwrap();
        let flags = ["--rate", "20", "--duration", "500ms", "--path", "/echo", "--data-file", path.to_str().unwrap()];
        let json = load("steady", &server.base, &flags).json();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(json["groups"]["steady"]["ok"], 10, "{json:#}");
        assert_eq!(server.seen.posted.load(std::sync::atomic::Ordering::SeqCst), 2_000_000);
    }
}

valk_harness::test! {
    fn an_overload_is_judged_by_what_is_before_and_after() {
        let server = start();
        let flags = ["--rate", "50", "--duration", "900ms", "--timeout", "1s"];
        let outcome = load("overload", &server.base, &flags);
        let json = outcome.json();
        assert_eq!(outcome.code, 0, "{json:#}");
        let load_group = &json["groups"]["load"];
        let due: Vec<u64> = load_group["phases"].as_array().unwrap().iter().map(|p| p["offered"].as_u64().unwrap()).collect();
        assert_eq!(due, [15, 150, 15]);
        assert!(load_group["held_percent"].is_null());
        assert_eq!(json["thresholds"][0]["rule"], "calm.error-rate<1%");
        assert_eq!(json["thresholds"][1]["rule"], "recovery.error-rate<1%");
        let flags = [&flags[..], &["--peak", "100", "--path", "/overloaded"]].concat();
        let outcome = load("overload", &server.base, &flags);
        assert_eq!(outcome.code, 1);
        assert_eq!(outcome.json()["groups"]["load"]["offered"], 60);
    }
}

valk_harness::test! {
    fn nobody_stops_a_run_that_nobody_watches() {
        let mut cx = Context::from_waker(Waker::noop());
        for how in [Stop::Drain, Stop::Abort] {
            let (stop, mut asked) = watch::channel(Stop::No);
            let mut waits = pin!(Stop::asked(&mut asked));
            assert!(waits.as_mut().poll(&mut cx).is_pending());
            stop.send_replace(how);
            assert!(waits.poll(&mut cx).is_ready(), "{how:?}");
        }
        let (stop, mut asked) = watch::channel(Stop::No);
        drop(stop);
        assert!(pin!(Stop::asked(&mut asked)).poll(&mut cx).is_pending());
    }
}

#[derive(Default)]
struct Woken(std::sync::atomic::AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

valk_harness::test! {
    fn signals_wake_a_sleeping_loop_once() {
        let all = Signals::new();
        let streams = StreamSignals::new(&all, 70, 130);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        assert!(all.sleep(&cx));
        let stream = streams.stream_waker(129);
        stream.wake_by_ref();
        stream.wake_by_ref();
        streams.connection_waker().wake();
        let count = || woken.0.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(count(), 1);
        assert!(!all.sleep(&cx), "there is something to do");
        let (mut connections, mut places) = (Vec::new(), Vec::new());
        all.take(&mut connections);
        streams.take(&mut places);
        assert_eq!((connections, places), (vec![70], vec![129]));
        // While the loop looks at a connection, its streams do not ask for another look.
        all.begin_serving(70);
        stream.wake();
        all.end_serving();
        let (mut connections, mut places) = (Vec::new(), Vec::new());
        all.take(&mut connections);
        streams.take(&mut places);
        assert_eq!((connections, places), (vec![], vec![129]));
        assert!(all.sleep(&cx));
    }
}
