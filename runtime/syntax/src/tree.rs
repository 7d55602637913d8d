//! Forms as a flat tree.
//!
//! 1. Nodes are in pre-order: a list is followed by its elements, each with all of its own.
//! 2. `end` of a node is the index one past its last descendant, which is its next sibling if it
//!    has one. A node without children has `end == index + 1`.
//! 3. `()` and `{}` are lists without children, spans cover brackets, quotes and prefixes.
//! 4. `'x` is a quoted list of one element; `` `x ``, `,x`, `,@x` are unquoted lists of a
//!    [`NodeKind::Name`] and `x`. The first byte of the span tells them from written-out lists.
//!
//! The tree owns its texts; it outlives the source.

use valk_decimal::Decimal;
use valk_diagnostics::Span;

/// Number of a distinct symbol in one tree; index into [`Tree::symbols`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolId(pub u32);

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// An integer literal.
    Integer(i64),
    /// A decimal literal; index into [`Tree::decimals`].
    Decimal(u32),
    /// A symbol or keyword as written; equal texts have equal numbers.
    Symbol(SymbolId),
    /// A name that a prefix stands for: `quasiquote`, `unquote`, `unquote-splicing`. Its span is
    /// the prefix.
    Name(&'static str),
    /// A string; index into [`Tree::strings`].
    String(u32),
    /// A list; its elements follow.
    List {
        /// `{…}` and `'x`, as opposed to `(…)`.
        quoted: bool,
    },
}

/// One form of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where it was written.
    pub span: Span,
    /// Index one past the last descendant.
    pub end: u32,
}

/// Forms of one text, in pre-order, with their texts and the comments between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// All nodes; see the module for the order.
    pub nodes: Vec<Node>,
    /// Distinct symbols, in order of first appearance.
    pub symbols: Vec<Box<str>>,
    /// Contents of string literals with escapes resolved, in order of appearance.
    pub strings: Vec<Box<str>>,
    /// Decimal literals, in order of appearance.
    pub decimals: Vec<Decimal>,
    /// Comments from `;` up to the end of line, without the newline, in order of appearance.
    pub comments: Vec<Span>,
    /// The `#!` line, without its newline.
    pub shebang: Option<Span>,
}

impl Tree {
    /// The node at `index`.
    pub fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    /// Text of a symbol.
    pub fn symbol(&self, id: SymbolId) -> &str {
        &self.symbols[id.0 as usize]
    }

    /// Contents of a string literal.
    pub fn string(&self, index: u32) -> &str {
        &self.strings[index as usize]
    }

    /// A decimal literal.
    pub fn decimal(&self, index: u32) -> Decimal {
        self.decimals[index as usize]
    }

    /// Name of a symbol or synthesised node; `None` for other kinds.
    pub fn name(&self, index: u32) -> Option<&str> {
        match self.node(index).kind {
            NodeKind::Symbol(id) => Some(self.symbol(id)),
            NodeKind::Name(name) => Some(name),
            NodeKind::Integer(_)
            | NodeKind::Decimal(_)
            | NodeKind::String(_)
            | NodeKind::List { .. } => None,
        }
    }

    /// Indices of the direct elements of the node at `index`.
    pub fn children(&self, index: u32) -> Children<'_> {
        Children { tree: self, next: index + 1, end: self.node(index).end }
    }

    /// Indices of the forms that are in no list.
    pub fn roots(&self) -> Children<'_> {
        Children { tree: self, next: 0, end: self.nodes.len() as u32 }
    }
}

/// Indices of siblings, made by [`Tree::children`] and [`Tree::roots`].
#[derive(Debug, Clone)]
pub struct Children<'t> {
    tree: &'t Tree,
    next: u32,
    end: u32,
}

impl Iterator for Children<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let index = self.next;
        if index >= self.end {
            return None;
        }
        self.next = self.tree.node(index).end;
        Some(index)
    }
}
