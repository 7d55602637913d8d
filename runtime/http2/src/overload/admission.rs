//! Whether a connection is accepted, by how full the buffers are.
//!
//! A function of the occupancy and of a random number. From 70 % of the high watermark on, a growing
//! part of the connections is closed, so that the load falls before all of them have to be.

use std::fmt;

/// The part of the high watermark at which connections begin to be rejected.
const ELEVATED_SHARE: f64 = 0.7;
/// The part of the connections that is rejected just below the high watermark.
const REJECTED_SHARE_MAX: f64 = 0.3;

/// Occupancies, 0 to 1, from which on every connection is rejected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Watermarks {
    pub(crate) high: f64,
    pub(crate) critical: f64,
}

impl Watermarks {
    /// From percentages. A high watermark above the critical one has no effect.
    pub(crate) fn of_percents(high: u32, critical: u32) -> Self {
        Self { high: f64::from(high) / 100.0, critical: f64::from(critical) / 100.0 }
    }
}

/// Why a connection is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    Critical,
    High,
    Probabilistic,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Critical => "critical pressure",
            Self::High => "high pressure",
            Self::Probabilistic => "probabilistic shed",
        })
    }
}

/// Decides for one connection after the other. The same occupancies bring the same decisions.
#[derive(Debug)]
pub(crate) struct Admission {
    watermarks: Watermarks,
    random: u32,
}

impl Admission {
    pub(crate) fn new(watermarks: Watermarks) -> Self {
        Self { watermarks, random: 12_345 }
    }

    /// Whether a connection is accepted at this occupancy.
    pub(crate) fn decide(&mut self, occupancy: f64) -> Result<(), Rejection> {
        let Watermarks { high, critical } = self.watermarks;
        if occupancy >= critical {
            return Err(Rejection::Critical);
        }
        if occupancy >= high {
            return Err(Rejection::High);
        }
        let elevated = ELEVATED_SHARE * high;
        if occupancy < elevated {
            return Ok(());
        }
        let rejected = (occupancy - elevated) / (high - elevated) * REJECTED_SHARE_MAX;
        if self.draw() < rejected { Err(Rejection::Probabilistic) } else { Ok(()) }
    }

    /// The next number of a linear congruential generator, 0 up to but without 1.
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        f64::from(self.random >> 16) / f64::from(1_u32 << 16)
    }
}
