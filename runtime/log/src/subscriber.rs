//! The subscriber of `tracing`: decides what is shown and queues it.
//!
//! Lines of other libraries than the runtime's own are shown at their level from `warn` up. Their
//! more detailed lines, of which they write many per request, need the threshold `trace`.

use crate::level::{Level, Threshold};
use crate::line;
use crate::queue::LogQueue;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// What the targets of the runtime's own lines begin with.
const OWN_TARGET: &str = "valk";

/// Shows events above a threshold; spans are not shown.
pub struct LogSubscriber {
    threshold: Threshold,
    queue: LogQueue,
}

impl LogSubscriber {
    /// A subscriber whose lines go to `queue`.
    pub fn new(threshold: Threshold, queue: LogQueue) -> LogSubscriber {
        LogSubscriber { threshold, queue }
    }

    fn shows(&self, metadata: &Metadata<'_>) -> bool {
        let level = Level::of(*metadata.level());
        let is_own = metadata.target().starts_with(OWN_TARGET);
        let needed = if is_own || level <= Level::Warn { level } else { Level::Trace };
        metadata.is_event() && self.threshold.shows(needed)
    }
}

impl Subscriber for LogSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.shows(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.shows(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.threshold.level().filter())
    }

    fn event(&self, event: &Event<'_>) {
        self.queue.push(line::of_event(event));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
