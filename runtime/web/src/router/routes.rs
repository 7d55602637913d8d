//! Which route a method and a path lead to.
//!
//! 1. A segment of a pattern is literal, `:name` for any one segment, or, at the end, `*name` for the
//!    rest. Literal wins over `:name`, and that over `*name`; the path decides before the method.
//! 2. Patterns that differ only in names are one place, which each method has once.
//! 3. `HEAD` is answered as `GET`; `OPTIONS` and methods that a place does not have are told which
//!    ones it has.
//!
//! Knows texts and numbers. Does not know what a handler is.

use crate::url::{decode, normal_path};
use std::collections::BTreeMap;

/// Any method, as a route's.
pub(crate) const ANY: &str = "*";

/// The name of what a prefix leaves of a path, which stays percent-encoded: it is looked up again.
/// Programs cannot give it: it is no name of theirs that contains a slash.
pub(crate) const REST: &str = "/";

/// A table of routes; handlers are numbers of the caller's.
#[derive(Default)]
pub(crate) struct Routes {
    tree: matchit::Router<usize>,
    places: Vec<Place>,
    /// Places by the pattern without names.
    known: BTreeMap<String, usize>,
}

/// What stands at one pattern.
struct Place {
    /// By method, in the order of registration.
    routes: Vec<Route>,
}

struct Route {
    method: String,
    names: Vec<String>,
    handler: usize,
}

/// What a request leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A handler, and the parameters by name.
    Handler(usize, Vec<(String, String)>),
    /// `OPTIONS` without a route of its own: the methods there are.
    Options(String),
    /// No such method: those there are.
    NoMethod(String),
    /// No such path.
    Nothing,
    /// The path has a broken escape.
    Malformed,
}

impl Routes {
    /// Adds routes of a method to one handler: a prefix and everything below it.
    ///
    /// # Errors
    /// As [`Routes::add`].
    pub(crate) fn add_below(&mut self, prefix: &str, handler: usize) -> Result<(), String> {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if prefix.contains("/*") {
            return Err(format!("{prefix}: a prefix has no *name"));
        }
        if !prefix.is_empty() {
            self.add(ANY, prefix, handler)?;
        }
        self.add(ANY, &format!("{prefix}/"), handler)?;
        let (nameless, mut names) = parse(&format!("{prefix}/*rest"))?;
        names.pop();
        names.push(REST.to_owned());
        self.insert(ANY, &format!("{prefix}/*"), nameless, names, handler)
    }

    /// Adds a route.
    ///
    /// # Errors
    /// What is wrong with the pattern, or that the route is there already.
    pub(crate) fn add(
        &mut self,
        method: &str,
        pattern: &str,
        handler: usize,
    ) -> Result<(), String> {
        let (nameless, names) = parse(pattern)?;
        self.insert(method, pattern, nameless, names, handler)
    }

    fn insert(
        &mut self,
        method: &str,
        pattern: &str,
        nameless: String,
        names: Vec<String>,
        handler: usize,
    ) -> Result<(), String> {
        let at = match self.known.get(&nameless) {
            Some(at) => *at,
            None => {
                let at = self.places.len();
                let inserted = self.tree.insert(&nameless, at);
                inserted.map_err(|error| format!("{pattern}: {error}"))?;
                self.places.push(Place { routes: Vec::new() });
                self.known.insert(nameless, at);
                at
            }
        };
        let routes = &mut self.places[at].routes;
        if let Some(old) = routes.iter().find(|route| route.method == method) {
            let method = if old.method == ANY { "a route for any method" } else { &old.method };
            return Err(format!("{method} {pattern} is there already"));
        }
        routes.push(Route { method: method.to_owned(), names, handler });
        Ok(())
    }

    /// Finds the route of a method and a path as it was sent, or what is left of it.
    pub(crate) fn find(&self, method: &str, path: &str) -> Found {
        let Some(path) = normal_path(path) else { return Found::Malformed };
        let Ok(matched) = self.tree.at(&path) else { return Found::Nothing };
        let place = &self.places[*matched.value];
        let of = |method: &str| place.routes.iter().find(|route| route.method == method);
        let derived = || if method == "HEAD" { of("GET") } else { None };
        let Some(route) = of(method).or_else(derived).or_else(|| of(ANY)) else {
            let allowed = place.allowed();
            return if method == "OPTIONS" {
                Found::Options(allowed)
            } else {
                Found::NoMethod(allowed)
            };
        };
        let mut parameters = Vec::with_capacity(route.names.len());
        for (name, (_, value)) in route.names.iter().zip(matched.params.iter()) {
            let value = if name == REST { Some(value.to_owned()) } else { decode(value) };
            let Some(value) = value else { return Found::Malformed };
            parameters.push((name.clone(), value));
        }
        Found::Handler(route.handler, parameters)
    }
}

impl Place {
    /// The methods, as the `allow` field has them.
    fn allowed(&self) -> String {
        let mut methods: Vec<&str> = Vec::new();
        for Route { method, .. } in &self.routes {
            methods.push(method);
            if method == "GET" {
                methods.push("HEAD");
            }
        }
        methods.push("OPTIONS");
        methods.sort_unstable();
        methods.dedup();
        methods.join(", ")
    }
}

/// A pattern as the tree has it, without names, and the names.
fn parse(pattern: &str) -> Result<(String, Vec<String>), String> {
    let Some(path) = pattern.strip_prefix('/') else {
        return Err(format!("a pattern begins with /, got \"{pattern}\""));
    };
    let segments: Vec<&str> = path.split('/').collect();
    let mut names: Vec<String> = Vec::new();
    let mut nameless = String::new();
    for (at, segment) in segments.iter().enumerate() {
        nameless.push('/');
        let (name, is_rest) = match (segment.strip_prefix(':'), segment.strip_prefix('*')) {
            (Some(name), _) => (name, false),
            (None, Some(name)) => (name, true),
            (None, None) => {
                nameless.push_str(&segment.replace('{', "{{").replace('}', "}}"));
                continue;
            }
        };
        if name.is_empty() {
            return Err(format!("{pattern}: {segment} has no name"));
        }
        if is_rest && at + 1 < segments.len() {
            return Err(format!(
                "{pattern}: *{name} stands for the rest of a path, so it comes last"
            ));
        }
        if names.iter().any(|known| known == name) {
            return Err(format!("{pattern}: the name {name} is there twice"));
        }
        nameless.push_str(if is_rest { "{*p" } else { "{p" });
        nameless.push_str(&at.to_string());
        nameless.push('}');
        names.push(name.to_owned());
    }
    Ok((nameless, names))
}
