//! Options of builtins: each kind of value, each thing that can be wrong.

use crate::property_list::{OptionKey, OptionKind, OptionTable, Options, WrongKind, build};
use crate::{NoWaiting, Output, Ran, Runtime};
use valk_heap::{Config, Value};

const KEYS: &[OptionKey] = &[
    OptionKey::integer(":port", (1, 65_535), 8080, "", "Where to listen."),
    OptionKey::integer(":wait-ms", (10, 600), 50, "ms", "How long to wait.").with_zero_as_default(),
    OptionKey::integer(":room", (1, i64::MAX), 4, "bytes", "How much fits.")
        .with_error("room is too small"),
    OptionKey::new(":host", OptionKind::Text, "The name."),
    OptionKey::new(":tls", OptionKind::Boolean, "Encrypted."),
    OptionKey::new(":on-error", OptionKind::Function, "Called with errors."),
    OptionKey::new(":mode", OptionKind::Choice(&[":fast", ":safe"]), "How."),
    OptionKey::new(":legacy", OptionKind::Ignored, "Nothing."),
];

static LENIENT: OptionTable =
    OptionTable { builtin: "net/open", wrong_kind: WrongKind::IsIgnored, keys: KEYS };
static EXACT: OptionTable =
    OptionTable { builtin: "net/open", wrong_kind: WrongKind::Fails, keys: KEYS };

/// Reads the value of a program as options.
fn examine(table: &'static OptionTable, program: &str) -> (Result<Options, String>, Vec<String>) {
    let mut runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
    let Ran::Value(list) = runtime.run_text("test", program.as_bytes(), &mut NoWaiting) else {
        panic!("{program} runs");
    };
    table.examine(&runtime.vm(), list)
}

/// Reads options in which nothing is odd.
fn read(program: &str) -> Options {
    let (options, warnings) = examine(&EXACT, program);
    assert_eq!(warnings, [""; 0], "{program}");
    options.expect(program)
}

fn warnings(program: &str) -> Vec<String> {
    let (options, warnings) = examine(&LENIENT, program);
    options.expect(program);
    warnings
}

fn error(table: &'static OptionTable, program: &str) -> String {
    examine(table, program).0.expect_err(program)
}

valk_harness::test! {
    fn keys_have_what_their_description_says() {
        // Tables are constants, so this is the only place where these functions run.
        let key = OptionKey::integer(":wait", (10, 600), 50, "ms", "How long.");
        let OptionKind::Integer { min, max } = key.kind else { panic!("a number") };
        assert_eq!((key.name, min, max, key.default, key.unit), (":wait", 10, 600, 50, "ms"));
        assert_eq!((key.text, key.zero_is_default, key.out_of_range), ("How long.", false, ""));
        let key = key.with_zero_as_default().with_error("too short");
        assert_eq!((key.name, key.default, key.unit), (":wait", 50, "ms"));
        assert_eq!((key.zero_is_default, key.out_of_range), (true, "too short"));
        let key = OptionKey::new(":host", OptionKind::Text, "The name.");
        assert!(matches!(key.kind, OptionKind::Text));
        assert_eq!((key.name, key.default, key.unit, key.text), (":host", 0, "", "The name."));
    }

    fn without_a_list_the_defaults_apply() {
        for list in ["{}", "nil", "{:legacy 7}", "{:wait-ms 0}", "{:strict 1}", "{:strict 0}"] {
            let options = read(list);
            assert_eq!(options.integer(":port"), 8080);
            assert_eq!(options.integer(":wait-ms"), 50, "{list}");
            assert_eq!(options.text(":host"), None);
            assert_eq!(options.boolean(":tls"), None);
            assert_eq!(options.function(":on-error"), None);
            assert_eq!(options.choice(":mode"), None);
            assert!(!options.is_given(":port") && !options.is_given(":wait-ms"));
        }
    }

    fn values_of_each_kind_are_read() {
        let options = read(
            "(list :port 1 :wait-ms 600 :room 4611686018427387903 :host \"é\" :tls 1 :on-error + :mode :safe)",
        );
        assert_eq!((options.integer(":port"), options.integer(":wait-ms")), (1, 600));
        assert_eq!(options.text(":host").as_deref(), Some("é"));
        assert!(options.is_given(":room") && options.function(":on-error").is_some());
        assert_eq!(options.choice(":mode"), Some(":safe"));
        for (value, expected) in
            [("0", false), ("1", true), (":true", true), ("true", true), (":false", false), ("false", false)]
        {
            assert_eq!(read(&format!("{{:tls {value}}}")).boolean(":tls"), Some(expected), "{value}");
        }
        // A question for another kind has no answer.
        assert_eq!(options.text(":port"), None);
        assert_eq!((options.boolean(":port"), options.function(":port")), (None, None));
        assert_eq!((options.choice(":port"), options.integer(":host")), (None, 0));
    }

    fn a_number_out_of_range_is_an_error() {
        let port = ":port must be between 1 and 65535";
        let wait = ":wait-ms must be between 10 and 600 ms";
        let cases = [(":port 0", port), (":port 65536", port), (":port -1", port),
            (":port 9223372036854775807", port), (":wait-ms 9", wait), (":wait-ms -1", wait),
            (":room 0", "room is too small")];
        for table in [&LENIENT, &EXACT] {
            for (list, expected) in cases {
                assert_eq!(error(table, &format!("{{{list}}}")), expected, "{list}");
            }
        }
    }

    fn an_unknown_key_is_a_warning_that_names_the_nearest() {
        assert_eq!(warnings("{:prot 1}"), ["unknown key :prot; did you mean :port?"]);
        assert_eq!(warnings("{:strikt 1}"), ["unknown key :strikt; did you mean :strict?"]);
        let far = warnings("{:colour 5 :port 2}");
        assert_eq!(far, ["unknown key :colour; keys: :port :wait-ms :room :host :tls :on-error :mode :legacy"]);
        // Without its colon it is another key.
        assert_eq!(warnings("{port 1}"), ["unknown key port; did you mean :port?"]);
    }

    fn odd_lists_and_keys_are_told() {
        assert_eq!(warnings("{:port}"), ["the key :port has no value; it is ignored"]);
        assert_eq!(warnings("{5 1}"), ["expected a key such as :key, got Number; it is ignored"]);
        assert_eq!(warnings("5"), ["expected a property list or a map, got Number; it is ignored"]);
        assert_eq!(error(&EXACT, "5"), "expected a property list or a map, got Number");
    }

    fn of_equal_keys_the_last_wins() {
        let (options, warnings) = examine(&EXACT, "{:port 1 :host \"a\" :port 2}");
        assert_eq!(options.expect("valid").integer(":port"), 2);
        assert_eq!(warnings, ["the key :port is given twice; the last value counts"]);
    }

    fn a_value_of_a_wrong_kind_is_an_error_or_ignored() {
        let cases = [(":port \"1\"", ":port must be a number, got String"),
            (":host 1", ":host must be a string, got Number"),
            (":tls 2", ":tls must be 0, 1, :true or :false, got Number"),
            (":tls :maybe", ":tls must be 0, 1, :true or :false, got Symbol"),
            (":tls \"1\"", ":tls must be 0, 1, :true or :false, got String"),
            (":on-error 5", ":on-error must be a function, got Number"),
            (":mode :slow", ":mode must be one of :fast :safe, got Symbol"),
            (":mode 5", ":mode must be one of :fast :safe, got Number")];
        for (list, expected) in cases {
            assert_eq!(error(&EXACT, &format!("{{{list}}}")), expected);
            assert_eq!(warnings(&format!("{{{list}}}")), [format!("{expected}; it is ignored")]);
        }
    }

    fn a_strict_list_makes_every_warning_an_error() {
        for strict in ["1", ":true"] {
            for (list, expected) in [(":prot 1", "unknown key :prot"), ("5 1", "expected a key"),
                (":port 1 :port 2", "is given twice"), (":port \"1\"", "must be a number"),
                (":mode 1", "must be one of")]
            {
                let text = error(&LENIENT, &format!("{{{list} :strict {strict}}}"));
                assert!(text.contains(expected), "{list}: {text}");
            }
        }
        let odd = error(&LENIENT, "{:strict 1 :port}");
        assert_eq!(odd, "the key :port has no value; it is ignored");
        assert_eq!(warnings("{:prot 1 :strict 0}").len(), 1);
    }

    fn warnings_are_logged_with_the_name_of_the_builtin() {
        let runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
        let mut vm = runtime.vm();
        let list = build(&mut vm, &[(":prot", Value::ONE)]);
        assert!(LENIENT.read(&vm, list).is_ok());
        assert!(LENIENT.read(&vm, Value::ONE).is_ok());
        assert!(EXACT.read(&vm, Value::ONE).is_err());
    }

    fn a_list_is_built_in_order_and_quoted() {
        let runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
        let list = {
            let mut vm = runtime.vm();
            let inner = build(&mut vm, &[(":b", Value::ONE)]);
            build(&mut vm, &[(":a", Value::fixnum(5)), (":inner", inner)])
        };
        assert_eq!(runtime.repr(list), "{:a Num[5] :inner {:b Num[1]}}");
        assert!(build(&mut runtime.vm(), &[]).is_nil());
    }

    fn a_table_gives_limits_and_documentation() {
        let rows: Vec<_> = LENIENT.limits().collect();
        assert_eq!(rows.len(), 3);
        assert_eq!((rows[1].name.as_str(), rows[1].default, rows[1].unit), ("net/wait-ms", 50, "ms"));
        assert_eq!(rows[1].set, ":wait-ms of net/open");
        let text = LENIENT.document();
        assert_eq!(text.lines().count(), 2 + KEYS.len());
        assert!(text.contains("| `:port` | 1 to 65535 | 8080 | Where to listen. |\n"), "{text}");
        assert!(text.contains("| `:room` | 1 or more bytes | 4 | How much fits. |\n"), "{text}");
        assert!(text.contains("| `:mode` | one of :fast :safe |  | How. |\n"), "{text}");
        assert!(text.contains("| `:legacy` | anything |  | Nothing. |\n"), "{text}");
    }
}

static FIELDS: OptionTable = OptionTable {
    builtin: "net/send",
    wrong_kind: WrongKind::Fails,
    keys: &[
        OptionKey::new(":fields", OptionKind::List, "Pairs."),
        OptionKey::new(":body", OptionKind::Text, "Bytes."),
    ],
};

valk_harness::test! {
    fn lists_and_bytes_are_given_as_they_are() {
        let read = |program| examine(&FIELDS, program).0.expect(program);
        let options = read("{:fields {1 2} :body \"a\"}");
        assert!(options.list(":fields").is_some_and(Value::is_pair));
        assert_eq!(options.bytes(":body"), Some(&b"a"[..]));
        assert!(read("(list :fields nil)").list(":fields").is_some_and(Value::is_nil));
        let options = read("{}");
        assert_eq!((options.list(":fields"), options.bytes(":body")), (None, None));
        assert_eq!((options.list(":body"), options.bytes(":fields")), (None, None));
        assert_eq!(error(&FIELDS, "{:fields 5}"), ":fields must be a list, got Number");
    }
}
