//! Builtins that decide what is evaluated next, and what comes of errors.

pub(crate) mod assertions;
mod capture;
pub(super) mod context;
mod continuations;
mod errors;
mod forms;
mod macros;
pub(crate) mod modules;

use crate::builtins::row::{ReflectiveRow, Row};

/// The tables of these builtins.
pub(super) const TABLES: &[&[Row]] = &[
    assertions::TABLE,
    capture::TABLE,
    context::TABLE,
    errors::TABLE,
    forms::TABLE,
    macros::TABLE,
];

/// The tables of those that see the environment of their caller.
pub(super) const REFLECTIVE_TABLES: &[&[ReflectiveRow]] = &[
    forms::REFLECTIVE,
    continuations::REFLECTIVE,
    modules::REFLECTIVE,
    macros::REFLECTIVE,
    crate::library::REFLECTIVE,
];
