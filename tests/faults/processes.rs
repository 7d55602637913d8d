//! What the specimens ask about processes, and what they do to them.

use std::process::Command;

/// What `/proc` tells about a process.
pub struct Status {
    /// One letter, `Z` for a process that has ended and `T` for one that is stopped.
    pub state: char,
    pub parent: u32,
    /// Number of its process group.
    pub group: i32,
}

impl Status {
    /// `None` if there is no such process.
    pub fn find(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let state = fields.next()?.chars().next()?;
        Some(Self {
            state,
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
        })
    }

    /// Of a process that is there.
    pub fn of(pid: u32) -> Self {
        Self::find(pid).expect("there is such a process")
    }
}

/// Sends a signal, `-9` for instance.
pub fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill").args([name, &pid.to_string()]).status();
}

/// Waits until a process has this state, or is gone.
pub fn wait_until(pid: u32, state: char) {
    while Status::find(pid).is_some_and(|status| status.state != state) {
        std::thread::yield_now();
    }
}
