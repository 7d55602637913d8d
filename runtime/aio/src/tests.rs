//! Waiting, resuming, stopping, in one process.

use crate::{
    End, Executor, Started, Status, await_handle, completed, end, failed, new_handle, register,
    settle, start, status,
};
mod executor;
mod handles;
mod lost_failures;
mod nodes;
mod output;
mod program;
mod program_metrics;
mod rules;
mod start_options;
mod system_metrics;
mod threads;
mod trees;

use valk_heap::{Config, Value};
use valk_lang::{Driver, NoWaiting, Output, Ran, Runtime};

fn runtime() -> Runtime {
    let runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
    register(&runtime.vm);
    runtime
}

/// What a program prints.
fn output(program: &str) -> String {
    let (mut runtime, mut executor) = program::runtime_of(Config::default());
    let mut text = program::printed(&mut runtime, &mut executor, program);
    executor.finish(&runtime.vm);
    executor.finish(&runtime.vm);
    text.push_str(str::from_utf8(&runtime.take_output()).expect("text"));
    text
}

valk_harness::test! {
    fn a_handle_ends_once() {
        let runtime = runtime();
        let vm = &mut *runtime.vm();
        let handle = new_handle(vm);
        assert_eq!(status(vm, handle), Some(Status::Running));
        assert!(settle(vm, handle, End::Completed(Value::ONE)));
        assert!(!settle(vm, handle, End::Completed(Value::ZERO)));
        assert_eq!(end(vm, handle), Some(End::Completed(Value::ONE)));
        assert_eq!(status(vm, Value::ONE), None);
        let gone = failed(vm, "gone");
        assert_eq!(status(vm, gone), Some(Status::Failed));
        assert_eq!(valk_lang::repr(&vm.heap, gone), "<handle>");
    }
}

valk_harness::test! {
    fn handles_and_systems_survive_collections() {
        let text = output(
            "(def {sys} (aio/await (aio/start)))
             (def {kept} (aio/start))
             (fun {churn n} {if (== n 0) {1} {do (range 0 1000) (churn (- n 1))}})
             (print (churn 2000))
             (print (ref? (aio/await kept)) sys)",
        );
        assert!(text.starts_with("1\n1 <ref:aio_system>"), "{text}");
    }
}

valk_harness::test! {
    fn fibers_and_tasks_wait_for_one_handle() {
        let runtime = runtime();
        let mut executor = Executor::new(&runtime.vm).expect("a reactor");
        let (handle, root, await_) = {
            let vm = &mut *runtime.vm();
            let name = vm.intern("aio/await");
            let await_ = vm.global(name).expect("registered");
            let handle = new_handle(vm);
            (handle, vm.heap.root(handle), await_)
        };
        let task = await_handle(&runtime.vm, root);
        let seen = std::rc::Rc::new(std::cell::Cell::new(None));
        let told = std::rc::Rc::clone(&seen);
        crate::spawn_task(&mut runtime.vm(), async move { told.set(Some(task.await)) });
        let fibers = [0, 1].map(|_| runtime.vm().spawn(await_, &[handle]));
        let waiting = fibers.map(|fiber| match start(&runtime.vm, fiber) {
            Started::Waiting(root) => root,
            Started::Done(_) => panic!("the handle is pending"),
        });
        settle(&mut runtime.vm(), handle, End::Completed(Value::fixnum(7)));
        for root in waiting {
            let result = runtime.vm().heap.release(root);
            let fiber = runtime.vm().spawn(await_, &[result]);
            assert_eq!(executor.run(&runtime.vm, fiber), Value::fixnum(7));
        }
        assert_eq!(seen.get(), Some(End::Completed(Value::fixnum(7))));
        let done = completed(&mut runtime.vm(), Value::ONE);
        assert!(runtime.vm().call(await_, &[done]).is_error());
    }
}

valk_harness::test! {
    fn only_handles_can_be_waited_for() {
        let runtime = runtime();
        let mut executor = Executor::new(&runtime.vm).expect("a reactor");
        let fiber = {
            let mut vm = runtime.vm();
            let ask = vm.define_native(
                "ask",
                valk_vm::Arity::Any,
                valk_vm::NativeKind::Plain(|_, _| valk_vm::Outcome::Suspend(Value::ONE)),
            );
            vm.spawn(ask, &[])
        };
        let value = executor.run(&runtime.vm, fiber);
        assert!(runtime.repr(value).contains("only handles can be waited for"));
    }
}

valk_harness::test! {
    fn sleeping_waits_and_stopping_wakes() {
        assert_eq!(
            output("(= {s} (aio/await (aio/start))) (print (aio/await (aio/sleep s 1)))"),
            "()\n"
        );
        let text = output(
            "(= {s} (aio/await (aio/start)))
             (= {h} (aio/sleep s 1000000)) (= {again} (aio/sleep s 0))
             (print (aio/await again))
             (aio/stop s) (print (aio/run s) (aio/await h)) (print (aio/run s) (aio/status (aio/sleep s 1)))",
        );
        assert_eq!(text, "()\n() Error: async operation cancelled\n() :cancelled\n");
    }
}

valk_harness::test! {
    fn several_systems_are_stopped_at_the_end() {
        let text = output("(= {a} (aio/start)) (= {b} (aio/start {:strict 1})) (exit 3) (print 1)");
        assert_eq!(text, "1\n");
    }
}

valk_harness::test! {
    fn without_an_executor_nothing_starts() {
        let mut runtime = runtime();
        let ran = runtime.run_text("p", b"(aio/start)", &mut NoWaiting);
        let Ran::Failed(error, _) = ran else { panic!("no executor") };
        assert_eq!(runtime.repr(error), "Error[Failed to start AIO system]");
    }
}

valk_harness::test! {
    fn wrong_arguments_are_told() {
        let text = output(
            "(= {s} (aio/await (aio/start)))
             (map print (list (aio/run 1) (aio/stop 1) (aio/await 1) (aio/sleep 1 1) (aio/sleep s {})
               (aio/start 1 2) (handle? s) (handle? (aio/sleep s 0))))",
        );
        let expected = [
            "Error: aio/run: Expected AIO system reference",
            "Error: aio/stop: Expected AIO system reference",
            "Error: aio/await: argument must be a handle",
            "Error: aio/sleep: Expected AIO system reference",
            "Error: aio/sleep: second argument must be a number",
        ];
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..5], expected);
        assert!(lines[5].ends_with("Expected[1]"), "{text}");
        assert_eq!(lines[6..], ["0", "1"]);
    }
}

/// Runs a program on an executor that can be interrupted; its value.
fn interrupted(program: &str) -> String {
    let mut runtime = runtime();
    let mut executor = Executor::new(&runtime.vm).expect("a reactor");
    let interrupts = executor.interruptible(&runtime.vm, true).expect("a watched signal");
    // A patient prompt does nothing while nothing runs.
    interrupts.signalled(true);
    runtime.run_text("p", b"(def {sys} (aio/await (aio/start)))", &mut executor);
    interrupts.begin();
    let handle = interrupts.clone();
    let asking = std::thread::spawn(move || handle.signalled(true));
    let ran = runtime.run_text("p", program.as_bytes(), &mut executor);
    asking.join().expect("a thread");
    interrupts.end();
    let text = match ran {
        Ran::Failed(error, _) => runtime.repr(error),
        Ran::Value(value) => runtime.repr(value),
    };
    executor.finish(&runtime.vm);
    text
}

valk_harness::test! {
    fn an_interrupt_ends_a_wait() {
        assert_eq!(interrupted("(aio/await (aio/sleep sys 1000000))"), "Error[interrupted]");
    }

    fn an_interrupt_ends_a_loop_that_ignores_errors() {
        let endless = "(fun {again n} {again (+ n 1)}) (fun {deaf n} {do (again 1) (deaf 1)}) (deaf 1)";
        assert_eq!(interrupted(endless), "Error[interrupted]");
    }
}

valk_harness::test! {
    fn metrics_count_what_happened() {
        let text = output(
            "(fun {twice x} {* x 2})
             (print (vm/metrics-json))
             (map twice (range 0 1000)) (mem/gc/collect) (def {sys} (aio/await (aio/start)))
             (aio/await (aio/sleep sys 1))
             (print (vm/metrics-json sys))
             (print (vm/metrics-json-compact sys))",
        );
        let documents: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let [before, after, compact] = &documents[..] else { panic!("{text}") };
        let number = |document: &serde_json::Value, path: &str| {
            document.pointer(path).and_then(serde_json::Value::as_u64).expect(path)
        };
        let gained = |path| number(after, path) - number(before, path);
        assert_eq!(number(before, "/event_loop/events_processed"), 0);
        // A timer and the fiber that waited for it; where the system's start was waited for, that too.
        let events = number(after, "/event_loop/events_processed");
        assert!((2..=3).contains(&events), "{events}");
        assert!(number(after, "/event_loop/iterations") > 0, "{text}");
        assert!(number(after, "/event_loop/idle_time_us") >= 1000, "{text}");
        assert_eq!(gained("/gc/cycles_full"), 1);
        assert!(gained("/interpreter/function_calls") > 2000, "each of `map`'s rounds and of `twice`");
        assert!(gained("/interpreter/builtin_calls") >= 4);
        assert_eq!(gained("/interpreter/evals_total"), 5, "one for each form between the readings");
        let pauses = after.pointer("/gc/pause_histogram").and_then(|all| all.as_object());
        let sum: u64 = pauses.expect("an object").values().filter_map(serde_json::Value::as_u64).sum();
        assert_eq!(sum, number(after, "/gc/cycles_total"));
        assert_eq!(number(compact, "/gc/cycles"), sum);
        assert_eq!(number(compact, "/loop/events"), 2);
        assert!(number(compact, "/interp/calls") > 2000, "{text}");
    }

    fn metrics_for_prometheus_have_help_and_type() {
        let text = output("(print (vm/metrics-prometheus))");
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len() % 3, 0, "{text}");
        for family in lines.chunks(3) {
            let name = family[2].split(' ').next().expect("a name");
            assert!(family[0].starts_with(&format!("# HELP {name} ")), "{text}");
            let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
            assert_eq!(family[1], format!("# TYPE {name} {kind}"));
        }
        assert!(!text.contains("valk_loop_"), "{text}");
        let text = output("(print (vm/metrics-prometheus (aio/await (aio/start))))");
        for name in ["valk_loop_iterations_total", "valk_events_processed_total", "valk_loop_idle_seconds_total"] {
            assert!(text.contains(&format!("# TYPE {name} counter\n{name} ")), "{text}");
        }
    }

    fn a_system_s_registry_is_json() {
        let text = output(
            "(def {sys} (aio/await (aio/start {:tcp-buffer-pool-size 6})))
             (print (aio/metrics-json sys)) (print (aio/metrics-json-compact sys))
             (print (aio/systems-json sys))",
        );
        let documents: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let [whole, compact, systems] = &documents[..] else { panic!("{text}") };
        assert!(whole["uptime_seconds"].is_number(), "{text}");
        let labels = serde_json::json!({ "system": "main" });
        let find = |kind: &str, name: &str| {
            let series = whole[kind].as_array().expect("a list").iter();
            let found = series.filter(|series| series["name"] == name).collect::<Vec<_>>();
            assert_eq!(found.len(), 1, "{name}: {text}");
            assert_eq!(found[0]["labels"], labels, "{name}");
            found[0].clone()
        };
        assert_eq!(find("gauges", "aio_tcp_buffers_total")["value"], 6);
        assert_eq!(find("counters", "aio_requests_total")["value"], 0);
        let histogram = find("histograms", "aio_request_duration_seconds");
        assert_eq!(histogram["buckets"].as_array().expect("a list").len(), 9);
        assert_eq!(histogram["buckets"][8]["le"], "+Inf");
        assert_eq!(compact["counters"], whole["counters"]);
        assert_eq!(systems[0]["gauges"], whole["gauges"]);
        for name in ["aio/metrics-json", "aio/metrics-json-compact", "aio/systems-json"] {
            let text = output(&format!("(print ({name})) (print ({name} 5)) (print ({name} 1 2))"));
            let many = format!("Error: {name}: expected 1 argument (sys)\n");
            let wrong = "Error: Actual: Number, Expected(One-Of): [Reference]\n";
            assert_eq!(text, format!("{many}{wrong}{many}"));
        }
    }

    fn a_full_registry_still_answers() {
        let registry = valk_metrics::Registry::new();
        for n in 0..valk_metrics::COUNTERS_MAX {
            registry.counter(&n.to_string(), "", &[]).expect("room");
        }
        assert!(crate::SystemMetrics::new(&registry, "main").is_err());
    }

    fn metrics_are_of_one_system_or_none() {
        for name in ["vm/metrics-json", "vm/metrics-json-compact", "vm/metrics-prometheus"] {
            let text = output(&format!("(print ({name} 5)) (print ({name} 1 2)) (print ({name} (error \"e\")))"));
            let wrong = format!("Error: {name}: Expected AIO system reference\n");
            let many = format!("Error: {name}: expected 0-1 arguments\n");
            assert_eq!(text, format!("{wrong}{many}Error: e\n"));
        }
    }
}

valk_harness::test! {
    fn pools_of_a_system_are_told_in_numbers() {
        let text = output(
            r#"(def {sys} (aio/await (aio/start)))
               (print (aio/pool-stats sys))
               (print (aio/slab-buckets sys "tcp_buffers" 0 10000 3))
               (print (aio/slab-buckets sys "tcp_buffers" -5 2 2))
               (print (aio/slab-buckets sys "tcp_buffers" 5 5 2))"#,
        );
        let expected = [
            "{:tcp-buffers {:available 576 :total 576 :usage-percent 0} \
             :backpressure {:connections-waiting 0 :has-waiting :false} \
             :arenas {:available 0 :total 0 :usage-percent 0}}",
            r#"{"buckets":[{"u":0,"f":192},{"u":0,"f":192},{"u":0,"f":192}],"total":576}"#,
            r#"{"buckets":[{"u":0,"f":1},{"u":0,"f":1}],"total":576}"#,
            r#"{"buckets":[],"total":576}"#,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}

valk_harness::test! {
    fn the_number_of_receive_buffers_is_configured() {
        for (list, total) in [
            ("{:tcp-buffer-pool-size 6}", "6"),
            ("{:other 1 :tcp-buffer-pool-size 1000}", "1000"),
            ("{:tcp-buffer-pool-size \"6\"}", "576"),
            ("{:tcp-buffer-pool-size}", "576"),
            ("{:tcp-buffer-pool-size 0}", "576"),
            ("5", "576"),
        ] {
            let text = output(&format!(
                "(print (plist/get (plist/get (aio/pool-stats (aio/await (aio/start {list})))
                   :tcp-buffers) :total))"
            ));
            assert_eq!(text.trim_end(), total, "{list}");
        }
        for buffers in ["1", "-1", "1000001", "9223372036854775807"] {
            let text = output(&format!("(print (aio/start {{:tcp-buffer-pool-size {buffers}}}))"));
            assert_eq!(text.trim_end(), "Error: Failed to start AIO system", "{buffers}");
        }
    }
}

valk_harness::test! {
    fn bad_questions_about_pools_are_explained() {
        let cases = [
            ("(aio/pool-stats)", "aio/pool-stats: expected 1 argument (aio system)"),
            ("(aio/pool-stats 5)", "Actual: Number, Expected(One-Of): [Reference]"),
            (
                "(aio/slab-buckets)",
                "aio/slab-buckets: expected (sys slab-name start end num-buckets)",
            ),
            (
                "(aio/slab-buckets sys \"tcp_buffers\" 0 1)",
                "aio/slab-buckets: expected (sys slab-name start end num-buckets)",
            ),
            ("(aio/slab-buckets 5 \"handles\" 0 1 1)", "aio/slab-buckets: invalid argument types"),
            ("(aio/slab-buckets sys 5 0 1 1)", "aio/slab-buckets: invalid argument types"),
            (
                "(aio/slab-buckets sys \"handles\" 0 {} 1)",
                "aio/slab-buckets: invalid argument types",
            ),
            (
                "(aio/slab-buckets sys \"tcp_buffers\" 0 1 0)",
                "aio/slab-buckets: num-buckets must be 1-4096",
            ),
            (
                "(aio/slab-buckets sys \"tcp_buffers\" 0 1 4097)",
                "aio/slab-buckets: num-buckets must be 1-4096",
            ),
            (
                "(aio/slab-buckets sys \"handles\" 0 1 1)",
                "aio/slab-buckets: slab has no maintained bitmap",
            ),
            (
                "(aio/slab-buckets sys \"lval\" 0 1 1)",
                "aio/slab-buckets: lval/lenv slabs no longer exist in heap",
            ),
            ("(aio/slab-buckets sys \"x\" 0 1 1)", "aio/slab-buckets: unknown slab name"),
        ];
        for (call, expected) in cases {
            let text = output(&format!("(def {{sys}} (aio/await (aio/start))) (print {call})"));
            assert_eq!(text.trim_end(), format!("Error: {expected}"), "{call}");
        }
    }
}

valk_harness::test! {
    fn connections_that_wait_are_summed_over_the_servers_that_run() {
        use crate::system_of;
        use std::sync::Arc;
        let mut runtime = runtime();
        let mut executor = Executor::new(&runtime.vm).expect("a reactor");
        runtime.run_text("p", b"(def {sys} (aio/await (aio/start)))", &mut executor);
        let system = {
            let mut vm = runtime.vm();
            let name = vm.intern("sys");
            let value = vm.global(name).expect("defined");
            system_of(&vm, value).expect("a system")
        };
        let second = Arc::new(2);
        let seen = Arc::downgrade(&second);
        system.ask_waiting(|| Some(1));
        let held = Arc::new(7);
        let owned = Arc::clone(&held);
        system.ask_waiting(move || {
            assert_eq!(*owned, 7);
            Some(*seen.upgrade()?)
        });
        let buffer = system.pools().receive_buffers().acquire().expect("a free buffer");
        let mut ask = |asked: &str| {
            runtime.run_text("p", asked.as_bytes(), &mut executor);
            String::from_utf8(runtime.take_output()).expect("text")
        };
        let text = ask("(print (aio/pool-stats sys))");
        assert!(text.contains(":connections-waiting 3 :has-waiting :true"), "{text}");
        assert!(text.contains(":tcp-buffers {:available 575 :total 576 :usage-percent 0}"), "{text}");
        let text = ask("(print (aio/slab-buckets sys \"tcp_buffers\" 0 2 2))");
        assert_eq!(text, "{\"buckets\":[{\"u\":1,\"f\":0},{\"u\":0,\"f\":1}],\"total\":576}\n");
        drop((second, buffer));
        let text = ask("(print (aio/pool-stats sys))");
        assert!(text.contains(":connections-waiting 1 :has-waiting :true"), "{text}");
        assert_eq!(Arc::strong_count(&held), 2);
        system.ask_waiting(|| None);
        assert_eq!(Arc::strong_count(&held), 1, "a server that has ended is forgotten");
        executor.finish(&runtime.vm);
    }
}

valk_harness::test! {
    fn diagnostics_have_the_shape_that_dashboards_read() {
        let text = output(
            "(def {sys} (aio/await (aio/start {:tcp-buffer-pool-size 3})))
             (print (aio/diagnostics-state-json sys))
             (print (aio/diagnostics-state-json-compact sys))",
        );
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let [state, compact] = &lines[..] else { panic!("two lines, got {text}") };
        let slabs = state["slabs"].as_array().expect("a list");
        let names: Vec<_> = slabs.iter().map(|slab| slab["name"].as_str().expect("a name")).collect();
        assert_eq!(
            names,
            ["tcp_buffers", "handles", "stream_arenas", "http_servers", "http_clients"]
        );
        let numbers = ["used", "total", "hwm", "overflow"].map(|key| slabs[0][key].as_u64());
        assert_eq!(numbers, [0, 3, 0, 0].map(Some));
        assert_eq!(slabs[1]["states"], "");
        assert_eq!(slabs[1]["summary"]["by_owner"], serde_json::json!({}));
        assert_eq!(state["arenas"][0]["name"], "stream_arenas");
        assert_eq!(state["breakdown"]["aio_cap"], 3 * crate::RECEIVE_BUFFER_BYTES);
        assert!(state["breakdown"]["scratch_cap"].as_u64() > state["breakdown"]["scratch_used"].as_u64());
        assert!(state["gc"]["heap_used_bytes"].as_u64() > Some(0));
        for number in [&state["process"]["rss"], &compact["rss"], &compact["gc"]] {
            assert!(number.as_u64() > Some(10_000), "{text}");
        }
        assert!(state["process"]["system_total"].as_u64() > state["process"]["rss"].as_u64());
        for (call, expected) in [
            ("(aio/diagnostics-state-json)", "aio/diagnostics-state-json: expected 1 argument (sys)"),
            (
                "(aio/diagnostics-state-json-compact 1 2)",
                "aio/diagnostics-state-json-compact: expected 1 argument (sys)",
            ),
            ("(aio/diagnostics-state-json 5)", "Actual: Number, Expected(One-Of): [Reference]"),
        ] {
            assert_eq!(output(&format!("(print {call})")).trim_end(), format!("Error: {expected}"));
        }
    }
}
