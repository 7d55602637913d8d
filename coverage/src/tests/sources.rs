use super::Tree;
use crate::error::Error;
use crate::sources::{belongs, is_executable, macro_lines, read};

valk_harness::test! {
    fn only_measured_files_are_found() {
        let tree = Tree::new(&[
            ("a/src/lib.rs", "fn f() {}"),
            ("a/src/deep/er.rs", "pub struct S;"),
            ("a/src/tests.rs", "fn t() {}"),
            ("a/src/gate_tests.rs", "fn t() {}"),
            ("a/src/tests/gate_tests.rs", "fn t() {}"),
            ("a/src/tests/more.rs", "fn t() {}"),
            ("a/examples/e.rs", "fn e() {}"),
            ("a/benches/b.rs", "fn b() {}"),
            ("a/target/debug/out.rs", "fn o() {}"),
            ("a/.hidden/h.rs", "fn h() {}"),
            ("a/build.rs", "fn main() {}"),
            ("a/src/notes.md", "fn"),
            ("b/src/lib.rs", "fn f() {}"),
        ]);
        let found = read(tree.root(), &["./a/".to_owned()]).unwrap();
        let listed: Vec<(&str, bool)> =
            found.iter().map(|(path, file)| (path.as_str(), file.executable)).collect();
        let expected =
            [("a/src/deep/er.rs", false), ("a/src/gate_tests.rs", true), ("a/src/lib.rs", true)];
        assert_eq!(listed, expected);
        assert_eq!(read(tree.root(), &[".".to_owned()]).unwrap().len(), 4);
    }
}

valk_harness::test! {
    fn nothing_to_judge_is_an_error() {
        let tree = Tree::new(&[("a/readme.md", ""), ("bad/x.rs", "")]);
        tree.add("bad/x.rs", b"\xff");
        let under = |folder: &str| read(tree.root(), &[folder.to_owned()]).unwrap_err();
        assert!(matches!(under("a"), Error::NoSources { .. }));
        assert!(matches!(under("nowhere"), Error::Read { .. }));
        assert!(matches!(under("bad"), Error::Read { .. }));
    }
}

valk_harness::test! {
    fn paths_belong_by_folder_and_name() {
        let under = ["runtime".to_owned(), "./coverage/".to_owned()];
        for path in ["runtime/vm/src/stack.rs", "coverage/src/lib.rs"] {
            assert!(belongs(path, &under), "{path}");
        }
        for path in [
            "runtime2/src/lib.rs",
            "runtime/vm/src/tests.rs",
            "runtime/vm/tests/a.rs",
            "runtime/vm/src/tests/a.rs",
            "harness/src/lib.rs",
            "runtime/.cache/x.rs",
            "runtime",
        ] {
            assert!(!belongs(path, &under), "{path}");
        }
        assert!(belongs("any/where.rs", &[".".to_owned()]));
    }
}

fn executable(code: &str) {
    assert!(is_executable(code), "{code}");
}

fn inert(code: &str) {
    assert!(!is_executable(code), "{code}");
}

valk_harness::test! {
    fn a_function_with_a_body_can_execute() {
        executable("fn f() {}");
        executable("pub async fn f<T>(x: [u8; 3]) -> Vec<T> where T: Copy {}");
        executable("impl S { const fn new() -> Self { S } }");
        executable("trait T { fn a(&self); fn b(&self) { } }");
        executable("/* a /* nested */ comment */ fn f() {}");
        executable("const C: char = '\"'; fn f() {}");
        executable("const C: &str = \"\\\"\"; fn f() {}");
        executable("const R: &str = r#\"a\"b\"#; fn f() {}");
        executable("const B: &[u8] = br\"\\\"; fn f() {}");
        executable("fn r(a: &'static str) {}");
        executable("fn\n  f() {}");
        executable("static T: LazyLock<u8> = LazyLock::new(|| { if a { 1 } else { 2 } });");
        executable("static F: fn(u8) -> u8 =\n    |x| x + 1;");
        executable("static F: X = new(a, move |x| x);");
        executable("macro_rules! m { () => {} }\nfn f() {}");
    }
}

valk_harness::test! {
    fn declarations_text_and_comments_cannot() {
        inert("");
        inert("pub struct S { f: fn(u8) -> u8 }");
        inert("trait T { fn a(&self, x: [u8; 3]); }");
        inert("// fn f() {}");
        inert("//! fn f() {}\npub const A: u8 = 1;");
        inert("/* fn f() {} */");
        inert("/* fn f() {}");
        inert("/*/ fn f() {} */");
        inert("const S: &str = \"fn f() {}\";");
        inert("const S: &str = \"\\\" fn f() {}\";");
        inert("const S: &str = r\"fn f() {}\";");
        inert("const S: &str = r##\"\"# fn f() {}\"##;");
        inert("const S: &str = \"fn f() {}");
        inert("const C: (char, char) = ('\\'', '\\n');");
        inert("const C: char = '\\");
        inert("const C: char = '");
        inert("macro_rules! m { () => { fn $name() {} } }");
        inert("macro_rules! m { () => { register(|| fn_of()) } }");
        inert("macro_rules! m { () => { fn written() { a } } }");
        inert("const A: u8 = B | C;");
        inert("extern \"C\" { fn f(x: u8); }");
        inert("fn f");
        inert("fn f() -> )");
    }
}

valk_harness::test! {
    fn lines_of_macros_are_found() {
        let text = "fn a() {}\nmacro_rules! m {\n    // why\n    ($x:expr) => {\n        if $x { \"{\" }\n    };\n}\n\
                    macro_rules! n { () => { 1 } }\nfn b() {}\n";
        assert_eq!(macro_lines(text), [4, 5]);
        assert_eq!(macro_lines("macro_rules! m { () => {\n 1"), [2]);
        assert_eq!(macro_lines("macro_rules!"), [] as [u32; 0]);
    }
}

valk_harness::test! {
    fn files_of_other_builds_need_no_data() {
        inert("#![cfg(valk_loom)]\nfn f() {}");
        inert("#![cfg(all(test, unix))]\nfn f() {}");
        executable("#![cfg(not(valk_loom))]\nfn f() {}");
        executable("#![cfg(unix)]\nfn f() {}");
        executable("#![cfg(feature_testing)]\nfn f() {}");
        executable("// #![cfg(valk_loom)]\nfn f() {}");
        inert("//! About.\n#![allow(x[1])]\n#![cfg(\n  test\n)]\nfn f() {}");
        inert("#![cfg(any(valk_loom, all(test, feature = \"x\"), valk_shuttle,))]\nfn f() {}");
        executable("fn f() {}\nmod tests { #![cfg(test)] }");
        executable("#![cfg(any(test, unix))]\nfn f() {}");
        executable("#![cfg(any(test, not(test)))]\nfn f() {}");
        executable("#![cfg(unix\nfn f() {}");
    }
}
