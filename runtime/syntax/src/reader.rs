//! The reader: tokens to a flat tree, with an explicit stack of what is open.
//!
//! 1. A list or prefix pushes its node and a frame; the node's ends are filled in when the frame is
//!    popped. A prefix is popped as soon as one form follows it.
//! 2. When the stack is empty after a form, that form is a root.
//! 3. An error leaves the tree as it was after the last complete root.

use crate::error::{ReadError, ReadErrorKind};
use crate::lexer::{Bracket, Lexer, Prefix, Problem, Token, TokenKind};
use crate::tree::{Node, NodeKind, SymbolId, Tree};
use std::borrow::Cow;
use std::collections::HashMap;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use valk_diagnostics::{FileId, SOURCE_BYTES_MAX, Span};

/// A text as forms, up to its first error.
#[derive(Debug)]
pub struct Reading {
    /// The complete forms before the error; the comments up to it.
    pub tree: Tree,
    /// Indices of the top-level forms.
    pub roots: Vec<u32>,
    /// Why reading stopped before the end.
    pub error: Option<ReadError>,
    /// Bytes examined and frames moved; proportional to the length of the text.
    pub steps: u64,
}

/// Reads a whole file. A first line that begins with `#!` is skipped. Stops at the first error and
/// keeps the forms before it. An empty or blank file has no forms and no error.
pub fn read_all(file: FileId, source: &[u8]) -> Reading {
    let mut reader = match Reader::new(file, source) {
        Ok(reader) => reader,
        Err(error) => {
            let tree = Tree::default();
            return Reading { tree, roots: Vec::new(), error: Some(error), steps: 0 };
        }
    };
    reader.tree.shebang = reader.lexer.shebang().map(|token| reader.span(token.start, token.end));
    let mut roots = Vec::new();
    let error = loop {
        match reader.form() {
            Ok(Some(root)) => roots.push(root),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let steps = reader.lexer.steps + reader.moves;
    Reading { tree: reader.tree, roots, error, steps }
}

/// Reads the first form of a text and ignores the rest; this is the builtin `read`. The form is
/// node 0.
///
/// # Errors
///
/// The first error in or before that form; a text without a form is one.
pub fn read_one(file: FileId, source: &[u8]) -> Result<Tree, ReadError> {
    let mut reader = Reader::new(file, source)?;
    if reader.form()?.is_none() {
        return Err(reader.end_of_input());
    }
    Ok(reader.tree)
}

/// Something open: a list, or a prefix that waits for its form.
#[derive(Debug, Clone, Copy)]
struct Frame {
    node: u32,
    kind: FrameKind,
}

#[derive(Debug, Clone, Copy)]
enum FrameKind {
    List(Bracket),
    Prefix(Prefix),
}

#[derive(Debug)]
struct Reader<'s> {
    file: FileId,
    source: &'s [u8],
    lexer: Lexer<'s>,
    tree: Tree,
    /// By their names as the tree has them.
    symbols: HashMap<Cow<'s, str>, SymbolId>,
    open: Vec<Frame>,
    /// First list of the current root that begins a line while another list is open.
    suspect: Option<u32>,
    /// Frames pushed and popped.
    moves: u64,
}

impl<'s> Reader<'s> {
    fn new(file: FileId, source: &'s [u8]) -> Result<Self, ReadError> {
        if source.len() > SOURCE_BYTES_MAX {
            let kind = ReadErrorKind::SourceTooLarge { bytes: source.len() };
            return Err(ReadError::new(kind, Span::point(file, 0), source));
        }
        Ok(Self {
            file,
            source,
            lexer: Lexer::new(source, true),
            tree: Tree::default(),
            symbols: HashMap::new(),
            open: Vec::new(),
            suspect: None,
            moves: 0,
        })
    }

    const fn span(&self, start: u32, end: u32) -> Span {
        Span::new(self.file, start, end)
    }

    /// Reads one top-level form; its index, or `None` at the end of the text.
    fn form(&mut self) -> Result<Option<u32>, ReadError> {
        let root = self.tree.nodes.len();
        let (strings, decimals) = (self.tree.strings.len(), self.tree.decimals.len());
        self.suspect = None;
        let result = self.form_tokens(root as u32);
        if result.is_err() {
            self.tree.nodes.truncate(root);
            self.tree.strings.truncate(strings);
            self.tree.decimals.truncate(decimals);
        }
        result
    }

    fn form_tokens(&mut self, root: u32) -> Result<Option<u32>, ReadError> {
        loop {
            let token = match self.lexer.next() {
                None if self.open.is_empty() => return Ok(None),
                None => return Err(self.end_of_input()),
                Some(token) => token.map_err(|problem| self.token_error(problem))?,
            };
            if self.take(token)? && self.open.is_empty() {
                return Ok(Some(root));
            }
        }
    }

    /// Adds a token to the tree; whether it completes a form.
    fn take(&mut self, token: Token) -> Result<bool, ReadError> {
        let span = self.span(token.start, token.end);
        let kind = match token.kind {
            TokenKind::Shebang | TokenKind::Comment => {
                self.tree.comments.push(span);
                return Ok(false);
            }
            TokenKind::Open(bracket) => {
                self.open_list(bracket, span);
                return Ok(false);
            }
            TokenKind::Prefix(prefix) => {
                self.open_prefix(prefix, span);
                return Ok(false);
            }
            TokenKind::Close(bracket) => {
                self.close_list(bracket, span)?;
                self.close_prefixes(span.end);
                return Ok(true);
            }
            TokenKind::Integer(value) => NodeKind::Integer(value),
            TokenKind::Decimal(value) => {
                self.tree.decimals.push(value);
                NodeKind::Decimal(self.tree.decimals.len() as u32 - 1)
            }
            TokenKind::Symbol => NodeKind::Symbol(self.intern(span)),
            TokenKind::String => {
                let contents = std::mem::take(&mut self.lexer.contents);
                self.tree.strings.push(contents.into_boxed_str());
                NodeKind::String(self.tree.strings.len() as u32 - 1)
            }
        };
        self.push(kind, span);
        self.close_prefixes(span.end);
        Ok(true)
    }

    /// Adds a node without children; its index.
    fn push(&mut self, kind: NodeKind, span: Span) -> u32 {
        let index = self.tree.nodes.len() as u32;
        self.tree.nodes.push(Node { kind, span, end: index + 1 });
        index
    }

    fn intern(&mut self, span: Span) -> SymbolId {
        let text = &self.source[span.start as usize..span.end as usize];
        let symbols = &mut self.tree.symbols;
        let name = normal_form(String::from_utf8_lossy(text));
        *self.symbols.entry(name).or_insert_with_key(|name| {
            symbols.push(name.as_ref().into());
            SymbolId(symbols.len() as u32 - 1)
        })
    }

    fn open_list(&mut self, bracket: Bracket, span: Span) {
        let begins_line = span.start > 0 && self.source[span.start as usize - 1] == b'\n';
        if begins_line && !self.open.is_empty() && self.suspect.is_none() {
            self.suspect = Some(span.start);
        }
        let node = self.push(NodeKind::List { quoted: bracket == Bracket::Curly }, span);
        self.open.push(Frame { node, kind: FrameKind::List(bracket) });
        self.moves += 1;
    }

    fn open_prefix(&mut self, prefix: Prefix, span: Span) {
        let node = self.push(NodeKind::List { quoted: prefix == Prefix::Quote }, span);
        if let Some(name) = prefix.name() {
            self.push(NodeKind::Name(name), span);
        }
        self.open.push(Frame { node, kind: FrameKind::Prefix(prefix) });
        self.moves += 1;
    }

    fn close_list(&mut self, bracket: Bracket, span: Span) -> Result<(), ReadError> {
        let found = bracket.closer();
        let kind = match self.open.last().map(|frame| frame.kind) {
            Some(FrameKind::List(open)) if open == bracket => {
                self.close_frame(span.end);
                return Ok(());
            }
            Some(FrameKind::List(open)) => {
                ReadErrorKind::MismatchedCloser { found, expected: open.closer() }
            }
            Some(FrameKind::Prefix(prefix)) => {
                ReadErrorKind::PrefixBeforeCloser { prefix: prefix.text(), closer: found }
            }
            None => ReadErrorKind::StrayCloser(found),
        };
        let mut error = ReadError::new(kind, span, self.source);
        error.opener = self.innermost();
        Err(error)
    }

    /// Ends the prefixes whose form has just been completed.
    fn close_prefixes(&mut self, end: u32) {
        while let Some(Frame { kind: FrameKind::Prefix(_), .. }) = self.open.last() {
            self.close_frame(end);
        }
    }

    fn close_frame(&mut self, end: u32) {
        if let Some(frame) = self.open.pop() {
            let nodes = self.tree.nodes.len() as u32;
            let node = &mut self.tree.nodes[frame.node as usize];
            node.end = nodes;
            node.span.end = end;
            self.moves += 1;
        }
    }

    /// Span of the bracket or prefix of the innermost open frame.
    fn innermost(&self) -> Option<Span> {
        self.open.last().map(|frame| self.tree.nodes[frame.node as usize].span)
    }

    /// Nothing left where a form or a closer must come.
    fn end_of_input(&self) -> ReadError {
        let here = Span::point(self.file, self.lexer.offset());
        let kind = match self.open.last().map(|frame| frame.kind) {
            None => ReadErrorKind::EndOfInput { prefix: None },
            Some(FrameKind::Prefix(prefix)) => {
                ReadErrorKind::EndOfInput { prefix: Some(prefix.text()) }
            }
            Some(FrameKind::List(bracket)) => ReadErrorKind::EndInList { closer: bracket.closer() },
        };
        let mut error = ReadError::new(kind, here, self.source);
        error.opener = self.innermost();
        if matches!(kind, ReadErrorKind::EndInList { .. }) {
            let lists = |frame: &&Frame| matches!(frame.kind, FrameKind::List(_));
            let outermost = self.open.iter().find(lists);
            error.outermost = outermost
                .map(|frame| self.tree.nodes[frame.node as usize].span)
                .filter(|&span| Some(span) != error.opener);
            error.suspect = self
                .suspect
                .map(|start| self.span(start, start + 1))
                .filter(|&span| Some(span) != error.opener);
        }
        error
    }

    fn token_error(&self, problem: Problem) -> ReadError {
        let span = self.span(problem.start, problem.end);
        let mut error = ReadError::new(problem.kind, span, self.source);
        error.opener = problem.string_start.map(|start| self.span(start, start + 1));
        error
    }
}

/// A name with its accents in one character each where there is one (NFC), so that names which look the
/// same are the same, however they were typed.
fn normal_form(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.is_ascii() || is_nfc_quick(name.chars()) == IsNormalized::Yes {
        return name;
    }
    Cow::Owned(name.nfc().collect())
}
