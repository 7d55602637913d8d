//! Tests of the language: the conformance tables (tests/conformance/*.txt), its parts, and the embedding
//! API.

mod assertions;
mod conformance;
mod continuations;
mod diagnose;
mod embedding;
mod isolation;
mod limits;
mod macros;
mod modules;
mod output;
mod primitives;
mod property_list;
mod reference;
mod reference_names;
mod rewrites;
mod scratch;
mod time_and_seeds;
