//! Programs as trees of text, for making, changing and printing them.

use std::fmt::{Display, Formatter, Result};

/// A form as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A number, symbol or string with its quotes.
    Atom(String),
    /// A list; true for `{…}`.
    List(bool, Vec<Form>),
    /// A prefix and what follows it.
    Prefixed(&'static str, Box<Form>),
}

impl Form {
    /// An atom.
    pub fn atom(text: impl Display) -> Form {
        Form::Atom(format!("{text}"))
    }

    /// `(name arguments…)`.
    pub fn call(name: &str, arguments: Vec<Form>) -> Form {
        let mut items = vec![Form::atom(name)];
        items.extend(arguments);
        Form::List(false, items)
    }

    /// `{items…}`.
    pub fn quoted(items: Vec<Form>) -> Form {
        Form::List(true, items)
    }

    /// `{names…}`.
    pub fn names(names: &[String]) -> Form {
        Form::quoted(names.iter().map(Form::atom).collect())
    }

    /// Number of nodes.
    pub fn size(&self) -> usize {
        match self {
            Form::Atom(_) => 1,
            Form::List(_, items) => 1 + items.iter().map(Form::size).sum::<usize>(),
            Form::Prefixed(_, inner) => 1 + inner.size(),
        }
    }
}

impl Display for Form {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Form::Atom(text) => out.write_str(text),
            Form::Prefixed(prefix, inner) => write!(out, "{prefix}{inner}"),
            Form::List(quoted, items) => {
                let (open, close) = if *quoted { ('{', '}') } else { ('(', ')') };
                write!(out, "{open}")?;
                for (index, item) in items.iter().enumerate() {
                    let gap = if index == 0 { "" } else { " " };
                    write!(out, "{gap}{item}")?;
                }
                write!(out, "{close}")
            }
        }
    }
}

/// The text of a program, a form a line.
pub fn text(program: &[Form]) -> String {
    let lines: Vec<String> = program.iter().map(Form::to_string).collect();
    lines.join("\n")
}
