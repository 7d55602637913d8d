//! The Valk standard library, embedded into the binary.
//!
//! Resolves module names and the load paths of older programs; a file of that name in the working
//! directory wins, which is the caller's rule.
#![forbid(unsafe_code)]

/// An embedded module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Module {
    /// Name shown in diagnostics.
    pub name: &'static str,
    /// Source text.
    pub text: &'static str,
    /// It is part of every runtime; loading it again does nothing.
    pub preloaded: bool,
}

/// The definitions every program starts with.
pub const PRELUDE: Module = Module {
    name: "stdlib/prelude.valk",
    text: include_str!("../../../stdlib/prelude.valk"),
    preloaded: true,
};

/// The test framework for programs.
pub const TEST: Module = Module {
    name: "stdlib/test.valk",
    text: include_str!("../../../stdlib/test.valk"),
    preloaded: false,
};

/// Modules by the paths that `load` accepts for them.
const PATHS: &[(&str, Module)] = &[
    ("prelude", PRELUDE),
    ("src/prelude.valk", PRELUDE),
    ("test", TEST),
    ("src/modules/test.valk", TEST),
];

/// The module a load path stands for.
pub fn find(path: &str) -> Option<Module> {
    PATHS.iter().find(|(known, _)| *known == path).map(|(_, module)| *module)
}

/// Whether a text of this name is one of the embedded modules.
pub fn is_embedded(name: &str) -> bool {
    [PRELUDE, TEST].iter().any(|module| module.name == name)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
