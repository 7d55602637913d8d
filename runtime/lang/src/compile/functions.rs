//! Functions that are written literally: `\` and `fun`.

use super::expand::{Expander, is_literal, symbols};
use super::node::{Lambda, Node, NodeId, Scope};
use std::collections::HashSet;
use valk_heap::{SymbolId, Value};

impl Expander<'_> {
    /// A function of parameters and a body; nothing when the parameters are no symbols.
    pub(super) fn lambda(&mut self, formals: Value, body: Value) -> Option<Lambda> {
        let names = if formals.is_nil() { Vec::new() } else { symbols(formals)? };
        let at = names.iter().position(|name| Some(*name) == self.names.ampersand);
        let (parameters, rest, broken) = match at {
            None => (names.clone(), None, false),
            Some(i) if i + 2 == names.len() => (names[..i].to_vec(), Some(names[i + 1]), false),
            Some(i) => (names[..i].to_vec(), None, true),
        };
        self.scopes.push(Scope::default());
        self.mentions.push(HashSet::new());
        self.formals.push(names.clone());
        let source = body;
        let body = self.body(body);
        self.formals.pop();
        let (formals, source) = (self.as_data(formals), self.as_data(source));
        let scope = self.scopes.pop().expect("pushed above");
        let mut mentioned = self.mentions.pop().expect("pushed above");
        mentioned.retain(|name| !names.contains(name));
        for outer in &mut self.scopes {
            outer.inner.extend(&mentioned);
        }
        if let Some(outer) = self.mentions.last_mut() {
            outer.extend(&mentioned);
        }
        Some(Lambda {
            parameters,
            rest,
            broken,
            scope,
            body,
            formals,
            source,
            global_only: false,
            name: None,
        })
    }

    /// `(fun {name parameter…} {body})`; nothing for other shapes.
    pub(super) fn fun(&mut self, spec: Value, body: Value, list: Value) -> Option<NodeId> {
        if !is_literal(spec) || !spec.is_pair() {
            return None;
        }
        let name = *symbols(spec)?.first()?;
        if let Some(error) = self.defined(name, list) {
            return Some(error);
        }
        self.defined_here.insert(name);
        let lambda = self.global_lambda(name, spec, body)?;
        let lambda = self.add(Node::Lambda(Box::new(lambda)), list);
        Some(self.add(Node::Fun(name, lambda), list))
    }

    /// The function of a specification, its name first, that sees no scope around it.
    pub(super) fn global_lambda(
        &mut self,
        name: SymbolId,
        spec: Value,
        body: Value,
    ) -> Option<Lambda> {
        let scopes = std::mem::take(&mut self.scopes);
        let mentions = std::mem::take(&mut self.mentions);
        let formals = std::mem::take(&mut self.formals);
        let lambda = self.lambda(spec.tail().with_quoted(true), body);
        self.scopes = scopes;
        self.mentions = mentions;
        self.formals = formals;
        let mut lambda = lambda?;
        lambda.formals = self.as_data(spec.tail());
        lambda.global_only = true;
        lambda.name = Some(name);
        Some(lambda)
    }
}
