//! Reports: a line a second while the run lasts, then a judged report in several forms.
//!
//! 1. `report` judges a run; `table`, `json`, `csv`, `hdr_log`, `junit` and `html` show it.
//! 2. `files` are opened before the run begins, so that no run is lost to a wrong path.

pub mod charts;
pub mod csv;
pub mod files;
pub mod hdr_log;
pub mod html;
pub mod json;
pub mod junit;
pub mod progress;
pub mod report;
pub mod table;
