//! Conformance tables (tests/conformance/*.txt) and the embedding API.

mod conformance;
mod continuations;
mod diagnose;
mod embedding;
mod output;
mod primitives;
mod property_list;
mod reference;
mod reference_names;
mod time_and_seeds;
