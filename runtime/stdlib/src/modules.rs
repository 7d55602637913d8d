//! The modules, and the paths by which they are found.

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

/// The module of a file in `stdlib/`, run when it is needed.
macro_rules! module {
    ($file:literal) => {
        Module {
            name: concat!("stdlib/", $file),
            text: include_str!(concat!("../../../stdlib/", $file)),
            preloaded: false,
        }
    };
}

/// The definitions every program starts with.
pub const PRELUDE: Module = Module { preloaded: true, ..module!("prelude.valk") };
/// The test framework for programs.
pub const TEST: Module = module!("test.valk");

const ASYNC_HANDLES: Module = module!("async_handles.valk");
const ASYNC_MONADIC: Module = module!("async_monadic.valk");
const HTTP_API: Module = module!("http_api.valk");
const SSE: Module = module!("aio/sse.valk");
const SSE_NAMES: Module = module!("sse.valk");
const METRICS_STREAM: Module = module!("aio/metrics-stream.valk");
const DEBUG_BROADCASTER: Module = module!("aio/debug-broadcaster.valk");
const DEBUG: Module = module!("aio/debug.valk");

/// All modules. One that uses names of another stands behind it.
pub const MODULES: &[Module] = &[
    PRELUDE,
    ASYNC_HANDLES,
    ASYNC_MONADIC,
    TEST,
    HTTP_API,
    SSE,
    SSE_NAMES,
    METRICS_STREAM,
    DEBUG_BROADCASTER,
    DEBUG,
];

/// Modules by the paths that `load` accepts for them.
pub const PATHS: &[(&str, Module)] = &[
    ("prelude", PRELUDE),
    ("src/prelude.valk", PRELUDE),
    ("async_handles", ASYNC_HANDLES),
    ("src/async_handles.valk", ASYNC_HANDLES),
    ("async_monadic", ASYNC_MONADIC),
    ("src/async_monadic.valk", ASYNC_MONADIC),
    ("test", TEST),
    ("src/modules/test.valk", TEST),
    ("http_api", HTTP_API),
    ("src/http_api.valk", HTTP_API),
    ("sse", SSE_NAMES),
    ("src/modules/sse.valk", SSE_NAMES),
    ("aio/sse", SSE),
    ("src/modules/aio/sse.valk", SSE),
    ("aio/metrics-stream", METRICS_STREAM),
    ("src/modules/aio/metrics-stream.valk", METRICS_STREAM),
    ("aio/debug-broadcaster", DEBUG_BROADCASTER),
    ("src/modules/aio/debug-broadcaster.valk", DEBUG_BROADCASTER),
    ("aio/debug", DEBUG),
    ("src/modules/aio/debug.valk", DEBUG),
];

/// A file of the dashboard, under the path by which programs read it.
macro_rules! asset {
    ($file:literal) => {
        (
            concat!("src/modules/aio/debug/", $file),
            include_str!(concat!("../../../stdlib/aio/debug/", $file)),
        )
    };
}

/// Files that modules read, by the paths of older programs.
pub const ASSETS: &[(&str, &str)] = &[
    asset!("head.html"),
    asset!("style.css"),
    asset!("body.html"),
    asset!("script.js"),
    asset!("footer.html"),
];

/// The module a load path stands for.
pub fn find(path: &str) -> Option<Module> {
    PATHS.iter().find(|(known, _)| *known == path).map(|(_, module)| *module)
}

/// The text of an embedded file that is not a module.
pub fn asset(path: &str) -> Option<&'static str> {
    ASSETS.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
}

/// Whether a text of this name is one of the embedded modules.
pub fn is_embedded(name: &str) -> bool {
    MODULES.iter().any(|module| module.name == name)
}
