//! The phases of a run, from zero to its end; pure arithmetic.

/// A named stretch of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Name in reports and thresholds.
    pub name: &'static str,
    /// Begin, nanoseconds since the origin.
    pub start_ns: u64,
    /// End (exclusive).
    pub end_ns: u64,
}

/// Adjacent phases from zero to the end of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    phases: Vec<Phase>,
}

impl Timeline {
    /// Cuts `total_ns` in proportion to the shares.
    pub fn new(shares: &[(&'static str, u64)], total_ns: u64) -> Self {
        assert!(!shares.is_empty(), "a run has at least one phase");
        let whole: u64 = shares.iter().map(|(_, share)| share).sum();
        let cut =
            |share: u64| (u128::from(total_ns) * u128::from(share) / u128::from(whole)) as u64;
        let mut before = 0;
        let phases = shares
            .iter()
            .map(|(name, share)| {
                let start_ns = cut(before);
                before += share;
                Phase { name, start_ns, end_ns: cut(before) }
            })
            .collect();
        Timeline { phases }
    }

    /// The phases in order.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// Index of the phase an instant belongs to; instants after the end belong to the last.
    pub fn index_at(&self, at_ns: u64) -> usize {
        self.phases.partition_point(|p| p.end_ns <= at_ns).min(self.phases.len() - 1)
    }

    /// The phase with this name.
    pub fn find(&self, name: &str) -> Option<(usize, &Phase)> {
        self.phases.iter().enumerate().find(|(_, p)| p.name == name)
    }

    /// End of the last phase.
    pub fn end_ns(&self) -> u64 {
        self.phases[self.phases.len() - 1].end_ns
    }
}
