//! The attribute form of a test, `#[valk_harness::test_fn]`, and the line of a token.
//!
//! Use both through `valk-harness`, which re-exports them. Errors point at the token of the user
//! that is wrong; the function stays as it was written, so that formatters and editors see it.
#![forbid(unsafe_code)]

mod arguments;
mod attributes;
mod expand;
mod matrix;
#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}

/// Declares a test: `#[valk_harness::test_fn] fn name() { … }`.
///
/// The function may be `async` (run by tokio; `flavor`, `worker_threads` and `start_paused` as for
/// `tokio::test`), may return a `Result`, and may have parameters: `#[values(…)]` makes a test of each
/// value, and of each combination, `#[fixture(NAME)]` hands over a fixture, `#[case("label", …)]`
/// above the function gives values for the other parameters. The attributes of the block form
/// (`#[timeout_ms = 500]`, `#[should_panic]`, …) stand above it as well.
#[cfg(not(test))] // where this crate is a program
#[proc_macro_attribute]
pub fn test_fn(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand::expand(arguments.into(), item.clone().into())
        // The function itself stays, so that the error is the only one.
        .unwrap_or_else(|error| {
            let mut tokens = error.to_compile_error();
            tokens.extend(expand::without_ours(item.into()));
            tokens
        })
        .into()
}

/// The line of the first token, as a number; for the macros of `valk-harness`.
#[doc(hidden)]
#[cfg(not(test))]
#[proc_macro]
pub fn line_of(tokens: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let line = tokens.into_iter().next().map_or(0, |token| token.span().line());
    let literal = proc_macro::Literal::u32_suffixed(u32::try_from(line).unwrap_or(0));
    proc_macro::TokenStream::from(proc_macro::TokenTree::Literal(literal))
}
