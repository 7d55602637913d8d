//! The macros that tests are written with: `test!`, `cases!`, `dynamic!`, `assert_snapshot!`.
//!
//! Each leaves a [`crate::Registration`] for `inventory`; nothing is evaluated before the test
//! runs, except names of data-driven tests.

/// Declares tests: `test! { #[timeout_ms = 500] fn name() { body } }`.
///
/// Attributes, optional and in any order: `#[timeout_ms = N]`, `#[isolation = Fork | InProcess |
/// Exec]`, `#[skip = expected(NeedsRoot, "reason")]`, `#[skip = broken("id", "reason")]`,
/// `#[require = NeedsCores(4)]`, `#[ignore = "reason"]`, `#[fixture = STATIC]`, doc comments and
/// `#[expect(…)]`.
#[macro_export]
macro_rules! test {
    ($($input:tt)*) => {
        $crate::__define! { [test] [$crate::Attributes::new()] [] $($input)* }
    };
}

/// Declares one test per case.
///
/// `cases! { fn name(x: T) [ "label" => value, … ] { body } }` names each test `name/label`; the
/// value is evaluated in the test. `cases! { fn name(x: T) in rows() { body } }` takes labels and
/// values from a pure function returning `(label, T)` pairs (any `IntoIterator`). The parameter may
/// be a parenthesised pattern. Attributes as in [`test!`], for all cases.
#[macro_export]
macro_rules! cases {
    ($($input:tt)*) => {
        $crate::__define! { [cases] [$crate::Attributes::new()] [] $($input)* }
    };
}

/// Registers a provider: `dynamic! { fn provide() -> Vec<TestDefinition> { … } }`.
///
/// Called at every start, also for `--list`: it must be pure, fast and deterministic.
#[macro_export]
macro_rules! dynamic {
    ($(#[$meta:meta])* fn $name:ident() -> $result:ty $body:block) => {
        $(#[$meta])*
        fn $name() -> $result $body
        $crate::__register! { $crate::Registered::Provider($name) }
    };
}

/// Compares `value` (anything that displays) with the stored snapshot `label` of the running test.
///
/// Snapshots live in `tests/snapshots` of the calling crate. `VALK_UPDATE_SNAPSHOTS=1` stores them.
#[macro_export]
macro_rules! assert_snapshot {
    ($label:expr, $value:expr $(,)?) => {
        $crate::snapshot::assert_snapshot(
            ::core::env!("CARGO_MANIFEST_DIR"),
            &$crate::current_test(),
            $label,
            &::std::string::ToString::to_string(&$value),
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __register {
    ($tests:expr) => {
        $crate::inventory::submit! {
            $crate::Registration {
                module: ::core::module_path!(),
                file: ::core::file!(),
                line: ::core::line!(),
                tests: $tests,
            }
        }
    };
}

// Takes attributes off one by one, turning each into a call on the constant `Attributes`.
#[doc(hidden)]
#[macro_export]
macro_rules! __define {
    ([$kind:ident] [$attributes:expr] []) => {};

    ([$k:ident] [$a:expr] [$($m:tt)*] #[timeout_ms = $v:expr] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.timeout_ms($v)] [$($m)*] $($rest)* }
    };
    ([$k:ident] [$a:expr] [$($m:tt)*] #[isolation = $v:ident] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.isolation($crate::Isolation::$v)] [$($m)*] $($rest)* }
    };
    ([$k:ident] [$a:expr] [$($m:tt)*] #[ignore = $v:expr] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.ignore($v)] [$($m)*] $($rest)* }
    };
    ([$k:ident] [$a:expr] [$($m:tt)*] #[fixture = $v:expr] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.fixture(&$v)] [$($m)*] $($rest)* }
    };
    ([$k:ident] [$a:expr] [$($m:tt)*] #[require = $c:ident $(($p:expr))?] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.require($crate::SkipCode::$c $(($p))?)] [$($m)*] $($rest)* }
    };
    ([$k:ident] [$a:expr] [$($m:tt)*]
        #[skip = expected($c:ident $(($p:expr))?, $reason:expr)] $($rest:tt)*) => {
        $crate::__define! {
            [$k]
            [$a.skip($crate::StaticSkip::Expected($crate::SkipCode::$c $(($p))?, $reason))]
            [$($m)*] $($rest)*
        }
    };
    ([$k:ident] [$a:expr] [$($m:tt)*] #[skip = broken($code:expr, $reason:expr)] $($rest:tt)*) => {
        $crate::__define! {
            [$k] [$a.skip($crate::StaticSkip::Broken($code, $reason))] [$($m)*] $($rest)*
        }
    };
    ([$k:ident] [$a:expr] [$($m:tt)*] #[doc = $doc:expr] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a] [$($m)* #[doc = $doc]] $($rest)* }
    };
    ([$k:ident] [$a:expr] [$($m:tt)*] #[expect($($lint:tt)*)] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a] [$($m)* #[expect($($lint)*)]] $($rest)* }
    };

    ([test] [$a:expr] [$($m:tt)*] fn $name:ident() $body:block $($rest:tt)*) => {
        $($m)*
        fn $name() $body
        $crate::__register! {
            $crate::Registered::Single { name: stringify!($name), attributes: $a, body: $name }
        }
        $crate::__define! { [test] [$crate::Attributes::new()] [] $($rest)* }
    };
    ([cases] [$a:expr] [$($m:tt)*]
        fn $name:ident($arg:tt : $ty:ty) [ $($label:expr => $value:expr),* $(,)? ] $body:block
        $($rest:tt)*) => {
        $($m)*
        fn $name($arg: $ty) $body
        $crate::__register! {
            $crate::Registered::Cases {
                name: stringify!($name),
                attributes: $a,
                cases: &[$(($label, || $name($value))),*],
            }
        }
        $crate::__define! { [cases] [$crate::Attributes::new()] [] $($rest)* }
    };
    ([cases] [$a:expr] [$($m:tt)*]
        fn $name:ident($arg:tt : $ty:ty) in $($rows:ident)::+ () $body:block
        $($rest:tt)*) => {
        $($m)*
        fn $name($arg: $ty) $body
        $crate::__register! {
            $crate::Registered::Provider(|| {
                ::core::iter::IntoIterator::into_iter($($rows)::+())
                    .enumerate()
                    .map(|(row, (label, _))| {
                        $crate::TestDefinition::new(
                            ::std::format!("{}/{}", stringify!($name), label),
                            move || {
                                // Made again in the test: rows need not be shareable.
                                let mut rows =
                                    ::core::iter::IntoIterator::into_iter($($rows)::+());
                                let (_, value) = rows.nth(row).expect("rows() is deterministic");
                                $name(value)
                            },
                        )
                        .with($a)
                    })
                    .collect()
            })
        }
        $crate::__define! { [cases] [$crate::Attributes::new()] [] $($rest)* }
    };
}
