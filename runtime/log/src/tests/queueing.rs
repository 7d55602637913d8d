//! Targets that fail or take nothing.

use super::{LONG, queue};
use crate::{LogQueue, QUEUE_BYTES_MAX, QUEUE_LINES_MAX};
use std::time::Duration;

/// Queues lines with these texts and waits until they are written.
fn write(queue: &LogQueue, texts: &[&str]) {
    for text in texts {
        queue.push(format!("{text}\n"));
    }
    assert!(queue.flush(LONG), "everything is written");
}

valk_harness::test! {
    fn lines_are_written_whole_and_in_order() {
        let (queue, target) = queue();
        assert!(queue.flush(Duration::ZERO), "nothing waits");
        target.change(|state| state.interrupt = true);
        let long = "x".repeat(5000);
        write(&queue, &["1", &long, "2"]);
        assert_eq!(target.text(), format!("1\n{long}\n2\n"));
        assert_eq!(queue.dropped(), 0);
    }

    fn lines_that_cannot_be_written_are_counted_and_reported() {
        let (queue, target) = queue();
        target.change(|state| state.refuses = true);
        write(&queue, &["1", "2"]);
        assert_eq!((queue.dropped(), target.text().as_str()), (2, ""));
        target.change(|state| state.refuses = false);
        write(&queue, &["3", "4"]);
        let text = target.text();
        assert!(text.starts_with("3\n") && text.contains("dropped lines=2\n"), "{text}");
        assert_eq!((text.matches("[WARN]").count(), queue.dropped()), (1, 2), "{text}");
    }

    fn a_torn_line_is_not_continued() {
        let (queue, target) = queue();
        target.change(|state| state.room = Some(3));
        write(&queue, &["abcdef", "lost"]);
        assert_eq!((target.text().as_str(), queue.dropped()), ("abc", 2));
        target.change(|state| state.room = None);
        write(&queue, &["next", "last"]);
        assert!(target.text().starts_with("abc\nnext\n"), "{}", target.text());
    }

    fn a_report_that_cannot_be_written_is_made_again() {
        let (queue, target) = queue();
        target.change(|state| state.refuses = true);
        write(&queue, &["1"]);
        target.change(|state| (state.refuses, state.room) = (false, Some(2)));
        write(&queue, &["2"]);
        assert_eq!(target.text(), "2\n");
        target.change(|state| state.room = None);
        write(&queue, &["3"]);
        assert!(target.text().starts_with("2\n3\n[WARN] "), "{}", target.text());
        assert!(target.text().ends_with("dropped lines=1\n"), "{}", target.text());
    }

    fn a_target_that_takes_nothing_holds_up_no_caller() {
        let (queue, target) = queue();
        target.change(|state| state.is_stuck = true);
        queue.push("first\n".to_string());
        target.wait_until_stuck();
        for _ in 0..QUEUE_LINES_MAX + 10 {
            queue.push("line\n".to_string());
        }
        assert_eq!(queue.dropped(), 10);
        assert!(!queue.flush(Duration::from_millis(1)), "the wait is bounded");
        target.change(|state| state.is_stuck = false);
        assert!(queue.flush(LONG), "everything is written");
        let text = target.text();
        assert_eq!(text.matches("line\n").count(), QUEUE_LINES_MAX, "all that were queued");
        assert!(text.ends_with("dropped lines=10\n"), "{}", &text[text.len() - 200..]);
    }

    fn the_bytes_that_wait_are_bounded() {
        let (queue, target) = queue();
        target.change(|state| state.is_stuck = true);
        queue.push("first\n".to_string());
        target.wait_until_stuck();
        let line = "x".repeat(QUEUE_BYTES_MAX / 4);
        for _ in 0..5 {
            queue.push(line.clone());
        }
        assert_eq!(queue.dropped(), 1);
        target.change(|state| state.is_stuck = false);
        assert!(queue.flush(LONG), "everything is written");
        queue.push(line);
        assert!(queue.flush(LONG) && queue.dropped() == 1, "there is room again");
    }
}
