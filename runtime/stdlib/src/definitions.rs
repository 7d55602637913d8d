//! Which module defines a name.
//!
//! The modules are written so that this is seen without running them: a definition begins in the
//! first column of a line, with `(fun {NAME …}` or `(def {NAME …}`.

use crate::{MODULES, Module};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The names that a module defines, in the order of its text.
pub fn definitions(module: &Module) -> impl Iterator<Item = &'static str> {
    module.text.lines().flat_map(|line| {
        let function = line.strip_prefix("(fun {");
        let variables = line.strip_prefix("(def {");
        let header = function.or(variables).unwrap_or_default();
        let header = header.split('}').next().unwrap_or_default();
        // Behind the name of a function stand its parameters.
        let count = if function.is_some() { 1 } else { usize::MAX };
        header.split_whitespace().take(count)
    })
}

/// The module that has to be run for a name to be bound; `None` for names of the prelude and for
/// those that no module defines.
pub fn defining(name: &str) -> Option<&'static Module> {
    static INDEX: OnceLock<HashMap<&'static str, &'static Module>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let modules = MODULES.iter().filter(|module| !module.preloaded);
        modules.flat_map(|module| definitions(module).map(move |name| (name, module))).collect()
    });
    index.get(name).copied()
}
