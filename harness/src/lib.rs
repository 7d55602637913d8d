//! Test runner library: discovery, isolation, skip accounting, snapshots and reports.

/// One discovered test; made by [`test!`] and [`cases!`], collected by `inventory`.
pub struct Registration {
    /// `module::path::name`.
    pub name: &'static str,
    /// Module path of the test.
    pub module: &'static str,
    /// The body; a panic is a failure.
    pub body: fn(),
}
inventory::collect!(Registration);

/// Re-export for the macros.
pub use inventory;

/// Declares a test: `test! { fn name() { body } }`.
#[macro_export]
macro_rules! test {
    ($(#[$key:ident = $value:expr])* fn $name:ident() $body:block) => {
        fn $name() $body
        $crate::inventory::submit! {
            $crate::Registration {
                name: stringify!($name),
                module: module_path!(),
                body: $name,
            }
        }
    };
}

/// Runs every discovered test of this binary.
pub fn main() -> std::process::ExitCode {
    let args = libtest_mimic::Arguments::from_args();
    let trials = inventory::iter::<Registration>()
        .map(|r| {
            let body = r.body;
            libtest_mimic::Trial::test(format!("{}::{}", r.module, r.name), move || {
                body();
                Ok(())
            })
        })
        .collect();
    libtest_mimic::run(&args, trials).exit_code()
}
