//! Expansions and errors; that they compile and run is tested in `harness/src/tests` and by the
//! examples.

use crate::expand::{expand, without_ours};

fn tokens(text: &str) -> proc_macro2::TokenStream {
    text.parse().expect("tokens")
}

/// The expansion without spaces.
fn expanded(arguments: &str, item: &str) -> String {
    let expansion = expand(tokens(arguments), tokens(item)).expect("it is right");
    expansion.to_string().replace(' ', "")
}

fn refusal(arguments: &str, item: &str) -> String {
    expand(tokens(arguments), tokens(item)).expect_err("it is wrong").to_string()
}

valk_harness::cases! {
    fn expands((arguments, item, parts): (&str, &str, &[&str])) [
        "plain" => ("", "fn a() {}", &["Single{name:\"a\"", "__end!(a())"]),
        "attributes" => (
            "",
            "#[timeout_ms = 5] #[retries = 2] #[owner = \"a\"] #[until = \"2027-01-31\"] #[isolation = Exec] #[require = NeedsCores(4)] #[fixture = F] \
             #[ignore = \"x\"] #[cfg(unix)] #[doc = \"d\"] fn a() {}",
            &[
                ".timeout_ms(5)", ".retries(2)", ".owner(\"a\")", ".until(\"2027-01-31\")", ".isolation(::valk_harness::Isolation::Exec)", ".fixture(&F)",
                ".require(::valk_harness::SkipCode::NeedsCores(4))", ".ignore(\"x\")",
                "#[doc=\"d\"]fna(){}#[cfg(unix)]const_:()",
            ],
        ),
        "ignore without reason" => ("", "#[ignore] fn a() {}", &[".ignore(\"noreasongiven\")"]),
        "should panic" => ("", "#[should_panic] fn a() {}", &[".should_panic(\"\")"]),
        "should panic, short" => ("", "#[should_panic = \"x\"] fn a() {}", &[".should_panic(\"x\")"]),
        "should panic with" => (
            "", "#[should_panic(expected = \"x\")] fn a() {}", &[".should_panic(\"x\")"],
        ),
        "expected skip" => (
            "", "#[skip = expected(NeedsRoot, \"r\")] fn a() {}",
            &["StaticSkip::Expected(::valk_harness::SkipCode::NeedsRoot,\"r\")"],
        ),
        "broken skip" => (
            "", "#[skip = broken(\"V-1\", \"r\")] fn a() {}", &["StaticSkip::Broken(\"V-1\",\"r\")"],
        ),
        "async" => (
            "start_paused = true", "async fn a() {}",
            &["new_current_thread().start_paused(true).enable_all()", ".block_on(a())"],
        ),
        "async on several threads" => (
            "flavor = \"multi_thread\", worker_threads = 2", "async fn a() {}",
            &["new_multi_thread().worker_threads(2)"],
        ),
        "async on one thread" => (
            "flavor = \"current_thread\"", "async fn a() {}", &["new_current_thread()"],
        ),
        "matrix" => (
            "", "fn a(#[values(1, 2)] x: u8, #[values(\"b c\", f(1))] y: u8) {}",
            &["\"x=1,y=b c\"", "\"x=2,y=f(1)\"", "fna(x:u8,y:u8){}"],
        ),
        "long value" => (
            "", "fn a(#[values(\"0123456789012345678901234567890123456789x\", \"\")] x: u8) {}",
            &["\"x=#1\"", "\"x=#2\""],
        ),
        "cases and values" => (
            "", "#[case(\"one\", 1)] #[case(\"two\", 2)] fn a(n: u8, #[values(3)] m: u8) {}",
            &["\"one,m=3\"", "\"two,m=3\"", "letvalue_0=2"],
        ),
        "one case" => (
            "", "#[case(\"one\", 1)] fn a(n: u8) {}", &["Cases{name:\"a\"", "\"one\"", "letvalue_0=1"],
        ),
        "fixture" => (
            "", "fn a(#[fixture(DB)] db: &Db) {}",
            &["Single", ".fixture(&DB)", "letvalue_0=DB.get()"],
        ),
        "filter" => (
            "", "#[filter(x != 1)] fn a(#[values(1, 2)] x: u8, #[fixture(F)] f: &F) {}",
            &["Registered::Provider", "{letx=1;x!=1}", "new(\"a/x=2\""],
        ),
    ] {
        let expansion = expanded(arguments, item);
        for part in parts {
            let part = part.replace(' ', "");
            assert!(expansion.contains(&part), "no {part} in {expansion}");
        }
    }
}

valk_harness::cases! {
    fn refuses((arguments, item, says): (&str, &str, &str)) [
        "no function" => ("", "struct S;", "expected"),
        "generics" => ("", "fn a<T>() {}", "no generic parameters"),
        "unknown word" => ("colour = 1", "async fn a() {}", "expected `flavor`"),
        "unknown flavour" => ("flavor = \"x\"", "async fn a() {}", "\"multi_thread\" or"),
        "flavour that is no text" => ("flavor = 1", "async fn a() {}", "\"multi_thread\" or"),
        "threads of one thread" => ("worker_threads = 2", "async fn a() {}", "needs flavor"),
        "paused threads" => (
            "flavor = \"multi_thread\", start_paused = true", "async fn a() {}", "on one thread only",
        ),
        "runtime without async" => ("start_paused = true", "fn a() {}", "only an `async fn`"),
        "libtest" => ("", "#[test] fn a() {}", "libtest's #[test] is not needed"),
        "limit without value" => ("", "#[timeout_ms] fn a() {}", "expected #[timeout_ms = 500]"),
        "retries in parentheses" => ("", "#[retries(2)] fn a() {}", "expected #[retries = 2]"),
        "owner in parentheses" => ("", "#[owner(a)] fn a() {}", "expected #[owner = "),
        "day without value" => ("", "#[until] fn a() {}", "expected #[until = "),
        "reason in parentheses" => ("", "#[ignore(x)] fn a() {}", "expected #[ignore = "),
        "should panic with" => ("", "#[should_panic(because = \"x\")] fn a() {}", "expected = "),
        "skip that is no call" => ("", "#[skip = broken] fn a() {}", "expected #[skip = "),
        "skip of a method" => ("", "#[skip = a.b(1)] fn a() {}", "expected #[skip = "),
        "skip of an expression" => ("", "#[skip = (1)(2, 3)] fn a() {}", "expected #[skip = "),
        "skip of another kind" => ("", "#[skip = maybe(1, 2)] fn a() {}", "expected #[skip = "),
        "skip without reason" => ("", "#[skip = broken(\"V-1\")] fn a() {}", "expected #[skip = "),
        "case without list" => ("", "#[case] fn a() {}", "expected #[case("),
        "case without label" => ("", "#[case()] fn a() {}", "expected #[case("),
        "case with a number" => ("", "#[case(1)] fn a(x: u8) {}", "begins with its label"),
        "case with too few" => ("", "#[case(\"l\")] fn a(x: u8) {}", "too few values"),
        "case with too many" => ("", "#[case(\"l\", 1)] fn a() {}", "no parameter takes"),
        "method" => ("", "fn a(&self) {}", "not a method"),
        "no value" => ("", "fn a(x: u8) {}", "no value: write #[values"),
        "no values" => ("", "fn a(#[values()] x: u8) {}", "there would be no test"),
        "two sources" => ("", "fn a(#[values(1)] #[fixture(F)] x: u8) {}", "one source of values"),
        "filter without condition" => ("", "#[filter] fn a() {}", "expected"),
    ] {
        let text = refusal(arguments, item);
        assert!(text.contains(says), "{text}");
    }
}

valk_harness::test! {
    fn too_many_combinations_are_refused() {
        let values = vec!["1"; 200].join(",");
        let item = format!("fn a(#[values({values})] x: u8, #[values({values})] y: u8) {{}}");
        assert!(refusal("", &item).contains("more than 10000 combinations"));
    }

    fn a_refused_function_stays_without_our_attributes() {
        let item = "#[timeout_ms] #[inline] fn a(#[values()] x: u8) {}";
        let left = without_ours(tokens(item)).to_string().replace(' ', "");
        assert!(left.ends_with("#[inline]fna(x:u8){}"), "{left}");
        let left = without_ours(tokens("#[case] fn a(&self) {}")).to_string().replace(' ', "");
        assert!(left.ends_with("fna(&self){}"), "{left}");
        assert!(without_ours(tokens("struct S;")).is_empty());
    }
}
