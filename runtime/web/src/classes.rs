//! Which requests matter most, by their paths.

use valk_http2::Class;

/// The paths of a server that are critical, and those that are sheddable. A path that ends with `*`
/// stands for all that begin as it does. Critical wins.
#[derive(Clone, Debug, Default)]
pub(super) struct Classes {
    critical: Vec<String>,
    sheddable: Vec<String>,
}

impl Classes {
    pub(super) fn new(critical: Vec<String>, sheddable: Vec<String>) -> Self {
        Self { critical, sheddable }
    }

    /// The class of a request by its path, of which the query is no part.
    pub(super) fn of(&self, target: &str) -> Class {
        let path = target.split('?').next().unwrap_or_default();
        let names = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning),
            None => path == pattern,
        };
        if self.critical.iter().any(names) {
            Class::Critical
        } else if self.sheddable.iter().any(names) {
            Class::Sheddable
        } else {
            Class::Normal
        }
    }
}
