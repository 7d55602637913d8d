//! Connections to the target.
//!
//! 1. A `target` is on this computer unless its host is named twice; `tls` says which
//!    certificates are trusted.
//! 2. A `dialer` opens HTTP/2 connections and proves that the target speaks HTTP/2; `failure` is
//!    why it could not, with what to do. Bytes go over a `wire`.
//! 3. An `exchange` is one request and its whole response; a `session` keeps a connection for one
//!    user and opens another when it is lost.

pub mod dialer;
pub mod exchange;
pub mod failure;
pub mod session;
pub mod target;
pub mod tls;
pub mod wire;
