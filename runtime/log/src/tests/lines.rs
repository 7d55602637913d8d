//! Which lines are shown, and how they look.

use super::{LONG, logged, queue};
use crate::{LINE_BYTES_MAX, Level, LogSubscriber, Threshold};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tracing::dispatcher::with_default;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber, debug, error, info, trace, warn};

/// A subscriber that wants everything, as another library's may, and passes it on.
struct PassesAllOn {
    to: LogSubscriber,
    spans: &'static AtomicUsize,
}

impl Subscriber for PassesAllOn {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        self.to.event(event);
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.spans.fetch_add(1, SeqCst);
        self.to.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.to.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.to.record_follows_from(span, follows);
    }

    fn enter(&self, span: &Id) {
        self.to.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.to.exit(span);
    }
}

/// A line of each level.
fn log_all() {
    error!(target: "valk::test", "line");
    warn!(target: "valk::test", "line");
    info!(target: "valk::test", "line");
    debug!(target: "valk::test", "line");
    trace!(target: "valk::test", "line");
}

/// The levels of lines.
fn levels(text: &str) -> Vec<&str> {
    text.lines().map(|line| &line[1..line.find(']').expect("[LEVEL]")]).collect()
}

/// The text of the only line.
fn text_of(line: &str) -> &str {
    assert_eq!(line.matches('\n').count(), 1, "one line: {line:?}");
    line.trim_end_matches('\n').split_once(" | ").expect("the text follows ` | `").1
}

valk_harness::test! {
    fn each_threshold_shows_the_levels_up_to_it() {
        let names = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
        for (shown, threshold) in Level::ALL.into_iter().enumerate() {
            let text = logged(&Threshold::new(threshold), log_all);
            assert_eq!(levels(&text), names[..=shown], "{threshold:?}");
        }
    }

    fn a_level_has_its_name_in_any_case_and_unknown_names_mean_warn() {
        let known = [("error", Level::Error), ("INFO", Level::Info), ("Debug", Level::Debug),
            ("tRACE", Level::Trace), ("warn", Level::Warn), ("warning", Level::Warn),
            ("WARNING", Level::Warn), ("", Level::Warn), ("loud", Level::Warn), ("2", Level::Warn)];
        for (name, level) in known {
            assert_eq!(Level::from_name(name), level, "{name}");
        }
        assert_eq!(Threshold::default().level(), Level::Warn);
    }

    fn a_changed_threshold_holds_for_the_next_line_of_every_thread() {
        let threshold = Threshold::new(Level::Error);
        let text = logged(&threshold, || {
            log_all();
            threshold.clone().set(Level::Debug);
            log_all();
            threshold.set(Level::Debug);
            threshold.set(Level::Warn);
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            std::thread::scope(|scope| {
                scope.spawn(|| tracing::dispatcher::with_default(&dispatch, log_all));
            });
        });
        let expected = ["ERROR", "ERROR", "WARN", "INFO", "DEBUG", "ERROR", "WARN"];
        assert_eq!(levels(&text), expected);
    }

    fn a_line_names_its_place() {
        let (text, line) = (logged(&Threshold::default(), || warn!(target: "valk::test", "x {}", 1)), line!());
        assert_eq!(text, format!("[WARN] {}:{line}:{} | x 1\n", file!(), module_path!()));
    }

    fn fields_follow_the_text() {
        let threshold = Threshold::default();
        let log = || {
            error!(target: "valk::test", port = 80, name = "a b", quote = "say \"a\\b\"", empty = "",
                plain = ?Some(1), path = %"x=y", open = true, "closed");
        };
        assert_eq!(
            text_of(&logged(&threshold, log)),
            r#"closed port=80 name="a b" quote="say \"a\\b\"" empty="" plain=Some(1) path="x=y" open=true"#
        );
        let bare = logged(&threshold, || error!(target: "valk::test", port = 1));
        assert_eq!(text_of(&bare), " port=1");
        let text = logged(&threshold, || error!(target: "valk::test", message = "as a field"));
        assert_eq!(text_of(&text), "as a field");
    }

    fn no_text_makes_a_second_line_or_moves_the_cursor() {
        let hostile = "a\n[ERROR] forged\r\x1b[2J\u{85}\u{2028}\u{202e}\u{2066}\0\tb\u{7f}é";
        let expected = "a\\n[ERROR] forged\\r\\u{1b}[2J\\u{85}\\u{2028}\\u{202e}\\u{2066}\\u{0}\\tb\\u{7f}é";
        let threshold = Threshold::default();
        let message = logged(&threshold, || warn!(target: "valk::test", "{hostile}"));
        assert_eq!(text_of(&message), expected);
        let field = logged(&threshold, || warn!(target: "valk::test", text = hostile, debug = ?"\n", "x"));
        assert!(text_of(&field).contains(&expected[..20]), "{field}");
        assert!(field.contains(r#"debug="\"\\n\"""#) && field.contains("b\\u{7f}é"), "{field}");
    }

    fn a_long_line_is_cut_with_a_mark() {
        let text = "é".repeat(LINE_BYTES_MAX);
        let line = logged(&Threshold::default(), || warn!(target: "valk::test", "{text}"));
        assert!(line.len() < LINE_BYTES_MAX + 200, "{}", line.len());
        assert!(line.ends_with(&format!(" … ({LINE_BYTES_MAX} bytes more)\n")), "{}", &line[line.len() - 60..]);
        let field = logged(&Threshold::default(), || warn!(target: "valk::test", text = text.as_str(), "x"));
        assert!(field.len() < LINE_BYTES_MAX + 200 && field.contains("bytes more)"), "{}", field.len());
    }

    fn other_libraries_are_shown_from_warn_or_at_trace() {
        let log = || {
            error!(target: "h2::codec", "line");
            warn!(target: "h2::codec", "line");
            debug!(target: "h2::codec", "line");
            let span = tracing::span!(target: "valk::test", tracing::Level::ERROR, "span", x = 1);
            span.in_scope(|| span.record("x", 2));
            span.follows_from(&span);
        };
        assert_eq!(levels(&logged(&Threshold::new(Level::Debug), log)), ["ERROR", "WARN"]);
        assert_eq!(levels(&logged(&Threshold::new(Level::Trace), log)), ["ERROR", "WARN", "DEBUG"]);
    }

    fn two_logs_in_a_process_each_show_their_own_levels() {
        let logs = [Level::Error, Level::Debug].map(|level| {
            let (queue, target) = queue();
            let subscriber = LogSubscriber::new(Threshold::new(level), queue.clone());
            (Dispatch::new(subscriber), queue, target)
        });
        let shown = [vec!["ERROR"], vec!["ERROR", "WARN", "INFO", "DEBUG"]];
        for ((dispatch, queue, target), shown) in logs.iter().zip(shown) {
            with_default(dispatch, log_all);
            assert!(queue.flush(LONG), "everything is written");
            assert_eq!(levels(&target.text()), shown);
        }
    }

    fn spans_passed_on_by_another_subscriber_are_not_shown() {
        static SPANS: AtomicUsize = AtomicUsize::new(0);
        let (queue, target) = queue();
        let to = LogSubscriber::new(Threshold::new(Level::Trace), queue.clone());
        with_default(&Dispatch::new(PassesAllOn { to, spans: &SPANS }), || {
            let span = tracing::error_span!(target: "valk::test", "span", x = 1);
            let next = tracing::error_span!(target: "valk::test", "next");
            next.follows_from(&span);
            span.record("x", 2);
            span.in_scope(|| warn!(target: "valk::test", "inside"));
        });
        assert!(queue.flush(LONG), "everything is written");
        assert_eq!(SPANS.load(SeqCst), 2, "both were passed on");
        assert_eq!(text_of(&target.text()), "inside");
    }
}
