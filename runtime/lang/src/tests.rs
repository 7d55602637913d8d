//! Conformance tables (tests/conformance/*.txt) and the embedding API.

mod conformance;
mod continuations;
mod diagnose;
mod embedding;
mod primitives;
mod reference;
mod reference_names;
