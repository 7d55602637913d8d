//! The CPU time of this process, from the proc filesystem; unknown on systems without it.

use std::time::Duration;

/// Length of a clock tick in `/proc`: the kernel's `USER_HZ` is 100 on every architecture we run on.
const TICK: Duration = Duration::from_millis(10);

/// User and system time used so far.
pub fn cpu_time() -> Option<Duration> {
    parse(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// The same of another process; nothing if there is none.
pub fn cpu_time_of(pid: u32) -> Option<Duration> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields 14 and 15 of proc(5) `stat`; the second field is a name in parentheses that may hold
/// blanks, so counting starts behind it.
pub fn parse(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * user + TICK * system)
}
