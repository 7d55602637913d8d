//! Connections to the target.
//!
//! 1. A `target` is on this computer unless its host is named twice; `tls` says which
//!    certificates are trusted.
//! 2. A `dialer` opens HTTP/2 connections and proves that the target speaks HTTP/2.
//! 3. A `persistent` connection is opened again when it is lost.
//! 4. An `exchange` is one request and its whole response on a connection.

pub mod dialer;
pub mod exchange;
pub mod persistent;
pub mod target;
pub mod tls;
