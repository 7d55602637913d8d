//! Builtins on values: numbers, strings, lists, collections, references.

mod boxes;
mod integers;
mod json;
mod kinds;
mod lists;
mod maps;
mod numbers;
mod regex;
pub(super) mod strings;
mod text;
mod vectors;
mod weak;

use crate::builtins::row::Row;

/// The tables of these builtins.
pub(super) const TABLES: &[&[Row]] = &[
    boxes::TABLE,
    integers::TABLE,
    json::TABLE,
    kinds::TABLE,
    lists::TABLE,
    maps::TABLE,
    numbers::TABLE,
    regex::TABLE,
    strings::TABLE,
    text::TABLE,
    vectors::TABLE,
    weak::TABLE,
];
