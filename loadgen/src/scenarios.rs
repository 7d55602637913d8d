//! Scenarios: the `catalog` says what there is, the `plan` what one does with the options of a run.

pub mod catalog;
pub mod plan;
