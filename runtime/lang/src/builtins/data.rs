//! Builtins on values: numbers, strings, lists, collections, references.

mod arrange;
mod boxes;
mod builders;
mod decimals;
mod format;
mod integers;
mod json;
mod json_fractions;
mod kinds;
mod lists;
mod maps;
mod numbers;
mod positions;
pub(super) mod reading;
mod regex;
pub(super) mod room;
pub(super) mod strings;
mod text;
mod vectors;
mod weak;

use crate::builtins::row::Row;

/// The tables of these builtins.
pub(super) const TABLES: &[&[Row]] = &[
    arrange::TABLE,
    boxes::TABLE,
    builders::TABLE,
    decimals::TABLE,
    format::TABLE,
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
