//! A server under measurement: a process that prints its address, and what the system says of it.
//!
//! Dropping it kills the process. Reads the proc filesystem of Linux.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Name of its row.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Variables of its environment.
    pub variables: Vec<(&'static str, String)>,
}

/// A server that listens.
pub struct Server {
    child: Child,
    /// Base of its addresses, `http://127.0.0.1:PORT`.
    pub target: String,
}

impl Server {
    /// Starts a server and waits for the line `listening on http://…`.
    ///
    /// # Errors
    /// Says which program did not start, or ended without that line.
    pub fn start(recipe: &Recipe) -> Result<Server, String> {
        let shown = recipe.command[0].to_string_lossy();
        let mut child = Command::new(&recipe.command[0])
            .args(&recipe.command[1..])
            .envs(recipe.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Servers write a line for each connection there.
            .stderr(Stdio::null())
            .spawn()
            .map_err(|cause| format!("cannot start {shown}: {cause}"))?;
        let output = child.stdout.take().expect("a piped output");
        let target = BufReader::new(output).lines().map_while(Result::ok).find_map(|line| {
            let rest = line.strip_prefix("listening on ")?;
            Some(format!("http://{}", rest.trim().trim_start_matches("http://")))
        });
        let mut server = Server { child, target: String::new() };
        match target {
            Some(target) => server.target = target,
            None => return Err(format!("{shown} ended before it printed `listening on …`")),
        }
        Ok(server)
    }

    /// CPU time used so far, by all threads that exist.
    ///
    /// # Errors
    /// If the process has ended or the system has no proc filesystem.
    pub fn cpu_time(&self) -> Result<Duration, String> {
        // Nanoseconds; /proc/PID/stat counts in steps of 10 ms, as long as a thousand requests.
        let directory = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(&directory)
            .map_err(|cause| format!("cannot read {directory}: {cause}"))?;
        let mut total_ns = 0;
        for task in tasks.flatten() {
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let first = text.split_whitespace().next().and_then(|field| field.parse::<u64>().ok());
            total_ns += first.unwrap_or(0);
        }
        if total_ns == 0 {
            return Err(format!("{directory}/*/schedstat: no CPU time; is this Linux?"));
        }
        Ok(Duration::from_nanos(total_ns))
    }

    /// Resident memory in MiB: now, and the most so far.
    ///
    /// # Errors
    /// As [`Server::cpu_time`].
    pub fn resident_mib(&self) -> Result<(f64, f64), String> {
        let status = self.file("status")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: f64 = line.trim_start_matches(':').split_whitespace().next()?.parse().ok()?;
            Some(kib / 1024.0)
        };
        field("VmRSS").zip(field("VmHWM")).ok_or_else(|| "no VmRSS in /proc/PID/status".to_owned())
    }

    fn file(&self, name: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{name}", self.child.id());
        std::fs::read_to_string(&path).map_err(|cause| format!("cannot read {path}: {cause}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only when the process has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
