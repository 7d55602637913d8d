//! Conformance tables (tests/conformance/*.txt) and the embedding API.

mod conformance;
mod continuations;
mod diagnose;
mod embedding;
mod output;
mod property_list;
mod primitives;
mod reference;
mod reference_names;
