//! What a VM counts. Each number belongs to one VM and costs one addition.

/// Events since the VM was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Forms compiled to be run: those of programs, and what `eval` and `load` are given.
    pub evaluations: u64,
    /// Calls of functions of the language, partial applications included.
    pub function_calls: u64,
    /// Calls of builtins; those that are instructions of the caller's code are none.
    pub builtin_calls: u64,
    /// Functions made.
    pub closures_created: u64,
    /// Variables looked up by name while running, which compiled code seldom needs.
    pub lookups: u64,
    /// Functions that got native code.
    pub functions_compiled: u64,
    /// The most calls of functions in progress that were seen; looked for when a stack grows.
    pub depth_peak: u64,
}

impl Counters {
    /// What both have counted.
    #[must_use]
    pub fn and(self, other: Counters) -> Counters {
        Counters {
            evaluations: self.evaluations + other.evaluations,
            function_calls: self.function_calls + other.function_calls,
            builtin_calls: self.builtin_calls + other.builtin_calls,
            closures_created: self.closures_created + other.closures_created,
            lookups: self.lookups + other.lookups,
            functions_compiled: self.functions_compiled + other.functions_compiled,
            depth_peak: self.depth_peak.max(other.depth_peak),
        }
    }
}
