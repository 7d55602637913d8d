//! The check whether an input of several lines is complete.

use crate::error::ReadErrorKind;
use crate::lexer::{Bracket, Lexer, TokenKind};
use std::ops::Range;
use valk_diagnostics::SOURCE_BYTES_MAX;

/// What a text needs before it can be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balance {
    /// Nothing; it may be blank.
    Complete,
    /// More text: lists or prefixes are open.
    Open {
        /// Open lists.
        depth: u32,
        /// Byte ranges of the brackets of open lists, and of prefixes without their form, outermost
        /// first.
        openers: Vec<Range<usize>>,
    },
    /// More text: a string is open.
    InString,
    /// Nothing helps: there is an error, which reading will report.
    Broken,
}

enum Opener {
    List(Bracket),
    Prefix,
}

/// Says whether more lines are needed to complete `source`.
pub fn balance(source: &[u8]) -> Balance {
    if source.len() > SOURCE_BYTES_MAX {
        return Balance::Broken;
    }
    let mut lexer = Lexer::new(source, false);
    lexer.shebang();
    let mut open: Vec<(Opener, Range<usize>)> = Vec::new();
    while let Some(token) = lexer.next() {
        let token = match token {
            Ok(token) => token,
            Err(problem) => {
                let ended = matches!(
                    problem.kind,
                    ReadErrorKind::EndInString | ReadErrorKind::EndAfterBackslash
                );
                return if ended { Balance::InString } else { Balance::Broken };
            }
        };
        let range = token.start as usize..token.end as usize;
        match token.kind {
            TokenKind::Shebang | TokenKind::Comment => continue,
            TokenKind::Open(bracket) => {
                open.push((Opener::List(bracket), range));
                continue;
            }
            TokenKind::Prefix(_) => {
                open.push((Opener::Prefix, range));
                continue;
            }
            TokenKind::Close(closer) => match open.pop() {
                Some((Opener::List(bracket), _)) if bracket == closer => {}
                _ => return Balance::Broken,
            },
            TokenKind::Integer(_)
            | TokenKind::Decimal(_)
            | TokenKind::Symbol
            | TokenKind::String => {}
        }
        while let Some((Opener::Prefix, _)) = open.last() {
            open.pop();
        }
    }
    if open.is_empty() {
        return Balance::Complete;
    }
    let lists = open.iter().filter(|(opener, _)| matches!(opener, Opener::List(_)));
    let depth = lists.count() as u32;
    Balance::Open { depth, openers: open.into_iter().map(|(_, range)| range).collect() }
}
