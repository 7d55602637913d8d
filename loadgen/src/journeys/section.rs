//! A table of a TOML file, whose errors name file and line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::spelling::suggestion;
use crate::error::LoadError;

/// A TOML file as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its path as the user gave it.
    pub path: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl Source<'_> {
    /// A usage error about the line in which this part of the file begins.
    pub fn error(&self, span: &Range<usize>, message: impl std::fmt::Display) -> LoadError {
        let begins = self.text.match_indices('\n').take_while(|(at, _)| *at < span.start);
        let line = 1 + begins.count();
        LoadError::usage(format!("{}:{line}: {message}", self.path))
    }
}

/// A part of the file, in bytes.
pub type SpanOf = Range<usize>;

/// A table and what it is, in the user's words.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    source: Source<'a>,
    what: String,
    table: &'a DeTable<'a>,
    /// Where it begins.
    pub span: SpanOf,
}

impl<'a> Section<'a> {
    /// The table `value` as `what`.
    ///
    /// # Errors
    /// If it is no table, or has a key that is not among `keys` (empty: any).
    pub fn new(
        source: Source<'a>,
        what: impl Into<String>,
        value: &'a Spanned<DeValue<'a>>,
        keys: &[&str],
    ) -> Result<Section<'a>, LoadError> {
        let what = what.into();
        let DeValue::Table(table) = value.get_ref() else {
            let found = value.get_ref().type_str();
            return Err(source.error(&value.span(), format!("{what} is a table, not {found}")));
        };
        Section::of_table(source, what, table, value.span(), keys)
    }

    /// The same for a table whose value is not at hand: the whole file.
    ///
    /// # Errors
    /// If it has a key that is not among `keys` (empty: any).
    pub fn of_table(
        source: Source<'a>,
        what: String,
        table: &'a DeTable<'a>,
        span: SpanOf,
        keys: &[&str],
    ) -> Result<Section<'a>, LoadError> {
        let known = |key: &str| keys.is_empty() || keys.contains(&key);
        if let Some((key, _)) = table.iter().find(|(key, _)| !known(key.get_ref())) {
            let name = key.get_ref();
            let hint = suggestion(name, keys.iter().copied());
            let keys = keys.join(", ");
            let message = format!("{what} has no key `{name}`{hint}; keys: {keys}");
            return Err(source.error(&key.span(), message));
        }
        Ok(Section { source, what, table, span })
    }

    /// An error about the table itself.
    pub fn error(&self, message: impl std::fmt::Display) -> LoadError {
        self.source.error(&self.span, format!("{} {message}", self.what))
    }

    /// The keys with their values, in the order of the file.
    pub fn entries(&self) -> Vec<(&'a str, &'a Spanned<DeValue<'a>>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries.into_iter().map(|(key, value)| (key.get_ref().as_ref(), value)).collect()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// The text of a key; numbers are text as they are written.
    ///
    /// # Errors
    /// If it is something else.
    pub fn text(&self, key: &str) -> Result<Option<(&'a str, SpanOf)>, LoadError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let text = self.scalar(key, value)?;
        Ok(Some((text, value.span())))
    }

    /// The text of a value under a key.
    ///
    /// # Errors
    /// If it is neither text nor a number.
    pub fn scalar(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Result<&'a str, LoadError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text),
            DeValue::Integer(number) => Ok(number.as_str()),
            DeValue::Float(number) => Ok(number.as_str()),
            other => {
                let found = other.type_str();
                let message = format!("`{key}` of {} is text or a number, not {found}", self.what);
                Err(self.source.error(&value.span(), message))
            }
        }
    }

    /// The elements of an array of a key; empty without it.
    ///
    /// # Errors
    /// If it is something else.
    pub fn array(&self, key: &str) -> Result<Vec<&'a Spanned<DeValue<'a>>>, LoadError> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        match value.get_ref() {
            DeValue::Array(elements) => Ok(elements.iter().collect()),
            other => {
                let found = other.type_str();
                let message = format!(
                    "`{key}` of {} is an array, not {found}: write it as [[{key}]]",
                    self.what
                );
                Err(self.source.error(&value.span(), message))
            }
        }
    }

    /// What `parse` makes of the text of a key, or nothing without it.
    ///
    /// # Errors
    /// If it is no text, or what `parse` says about it.
    pub fn parsed<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, LoadError> {
        let Some((text, span)) = self.text(key)? else { return Ok(None) };
        let why = |why| self.source.error(&span, format!("`{key}` of {}: {why}", self.what));
        parse(text).map(Some).map_err(why)
    }
}
