//! Conformance tables (tests/conformance/*.txt) and the embedding API.

mod conformance;
mod embedding;
