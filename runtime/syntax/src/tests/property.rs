//! Seeded random texts and trees.

use super::{FILE, read, shape};
use crate::{Balance, ReadErrorKind, Tree, balance, highlight, read_one};
use valk_diagnostics::{SourceMap, render_plain};

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Bytes that are mostly meaningful to the reader.
fn arbitrary_text(random: &mut Random) -> Vec<u8> {
    let pieces: [&[u8]; 26] = [
        b"(",
        b")",
        b"{",
        b"}",
        b"\"",
        b"\\",
        b"'",
        b"`",
        b",",
        b"@",
        b";",
        b"\n",
        b" ",
        b"a",
        b"-",
        b"1",
        b"99999999999",
        b":k",
        b"#!",
        b"\0",
        b"\xff",
        b"\xe2\x82",
        b"\xc3",
        "é".as_bytes(),
        b"\\n",
        b"x y",
    ];
    let length = random.below(40);
    (0..length)
        .flat_map(|_| match random.below(8) {
            0 => vec![random.next() as u8],
            _ => random.pick(&pieces).to_vec(),
        })
        .collect()
}

/// Spans lie in the source and in their parents, siblings are in order, ends agree.
fn assert_well_formed(tree: &Tree, source: &[u8]) {
    let mut open: Vec<(u32, u32)> = Vec::new();
    let mut previous_start = 0;
    for (index, node) in tree.nodes.iter().enumerate() {
        let (index, span) = (index as u32, node.span);
        assert!(span.start < span.end && span.end as usize <= source.len(), "{span:?}");
        assert!(index < node.end && node.end as usize <= tree.nodes.len());
        assert!(span.start >= previous_start, "pre-order is text order");
        previous_start = span.start;
        while open.last().is_some_and(|&(end, _)| end <= index) {
            open.pop();
        }
        if let Some(&(end, span_end)) = open.last() {
            assert!(node.end <= end && span.end <= span_end, "a child leaves its parent");
        }
        for child in tree.children(index) {
            assert!(span.contains(tree.node(child).span));
        }
        for (left, right) in tree.children(index).zip(tree.children(index).skip(1)) {
            assert!(tree.node(left).span.end <= tree.node(right).span.start, "siblings overlap");
        }
        open.push((node.end, span.end));
    }
}

valk_harness::test! {
    fn arbitrary_bytes_read_report_and_agree() {
        let mut random = Random(1);
        for _ in 0..20_000 {
            let source = arbitrary_text(&mut random);
            let reading = read(&source);
            assert_well_formed(&reading.tree, &source);
            assert_eq!(reading.tree.roots().collect::<Vec<_>>(), reading.roots);

            let kind = reading.error.as_ref().map(|error| error.kind);
            let expected = match kind {
                None => "complete",
                Some(ReadErrorKind::EndOfInput { .. } | ReadErrorKind::EndInList { .. }) => "open",
                Some(ReadErrorKind::EndInString | ReadErrorKind::EndAfterBackslash) => "string",
                Some(_) => "broken",
            };
            let balanced = match balance(&source) {
                Balance::Complete => "complete",
                Balance::Open { .. } => "open",
                Balance::InString => "string",
                Balance::Broken => "broken",
            };
            assert_eq!(balanced, expected, "{source:?}");

            if let Some(error) = reading.error {
                let mut sources = SourceMap::new();
                sources.add("t.valk", source.as_slice());
                let text = render_plain(&error.diagnostic(), &sources);
                assert!(text.starts_with("error[E00"), "{text}");
                assert!(error.span.end as usize <= source.len());
            }
            let mut last = 0;
            for (range, _) in highlight(&source) {
                assert!(last <= range.start && range.start < range.end, "{source:?}");
                last = range.end;
            }
            assert!(last <= source.len());
        }
    }
}

valk_harness::test! {
    fn one_form_is_the_first_of_all() {
        let mut random = Random(2);
        for _ in 0..20_000 {
            let source = arbitrary_text(&mut random);
            if source.starts_with(b"#!") || source.starts_with("\u{feff}".as_bytes()) {
                continue;
            }
            let reading = read(&source);
            match read_one(FILE, &source) {
                Ok(tree) => {
                    assert_eq!(shape(&tree, 0), shape(&reading.tree, 0));
                    assert_eq!(tree.node(0).end as usize, tree.nodes.len());
                }
                Err(error) if reading.error.is_none() => {
                    assert_eq!(error.kind, ReadErrorKind::EndOfInput { prefix: None });
                }
                Err(error) => assert_eq!(Some(error), reading.error),
            }
        }
    }
}

/// Something between two tokens.
fn blank(random: &mut Random) -> &'static str {
    random.pick(&[" ", "\n", "\t", " \r\n", "\x0b", "; comment ( \"\n", "  "])
}

/// Appends a random form to `text` as written, and to `shape` as it must be read.
fn write_form(random: &mut Random, depth: u32, text: &mut String, shape: &mut String) {
    let choice = if depth == 0 { random.below(3) } else { random.below(8) };
    match choice {
        0 => {
            let value = random.next() as i64 >> random.below(64);
            text.push_str(&value.to_string());
            shape.push_str(&value.to_string());
        }
        1 => {
            let symbol = random.pick(&["x", "-", "a1", "+5", ":k", "foo/bar?", "\\", "--1", "x"]);
            text.push_str(symbol);
            shape.push_str(symbol);
        }
        2 => write_string(random, text, shape),
        3 => {
            let prefix = random.below(4);
            text.push_str(["'", "`", ",", ",@"][prefix]);
            text.push_str(random.pick(&["", " ", ";c\n"]));
            shape.push_str(["{", "(quasiquote ", "(unquote ", "(unquote-splicing "][prefix]);
            write_form(random, depth - 1, text, shape);
            shape.push_str(["}", ")", ")", ")"][prefix]);
        }
        _ => {
            let (open, close) = random.pick(&[('(', ')'), ('{', '}')]);
            text.push(open);
            shape.push(open);
            for element in 0..random.below(5) {
                text.push_str(blank(random));
                if element > 0 {
                    shape.push(' ');
                }
                write_form(random, depth - 1, text, shape);
            }
            text.push_str(random.pick(&["", " ", "\n", ";)\n"]));
            text.push(close);
            shape.push(close);
        }
    }
}

fn write_string(random: &mut Random, text: &mut String, shape: &mut String) {
    let mut contents = String::new();
    text.push('"');
    for _ in 0..random.below(6) {
        let (written, meant) = random.pick(&[
            ("a", "a"),
            ("\\n", "\n"),
            ("\n", "\n"),
            ("\\\\", "\\"),
            ("\\\"", "\""),
            ("\\'", "'"),
            ("'", "'"),
            (";", ";"),
            ("é", "é"),
            ("𝄞", "𝄞"),
            ("\\a", "\u{7}"),
            ("\0", "\0"),
            (")", ")"),
        ]);
        text.push_str(written);
        contents.push_str(meant);
    }
    text.push('"');
    shape.extend([format!("{contents:?}")]);
}

valk_harness::test! {
    fn written_trees_read_back() {
        let mut random = Random(3);
        for _ in 0..3000 {
            let (mut text, mut shapes) = (String::new(), Vec::new());
            for _ in 0..random.below(4) {
                text.push_str(blank(&mut random));
                let mut shape = String::new();
                write_form(&mut random, 5, &mut text, &mut shape);
                shapes.push(shape);
            }
            let reading = read(text.as_bytes());
            assert!(reading.error.is_none(), "{text:?}: {:?}", reading.error);
            let read: Vec<_> = reading.roots.iter().map(|&root| shape(&reading.tree, root)).collect();
            assert_eq!(read, shapes, "{text:?}");
            assert_well_formed(&reading.tree, text.as_bytes());
            assert_eq!(balance(text.as_bytes()), Balance::Complete);
        }
    }
}
