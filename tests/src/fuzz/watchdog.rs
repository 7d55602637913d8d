//! Ends the process when one run takes too long, after saying which.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Longest time for one run.
const LIMIT: Duration = Duration::from_secs(30);

/// The run in progress and when it began.
static CURRENT: Mutex<Option<(String, Instant)>> = Mutex::new(None);

/// Starts the thread that watches.
pub fn start() {
    let watch = || {
        loop {
            std::thread::sleep(LIMIT / 10);
            let current = CURRENT.lock().expect("nothing panics while holding it");
            if let Some((name, since)) = &*current
                && since.elapsed() > LIMIT
            {
                eprintln!("{name} did not end within {} s", LIMIT.as_secs());
                std::process::exit(3);
            }
        }
    };
    let thread = std::thread::Builder::new().name("watchdog".to_string());
    thread.spawn(watch).expect("a thread");
}

/// Says what begins now; `None` when it has ended.
pub fn note(name: Option<String>) {
    let now = name.map(|name| (name, Instant::now()));
    *CURRENT.lock().expect("nothing panics while holding it") = now;
}
