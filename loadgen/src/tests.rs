//! Tests of the load generator: pure arithmetic first, then whole runs against servers in here.

mod browse;
mod commands;
mod errors;
mod pure;
mod servers;
mod slow;
mod steady;
mod tls;
