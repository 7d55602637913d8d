//! The block forms in which tests are written: `test!`, `cases!`, `dynamic!`, `assert_snapshot!`.
//!
//! Each leaves a [`crate::Registration`] for `inventory`; nothing is evaluated before the test
//! runs, except names of data-driven tests. The attribute form, `test_fn`, leaves the same.

/// Declares tests: `test! { #[timeout_ms = 500] fn name() { body } }`.
///
/// Attributes, optional and in any order: `#[timeout_ms = N]`, `#[isolation = Fork | InProcess |
/// Exec]`, `#[retries = N]`, `#[skip = expected(NeedsRoot, "reason")]`, `#[skip = broken("id", "reason")]`,
/// `#[owner = "name"]`, `#[until = "2027-01-31"]`,
/// `#[require = NeedsCores(4)]`, `#[ignore = "reason"]`, `#[fixture = STATIC]`, `#[should_panic]`,
/// `#[should_panic(expected = "part")]`; any other one stays above the function. The function may
/// return a `Result`, whose error fails the test.
#[macro_export]
macro_rules! test {
    ($(
        $(#[$($attribute:tt)*])*
        $visibility:vis fn $name:ident $parameters:tt $(-> $returned:ty)? $body:block
    )*) => {$(
        $crate::__define! {
            [test] [$crate::Attributes::new()] [] [] $(#[$($attribute)*])*
            $visibility fn $name $parameters $(-> $returned)? $body
        }
    )*};
}

/// Declares one test per case.
///
/// `cases! { fn name(x: T) [ "label" => value, … ] { body } }` names each test `name/label`; the
/// value is evaluated in the test. `cases! { fn name(x: T) in rows() { body } }` takes labels and
/// values from a pure function returning `(label, T)` pairs (any `IntoIterator`). The parameter may
/// be a parenthesised pattern. Attributes as in [`test!`], for all cases.
#[macro_export]
macro_rules! cases {
    ($(
        $(#[$($attribute:tt)*])*
        fn $name:ident($argument:tt : $type:ty)
        $([ $($label:expr => $value:expr),* $(,)? ])?
        $(in $($rows:ident)::+ ())?
        $body:block
    )*) => {$(
        $crate::__define! {
            [cases] [$crate::Attributes::new()] [] [] $(#[$($attribute)*])*
            fn $name($argument : $type)
            $([ $($label => $value),* ])?
            $(in $($rows)::+ ())?
            $body
        }
    )*};
}

/// Registers a provider: `dynamic! { fn provide() -> Vec<TestDefinition> { … } }`.
///
/// Called at every start, also for `--list`: it must be pure, fast and deterministic. A provider
/// without tests makes the run red.
#[macro_export]
macro_rules! dynamic {
    ($(#[$meta:meta])* fn $name:ident() -> $result:ty $body:block) => {
        $(#[$meta])*
        fn $name() -> $result $body
        $crate::__register! { $crate::line_of!($name), $crate::Registered::Provider($name) }
    };
}

/// Compares `value` (anything that displays) with the stored snapshot `label` of the running test.
///
/// Snapshots live in `tests/snapshots` of the calling crate. `VALK_UPDATE_SNAPSHOTS=1` stores them.
/// What differs from run to run is replaced by the filters given, and only by these:
/// `assert_snapshot!("label", value, filters = [TIMES, ("[0-9]+ bytes", "[size]")])`, with the names
/// of [`crate::snapshot::filters`].
#[macro_export]
macro_rules! assert_snapshot {
    ($label:expr, $value:expr $(,)?) => {
        $crate::snapshot::assert_snapshot(
            ::core::env!("CARGO_MANIFEST_DIR"),
            &$crate::current_test(),
            $label,
            &::std::string::ToString::to_string(&$value),
            &[],
        )
    };
    ($label:expr, $value:expr, filters = [$($filter:expr),+ $(,)?] $(,)?) => {{
        use $crate::snapshot::filters::*;
        let filters: &[$crate::snapshot::Filter<'_>] = &[$($filter),+];
        $crate::snapshot::assert_snapshot(
            ::core::env!("CARGO_MANIFEST_DIR"),
            &$crate::current_test(),
            $label,
            &::std::string::ToString::to_string(&$value),
            filters,
        )
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __register {
    ($line:expr, $tests:expr) => {
        $crate::inventory::submit! {
            $crate::Registration {
                module: ::core::module_path!(),
                file: ::core::file!(),
                line: $line,
                tests: $tests,
                target: $crate::BuildTarget {
                    binary: ::core::option_env!("CARGO_BIN_NAME"),
                    temporary_directory: ::core::option_env!("CARGO_TARGET_TMPDIR"),
                },
            }
        }
        const _: () = {
            // Runs before `main`, and expects that it is ours.
            #[used]
            #[cfg_attr(not(miri), unsafe(link_section = ".init_array"))]
            static EXPECT_MAIN: extern "C" fn() = $crate::__expect_main;
        };
    };
}

/// The end of a body: nothing for `()`, a failure for an error.
#[doc(hidden)]
#[macro_export]
macro_rules! __end {
    ($returned:expr) => {{
        use $crate::returned::ends::*;
        (&&&$crate::returned::Returned::new($returned)).end()
    }};
}

// Takes attributes off one by one, turning each into a call on the constant `Attributes`. Behind the
// kind: the attributes so far, what stays above the function, and conditions of the registration.
#[doc(hidden)]
#[macro_export]
macro_rules! __define {
    ([$k:ident] [$a:expr] $m:tt $c:tt #[timeout_ms = $v:expr] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.timeout_ms($v)] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[isolation = $v:ident] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.isolation($crate::Isolation::$v)] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[retries = $v:expr] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.retries($v)] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[owner = $v:expr] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.owner($v)] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[until = $v:expr] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.until($v)] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[ignore = $v:expr] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.ignore($v)] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[ignore] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.ignore("no reason given")] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[should_panic] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.should_panic("")] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[should_panic = $v:expr] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.should_panic($v)] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[should_panic(expected = $v:expr)] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.should_panic($v)] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[fixture = $v:expr] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.fixture(&$v)] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[require = $code:ident $(($p:expr))?] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a.require($crate::SkipCode::$code $(($p))?)] $m $c $($rest)* }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt
        #[skip = expected($code:ident $(($p:expr))?, $reason:expr)] $($rest:tt)*) => {
        $crate::__define! {
            [$k]
            [$a.skip($crate::StaticSkip::Expected($crate::SkipCode::$code $(($p))?, $reason))]
            $m $c $($rest)*
        }
    };
    ([$k:ident] [$a:expr] $m:tt $c:tt #[skip = broken($code:expr, $reason:expr)] $($rest:tt)*) => {
        $crate::__define! {
            [$k] [$a.skip($crate::StaticSkip::Broken($code, $reason))] $m $c $($rest)*
        }
    };
    ([$k:ident] [$a:expr] [$($m:tt)*] [$($c:tt)*] #[cfg $condition:tt] $($rest:tt)*) => {
        $crate::__define! {
            [$k] [$a] [$($m)* #[cfg $condition]] [$($c)* #[cfg $condition]] $($rest)*
        }
    };
    ([$k:ident] [$a:expr] [$($m:tt)*] $c:tt #[$($other:tt)*] $($rest:tt)*) => {
        $crate::__define! { [$k] [$a] [$($m)* #[$($other)*]] $c $($rest)* }
    };

    ([test] [$a:expr] [$($m:tt)*] [$($c:tt)*]
        $visibility:vis fn $name:ident() $(-> $returned:ty)? $body:block) => {
        $($m)*
        $visibility fn $name() $(-> $returned)? $body
        $($c)*
        const _: () = {
            $crate::__register! {
                $crate::line_of!($name),
                $crate::Registered::Single {
                    name: stringify!($name),
                    attributes: $a,
                    body: || $crate::__end!($name()),
                }
            }
        };
    };
    ([cases] [$a:expr] [$($m:tt)*] [$($c:tt)*]
        fn $name:ident($arg:tt : $ty:ty) [ $($label:expr => $value:expr),* $(,)? ] $body:block) => {
        $($m)*
        fn $name($arg: $ty) $body
        $($c)*
        const _: () = {
            $crate::__register! {
                $crate::line_of!($name),
                $crate::Registered::Cases {
                    name: stringify!($name),
                    attributes: $a,
                    cases: &[$(($label, || $name($value))),*],
                }
            }
        };
    };
    ([cases] [$a:expr] [$($m:tt)*] [$($c:tt)*]
        fn $name:ident($arg:tt : $ty:ty) in $($rows:ident)::+ () $body:block) => {
        $($m)*
        fn $name($arg: $ty) $body
        $($c)*
        const _: () = {
            $crate::__register! {
                $crate::line_of!($name),
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
                                    let (_, value) =
                                        rows.nth(row).expect("rows() is deterministic");
                                    $name(value)
                                },
                            )
                            .with($a)
                        })
                        .collect()
                })
            }
        };
    };
}
