//! Conformance tables (tests/conformance/*.txt) and the embedding API.

mod conformance;
mod continuations;
mod embedding;
mod reference;
mod reference_names;
