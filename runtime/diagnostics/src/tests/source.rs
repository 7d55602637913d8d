//! Lines, columns, spans, registration.

use super::one_file;
use crate::{FileId, Position, SOURCE_BYTES_MAX, SourceMap, Span};

fn at(text: &[u8], offset: u32) -> (u32, u32) {
    let (sources, file) = one_file(text);
    let Position { line, column } = sources.file(file).unwrap().position(offset);
    (line, column)
}

valk_harness::test! {
    fn positions_count_lines_and_code_points_from_one() {
        let text = "ab\n\ncé€𝄞d\n".as_bytes();
        assert_eq!(at(text, 0), (1, 1));
        assert_eq!(at(text, 2), (1, 3), "the newline belongs to its line");
        assert_eq!(at(text, 3), (2, 1));
        assert_eq!(at(text, 4), (3, 1));
        assert_eq!(at(text, 5), (3, 2));
        assert_eq!(at(text, 7), (3, 3));
        assert_eq!(at(text, 10), (3, 4));
        assert_eq!(at(text, 14), (3, 5));
        assert_eq!(at(text, 16), (4, 1), "a final newline begins an empty line");
        assert_eq!(at(text, 4000), (4, 1), "past the end is the end");
    }
}

valk_harness::test! {
    fn newlines_in_strings_count() {
        assert_eq!(at(b"(print \"a\nb\nc\") x", 16), (3, 5));
    }
}

valk_harness::test! {
    fn undecodable_runs_count_as_one_column() {
        // 0xE2 0x82 is the beginning of a three-byte sequence, cut off.
        assert_eq!(at(b"\xffa\xe2\x82b", 1), (1, 2));
        assert_eq!(at(b"\xffa\xe2\x82b", 2), (1, 3));
        assert_eq!(at(b"\xffa\xe2\x82b", 4), (1, 4));
    }
}

valk_harness::test! {
    fn empty_text_has_one_line() {
        let (sources, file) = one_file(b"");
        let file = sources.file(file).unwrap();
        assert_eq!(file.line_count(), 1);
        assert_eq!(file.position(0), Position { line: 1, column: 1 });
        assert_eq!(file.line_range(1), 0..0);
    }
}

valk_harness::test! {
    fn line_ranges_leave_the_newline_out() {
        let (sources, file) = one_file(b"ab\ncd\n");
        let file = sources.file(file).unwrap();
        assert_eq!(file.line_count(), 3);
        assert_eq!(file.line_range(1), 0..2);
        assert_eq!(file.line_range(2), 3..5);
        assert_eq!(file.line_range(3), 6..6);
        assert_eq!(file.line_range(4), 6..6, "no such line");
    }
}

valk_harness::test! {
    fn every_registration_has_its_own_number() {
        let mut sources = SourceMap::new();
        let first = sources.add("a.valk", *b"one");
        let other = sources.add("b.valk", *b"two");
        let again = sources.add("a.valk", *b"three");
        assert_eq!((first, other, again), (FileId(0), FileId(1), FileId(2)));
        assert_eq!(sources.find("a.valk"), Some(again));
        assert_eq!(sources.find("c.valk"), None);
        assert_eq!(sources.file(first).unwrap().text().as_ref(), b"one");
        assert_eq!(sources.file(other).unwrap().name(), "b.valk");
        assert!(sources.file(FileId(3)).is_none());
        assert!(sources.file(FileId::UNKNOWN).is_none());
    }
}

valk_harness::test! {
    fn locations_name_file_line_and_column() {
        let (sources, file) = one_file(b"ab\ncd");
        assert_eq!(sources.location(Span::new(file, 4, 5)).as_deref(), Some("t.valk:2:2"));
        assert_eq!(sources.location(Span::point(FileId::UNKNOWN, 0)), None);
        let ends = sources.positions(Span::new(file, 1, 4)).unwrap();
        assert_eq!(ends, (Position { line: 1, column: 2 }, Position { line: 2, column: 2 }));
        assert_eq!(sources.positions(Span::point(FileId::UNKNOWN, 0)), None);
    }
}

valk_harness::test! {
    fn spans_measure_join_and_nest() {
        let file = FileId(0);
        let (outer, inner) = (Span::new(file, 2, 9), Span::new(file, 4, 9));
        assert_eq!(outer.len(), 7);
        assert!(outer.contains(inner) && outer.contains(outer) && !inner.contains(outer));
        assert!(!outer.contains(Span::new(file, 4, 10)));
        assert!(!outer.contains(Span::new(FileId(1), 4, 9)));
        assert!(Span::point(file, 3).is_empty() && Span::new(file, 5, 3).is_empty());
        assert_eq!(Span::new(file, 2, 3).to(inner), outer);
    }
}

valk_harness::test! {
    fn longest_text_is_the_limit() {
        // Zeroed memory is not touched before the length is checked.
        let refused = std::panic::catch_unwind(|| {
            SourceMap::new().add("big", vec![0_u8; SOURCE_BYTES_MAX + 1])
        });
        let text = refused.unwrap_err();
        let text = text.downcast_ref::<String>().unwrap();
        assert!(text.contains("`big` has 2147483648 bytes"), "{text}");
    }
}
