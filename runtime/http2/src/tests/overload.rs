//! Overload: what is accepted, taken, turned away and ended, and what is counted and told of it.

mod admission;
mod large_responses;
mod queueing;
mod served;
mod waiting;

use super::*;
