//! Long lines and arbitrary input: never a panic, never a wide line.

use super::{lines, one_file, rendered};
use crate::{Code, Diagnostic, EXCERPT_CELLS_MAX, Span, render_ansi, render_json, render_plain};

valk_harness::test! {
    fn long_lines_are_cut_around_the_span() {
        let text = format!("{}HERE{}", "a".repeat(1000), "b".repeat(1000));
        let expected = lines(&[
            "error[E0004]: headline",
            " --> t.valk:1:1001",
            "  |",
            &format!("1 | …{}HERE{}…", "a".repeat(40), "b".repeat(56)),
            &format!("  | {}^^^^ x", " ".repeat(41)),
        ]);
        assert_eq!(rendered(text.as_bytes(), 1000, 1004, "x"), expected);
    }
}

valk_harness::test! {
    fn long_lines_are_cut_on_one_side_at_their_ends() {
        let text = "a".repeat(2000);
        let start = rendered(text.as_bytes(), 0, 1, "x");
        assert!(start.contains(&format!("1 | {}…\n", "a".repeat(EXCERPT_CELLS_MAX))), "{start}");
        let end = rendered(text.as_bytes(), 2000, 2000, "x");
        let marks = format!("  | {}^ x\n", " ".repeat(41));
        assert!(end.contains(&format!("1 | …{}\n{marks}", "a".repeat(40))), "{end}");
    }
}

valk_harness::test! {
    fn lines_of_the_full_width_are_not_cut() {
        let text = "a".repeat(EXCERPT_CELLS_MAX);
        assert!(!rendered(text.as_bytes(), 99, 100, "x").contains('…'));
        assert!(rendered((text + "a").as_bytes(), 99, 100, "x").contains('…'));
    }
}

valk_harness::test! {
    fn distant_labels_of_a_long_line_have_their_own_excerpts() {
        let text = format!("({}]", "a".repeat(3000));
        let (sources, file) = one_file(text.as_bytes());
        let diagnostic = Diagnostic::error(Code::MismatchedCloser, "m")
            .primary(Span::new(file, 3001, 3002), "wrong")
            .secondary(Span::new(file, 0, 1), "opened");
        let expected = lines(&[
            "error[E0006]: m",
            " --> t.valk:1:3002",
            "  |",
            &format!("1 | ({}…", "a".repeat(99)),
            "  | - opened",
            &format!("1 | …{}]", "a".repeat(40)),
            &format!("  | {}^ wrong", " ".repeat(41)),
        ]);
        assert_eq!(render_plain(&diagnostic, &sources), expected);
    }
}

valk_harness::test! {
    fn windows_begin_at_code_points() {
        // The reach before the span ends inside a four-byte sequence.
        for shift in 0..4 {
            let text = format!("{}{}!", "a".repeat(shift), "𝄞".repeat(1000));
            let at = text.len() as u32 - 1;
            let out = rendered(text.as_bytes(), at, at + 1, "x");
            assert!(out.contains(&format!("1 | …{}!\n", "𝄞".repeat(40))), "{out}");
        }
    }
}

valk_harness::test! {
    fn megabytes_in_one_line_render() {
        let text = vec![0xff_u8; 8 << 20];
        let out = rendered(&text, 4 << 20, (4 << 20) + 1, "x");
        assert!(out.len() < 1000, "{}", out.len());
        assert!(out.contains("\\xFF\\xFF") && out.contains("^^^^ x"), "{out}");
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

valk_harness::test! {
    fn arbitrary_texts_and_spans_render() {
        let mut random = Random(7);
        let pieces: [&[u8]; 10] =
            [b"a", b"\n", b"\t", b"\xff", b"\xe2\x82", "漢".as_bytes(), b"\r\n", b"\x1b", b" ", b"(x)"];
        for _ in 0..2000 {
            let text: Vec<u8> = (0..random.below(300))
                .flat_map(|_| pieces[random.below(10) as usize].to_vec())
                .collect();
            let (sources, file) = one_file(&text);
            let mut diagnostic = Diagnostic::error(Code::RuntimeError, "m").help("h");
            for _ in 0..random.below(5) {
                let limit = text.len() as u64 + 3;
                let span = Span::new(file, random.below(limit) as u32, random.below(limit) as u32);
                diagnostic = if random.below(2) == 0 {
                    diagnostic.primary(span, "p")
                } else {
                    diagnostic.secondary(span, "s")
                };
            }
            let plain = render_plain(&diagnostic, &sources);
            let labels = diagnostic.labels.len();
            let texts = plain.matches(" p\n").count() + plain.matches(" s\n").count();
            let drawn = plain.matches(['p', 's']).count();
            assert!(texts <= labels && labels <= drawn, "{plain}");
            for line in plain.lines() {
                assert!(line.chars().count() <= EXCERPT_CELLS_MAX + 20, "{line}");
                assert!(!line.contains(char::is_control), "{line:?}");
            }
            assert!(render_ansi(&diagnostic, &sources).len() >= plain.len());
            serde_json::from_str::<serde_json::Value>(&render_json(&diagnostic, &sources)).unwrap();
        }
    }
}
