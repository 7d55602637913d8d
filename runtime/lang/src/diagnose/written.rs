//! A form as it was written, looked up in the source text behind a span.

use valk_diagnostics::{SourceMap, Span};
use valk_syntax::{NodeKind, Tree, read_one};

/// Longest form that is read again for a diagnostic, in bytes.
const FORM_BYTES_MAX: usize = 64 << 10;

/// Longest piece of source quoted in a hint, in characters.
const QUOTE_CHARACTERS_MAX: usize = 40;

/// A list in a source text.
pub struct Written {
    tree: Tree,
    text: String,
    span: Span,
}

impl Written {
    /// The form at `span`, if that is a list of a registered text.
    pub fn at(sources: &SourceMap, span: Span) -> Option<Written> {
        let bytes = sources.file(span.file)?.text().get(span.start as usize..span.end as usize)?;
        if bytes.len() > FORM_BYTES_MAX {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?.to_string();
        let tree = read_one(span.file, text.as_bytes()).ok()?;
        let is_list = matches!(tree.nodes.first()?.kind, NodeKind::List { .. });
        is_list.then_some(Written { tree, text, span })
    }

    /// Where a node stands in the whole text.
    fn span_of(&self, node: u32) -> Span {
        let inner = self.tree.node(node).span;
        Span::new(self.span.file, self.span.start + inner.start, self.span.start + inner.end)
    }

    /// Where `name` stands in the form: as one of its elements, else anywhere inside.
    pub fn symbol(&self, name: &str) -> Option<Span> {
        let is_it = |node: &u32| self.tree.name(*node) == Some(name);
        let node = self.tree.children(0).find(is_it);
        let node = node.or_else(|| (0..self.tree.nodes.len() as u32).find(is_it))?;
        Some(self.span_of(node))
    }

    fn callee_node(&self) -> Option<u32> {
        self.tree.children(0).next()
    }

    /// Where the first element stands.
    pub fn callee_span(&self) -> Option<Span> {
        Some(self.span_of(self.callee_node()?))
    }

    /// The first element as written, shortened.
    pub fn callee_text(&self) -> Option<String> {
        let span = self.tree.node(self.callee_node()?).span;
        let text = &self.text[span.start as usize..span.end as usize];
        if text.chars().count() <= QUOTE_CHARACTERS_MAX {
            return Some(text.into());
        }
        Some(text.chars().take(QUOTE_CHARACTERS_MAX).chain(['…']).collect())
    }

    /// The first element, when it is a symbol.
    pub fn callee_name(&self) -> Option<&str> {
        self.tree.name(self.callee_node()?)
    }

    /// Whether the first element is a list in parentheses: a call whose value is called.
    pub fn callee_is_call(&self) -> bool {
        let kind = self.callee_node().map(|node| self.tree.node(node).kind);
        kind == Some(NodeKind::List { quoted: false })
    }

    /// The number of elements after the first.
    pub fn argument_count(&self) -> usize {
        self.tree.children(0).count().saturating_sub(1)
    }

    /// Whether the form is in braces: a list that was run as code.
    pub fn in_braces(&self) -> bool {
        self.text.starts_with('{')
    }
}
