//! Running texts and files from Rust.

use super::scratch::told;
use crate::{Driver, NoWaiting, Output, Ran, Runtime};
use valk_diagnostics::{Code, render_plain};
use valk_heap::{Config, Value};

fn runtime() -> Runtime {
    Runtime::new(Config::default(), Output::memory()).expect("a heap")
}

/// The diagnostic a text ends with, rendered.
fn complaint(text: &str) -> String {
    let mut runtime = runtime();
    match runtime.run_text("program.valk", text.as_bytes(), &mut NoWaiting) {
        Ran::Value(_) => panic!("{text} runs"),
        Ran::Failed(_, diagnostic) => {
            runtime.with_sources(|sources| render_plain(&diagnostic, sources))
        }
    }
}

fn limited(bytes: usize) -> Runtime {
    let config = Config { hard_limit_bytes: bytes, ..Config::default() };
    Runtime::new(config, Output::memory()).expect("a heap")
}

valk_harness::test! {
    fn an_error_shows_the_line_where_it_was_made() {
        let text = complaint("(print 1)\n(fun {f x} {+ 1 (g x)})\n(f 2)\n");
        assert!(text.contains("program.valk:2:17"), "{text}");
        assert!(text.contains("LEnv: Symbol `g` is not bound"), "{text}");
    }
}

valk_harness::test! {
    fn errors_of_every_kind_have_a_place() {
        for (program, place) in [
            ("\n(def {x} (head {}))", ":2:"),
            ("\n (+ 1 \"a\")", ":2:2"),
            ("\n(fun {f} {1})\n(f 2)", ":3:1"),
            ("(if (< 1 \"a\") 1 2)", ":1:"),
            ("\n(select {0 1})", ":2:"),
            ("\n(quote 1 2)", ":2:"),
            ("\n(error \"mine\")", ":2:1"),
            ("(cons 1 2)", ":1:1"),
            ("`(1 ,@5)", ":1:"),
        ] {
            let text = complaint(program);
            assert!(text.contains(&format!("program.valk{place}")), "{program}\n{text}");
        }
    }
}

valk_harness::test! {
    fn forms_before_a_reader_error_run() {
        let mut runtime = runtime();
        let ran = runtime.run_text("p", b"(print 1)\n(print 2", &mut NoWaiting);
        assert_eq!(runtime.take_output(), b"1\n");
        let Ran::Failed(error, diagnostic) = ran else { panic!("the list is open") };
        assert!(runtime.repr(error).contains("Unexpected end of input"));
        assert_eq!(diagnostic.code, Code::EndInList);
    }
}

valk_harness::test! {
    fn text_that_is_not_utf8_names_the_byte() {
        let mut runtime = runtime();
        let Ran::Failed(_, diagnostic) = runtime.run_text("p", b"(a \xff)", &mut NoWaiting) else {
            panic!("not UTF-8");
        };
        assert_eq!(diagnostic.code, Code::NotUtf8);
        assert!(diagnostic.message.contains("byte 3"), "{}", diagnostic.message);
        assert_eq!(runtime.check_text("p", b"\xff").first().map(|d| d.code), Some(Code::NotUtf8));
    }
}

valk_harness::test! {
    fn files_that_cannot_be_run_say_why() {
        let mut runtime = runtime();
        let missing = runtime.check_file("no-such.valk".as_ref()).remove(0);
        assert_eq!(missing.code, Code::FileNotFound);
        let Ran::Failed(_, directory) = runtime.run_file(".".as_ref(), &mut NoWaiting) else {
            panic!("a directory is no program");
        };
        assert_eq!(directory.code, Code::FileUnreadable);
        assert!(runtime.disasm_file("no-such.valk".as_ref()).is_err());
    }
}

valk_harness::test! {
    fn checking_reads_and_compiles_without_running() {
        let mut runtime = runtime();
        assert!(runtime.check_text("p", b"(print \"no\")").is_empty());
        assert_eq!(runtime.take_output(), b"");
        assert_eq!(runtime.check_text("p", b"(a").first().map(|d| d.code), Some(Code::EndInList));
    }
}

valk_harness::test! {
    fn older_versions_printed_the_errors_of_loaded_files() {
        let path = std::env::temp_dir().join(format!("valk-old-{}.valk", std::process::id()));
        std::fs::write(&path, "(/ 1 0)").expect("file");
        let mut runtime = runtime();
        let (told, program) = (told(&runtime), format!("(load \"{}\")", path.display()));
        let reports = runtime.vm().extension::<crate::Language>().reports.clone();
        reports.set_compatible(true);
        runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
        std::fs::remove_file(&path).expect("made above");
        assert_eq!(runtime.take_output(), b"Error[Division By Zero]\n");
        assert_eq!(told.lock().expect("told").len(), 1);
        assert!(!reports.has_failed());
    }
}

valk_harness::test! {
    fn load_tells_errors_and_remembers_the_last_value() {
        let path = std::env::temp_dir().join(format!("valk-load-{}.valk", std::process::id()));
        std::fs::write(&path, "(print \"in\") nosuch (= {inner} 5) (+ inner 1)\n(").expect("file");
        let program = format!("(load \"{}\") (print VALK_LAST_VALUE inner)", path.display());
        let mut runtime = runtime();
        let told = told(&runtime);
        let ran = runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
        std::fs::remove_file(&path).expect("made above");
        let out = String::from_utf8(runtime.take_output()).expect("text");
        assert!(matches!(ran, Ran::Value(_)), "{out}");
        assert_eq!(out, "in\n6 5\n");
        let told = told.lock().expect("told").concat();
        let place = |at| format!("{}:{at}", path.display());
        for part in ["`nosuch` is not bound", &place("1:14"), "expected `)`", &place("2:2")] {
            assert!(told.contains(part), "{part} in {told}");
        }
        let reports = runtime.vm().extension::<crate::Language>().reports.clone();
        assert!(reports.has_failed());
    }
}

valk_harness::test! {
    fn load_inside_a_function_binds_there() {
        let path = std::env::temp_dir().join(format!("valk-inner-{}.valk", std::process::id()));
        std::fs::write(&path, "(= {v} (+ x 1))").expect("file");
        let path_text = path.display();
        let program = format!("(fun {{f x}} {{(load \"{path_text}\") (+ 0 v)}}) (print (f 4)) (print v)");
        let mut runtime = runtime();
        runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
        std::fs::write(&path, b"\xff").expect("file");
        let program = format!("(print (load \"{path_text}\"))");
        let told = told(&runtime);
        runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
        std::fs::remove_file(&path).expect("made above");
        let out = String::from_utf8(runtime.take_output()).expect("text");
        assert!(out.starts_with("5\nError: LEnv: Symbol `v` is not bound\n"), "{out}");
        assert!(told.lock().expect("told").concat().contains("is not UTF-8"));
    }
}

valk_harness::test! {
    fn stacks_that_are_gone_leave_their_memory() {
        let mut runtime = limited(32 << 20);
        let program = "(fun {deep n} {if (== n 0) {0} {+ 1 (deep (- n 1))}}) (print (deep 50000))";
        for _ in 0..40 {
            runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
        }
        let out = String::from_utf8(runtime.take_output()).expect("text");
        assert_eq!(out, "50000\n".repeat(40));
    }
}

valk_harness::test! {
    fn the_memory_limit_is_an_error_the_program_can_handle() {
        let mut runtime = limited(16 << 20);
        let program = "(fun {grow l} {grow (cons 1 l)})
            (= {r} (grow {})) (print (error? r) r)
            (print (len (range 0 100000)))
            (fun {deep n} {+ 1 (deep n)}) (= {d} (deep 1)) (print (error? d))
            (= {s} (make-string 50000000 \"a\")) (print (error? s))
            (= {l} (range 0 100000000)) (print (error? l))
            (print \"still here\")";
        let ran = runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
        let out = String::from_utf8(runtime.take_output()).expect("text");
        assert!(matches!(ran, Ran::Value(_)), "{out}");
        assert!(out.starts_with("1 Error: out of memory"), "{out}");
        assert!(out.ends_with("100000\n1\n1\n1\nstill here\n"), "{out}");
    }
}

valk_harness::test! {
    fn a_list_of_strings_ends_at_the_memory_limit() {
        const LIMIT: usize = 16 << 20;
        for repeats in [1000, 5000] {
            let mut runtime = limited(LIMIT);
            let program = format!("(fun {{hog l}} {{hog (cons (make-string {repeats} \"0123456789\") l)}})
                (print (hog nil))");
            runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
            let out = String::from_utf8(runtime.take_output()).expect("text");
            assert!(out.starts_with("Error: out of memory"), "{out}");
            let committed = runtime.vm().heap.statistics().committed_bytes;
            assert!(committed <= LIMIT + (4 << 20), "{committed} bytes are committed");
        }
    }
}

valk_harness::test! {
    fn deep_source_is_read_and_compiled() {
        let depth = 20_000;
        let nested = format!("(print {}1{})", "(* 1 ".repeat(depth), ")".repeat(depth));
        let called = format!("(print {}1{})", "(id (+ 1 ".repeat(500), "))".repeat(500));
        let quoted = format!("(print (len {{{}{}}}))", "(".repeat(depth), ")".repeat(depth));
        let template = format!("(print (len `{}1{}))", "(".repeat(500), ")".repeat(500));
        let many: String = (0..500).map(|n: u32| n.to_string() + " ").collect();
        let wide = format!("(fun {{f}} {{len (list {many})}}) (print (f) (+ {many}) (len `({many})))");
        let mut runtime = runtime();
        for (text, expected) in [
            (nested, "1\n"),
            (called, "501\n"),
            (quoted, "1\n"),
            (template, "1\n"),
            (wide, "500 124750 500\n"),
        ] {
            let ran = runtime.run_text("p", text.as_bytes(), &mut NoWaiting);
            let out = String::from_utf8(runtime.take_output()).expect("text");
            assert_eq!(out, expected, "{ran:?}");
        }
    }
}

valk_harness::test! {
    fn too_many_parameters_are_an_error() {
        let names: String = (0..300).map(|n: u32| "p".to_string() + &n.to_string() + " ").collect();
        let text = complaint(&format!("(\\ {{{names}}} {{1}})"));
        assert!(text.contains("too many parameters"), "{text}");
    }
}

valk_harness::test! {
    fn the_listing_names_globals_and_jumps() {
        let path = std::env::temp_dir().join(format!("valk-listing-{}.valk", std::process::id()));
        std::fs::write(&path, "(fun {f x & r} {(= {y} (\\ {} {+ x y})) (if (< x 2) {g x} {y})})")
            .expect("file");
        let listing = runtime().disasm_file(&path).expect("it compiles");
        std::fs::write(&path, "(f").expect("file");
        assert!(runtime().disasm_file(&path).is_err());
        std::fs::remove_file(&path).expect("made above");
        for part in ["f (1+ parameters", "branch-less-number", "tail-call-global", " g", "-> "] {
            assert!(listing.contains(part), "{part}\n{listing}");
        }
    }
}

valk_harness::test! {
    fn a_question_without_an_executor_is_an_error() {
        let runtime = runtime();
        let fiber = {
            let mut vm = runtime.vm();
            let builtin = vm.define_native(
                "ask",
                valk_vm::Arity::Any,
                valk_vm::NativeKind::Plain(|_, _| valk_vm::Outcome::Suspend(Value::ONE)),
            );
            let answer = vm.call(builtin, &[]);
            assert!(answer.is_error());
            vm.spawn(builtin, &[])
        };
        let value = NoWaiting.run(&runtime.vm, fiber);
        assert!(runtime.repr(value).contains("waits for an event"));
    }
}

valk_harness::test! {
    fn output_goes_where_the_embedder_wants_it() {
        let out = Output::default();
        out.write(b"");
        out.flush();
        assert!(out.take().is_empty());
        let runtime = runtime();
        runtime.write(b"text");
        runtime.flush();
        assert_eq!(runtime.take_output(), b"text");
    }
}

valk_harness::test! {
    fn errors_that_no_program_made_have_no_place() {
        let mut runtime = runtime();
        let fiber = {
            let mut vm = runtime.vm();
            let given = vm.error("from outside");
            let name = vm.intern("given");
            vm.set_global(name, given);
            let head = vm.intern("head");
            let head = vm.global(head).expect("a builtin");
            vm.spawn(head, &[Value::ONE])
        };
        let direct = NoWaiting.run(&runtime.vm, fiber);
        assert!(direct.is_error());
        let name = runtime.vm().intern("direct");
        runtime.vm().set_global(name, direct);
        let program = b"(print (error/location given) (error/trace given) (error/trace direct))";
        runtime.run_text("p", program, &mut NoWaiting);
        assert_eq!(runtime.take_output(), b"() () ()\n");
    }
}

valk_harness::test! {
    fn reports_go_to_standard_error() {
        let mut runtime = runtime();
        runtime.run_text("p", b"(print 1) (mem/gc/stats) (print 2)", &mut NoWaiting);
        let out = String::from_utf8(runtime.take_output()).expect("text");
        assert!(out.starts_with("1\n=== GC Heap Statistics ==="), "{out}");
        assert!(out.ends_with("\n2\n"), "{out}");
    }
}

/// What a builtin without arguments answers in a context.
fn in_context(vm: &mut valk_vm::Vm, context: Value, name: &str) -> Value {
    let symbol = vm.intern(name);
    let function = vm.global(symbol).expect("a builtin");
    let fiber = vm.spawn(function, &[]);
    vm.set_context(fiber, context);
    let valk_vm::Step::Done(value) = vm.resume(fiber, Value::NIL) else { panic!("it ends") };
    value
}

valk_harness::test! {
    fn a_request_brings_its_context() {
        use crate::RequestContext;
        use std::time::Duration;
        let runtime = runtime();
        let vm = &mut *runtime.vm();
        let asked = RequestContext {
            trace: Some(5),
            parent_span: Some(u64::MAX),
            deadline: Some(Duration::from_hours(1)),
        };
        let context = asked.make(vm);
        assert_eq!(in_context(vm, context, "trace/id").as_integer(), Some(5));
        assert_eq!(in_context(vm, context, "trace/parent-span").as_integer(), Some(-1));
        assert!(in_context(vm, context, "ctx/locals").is_nil());
        let left = in_context(vm, context, "ctx/deadline").as_integer().expect("a number");
        assert!((1_000_000..=3_600_000).contains(&left), "{left}");
        let span = in_context(vm, context, "trace/span");
        let other = asked.make(vm);
        assert_ne!(span, in_context(vm, other, "trace/span"), "each request has its own span");
        let fresh = RequestContext::default().make(vm);
        assert!(in_context(vm, fresh, "ctx/deadline").is_nil());
        assert!(in_context(vm, fresh, "trace/parent-span").is_nil());
        let trace = in_context(vm, fresh, "trace/id");
        let again = RequestContext::default().make(vm);
        assert_ne!(trace, in_context(vm, again, "trace/id"), "a trace of its own");
        let far = RequestContext { deadline: Some(Duration::MAX), ..RequestContext::default() };
        let far = far.make(vm);
        assert!(in_context(vm, far, "ctx/deadline").as_integer() > Some(1 << 40));
    }
}

valk_harness::test! {
    fn vms_of_one_program_count_spans_together() {
        use crate::{Language, RequestContext};
        use std::collections::HashSet;
        let runtimes = [runtime(), runtime()];
        let language = runtimes[0].vm().extension::<Language>().of_same_program();
        *runtimes[1].vm().extension::<Language>() = language;
        let mut seen = HashSet::new();
        for turn in 0..20_000 {
            let vm = &mut *runtimes[turn % 2].vm();
            let context = RequestContext::default().make(vm);
            let ids = [context.field(0), context.field(1)].map(Value::as_integer);
            assert!(ids.iter().all(|id| id.is_some_and(|id| id != 0)));
            assert!(seen.insert(ids[0]) && seen.insert(ids[1].map(|id| !id)), "{ids:?} again");
        }
    }
}
