//! Tests of the load generator: pure arithmetic first, then whole runs against servers in here.

mod attacks;
mod browse;
mod commands;
mod connections;
mod engine;
mod errors;
mod faces;
mod journey_files;
mod journeys;
mod options;
mod pure;
mod questions;
mod reports;
mod requests;
mod server_metrics;
mod servers;
mod slow;
mod steady;
mod tls;
mod truth;
mod weak_servers;
