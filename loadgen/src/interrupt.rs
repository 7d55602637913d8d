//! What ends a run early: Ctrl-C, SIGTERM, SIGHUP, or the program that embeds the generator.
//!
//! The first interrupt asks for an end with a short wait for answers, the second for an end at once;
//! either way there is a report.

use tokio::sync::watch;

/// Counts interrupts.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<u32>);

impl Interrupt {
    /// The signals of this process. Call it before anything else takes them: goose would, and would
    /// then end the process at the second one.
    pub fn of_process() -> Interrupt {
        let (count, seen) = watch::channel(0);
        let handler = move || count.send_modify(|count| *count += 1);
        // It fails only if this was called before; then those signals count there.
        let _ = ctrlc::set_handler(handler);
        Interrupt(seen)
    }

    /// A count that somebody else keeps.
    pub fn counted(count: watch::Receiver<u32>) -> Interrupt {
        Interrupt(count)
    }

    /// How many there were so far.
    pub fn count(&self) -> u32 {
        *self.0.borrow()
    }

    /// Waits for the next one. Cancel safe.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody can interrupt any more.
            std::future::pending::<()>().await;
        }
    }
}
