//! Quasiquoted forms, and what the symbols in the templates of macros become.

use super::expand::{Expander, STACK_PIECE_BYTES, STACK_RED_ZONE_BYTES, elements};
use super::node::{Node, NodeId};
use valk_heap::{SymbolId, Value};

/// Elements of a quasiquoted list handled in one go.
const TEMPLATE_CHUNK: usize = 60;

/// Symbols that forms are told apart by, and that are no names.
const MARKS: [&str; 6] = ["&", "_", "<-", "unquote", "unquote-splicing", "quasiquote"];

impl Expander<'_> {
    /// Expands the argument of `quasiquote`.
    pub(super) fn template_root(&mut self, form: Value, list: Value) -> NodeId {
        if tagged(form, self.names.unquote_splicing) {
            let text = "unquote-splicing (,@) not valid at top level of quasiquote";
            return self.error(text, list);
        }
        self.template(form)
    }

    fn template(&mut self, form: Value) -> NodeId {
        stacker::maybe_grow(STACK_RED_ZONE_BYTES, STACK_PIECE_BYTES, || {
            if !form.is_pair() {
                let form = self.template_symbol(form);
                return self.arena.add(Node::Constant(form), None);
            }
            if tagged(form, self.names.unquote) {
                return match elements(form)[..] {
                    [_, inner] => self.expand(inner),
                    _ => self.error("unquote expects exactly 1 argument", form),
                };
            }
            let mut items = Vec::new();
            for item in elements(form) {
                if tagged(item, self.names.unquote_splicing) {
                    let id = match elements(item)[..] {
                        [_, inner] => self.expand(inner),
                        _ => self.error("unquote-splicing expects exactly 1 argument", form),
                    };
                    items.push((id, true));
                } else {
                    items.push((self.template(item), false));
                }
            }
            self.chunked_template(items, form)
        })
    }

    fn chunked_template(&mut self, mut items: Vec<(NodeId, bool)>, form: Value) -> NodeId {
        while items.len() > TEMPLATE_CHUNK {
            items = items
                .chunks(TEMPLATE_CHUNK)
                .map(|chunk| {
                    (self.add(Node::Template(chunk.to_vec(), form.is_quoted()), form), true)
                })
                .collect();
        }
        self.add(Node::Template(items, form.is_quoted()), form)
    }

    /// A symbol of a template as the macro's text has it.
    fn template_symbol(&mut self, form: Value) -> Value {
        let Some(symbol) = form.as_symbol().filter(|_| self.is_in_macro && !form.is_keyword())
        else {
            return form;
        };
        let (module, name) = self.meaning(symbol);
        if MARKS.contains(&self.vm.cell_name(name).as_str()) {
            return form;
        }
        Value::symbol(self.vm.new_alias(module, name))
    }
}

/// True for a list that starts with this symbol.
fn tagged(form: Value, tag: Option<SymbolId>) -> bool {
    form.is_pair() && form.head().as_symbol() == tag && tag.is_some()
}
